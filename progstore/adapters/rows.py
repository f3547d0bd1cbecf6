"""One row of rich's progress as a task: how it stands is looked up in rich's own record of it."""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

from rich.errors import MarkupError
from rich.text import Text

from progstore import clean
from progstore.adapters.calling import caller, name_after
from progstore.errors import BadValue
from progstore.live import context
from progstore.live.exits import remember_left
from progstore.live.task import Task
from progstore.live.tracking import track

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.progress import Task as Row

SETTLED: Final = 2.0
"""Seconds after which a row that is finished is over; before, its total may well be raised again."""


class RecordedRow:
    """One row of rich's, and the task that it is recorded as."""

    def __init__(self, row: Row, unit: str) -> None:
        self._row = row
        name = _plain(row.description) or name_after(caller())
        self._task: Task[Any] = track(name=name, total=_total(row.total), unit=unit, bar=False)
        self._task.state.counter = Follower(row, self._task)

    def enter_loop(self) -> None:
        """From here on it is the innermost task; a loop over a row that has ended is a new attempt."""
        self.go_on("complete", "cancelled", "error")
        state = self._task.state
        frame = caller()
        state.frame = (id(frame), frame.f_code)
        context.enter(state)

    def go_on(self, *ended: str) -> None:
        """Where it has `ended` so, but rich goes on with the row, that is a new attempt."""
        if self._task.status in ended and not self._row.finished:
            self._task = Task(None, self._task.state.successor(), bar=False)
            self._task.state.total = _total(self._row.total)
            self._task.begin()
            self._task.state.counter = Follower(self._row, self._task)

    def leave(self, error: BaseException) -> None:
        """An exception ends it, unless all is done."""
        state = self._task.state
        if state.ended_at is not None or self._row.finished:
            return
        if isinstance(error, GeneratorExit):
            state.left_early = True
            remember_left(state)
        self._task.__exit__(type(error), error, error.__traceback__)

    def close(self) -> bool:
        """It ends as it stands: complete if all is done or no total is known, else left early. Whether it was live."""
        if self._task.state.ended_at is not None:
            return False
        self._task.state.stop_counting(exhausted=False)  # which takes over what the row says last
        self._task.close()
        return True


class Follower:
    """The counter of a task that is a row of rich's; whatever the row holds, no error comes of looking."""

    def __init__(self, row: Row, task: Task[Any]) -> None:
        self._row = row
        self._task = task
        self._last: float = 0
        self._total: object = row.total
        self._description: object = row.description
        self._finished_clock: float | None = None

    def done(self) -> float:
        """What the row counts. One that has been finished for a while ends here, for rich never says so."""
        self._look()
        now = monotonic()
        if not self._row.finished:
            self._finished_clock = None
        elif self._finished_clock is None:
            self._finished_clock = now
        elif now - self._finished_clock >= SETTLED and self._task.state.ended_at is None:
            state = self._task.state
            state.duration = self._finished_clock - (state.started_clock or 0)
            self._task.complete()
        return self._last

    def final(self, exhausted: bool) -> float:  # noqa: ARG002  # a counter is asked so
        """What the row counted at the end."""
        self._look()
        return self._last

    def _look(self) -> None:
        """Take over what was changed in the row, and only that: the task may have been told other things."""
        row, state = self._row, self._task.state
        if row.total is not self._total:
            self._total = row.total
            state.total, state.total_source = _total(row.total), "given"
        if row.description is not self._description:
            self._description = row.description
            said = _plain(row.description)
            state.message = "" if said == state.name else said
        try:
            self._last = clean.count(row.completed, "completed")
        except (TypeError, BadValue):  # it is no number now, but may be one later
            return


def _plain(description: object) -> str:
    """A description without its markup."""
    text = str(description)
    try:
        text = Text.from_markup(text).plain
    except MarkupError:
        return clean.text(text.strip(), "a description")
    return clean.text(text.strip().removesuffix(":").strip(), "a description")


def _total(value: object) -> float | None:
    """A total of rich's, which may be anything; None for what cannot be one."""
    try:
        return clean.total(value)
    except (TypeError, BadValue):
        return None
