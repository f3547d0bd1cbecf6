"""How numbers, times and states are said on a terminal; whatever comes from a store is made harmless first."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from progstore import Life, SessionView, Status, TaskView
from progstore.wording import BYTES, duration, number, roughly, size


def reason(view: SessionView | TaskView) -> str:
    """Why it is thought not to go on: "lost since 14:07:05: process 14316 is gone"; empty where it does."""
    verdict = view.verdict
    if verdict is None or verdict.life is Life.ALIVE or view.status is not Status.RUNNING:
        return ""
    since = "" if verdict.since is None else f" since {clock(verdict.since)}"
    return one_line(f"{verdict.life}{since}: {verdict.reason}")


def counted(task: TaskView) -> str:
    """How far a task is: "31,207/50,000 file"; "5 file" where no total is known."""
    if not task.done and task.total is None:
        return ""
    if task.unit in BYTES:
        return size(task.done) + ("" if task.total is None else f"/{size(task.total)}")
    return f"{number(task.done)}{'' if task.total is None else f'/{number(task.total)}'} {one_line(task.unit)}".rstrip()


def percent(value: float | None, *, simulated: bool) -> str:
    """A percent, rounded down, for a hundred must mean that everything is done; "~" marks one drawn from the clock."""
    if value is None:
        return ""
    return f"{'~' if simulated else ''}{math.floor(min(max(value, 0.0), 100.0) + 1e-6)}%"


def rate(value: float | None, unit: str) -> str:
    """Units per second, "410 file/s"; where it is slow seconds for one, "4.2 s/file"."""
    if value is None or value <= 0 or math.isinf(1 / value):
        return ""
    if unit in BYTES:
        return f"{size(value)}/s"
    said = one_line(unit) or "item"
    return f"{duration(1 / value)}/{said}" if value < 0.5 else f"{roughly(value)} {said}/s"


def left(seconds: float) -> str:
    """An estimate, in its largest unit only, for more of it nobody knows: ~55 s, ~8 min, ~3 h, ~12 d."""
    for length, least, unit in ((86_400, 2 * 86_400, "d"), (3600, 2 * 3600, "h"), (60, 90, "min")):
        if seconds >= least:
            return f"~{seconds / length:,.0f} {unit}"
    return f"~{max(seconds, 0.0):.0f} s"


def clock(at: float) -> str:
    """A time (seconds UTC) in local time, with the date where it is not today's."""
    try:
        then = datetime.fromtimestamp(at, UTC).astimezone()
    except (OverflowError, ValueError, OSError):  # a clock gone wrong stored it
        return "an unknown time"
    return f"{then:%H:%M:%S}" if then.date() == datetime.now(UTC).astimezone().date() else f"{then:%Y-%m-%d %H:%M}"


def one_line(text: str) -> str:
    """`text` on one line, with whatever could steer a terminal written as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(letter) for letter in text)


def _shown(letter: str) -> str:
    if letter.isprintable():
        return letter
    return " " if letter.isspace() else letter.encode("unicode_escape", "surrogatepass").decode("ascii")
