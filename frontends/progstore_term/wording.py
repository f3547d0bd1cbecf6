"""How numbers, times and states are said on a terminal; whatever comes from a store is made harmless first."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import NamedTuple

from progstore import Life, SessionView, Status, TaskView


class Sign(NamedTuple):
    """How a state is marked: symbol, the symbol where only ASCII can be shown, colour. The word always stands by it."""

    symbol: str
    ascii: str
    colour: str


SIGNS = {
    Status.PENDING: Sign("○", "o", "bright_black"),
    Status.RUNNING: Sign("●", "*", "cyan"),
    Status.COMPLETE: Sign("✓", "+", "green"),
    Status.ERROR: Sign("✗", "x", "red"),
    Status.CANCELLED: Sign("⊘", "-", "yellow"),
    Life.STALE: Sign("◌", "~", "yellow"),
    Life.SUSPENDED: Sign("‖", "=", "yellow"),
    Life.LOST: Sign("†", "!", "red"),
    Life.UNREACHABLE: Sign("?", "?", "yellow"),
    Life.UNKNOWN: Sign("?", "?", "yellow"),
}
BYTES = frozenset({"B", "byte", "bytes"})
"""Units that are scaled: 1,200,000 B is said as 1.2 MB."""
_SCALES = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def state(view: SessionView | TaskView) -> Status | Life:
    """How it stands: its status, or the verdict where it runs no more as it should."""
    if view.status is Status.RUNNING and view.verdict is not None and view.verdict.life is not Life.ALIVE:
        return view.verdict.life
    return view.status


def reason(view: SessionView | TaskView) -> str:
    """Why it is thought not to go on: "lost since 14:07:05: process 14316 is gone"; empty where it does."""
    verdict = view.verdict
    if verdict is None or verdict.life is Life.ALIVE or view.status is not Status.RUNNING:
        return ""
    since = "" if verdict.since is None else f" since {clock(verdict.since)}"
    return one_line(f"{verdict.life}{since}: {verdict.reason}")


def failure(task: TaskView) -> str:
    """What a task failed of: "ValueError: row 7 has no date"; empty where it did not."""
    return one_line(": ".join(part for part in (task.error_type, task.error) if part))


def counted(task: TaskView) -> str:
    """How far a task is: "31,207/50,000 file"; "5 file" where no total is known."""
    if not task.done and task.total is None:
        return ""
    if task.unit in BYTES:
        return _bytes(task.done) + ("" if task.total is None else f"/{_bytes(task.total)}")
    return f"{number(task.done)}{'' if task.total is None else f'/{number(task.total)}'} {one_line(task.unit)}".rstrip()


def number(value: float) -> str:
    """A count with thousands separated: 31,207 or 0.25."""
    if abs(value) >= 1e15:
        return f"{value:.3g}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def percent(value: float | None, *, simulated: bool) -> str:
    """A percent, rounded down, for a hundred must mean that everything is done; "~" marks one drawn from the clock."""
    if value is None:
        return ""
    return f"{'~' if simulated else ''}{math.floor(min(max(value, 0.0), 100.0) + 1e-6)}%"


def rate(value: float | None, unit: str) -> str:
    """Units per second, "410 file/s"; where it is slow seconds for one, "4.2 s/file"."""
    if value is None or value <= 0:
        return ""
    if unit in BYTES:
        return f"{_bytes(value)}/s"
    said = one_line(unit) or "item"
    return f"{duration(1 / value)}/{said}" if value < 0.5 else f"{_short(value)} {said}/s"


def duration(seconds: float) -> str:
    """Seconds in their two largest units: 4.2 s, 12 s, 3 min 05 s, 2 h 03 min, 3 d 04 h."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400:,} d {whole % 86_400 // 3600:02} h"


def left(seconds: float) -> str:
    """An estimate, in its largest unit only, for more of it nobody knows: ~55 s, ~8 min, ~3 h, ~12 d."""
    for size, least, unit in ((86_400, 2 * 86_400, "d"), (3600, 2 * 3600, "h"), (60, 90, "min")):
        if seconds >= least:
            return f"~{seconds / size:,.0f} {unit}"
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


def _bytes(value: float) -> str:
    step = 0
    while abs(value) >= 1000 and step < len(_SCALES) - 1:
        value /= 1000
        step += 1
    return f"{number(value) if step == 0 else _short(value)} {_SCALES[step]}"


def _short(value: float) -> str:
    """Three digits are enough for what changes all the time."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}".rstrip("0").rstrip(".")
