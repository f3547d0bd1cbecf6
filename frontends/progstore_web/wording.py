"""How numbers, times and states are said to people."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import NamedTuple

from progstore import Life, SessionView, Status, TaskView, wording
from progstore.wording import BYTES, amount, number, roughly, size


class State(NamedTuple):
    """One word for how it stands, and the tone it is shown in; the tone never stands alone."""

    word: str
    tone: str


TONES: dict[Status | Life, str] = {
    Status.PENDING: "idle",
    Status.RUNNING: "live",
    Status.COMPLETE: "good",
    Status.ERROR: "bad",
    Status.CANCELLED: "idle",
    Life.STALE: "warn",
    Life.SUSPENDED: "warn",
    Life.LOST: "bad",
    Life.UNREACHABLE: "warn",
    Life.UNKNOWN: "warn",
}
"""The tone of everything that `state` may give."""


def state(view: SessionView | TaskView) -> State:
    """How a session or task stands: what the reader concluded where its owner may be gone, else the stored status."""
    stands = wording.state(view)
    return State(str(stands), TONES[stands])


def counted(task: TaskView) -> str:
    """How far a task is: "31,207 / 50,000 file"; "5 / ∞" where the total is unknown while it runs."""
    if task.total is None and task.status.is_terminal:
        return amount(task.done, task.unit)
    if task.unit in BYTES:
        return f"{size(task.done)} / {'∞' if task.total is None else size(task.total)}"
    return f"{number(task.done)} / {'∞' if task.total is None else number(task.total)} {task.unit}".rstrip()


def percent(value: float | None, *, simulated: bool = False, steps: float | None = None) -> str:
    """A percent, rounded down, for a hundred must mean that everything is done.

    With a tenth where there are enough `steps` to see it move; "≈" marks one that is drawn from the clock.
    """
    if value is None:
        return ""
    tenths = math.floor(value * 10 + 1e-6) / 10
    said = f"{tenths:.1f}" if steps is not None and steps >= 1000 and tenths < 100 else f"{int(tenths)}"
    return f"{'≈ ' if simulated else ''}{said} %"


def rate(value: float | None, unit: str) -> str:
    """Units per second, "410 file/s"; where it is slow seconds for one, "4.2 s/file"."""
    if value is None or value <= 0 or math.isinf(1 / value):
        return ""
    if unit in BYTES:
        return f"{size(value)}/s"
    if value < 0.5:
        return f"{duration(1 / value)}/{unit or 'item'}"
    return f"{roughly(value)} {unit or 'item'}/s"


def duration(seconds: float | None) -> str:
    """Seconds as people say them: "0.04 s", "4.2 s", "12 s", "3 min 12 s", "2 h 5 min", "3 d 4 h", "forever"."""
    if seconds is None:
        return ""
    if not seconds < 1e15:
        return "forever"
    if seconds < 10:
        return f"{max(seconds, 0.0):.{2 if seconds < 0.995 else 1}f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def utc(at: float) -> str:
    """A time for who has no JavaScript: "2026-11-21 09:19:52 UTC"."""
    return f"{_datetime(at):%Y-%m-%d %H:%M:%S} UTC"


def iso(at: float) -> str:
    """A time for machines, with milliseconds."""
    return _datetime(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _datetime(at: float) -> datetime:
    try:
        return datetime.fromtimestamp(at, UTC)
    except (OverflowError, ValueError, OSError):
        # A time that no calendar holds was stored by a clock gone wrong; the page must still open.
        return datetime.fromtimestamp(0, UTC)
