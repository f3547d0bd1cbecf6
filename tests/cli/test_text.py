"""What people read on the command line: times, counts, cut and padded text."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progstore.cli import text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (-3.0, "0.00 s"),
        (0.4234, "0.42 s"),
        (9.994, "9.99 s"),
        (9.996, "10.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (245, "4 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7380, "2 h 03 min"),
        (273600, "3 d 04 h"),
        (1e8, "1,157 d 09 h"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float | None, words: str) -> None:
    """No unit overflows where it is rounded."""
    assert text.duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (200.0, "200"),
        (12.5, "12.5"),
        (1 / 3, "0.333"),
        (2.0**53, "9.0072e+15"),
        (1e300, "1e+300"),
        (-4.0, "-4"),
    ],
)
def test_a_count_is_whole_where_it_is_whole(value: float, words: str) -> None:
    """A double that is too large to be exact does not pretend to be."""
    assert text.count(value) == words


def test_items_say_what_is_known() -> None:
    """Without a total there is only what is done."""
    assert text.items(76, 200, "file") == "76/200 file"
    assert text.items(76.0, None, "file") == "76 file"
    assert text.items(76, 200) == "76/200"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_951, "1.0 MB"),
        (4_100_000_000, "4.1 GB"),
    ],
)
def test_a_size_is_said_in_decimal_units(number: int, words: str) -> None:
    """As `ls` and disks count."""
    assert text.size(number) == words


def test_nothing_from_a_store_steers_the_terminal() -> None:
    """Escape sequences, newlines, and what turns text around are shown, not obeyed."""
    assert text.one_line("a\x1b[2Jb\nc\td\x00\u202e\x9b") == "a\\x1b[2Jb c d\\x00\\u202e\\x9b"
    assert text.one_line("Größe 日本 👩\u200d💻") == "Größe 日本 👩\u200d💻"
    assert text.lines("one\n\ttwo\x1b[1m\r\nthree") == ["one", "        two\\x1b[1m", "three"]


@given(st.text())
def test_one_line_is_always_one_line(anything: str) -> None:
    """Whatever a job called its work."""
    shown = text.one_line(anything)
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown


@given(st.text(), st.integers(0, 40))
def test_cut_text_fits(anything: str, limit: int) -> None:
    """Wide characters count as two columns, combining ones as none."""
    assert text.width(text.cut(text.one_line(anything), limit)) <= limit


def test_text_is_cut_only_where_it_must_be() -> None:
    """A mark stands for what is missing."""
    assert text.cut("nightly import", 14) == "nightly import"
    assert text.cut("nightly import", 9) == "nightly…"
    assert text.cut("日本語日本語", 7) == "日本語…"
    assert text.cut("nightly import", 9, "..") == "nightly.."
    assert text.pad("日本", 6) == "日本  "
    assert text.pad("42", 5, right=True) == "   42"


def test_times_are_complete_for_programs_and_short_for_people() -> None:
    """A program gets the offset from UTC; a person needs no date for today."""
    now = time.time()
    assert text.local_time(now, full=True) == datetime.fromtimestamp(now, UTC).astimezone().isoformat(
        timespec="seconds"
    )
    assert text.local_time(now, full=False) == f"{datetime.fromtimestamp(now, UTC).astimezone():%H:%M:%S}"
    assert text.local_time(0, full=False).endswith(f"{datetime.fromtimestamp(0, UTC).astimezone():%H:%M}")
    assert text.utc_time(1.5) == "1970-01-01T00:00:01.500Z"
    assert text.local_time(None, full=True) == text.utc_time(None) == ""
    assert text.local_time(1e300, full=True) == text.utc_time(-1e300) == ""
