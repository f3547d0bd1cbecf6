"""Small drawings: curves as points of an SVG path, in a box of 100 wide whose height the template gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

Points = Sequence[tuple[float, float]]

WIDTH = 100.0


def path(points: Points, *, right: float | None = None, top: float | None = None, height: float = 20.0) -> str:
    """The points as a path, (0, 0) at the lower left; `right` and `top` are what reaches the edges, by default the
    largest of each. Empty for less than two points that can be drawn.
    """
    known = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    if len(known) < 2:
        return ""
    across = (max(x for x, _ in known) if right is None else right) or 1.0
    up = (max(y for _, y in known) if top is None else top) or 1.0
    drawn = ((min(max(x / across, 0.0), 1.0) * WIDTH, height - min(max(y / up, 0.0), 1.0) * height) for x, y in known)
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in drawn)


def rates(curve: Points) -> list[tuple[float, float]]:
    """From how far it was after how long to how quick it was until then: (seconds, items a second)."""
    pairs = pairwise(curve)
    steps = ((after, more - less, after - before) for (before, less), (after, more) in pairs)
    return [(at, max(done, 0.0) / seconds) for at, done, seconds in steps if seconds > 0]
