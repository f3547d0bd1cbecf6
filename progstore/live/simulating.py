"""Begins a percent that is drawn from the clock: from where the task stands, towards an end."""

from __future__ import annotations

import time

from progstore import clean
from progstore.errors import BadValue
from progstore.live.state import TaskState
from progstore.live.views import percent_of


def simulate(state: TaskState, until: float, expect: float | None) -> None:
    """Let the task's percent rise towards `until` in `expect` seconds; as `Task.simulate` has it.

    Raises TypeError, BadValue; then nothing has changed.
    """
    end = min(100.0, max(0.0, float(clean.count(until, "until"))))
    seconds = None if expect is None else float(clean.count(expect, "expect"))
    if seconds is not None and seconds < 0:
        raise BadValue(f"expect must not be negative, got {expect!r}; use 0 where it is not known")
    start = percent_of(state)[0] or 0.0
    state.simulate_since = None  # while the curve changes there is none
    state.simulate_from, state.simulate_until, state.simulate_expected = start, end, seconds
    state.simulate_late_after, state.expects_history = None, expect is None
    state.simulate_since = time.time()
