"""How work is said to people, for whatever shows it: how it stands, counts and sizes, durations, what is nested where.

What a job said of itself is given as it is: each frontend escapes in the way of what it draws on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from progstore.values import Life, SessionView, Status, TaskView


class Lane(StrEnum):
    """Where a session stands on a board, as it is said above it."""

    ACTIVE = "Active"
    ATTENTION = "Needs attention"
    COMPLETED = "Completed"


class Sign(NamedTuple):
    """How a state is marked: symbol, the symbol where only ASCII can be shown, a terminal's colour. The word always
    stands by it.
    """

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
"""The sign of everything that `state` may give."""
ATTENTION_SECONDS = 24 * 3600.0
"""How long an error needs attention; later it is one of the completed sessions."""
BYTES = frozenset({"B", "byte", "bytes"})
"""Units that are scaled: 1,200,000 B is said as 1.2 MB."""
_SCALES = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def state(view: SessionView | TaskView) -> Status | Life:
    """How it stands: its status, or the verdict where it runs no more as it should. As a text it is the word for it."""
    if view.status is Status.RUNNING and view.verdict is not None and view.verdict.life is not Life.ALIVE:
        return view.verdict.life
    return view.status


def lane(session: SessionView, now: float) -> Lane:
    """Where it stands at `now` (seconds UTC): what goes on as it should or has yet to begin is active; what is over has
    completed, unless it is a new error.
    """
    if session.is_over:
        # A declared session has no end of its own.
        is_news = (session.ended_at or session.started_at or 0.0) > now - ATTENTION_SECONDS
        return Lane.ATTENTION if is_news and session.status is Status.ERROR else Lane.COMPLETED
    stands = state(session)
    return Lane.ATTENTION if isinstance(stands, Life) or stands is Status.ERROR else Lane.ACTIVE


def running_first(sessions: Iterable[SessionView]) -> list[SessionView]:
    """Each of them once, as it was read last: the newest first, and what has yet to begin after all that has."""

    def urgency(session: SessionView) -> tuple[bool, float, int]:
        return session.status is not Status.PENDING, session.started_at or 0.0, session.id

    return sorted({session.id: session for session in sessions}.values(), key=urgency, reverse=True)


def tally(sessions: Iterable[SessionView]) -> dict[Status | Life, str]:
    """How many of them stand how, in words: "2 running", "3 pending", "2 errors"; what comes first is said first."""
    counts = Counter(map(state, sessions))
    return {
        stands: f"{count:,} {'errors' if stands is Status.ERROR and count > 1 else stands}"
        for stands, count in counts.items()
    }


def clock_error(session: SessionView) -> str:
    """How wrong the clock of its host is: "5 min 02 s ahead"; empty where it is right."""
    offset = session.wrong_clock
    return "" if offset is None else f"{duration(abs(offset))} {'ahead' if offset > 0 else 'behind'}"


def failure(task: TaskView) -> str:
    """What a task failed of: "ValueError: row 7 has no date"; empty where it did not."""
    return ": ".join(part for part in (task.error_type, task.error) if part)


def number(value: float) -> str:
    """A count with thousands separated and at most two decimals: 31,207 or 0.25."""
    if abs(value) >= 1e15:
        return f"{value:.3g}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def amount(value: float, unit: str) -> str:
    """A count with its unit: "31,207 file", "1.2 MB"."""
    return size(value) if unit in BYTES else f"{number(value)} {unit}".rstrip()


def size(value: float) -> str:
    """Bytes, scaled by thousands: 812 B, 1.2 MB."""
    step = 0
    while abs(value) >= 1000 and step < len(_SCALES) - 1:
        value /= 1000
        step += 1
    return f"{number(value) if step == 0 else roughly(value)} {_SCALES[step]}"


def roughly(value: float) -> str:
    """Three digits, which are enough for what changes all the time: 1,204, 12.3 or 0.25."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}".rstrip("0").rstrip(".")


def duration(seconds: float) -> str:
    """Seconds in their two largest units: 4.2 s, 12 s, 3 min 05 s, 2 h 03 min, 3 d 04 h; else "forever"."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    if not seconds < 1e15:
        return "forever"
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400:,} d {whole % 86_400 // 3600:02} h"


def newest_attempts(tasks: Iterable[TaskView]) -> list[TaskView]:
    """Of each key only the newest attempt, each task once and as it was read last, in order of id."""
    newest: dict[tuple[int, str], TaskView] = {}
    for task in tasks:
        known = newest.get((task.session_id, task.key))
        if known is None or (task.attempt, task.id) >= (known.attempt, known.id):
            newest[task.session_id, task.key] = task
    return sorted(newest.values(), key=lambda task: task.id)


def tree(tasks: Iterable[TaskView]) -> list[tuple[TaskView, int]]:
    """Each task below the one it is nested in, in order of id, with its depth; a missing parent makes a root."""
    given = {task.id: task for task in sorted(tasks, key=lambda task: task.id)}
    below: dict[int | None, list[TaskView]] = {}
    for task in given.values():
        below.setdefault(task.parent_id if task.parent_id in given else None, []).append(task)
    placed: dict[int, tuple[TaskView, int]] = {}
    waiting = [(task, 0) for task in reversed(below.get(None, []))]
    while waiting:
        task, depth = waiting.pop()
        placed[task.id] = (task, depth)
        waiting.extend((nested, depth + 1) for nested in reversed(below.get(task.id, [])))
    # What another program wrote may name one another in a circle, to which no root leads.
    return [*placed.values(), *((task, 0) for task in given.values() if task.id not in placed)]
