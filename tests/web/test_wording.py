"""How numbers, times and states are said."""

from __future__ import annotations

import pytest

from progstore_web import wording


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (31207, "31,207"), (0.25, "0.25"), (1234.5, "1,234.5"), (-3, "-3"), (1e15, "1e+15"), (1e300, "1e+300")],
)
def test_counts_are_said_with_thousands_separated(value: float, said: str) -> None:
    """Whole where they are whole."""
    assert wording.number(value) == said


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (5, "file", "5 file"),
        (5, "", "5"),
        (999, "B", "999 B"),
        (1200, "B", "1.2 kB"),
        (4.5e9, "bytes", "4.5 GB"),
        (1e25, "B", "10,000,000 EB"),
    ],
)
def test_bytes_are_scaled_and_nothing_else(value: float, unit: str, said: str) -> None:
    """By thousands."""
    assert wording.amount(value, unit) == said


@pytest.mark.parametrize(
    ("value", "steps", "said"),
    [
        (None, None, ""),
        (99.999, 10, "99 %"),
        (99.99, 5000, "99.9 %"),
        (100, 5000, "100 %"),
        (30.0, 10, "30 %"),
        (28.999999999999996, 5000, "29.0 %"),
    ],
)
def test_percents_are_rounded_down(value: float | None, steps: float | None, said: str) -> None:
    """A hundred means that everything is done; a tenth is told where it moves."""
    assert wording.percent(value, steps=steps) == said


def test_a_percent_from_the_clock_is_marked() -> None:
    """It is a guess, and is said as one."""
    assert wording.percent(62.5, simulated=True) == "≈ 62 %"


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (None, "file", ""),
        (0, "file", ""),
        (410.2, "file", "410 file/s"),
        (12.34, "row", "12.3 row/s"),
        (0.2, "msg", "5.0 s/msg"),
        (0.001, "", "16 min 40 s/item"),
        (3.1e7, "B", "31.0 MB/s"),
        (2, "", "2 item/s"),
    ],
)
def test_rates_are_said_per_second_or_slow_ones_per_item(value: float | None, unit: str, said: str) -> None:
    """Whichever can be grasped."""
    assert wording.rate(value, unit) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""),
        (-1, "0.00 s"),
        (0.042, "0.04 s"),
        (4.2, "4.2 s"),
        (12.9, "12 s"),
        (192, "3 min 12 s"),
        (7500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations_are_said_in_two_units(seconds: float | None, said: str) -> None:
    """The largest that fit."""
    assert wording.duration(seconds) == said


def test_a_time_that_no_calendar_holds_does_not_break_the_page() -> None:
    """A clock gone wrong may have written it."""
    assert wording.iso(1e300) == "1970-01-01T00:00:00.000Z"
    assert wording.utc(0) == "1970-01-01 00:00:00 UTC"
