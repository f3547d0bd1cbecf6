"""Percents that are drawn from the clock when they are read, where the work itself says nothing.

Two curves: the easing, which slows down towards its end, for work of unknown length; and the expected curve, for work
whose length is known from experience. Neither passes its end, and no thread ticks.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import cache

TICK = 0.15
"""Seconds of one step of the easing."""
PARKED = 85.0
"""Percent at which the easing rests until the work says that it is done."""
RUN_UP_TICK = 0.03
"""Seconds of one step of the run-up to 100 percent of a task that completed."""
RUN_UP_STEP = 3.0
"""Percent that one step of the run-up adds."""
NO_ESTIMATE = 0.0
"""As `expected`: draw the expected curve with no estimate; None draws the easing."""
TAU = 10.0
"""Seconds in which the expected curve without an estimate covers 63 percent of its span."""
MOST_DRAWN = 99.9
"""Percent at which everything drawn from the clock rests at the latest: only what is done is at 100."""
LATE = "late"
"""Said of what takes longer than nearly all of its past runs did."""
MESSAGES = ("Initializing...", "Processing...", "Analyzing...", "Generating...", "Finalizing...")
"""What the easing says, each for 20 percent."""

# Clock differences that fall short of a whole step only by rounding still count as one.
_ROUNDING = 1e-9
_LONGEST = 1e9


def eased_percent(elapsed: float, start: float = 0.0, until: float = PARKED) -> float:
    """The easing `elapsed` seconds after it set out from `start`, on its way to `until` (percents).

    Each tick adds max(0.5 (1 - p/85)^3, 0.03) to p, which rests at 85; for another `until` the curve is scaled, for
    another `start` entered where it has reached that.
    """
    scale = until / PARKED
    if until <= start or not scale:  # an end so close to 0 that no part of it can be told
        return start
    curve = _easing()
    entered = bisect_right(curve, start / scale) - 1
    tick = min(entered + _steps(elapsed, TICK), len(curve) - 1)
    return min(max(start, scale * curve[tick]), until)


def easing_message(percent: float) -> str:
    """What the easing says at `percent`."""
    return MESSAGES[min(max(int(percent // 20), 0), len(MESSAGES) - 1)]


def expected_percent(elapsed: float, start: float, until: float, expected: float | None) -> float:
    """The expected curve after `elapsed` seconds from `start` to `until` (percents).

    With `expected` seconds it is linear over the first 60 percent of span and time, then closes in on `until` without
    passing it; without, it covers 63 percent of what is left every 10 s.
    """
    if until <= start:
        return start
    span, elapsed = until - start, max(elapsed, 0.0)
    if not expected:
        return until - span * math.exp(-elapsed / TAU)
    if elapsed <= 0.6 * expected:
        return start + span * elapsed / expected
    return until - 0.4 * span * math.exp(-(elapsed - 0.6 * expected) / (0.4 * expected))


def percent_now(
    *,
    start: float,
    until: float,
    since: float,
    expected: float | None,
    now: float,
    late_after: float | None = None,
) -> tuple[float, bool]:
    """The simulated percent at `now`, and whether the work is late.

    It rests below 100, for only what is done is there. `since` and `now` are seconds UTC. `expected` seconds chooses
    the curve: None the easing, NO_ESTIMATE the expected curve without an estimate. Late is what takes more than
    `late_after` seconds; with None nothing is.
    """
    elapsed = now - since
    if expected is None:
        percent = eased_percent(elapsed, start, until)
    else:
        percent = expected_percent(elapsed, start, until, expected)
    return max(start, min(percent, MOST_DRAWN)), late_after is not None and elapsed > late_after


def drawn_message(said: str, percent: float, *, late: bool) -> str:
    """What is shown beside a percent that is drawn from the clock: what the work said, else what the easing says."""
    message = said or easing_message(percent)
    return f"{message} ({LATE})" if late else message


def completing_percent(percent: float, seconds_since_end: float) -> float:
    """The run-up of a task that completed at `percent`: 3 more each 0.03 s, up to 100.

    An end that lies in the future, by another host's clock, is over.
    """
    if seconds_since_end < 0:
        return 100.0
    return min(100.0, percent + RUN_UP_STEP * _steps(seconds_since_end, RUN_UP_TICK))


def _steps(elapsed: float, tick: float) -> int:
    return int(min(max(elapsed, 0.0), _LONGEST) / tick + _ROUNDING)


@cache
def _easing() -> tuple[float, ...]:
    """The easing's percent at each tick, until it rests."""
    curve = [0.0]
    while curve[-1] < PARKED:
        percent = curve[-1]
        curve.append(min(percent + max(0.5 * (1 - percent / PARKED) ** 3, 0.03), PARKED))
    return tuple(curve)
