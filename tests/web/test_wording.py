"""How numbers, times and states are said."""

from __future__ import annotations

import math

import pytest

from progstore_web import wording


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
        (1e-310, "file", ""),
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
        (math.inf, "forever"),
    ],
)
def test_durations_are_said_in_two_units(seconds: float | None, said: str) -> None:
    """The largest that fit."""
    assert wording.duration(seconds) == said


def test_a_time_that_no_calendar_holds_does_not_break_the_page() -> None:
    """A clock gone wrong may have written it."""
    assert wording.iso(1e300) == "1970-01-01T00:00:00.000Z"
    assert wording.utc(0) == "1970-01-01 00:00:00 UTC"
