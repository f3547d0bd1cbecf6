"""Percents that are drawn from the clock: the curves, where they begin and where they rest."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from progstore.insight.easing import (
    NO_ESTIMATE,
    TICK,
    completing_percent,
    eased_percent,
    easing_message,
    expected_percent,
    percent_now,
)

percents = st.floats(min_value=0, max_value=100)
seconds = st.floats(min_value=0, max_value=1e12)


@pytest.mark.parametrize(("ticks", "percent"), [(0, 0), (1, 0.5), (2, 0.9912), (3, 1.4739), (100, 27.4754)])
def test_the_easing_goes_in_ticks_of_150_milliseconds(ticks: int, percent: float) -> None:
    """Each tick adds half a percent at first, and less and less."""
    assert eased_percent(ticks * TICK) == pytest.approx(percent, abs=5e-5)


def test_between_two_ticks_the_easing_stands_still() -> None:
    """It is a staircase, as a thread that ticks would make it."""
    assert eased_percent(0.149) == 0
    assert eased_percent(0.299) == eased_percent(0.15)


def test_the_easing_rests_at_85_from_tick_1578() -> None:
    """One tick earlier it is not there yet, and a year later it is no further."""
    assert eased_percent(1577 * TICK) < 85
    assert eased_percent(1578 * TICK) == 85
    assert eased_percent(365 * 86_400) == 85


@given(elapsed=seconds, start=percents, until=percents)
@example(elapsed=0.0, start=0.0, until=5e-324)
def test_the_easing_stays_between_its_start_and_its_end(elapsed: float, start: float, until: float) -> None:
    """Also where it shall end before it begins: then it does not move."""
    percent = eased_percent(elapsed, start, until)
    assert start <= percent <= max(start, until)


@given(elapsed=st.floats(min_value=0, max_value=1000), more=st.floats(min_value=0, max_value=1000), start=percents)
def test_the_easing_never_goes_back(elapsed: float, more: float, start: float) -> None:
    """Later is never less."""
    assert eased_percent(elapsed + more, start, 95) >= eased_percent(elapsed, start, 95)


def test_the_easing_goes_on_from_where_the_work_stood() -> None:
    """From 40 it goes as slowly as it would have gone there by itself."""
    first = eased_percent(10 * TICK, start=40) - 40
    assert 0 < first < eased_percent(10 * TICK) / 3


def test_a_clock_that_was_set_back_draws_the_start() -> None:
    """A negative time counts as none."""
    assert eased_percent(-3600, 10, 80) == 10
    assert expected_percent(-3600, 10, 80, 60) == 10


@pytest.mark.parametrize(
    ("percent", "message"),
    [
        (0, "Initializing"),
        (19.9, "Initializing"),
        (20, "Processing"),
        (40, "Analyzing"),
        (60, "Generating"),
        (80, "Finalizing"),
        (100, "Finalizing"),
    ],
)
def test_each_fifth_has_its_message(percent: float, message: str) -> None:
    """What the easing says changes every 20 percent."""
    assert easing_message(percent) == f"{message}..."


@pytest.mark.parametrize(("elapsed", "percent"), [(0, 40), (1, 48.0), (3, 64.0), (4, 70.296), (7, 77.835)])
def test_with_an_estimate_the_curve_is_linear_and_then_closes_in(elapsed: float, percent: float) -> None:
    """40 to 80 in an expected 5 s: 60 percent of the way by 60 percent of the time."""
    assert expected_percent(elapsed, 40, 80, 5.0) == pytest.approx(percent, abs=5e-4)


@pytest.mark.parametrize(("elapsed", "percent"), [(10, 63.212), (20, 86.466)])
def test_without_an_estimate_the_curve_covers_63_percent_each_ten_seconds(elapsed: float, percent: float) -> None:
    """0 to 100 with no idea how long."""
    assert expected_percent(elapsed, 0, 100, None) == pytest.approx(percent, abs=5e-4)
    assert expected_percent(elapsed, 0, 100, NO_ESTIMATE) == pytest.approx(percent, abs=5e-4)


def test_a_short_estimate_never_passes_its_end() -> None:
    """0 to 50 in 120 ms, looked at long after."""
    assert all(expected_percent(0.03 * tick, 0, 50, 0.12) <= 50 for tick in range(1000))


@given(elapsed=seconds, start=percents, until=percents, expected=st.floats(min_value=1e-6, max_value=1e9))
def test_the_expected_curve_stays_between_its_start_and_its_end(
    elapsed: float, start: float, until: float, expected: float
) -> None:
    """Whatever is expected."""
    percent = expected_percent(elapsed, start, until, expected)
    assert start <= percent <= max(start, until)


def test_completing_takes_34_steps_from_nothing_to_a_hundred() -> None:
    """Three percent each 30 ms."""
    assert [completing_percent(0, step * 0.03) for step in (0, 1, 33, 34, 35)] == [0, 3, 99, 100, 100]
    assert completing_percent(98, 0.03) == 100


def test_an_end_by_a_clock_ahead_of_ours_is_over() -> None:
    """Nothing runs up for an hour because another host's clock is wrong."""
    assert completing_percent(0, -3600) == 100


def test_the_row_chooses_the_curve() -> None:
    """Seconds draw the expected curve, zero the one without an estimate, None the easing."""
    at = {"start": 0.0, "until": 80.0, "since": 1000.0, "now": 1003.0}
    assert percent_now(expected=5.0, **at)[0] == pytest.approx(48)
    assert percent_now(expected=NO_ESTIMATE, **at)[0] == pytest.approx(80 - 80 * math.exp(-0.3))
    assert percent_now(expected=None, **at)[0] == eased_percent(3.0, 0.0, 80.0)


def test_work_is_late_only_past_a_known_limit() -> None:
    """Without past runs nobody can say that it is late."""
    at = {"start": 0.0, "until": 80.0, "since": 1000.0, "expected": 5.0}
    assert not percent_now(now=2000.0, late_after=None, **at)[1]
    assert not percent_now(now=1009.0, late_after=9.0, **at)[1]
    assert percent_now(now=1009.5, late_after=9.0, **at)[1]
