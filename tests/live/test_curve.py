"""The curve of a task stays small, however long the task runs."""

from __future__ import annotations

import json
from itertools import pairwise

from progstore.live.curve import MOST_POINTS, Curve


def points(curve: Curve) -> list[tuple[float, float]]:
    """The points as they will be read."""
    return [(elapsed, done) for elapsed, done in json.loads(curve.as_json())]


def test_a_long_task_keeps_at_most_64_points_from_its_start_to_its_end() -> None:
    """Two days of ticks leave points that are spread over all of them."""
    curve = Curve()
    for tick in range(1, 345_600):
        curve.sample(tick * 0.5, float(tick * 3))
    curve.end(172_800.0, 1_036_800.0)
    kept = points(curve)
    assert len(kept) <= MOST_POINTS
    assert [kept[0], kept[-1]] == [(0, 0), (172_800, 1_036_800)]
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(kept)]
    assert max(gaps) < 172_800 / 10


def test_points_are_in_order_and_a_short_task_keeps_all_of_them() -> None:
    """Thinning begins only when there are too many."""
    curve = Curve()
    for tick in range(1, 20):
        curve.sample(tick * 0.5, tick / 2)
    assert points(curve) == [(0, 0), *((tick * 0.5, tick / 2) for tick in range(1, 20))]


def test_a_finished_curve_takes_less_than_a_kilobyte() -> None:
    """Even with large counts it fits the budget of a task on disk."""
    curve = Curve()
    for tick in range(1, 10_000):
        curve.sample(tick * 0.5, float(tick * 1_234))
    assert len(curve.as_json()) < 1_200
