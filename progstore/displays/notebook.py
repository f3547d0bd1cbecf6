"""Bars in a notebook: one piece of HTML for each outermost task and what is nested in it, kept up to date in its cell.

It needs neither widgets nor scripts: the kernel replaces the HTML by its display id, which notebooks have for that.
"""

from __future__ import annotations

import time
from typing import Any, Final

from progstore.displays.choice import NOTEBOOK
from progstore.displays.wording import ending, is_estimate, message_of, percent_of, side_counts, tidy
from progstore.markup import MOST_LINES, Line, as_html, as_text, counted
from progstore.wording import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from progstore.displays import Shown

FRAME: Final = 0.25
"""Seconds between two versions of one piece."""
STILL: Final = 1.0
"""The same where only the clock has moved."""


class NotebookBars:
    """The display `notebook`. What is nested goes when it has ended, unless it ended by an error."""

    def __init__(self) -> None:
        self._blocks: dict[Shown, _Block] = {}

    def open(self, subject: Shown) -> None:
        """Add a line to the piece of the task around it; an outermost task gets a piece of its own, in its cell."""
        if subject in self._blocks:
            return
        outermost, around = subject, subject.parent
        while around is not None:
            # What has not been drawn yet is shown first where something in it is.
            if around in self._blocks or getattr(around.display, "name", None) == NOTEBOOK:
                outermost = around
            around = around.parent
        if outermost not in self._blocks:
            self._blocks[outermost] = _Block(outermost)
        if subject is not outermost:
            self._blocks[subject] = self._blocks[outermost]
            self._blocks[subject].add(subject)

    def draw(self, subject: Shown) -> None:
        """Bring the piece up to date where it is due."""
        self._blocks[subject].draw()

    def close(self, subject: Shown) -> None:
        """The final state of an outermost task stays; a nested one is taken out with the next version."""
        block = self._blocks.pop(subject)
        if subject is block.outermost:
            block.draw(at_once=True)
        elif subject.status != "error":
            block.subjects.remove(subject)


class _Block:
    """The piece of HTML of one outermost task."""

    def __init__(self, outermost: Shown) -> None:
        from IPython.display import DisplayHandle  # there is a kernel, so it is there

        self.outermost = outermost
        self.subjects = [outermost]
        self._look: object = None
        self._drawn_at = time.monotonic()
        handle: Any = DisplayHandle()  # type: ignore[no-untyped-call]  # IPython has no types here
        self._handle = handle
        self._handle.display(self._bundle(), raw=True)

    def add(self, subject: Shown) -> None:
        """Show a nested task below what it is nested in and those that began before it."""
        place = next((at for at, each in enumerate(self.subjects) if each is subject.parent), 0) + 1
        while place < len(self.subjects) and _depth(self.subjects[place]) >= _depth(subject):
            place += 1
        self.subjects.insert(place, subject)

    def draw(self, *, at_once: bool = False) -> None:
        """Replace the piece where it has changed, or a second has passed."""
        now = time.monotonic()
        if now - self._drawn_at < FRAME and not at_once:
            return
        look = [(each.done, each.total, percent_of(each), message_of(each), each.status) for each in self.subjects]
        if look != self._look or now - self._drawn_at >= STILL or at_once:
            self._look, self._drawn_at = look, now
            self._handle.update(self._bundle(), raw=True)

    def _bundle(self) -> dict[str, str]:
        base = _depth(self.outermost)
        lines = [_line(each, _depth(each) - base) for each in self.subjects[:MOST_LINES]]
        more = len(self.subjects) - len(lines)
        footer = f"… {more:,} more" if more else ""
        return {"text/html": as_html(lines, footer), "text/plain": as_text(lines, footer)}


def _depth(subject: Shown) -> int:
    depth, around = 0, subject.parent
    while around is not None:
        depth, around = depth + 1, around.parent
    return depth


def _line(subject: Shown, depth: int) -> Line:
    percent, said = percent_of(subject), percent_of(subject) is not None
    done, total = subject.done, subject.total
    if percent is None and total:
        percent = min(100.0, max(0.0, 100.0 * done / total))
    if percent is None and subject.status == "complete":
        percent = 100.0
    words = side_counts(subject)
    if subject.status in ("error", "cancelled"):
        words.append(ending(subject).removeprefix("cancelled: "))
    elif message := message_of(subject):
        words.append(message)
    return Line(
        name=subject.name,
        state=subject.status,
        percent=percent,
        simulated=is_estimate(subject),
        counts="" if said else counted(tidy(done), total, subject.unit),
        time=_time(subject),
        words=", ".join(words),
        depth=depth,
    )


def _time(subject: Shown) -> str:
    took, done, total = duration(subject.elapsed), subject.done, subject.total
    if not subject.is_live or percent_of(subject) is not None or total is None or not 0 < done < total:
        return took
    return f"{took}, about {duration(subject.elapsed / done * (total - done))} left"
