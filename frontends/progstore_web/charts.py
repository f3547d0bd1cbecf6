"""Small drawings: curves as points of an SVG path, axes with round steps, and spans of time side by side.

Curves are drawn in a box of 100 wide whose height the template gives; what stands on a time axis is in percent of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

Points = Sequence[tuple[float, float]]

WIDTH = 100.0
NARROWEST = 0.3
"""Percent of the axis that a span takes at least, lest it cannot be seen."""
SMALLEST = 1e-300
"""A count that still has an axis of its own; near the smallest floats a step of one would be 0."""
_SECONDS = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14_400,
    21_600,
    43_200,
    86_400,
)


class Axis(NamedTuple):
    """An axis from 0 to `end` in so many equal `steps`."""

    end: float
    steps: int

    @property
    def marks(self) -> list[float]:
        """The value at the beginning of each step."""
        return [self.end * step / self.steps for step in range(self.steps)]


class Place(NamedTuple):
    """Where a span stands on a time axis, in percent of it."""

    x: float
    width: float

    @property
    def end(self) -> float:
        """Where it ends."""
        return round(self.x + self.width, 3)


def path(points: Points, *, right: float | None = None, top: float | None = None, height: float = 20.0) -> str:
    """The points as a path, (0, 0) at the lower left; `right` and `top` are what reaches the edges, by default the
    largest of each. Empty for less than two points that can be drawn.
    """
    known = finite(points)
    if len(known) < 2:
        return ""
    across = (max(x for x, _ in known) if right is None else right) or 1.0
    up = (max(y for _, y in known) if top is None else top) or 1.0
    drawn = ((min(max(x / across, 0.0), 1.0) * WIDTH, height - min(max(y / up, 0.0), 1.0) * height) for x, y in known)
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in drawn)


def finite(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that can be drawn."""
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def rates(curve: Points) -> list[tuple[float, float]]:
    """From how far it was after how long to how quick it was until then: (seconds, items a second)."""
    pairs = pairwise(curve)
    steps = ((after, more - less, after - before) for (before, less), (after, more) in pairs)
    return [(at, max(done, 0.0) / seconds) for at, done, seconds in steps if seconds > 0]


def count_axis(largest: float) -> Axis:
    """An axis for counts up to `largest`, in three to five round steps."""
    if not SMALLEST < largest < math.inf:
        return Axis(1.0, 2)
    scale = 10.0 ** math.floor(math.log10(largest / 5))
    return _stepped(largest, (scale, 2 * scale, 2.5 * scale, 5 * scale, 10 * scale))


def time_axis(longest: float) -> Axis:
    """An axis for seconds up to `longest`, in steps that clocks have."""
    if not 0 < longest < math.inf:
        return Axis(1.0, 2)
    if longest <= _SECONDS[-1] * 5:
        return _stepped(longest, _SECONDS)
    scale = 86_400 * 10.0 ** max(0, math.floor(math.log10(longest / 86_400 / 5)))
    return _stepped(longest, (scale, 2 * scale, 5 * scale, 10 * scale))


def place(start: float, end: float, first: float, last: float) -> Place:
    """The span from `start` to `end` on an axis from `first` to `last`; what lies outside is cut off."""
    whole = last - first
    if not whole > 0:
        return Place(0.0, 100.0)
    left = min(max((start - first) / whole * 100, 0.0), 100.0 - NARROWEST)
    right = min(max((end - first) / whole * 100, left + NARROWEST), 100.0)
    return Place(round(left, 3), round(right - left, 3))


def rows_of_places(places: Sequence[Place], most: int) -> list[int | None]:
    """For each place the row in which it overlaps no other, from 0; None where `most` rows are not enough."""
    ends: list[float] = []
    rows: dict[int, int | None] = {}
    for number in sorted(range(len(places)), key=lambda each: places[each].x):
        here = places[number]
        row = next((row for row, end in enumerate(ends) if end <= here.x), None)
        if row is not None:
            ends[row] = here.end
        elif len(ends) < most:
            row = len(ends)
            ends.append(here.end)
        rows[number] = row
    return [rows[number] for number in range(len(places))]


def reached(points: Points, after: float) -> float | None:
    """How much was done after so many seconds, between the points around that; None where there are none.

    Never more than the next point has: what is not known to have been done is not said to have been.
    """
    known = sorted(finite(points))
    for (before, less), (then, more) in pairwise(known):
        if before <= after <= then:
            part = (after - before) / (then - before) if then > before else 1.0
            return min(less + (more - less) * part, max(less, more))
    return None


def _stepped(largest: float, sizes: Sequence[float]) -> Axis:
    size = next((each for each in sizes if largest / each <= 5.0001), sizes[-1])
    steps = max(1, math.ceil(largest / size - 1e-9))
    return Axis(size * steps, steps)
