"""Rate and finish time from a task's curve."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progstore.insight.estimate import finish_time, mean_rate, smoothed_rate


@given(
    rate=st.floats(min_value=1e-3, max_value=1e6), gaps=st.lists(st.floats(min_value=0.01, max_value=100), min_size=1)
)
def test_a_steady_task_has_exactly_its_rate(rate: float, gaps: list[float]) -> None:
    """However unevenly its points lie."""
    elapsed, curve = 0.0, [(0.0, 0.0)]
    for gap in gaps:
        elapsed += gap
        curve.append((elapsed, rate * elapsed))
    assert smoothed_rate(curve[:-1], *curve[-1]) == pytest.approx(rate)


def test_a_task_that_slowed_down_is_believed_soon() -> None:
    """100 a second for 100 s, then 1 a second for 100 s: the estimate is near the present pace, not the mean."""
    curve = [(float(second), min(second, 100) * 100.0 + max(0, second - 100)) for second in range(0, 200, 5)]
    rate = smoothed_rate(curve, 200.0, 10_100.0)
    assert rate is not None
    assert 1 < rate < 20
    assert rate < 10_100 / 200


def test_one_slow_item_does_not_upset_a_long_run() -> None:
    """A pause of two seconds after a thousand steady ones changes the estimate by a few percent at most."""
    curve = [(float(second), second * 10.0) for second in range(0, 1000, 20)]
    assert smoothed_rate(curve, 1002.0, 10_000.0) == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize("curve", [[], [(0.0, 0.0)], [(5.0, 50.0)], [(0.0, 0.0), (20.0, 7.0), (-1.0, 3.0)]])
def test_a_curve_that_says_little_gives_the_mean(curve: list[tuple[float, float]]) -> None:
    """No points, one point, or points beyond what is known: what is left is done by now."""
    assert smoothed_rate(curve, 10.0, 100.0) == pytest.approx(10)


@pytest.mark.parametrize(("elapsed", "done"), [(0.0, 5.0), (10.0, 0.0), (10.0, -3.0)])
def test_where_nothing_moved_there_is_no_rate(elapsed: float, done: float) -> None:
    """No time, nothing done, or less than nothing."""
    assert smoothed_rate([(0.0, 0.0)], elapsed, done) is None
    assert mean_rate(done, elapsed) is None


def test_a_finished_run_has_its_mean() -> None:
    """Units a second over all of it; none where its time is not known."""
    assert mean_rate(100, 4.0) == 25
    assert mean_rate(100, None) is None


def test_the_finish_does_not_move_while_nothing_is_written() -> None:
    """It is reckoned from the last change, so a page that is read again shows the same."""
    assert finish_time(1000.0, 1001.0, 50, 100, 5.0) == 1010
    assert finish_time(1000.0, 1009.0, 50, 100, 5.0) == 1010


@pytest.mark.parametrize(
    ("now", "done", "total", "rate"),
    [(1011.0, 50, 100, 5.0), (1000.0, 50, None, 5.0), (1000.0, 50, 100, None), (1000.0, 1, 1e300, 1e-9)],
)
def test_what_nobody_can_know_is_not_told(now: float, done: float, total: float | None, rate: float | None) -> None:
    """Overdue, without a total, without a rate, or done only in centuries."""
    assert finish_time(1000.0, now, done, total, rate) is None


def test_more_done_than_there_was_is_finished_now() -> None:
    """Beyond its total nothing is left."""
    assert finish_time(1000.0, 1000.0, 120, 100, 5.0) == 1000
