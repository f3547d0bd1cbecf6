"""Plain lines to the `progstore` logger, where there is no terminal: one per 10 percent or 30 seconds, one at the end.

Nested tasks are quieter: they get a line each 30 seconds, and their end one if they had any.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from progstore.displays.choice import is_nested
from progstore.displays.wording import count, ending, is_estimate, message_of, one_line, percent_of, side_counts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from progstore.displays import Shown

STEP: Final = 10
"""Percents between two lines."""
PAUSE: Final = 30.0
"""Seconds between two lines at the most."""

log = logging.getLogger("progstore")


class Lines:
    """The display `log`."""

    def __init__(self) -> None:
        self._said: dict[Shown, _Said] = {}

    def open(self, subject: Shown) -> None:
        """Nothing is said before there is something to say."""
        self._said[subject] = _Said(_step(subject), is_nested=is_nested(subject))

    def draw(self, subject: Shown) -> None:
        """Say how far it is, where a line is due."""
        said = self._said[subject]
        step, now = _step(subject), time.monotonic()
        if now - said.at < PAUSE and (step <= said.step or said.is_nested):
            return
        said.step, said.at, said.lines = step, now, said.lines + 1
        log.info("%s", _progress(subject))

    def close(self, subject: Shown) -> None:
        """Say how it ended."""
        said = self._said.pop(subject)
        if said.lines or subject.status == "error" or not said.is_nested:
            log.info("%s", _end(subject))


class _Said:
    """What was said of a task so far."""

    def __init__(self, step: int, *, is_nested: bool) -> None:
        self.step = step
        self.is_nested = is_nested
        self.at = time.monotonic()
        self.lines = 0


def _step(subject: Shown) -> int:
    return int((_percent(subject) or 0) // STEP)


def _percent(subject: Shown) -> float | None:
    percent = percent_of(subject)
    if percent is None and subject.total:
        percent = min(100.0, 100 * subject.done / subject.total)
    return percent


def _progress(subject: Shown) -> str:
    percent = _percent(subject)
    parts = [] if percent is None else [f"{'about ' if is_estimate(subject) else ''}{int(percent)} %"]
    if percent_of(subject) is None:
        parts.append(_counts(subject))
        if subject.done > 0 and subject.total is not None and subject.total > subject.done:
            left = subject.elapsed / subject.done * (subject.total - subject.done)
            parts.append(f"about {_duration(left)} left")
    return _line(subject, [*parts, *side_counts(subject), message_of(subject)])


def _end(subject: Shown) -> str:
    if subject.is_live:
        return _progress(subject)
    took = f"in {_duration(subject.elapsed)}"
    parts = [ending(subject), f"{_counts(subject)} {took}" if subject.done or subject.total else took]
    parts += side_counts(subject)
    return _line(subject, [*parts, message_of(subject) if subject.status == "complete" else ""])


def _line(subject: Shown, parts: list[str]) -> str:
    return f"{one_line(subject.name)}: {', '.join(part for part in parts if part)}"


def _counts(subject: Shown) -> str:
    of = "" if subject.total is None else f" of {count(subject.total)}"
    return f"{count(subject.done)}{of} {one_line(subject.unit)}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"
