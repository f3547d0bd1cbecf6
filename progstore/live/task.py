"""The live task: what a job's code holds while it works."""

from __future__ import annotations

import sys

from progstore import clean, config, displays
from progstore.live import context
from progstore.live.counting import counted
from progstore.live.exits import remember_left
from progstore.live.generic import Item, Of
from progstore.live.reasons import STOP_REQUESTED, interruption, is_stopped, why_left
from progstore.live.recorder import recorder
from progstore.live.state import SessionState, TaskState
from progstore.live.stopping import STOPPABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Any, Self

NOWHERE = SessionState("", "ambient", store=None)


def current() -> Task[Any]:
    """The innermost live task of this thread or asyncio task; where there is none, one that does nothing."""
    state = context.innermost()
    return Task.of(state) if state is not None else Task.nothing()


class Task(Of[Item]):
    """One piece of work. Iterate it, use it in a `with` block, or call its methods; made by `track()`.

    Exhausting the loop completes it; leaving the loop early without an explanation cancels it; an exception that leaves
    the `with` block, or ends the program, makes it an error.
    """

    def __init__(self, iterable: Iterable[Item] | None, state: TaskState, bar: bool | str) -> None:
        self._iterable = iterable
        self._state = state
        self._bar = bar
        self._in_block = False

    @classmethod
    def of(cls, state: TaskState) -> Task[Any]:
        """A handle of a task that lives already; letting it go ends nothing."""
        task = cls(None, state, bar=False)
        task._in_block = True  # whoever began it ends it
        return task

    @classmethod
    def nothing(cls) -> Task[Any]:
        """A task that is counted nowhere, so that code need not ask whether it is tracked."""
        return cls.of(TaskState(NOWHERE, "", record=False, interval=config.DEFAULT_INTERVAL))

    def begin(self) -> None:
        """Let the recorder and the display know; `track()` has done so already."""
        state = self._state
        if state.parent is not None and not state.parent.nest(state.name):
            state.record = False
        state.begin()
        recorder.begin(state)
        displays.begin(state, self._bar)

    def listen(self) -> None:
        """From here on it ends when its session is asked to stop, and everybody may know."""
        state = self._state
        if not state.is_live:
            return
        state.stoppable = True
        if state.record and not state.inert:
            state.keep(STOPPABLE, "true")
            state.session.listens = True
            recorder.hurry()

    # What a job says

    def update(self, n: float = 1) -> None:
        """`n` more are done; it may be negative. Raises TypeError for no number, BadValue for NaN."""
        step = n if type(n) is int else clean.count(n, "n")
        try:
            self._state.advanced += step
        except OverflowError:  # a whole number beyond every double met a fraction
            self._state.advanced = clean.bounded(self._state.advanced) + clean.bounded(step)

    def message(self, text: str) -> None:
        """Say what goes on; the newest message is shown, and kept as an event once per interval."""
        self._state.message = clean.text(text, "message")

    def fail_item(self, message: str = "") -> None:
        """One item failed: it counts in `failed`, in `done` unless the loop counts it anyway, and is kept as an
        event. Raises TypeError for a message that is no text.
        """
        said = clean.text(message, "message")
        state = self._state
        state.failed += 1
        if state.counter is None:
            state.advanced += 1
        state.happened("failed item", said)

    def report(self, percent: float, message: str | None = None) -> None:
        """Say a percent directly; it is kept within 0 and 100. Raises TypeError, BadValue."""
        said = None if message is None else clean.text(message, "message")
        state = self._state
        state.percent = min(100.0, max(0.0, float(clean.count(percent, "percent"))))
        state.simulate_since = None
        self._say(state, said)

    def simulate(self, until: float = 100.0, message: str | None = None, expect: float | None = None) -> None:
        """Let the percent rise by the clock towards `until` while something runs that cannot be counted.

        It rises from where it stands. `expect` is how long it takes, in seconds, 0 where that is not known; None asks
        the history of this task, and without one the built-in easing is used. What it shows is marked as an estimate.
        Raises TypeError, BadValue.
        """
        from progstore.live.simulating import simulate  # which only some work needs

        state = self._state
        said = None if message is None else clean.text(message, "message")
        simulate(state, until, expect)
        self._say(state, said)

    def __setitem__(self, key: str, value: Any) -> None:
        """Keep a JSON value under `key`. Raises TypeError for what JSON cannot say, BadValue for what is too large."""
        self._state.put(key, value)

    def __getitem__(self, key: str) -> Any:
        """The metadata value under `key`. Raises KeyError, TypeError."""
        import json

        return json.loads(self._state.meta[clean.text(key, "a metadata key", clean.NAME_LIMIT)])

    # How it ends

    def complete(self, message: str = "") -> None:
        """It is done, whatever the counts say. Ending twice changes nothing."""
        self._end(self._state, "complete", clean.text(message, "message"))

    def cancel(self, reason: str = "cancelled") -> None:
        """It was given up on purpose, for this reason."""
        self._end(self._state, "cancelled", clean.text(reason, "reason"))

    def error(self, error: BaseException | str) -> None:
        """It failed: an exception, kept with type, text and traceback, or a text."""
        if isinstance(error, BaseException):
            self._state.fail(error)
        else:
            self._state.error = clean.text(error, "error")
        self._end(self._state, "error")

    def close(self) -> None:
        """It is over: complete where all of the total is done or no total is known, else cancelled as left early."""
        state = self._state
        if state.total is None or state.done >= state.total:
            self._end_by_itself(state)
        else:
            self._end(state, "cancelled", why_left(state))

    def __enter__(self) -> Self:
        self._in_block = True
        context.enter(self._state)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        state = self._state
        why = why_left(state) if state.left_early else None
        if error is not None:
            why = interruption(error)
            if why is None:
                self.error(error)
                return
        if why is None:
            self._end_by_itself(state)
        else:
            self._end(state, "cancelled", why)

    def __del__(self) -> None:
        state = self._state
        if not self._in_block and state.is_live and state.counter is None:
            self.close()

    # The loop

    def __iter__(self) -> Iterator[Item]:
        if self._iterable is None:
            raise TypeError("track() was given nothing to loop over; pass an iterable, or call update() by hand")
        if self._state.looped or self._state.ended_at is not None:
            self._begin_again()
        state = self._state
        # Both closures hold this handle, so that it lives as long as its loop does.
        items = state.session.stop.until(self._iterable) if state.stoppable else self._iterable
        iterator, state.counter = counted(items, lambda: self._exhausted(state), lambda: self._left(state))
        state.looped = True
        frame = sys._getframe(1)  # noqa: SLF001  # as above
        state.frame = (id(frame), frame.f_code)
        context.enter(state)
        return iterator

    def __len__(self) -> int:
        return len(self._iterable)  # type: ignore[arg-type]  # raises TypeError where the iterable has no length

    def __bool__(self) -> bool:
        return True

    # What can be read

    @property
    def name(self) -> str:
        """What it is called; with the session's name it is its history."""
        return self._state.name

    @property
    def key(self) -> str:
        """What identifies it in its session."""
        return self._state.key

    @property
    def done(self) -> float:
        """How many are done, never more than truly are."""
        return self._state.done

    @property
    def failed(self) -> float:
        """How many of those done have failed."""
        return self._state.failed

    @property
    def total(self) -> float | None:
        """How many there are to do, None where it is not known. Setting raises TypeError and BadValue."""
        return self._state.total

    @total.setter
    def total(self, total: float | None) -> None:
        self._state.total = clean.total(total)
        self._state.total_source = None if total is None else "given"

    @property
    def status(self) -> str:
        """One of the words of `Status`."""
        return self._state.status

    @property
    def stop_requested(self) -> bool:
        """Whether its session was asked to stop, known within about a second; looking costs next to nothing.

        Who looks says by that that the task heeds it: the board shows a button, and a task that was told so and ends
        with work left over is cancelled, for that reason.
        """
        state = self._state
        if not state.stoppable:
            self.listen()
        if not state.session.stop.is_set:
            return False
        state.saw_stop = True
        return True

    @property
    def state(self) -> TaskState:
        """The live record, for adapters."""
        return self._state

    def __repr__(self) -> str:
        state = self._state
        total = "?" if state.total is None else f"{state.total:g}"
        return f"<Task {state.name!r} {state.status} {state.done:g}/{total} {state.unit}>"

    def _repr_html_(self) -> str:
        from progstore.live.views import view_of  # only notebooks ask for it

        return view_of(self._state)._repr_html_()

    def _begin_again(self) -> None:
        last = self._state
        if last.exhausted:
            self._end_by_itself(last)
        elif last.looped:
            self._end(last, "cancelled", why_left(last))
        self._state = last.successor()
        self.begin()

    def _say(self, state: TaskState, message: str | None) -> None:
        if state.on_progress is not None:
            state.on_progress.said(state, message)
        elif message is not None:
            state.message = message

    def _end(self, state: TaskState, status: str, message: str = "") -> None:
        if state.end(status, message):
            displays.finish(state)
            recorder.end(state)

    def _exhausted(self, state: TaskState) -> None:
        state.stop_counting(exhausted=True)
        state.saw_stop = state.saw_stop or (state.stoppable and state.session.stop.is_set)
        if not self._in_block or state is not self._state:
            self._end_by_itself(state)

    def _left(self, state: TaskState) -> None:
        state.stop_counting(exhausted=False)
        state.left_early = True
        remember_left(state)
        if not self._in_block or state is not self._state:
            self._end(state, "cancelled", why_left(state))

    def _end_by_itself(self, state: TaskState) -> None:
        if is_stopped(state):
            self._end(state, "cancelled", STOP_REQUESTED)
        else:
            self._end(state, "complete")
