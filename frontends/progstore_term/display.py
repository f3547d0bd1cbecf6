"""The display `rich`: one block of bars that rich keeps at the bottom of the terminal."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

if TYPE_CHECKING:
    from progstore.displays import Shown

FRAME = 0.09
"""Seconds between two drawings of the block; a little less than from one call to the next."""


class RichDisplay:
    """Draws tasks by rich. The bars of outermost tasks stay when they have ended; nested ones go, but for an error.

    What is simulated pulses, for its percent is only a guess.
    """

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._rows: dict[Shown, TaskID] = {}
        self._nested: set[Shown] = set()
        self._drawn_at = 0.0

    def open(self, subject: Shown) -> None:
        """Add a bar; the first one starts the block."""
        if self._progress is None:
            self._progress = _block()
            self._progress.start()
        if subject.parent in self._rows:
            self._nested.add(subject)
        self._rows[subject] = self._progress.add_task(**_fields(subject))

    def draw(self, subject: Shown) -> None:
        """Bring the bar up to date; the block is drawn once per frame, however many bars it has."""
        if self._progress is None:
            return
        self._progress.update(self._rows[subject], **_fields(subject))
        now = time.monotonic()
        if now - self._drawn_at >= FRAME:
            self._drawn_at = now
            self._progress.refresh()

    def close(self, subject: Shown) -> None:
        """Show the final state; with the last bar the block is left as it stands."""
        if self._progress is None:
            return
        row = self._rows.pop(subject)
        self._progress.update(row, **_fields(subject))
        if subject in self._nested and subject.status != "error":
            self._progress.remove_task(row)
        self._nested.discard(subject)
        if self._rows:
            self._progress.refresh()
        else:
            self._progress.stop()
            self._progress = None


def _block() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[percent]}", markup=False, justify="right"),
        TextColumn("{task.fields[counts]}", markup=False),
        TextColumn("{task.fields[elapsed]}", markup=False, style="cyan"),
        TextColumn("{task.fields[words]}", markup=False, style="dim"),
        console=Console(stderr=True),
        auto_refresh=False,
    )


def _fields(subject: Shown) -> dict[str, Any]:
    """What rich is told of the task's row."""
    done, total = _bar(subject)
    return {
        "description": _plain(subject.name),
        "completed": done,
        "total": total,
        "percent": "" if total is None else f"{_percent(done, total)}%",
        "counts": _counts(subject),
        "elapsed": str(timedelta(seconds=int(subject.elapsed))),
        "words": _words(subject),
    }


def _bar(subject: Shown) -> tuple[float, float | None]:
    """How much of the bar is full, and of how much; None where it pulses."""
    if subject.percent is None and subject.simulate_since is None:
        ended = subject.total is None and not subject.is_live
        return subject.done, subject.done if ended else subject.total
    if subject.status == "complete":
        return 100.0, 100.0
    return (0.0, None) if subject.percent is None else (subject.percent, 100.0)


def _percent(done: float, total: float) -> int:
    """Rounded down, for a hundred must mean that everything is done."""
    return int(max(0.0, min(100.0, 100 * done / total))) if total else 100


def _counts(subject: Shown) -> str:
    if subject.percent is not None or subject.simulate_since is not None:
        return ""
    total = "" if subject.total is None else f"/{subject.total:,.10g}"
    return f"{subject.done:,.10g}{total} {_plain(subject.unit)}"


def _words(subject: Shown) -> str:
    failed = f"{subject.failed:,.10g} failed" if subject.failed else ""
    ending = subject.status if subject.status in ("error", "cancelled") else ""
    said = subject.error if subject.status == "error" and subject.error else subject.message
    return _plain(", ".join(part for part in (failed, ending, said) if part))


def _plain(text: str) -> str:
    """`text` on one line, without what could steer the terminal."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())
