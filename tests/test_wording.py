"""The words that all frontends share."""

from __future__ import annotations

import math

import pytest

from progstore import Life, Status, wording


def test_every_way_to_stand_has_a_sign() -> None:
    """And where only ASCII can be shown that is ASCII."""
    assert set(wording.SIGNS) == {*Status, *Life} - {Life.ALIVE}
    assert all(sign.ascii.isascii() for sign in wording.SIGNS.values())


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


@pytest.mark.parametrize(("value", "said"), [(1204.4, "1,204"), (12.34, "12.3"), (0.256, "0.26"), (2, "2")])
def test_what_changes_all_the_time_is_said_roughly(value: float, said: str) -> None:
    """In three digits."""
    assert wording.roughly(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0.0 s"),
        (4.2, "4.2 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7380, "2 h 03 min"),
        (273_600, "3 d 04 h"),
        (1e8, "1,157 d 09 h"),
        (math.inf, "forever"),
    ],
)
def test_durations_are_said_in_two_units(seconds: float, said: str) -> None:
    """The largest that fit."""
    assert wording.duration(seconds) == said
