"""How fast a task goes and when it will be done, from the curve of its present attempt.

The rate is an exponentially weighted mean, as tqdm's smoothing is, in the form that holds for points of uneven spacing:
each piece of the curve counts with exp(-age / tau), where age is the time from the piece's middle to the last point and
tau a quarter of the time so far, but at least ten seconds. The rate is the weighted sum of what was done over the
weighted sum of the time taken, so a steady task gets exactly its mean and one that changed pace follows within tau.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

SHORTEST_MEMORY = 10.0
"""Seconds; tau is never shorter."""
MEMORY = 0.25
"""Tau as a part of the time so far."""
FARTHEST = 100 * 365 * 86_400.0
"""Seconds; who would be done only after that has no finish time."""

Point = tuple[float, float]
"""Elapsed seconds, and what was done by then."""


def smoothed_rate(curve: Sequence[Point], elapsed: float, done: float) -> float | None:
    """Units a second after `elapsed` seconds with `done` done; None while nothing moved.

    `curve` holds earlier points in order of time; what does not go forward in time is left out.
    """
    points = [(at, reached) for at, reached in curve if 0 <= at < elapsed]
    if not points or points[0][0] > 0:
        points.insert(0, (0.0, 0.0))
    points.append((elapsed, done))
    tau = max(SHORTEST_MEMORY, MEMORY * elapsed)
    weighted_done = weighted_time = 0.0
    for (start, before), (end, after) in itertools.pairwise(points):
        weight = math.exp(-(elapsed - (start + end) / 2) / tau)
        weighted_done += weight * (after - before)
        weighted_time += weight * (end - start)
    return mean_rate(weighted_done, weighted_time)


def mean_rate(done: float, seconds: float | None) -> float | None:
    """Units a second over a whole run; None where no time was taken or nothing done."""
    rate = done / seconds if seconds and seconds > 0 and done > 0 else 0.0
    return rate if 0 < rate < math.inf else None


def finish_time(updated_at: float, now: float, done: float, total: float | None, rate: float | None) -> float | None:
    """When the task will be done (seconds UTC), as it looked at its last change; None where nobody can know it.

    It does not move while nothing is written; once it has passed there is none, for the task is later than it looked.
    """
    if total is None or not rate:
        return None
    left = max(0.0, total - done) / rate
    return updated_at + left if left < FARTHEST and updated_at + left >= now else None
