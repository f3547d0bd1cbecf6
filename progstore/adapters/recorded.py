"""Recording any class of tqdm's family: how a bar and the loop over it become a task.

A recorded class stands on both sides of the class it records: `Recorded` in front, which sees what the user does with
the bar, and `Given` behind, which sees what reaches tqdm itself, whatever a subclass made of it in between.

With tqdm's default settings a loop is counted from outside and drawn by a thread, which costs a fraction of what tqdm
takes per iteration. Where more redraws may be expected (a `mininterval` under 0.1 s, `miniters` given, a class that
draws or iterates in its own way) tqdm's own loop stays, and what is recorded follows it.
"""

from __future__ import annotations

import copyreg
from collections.abc import Iterator
from math import nan
from time import time
from types import TracebackType
from typing import Any, ClassVar, Final, Self, SupportsIndex

from tqdm import std

from progstore import displays
from progstore.adapters.calling import caller, name_after
from progstore.adapters.following import Follower, Frames, number, plain, total_of
from progstore.adapters.given import Given
from progstore.displays import bars
from progstore.displays.stage import FRAME
from progstore.live import context
from progstore.live.counting import counted
from progstore.live.exits import remember_left
from progstore.live.reasons import LEFT_EARLY
from progstore.live.task import Task
from progstore.live.tracking import track

TYPE_CHECKING = False
if TYPE_CHECKING:
    from progstore.live.counting import Counter

DRAWING: Final = ("__setattr__", "display", "refresh", "update")
"""Where one of these is a class's own, it may expect to be called by tqdm's loop, in the thread of that loop."""


class Recording:
    """How far the recording of one bar has come."""

    __slots__ = ("ahead", "is_in_block", "is_looping", "is_reversing", "is_silent", "loop", "start", "task")

    def __init__(self, task: Task[Any], *, is_silent: bool) -> None:
        self.task = task
        self.is_silent = is_silent
        """It was disabled from the start, so that tqdm counts nothing."""
        self.is_looping = False
        self.is_in_block = False
        self.is_reversing = False
        self.loop: Counter | None = None
        """What counts the loop, where tqdm itself does not."""
        self.start: float = 0
        """What was done before that loop."""
        self.ahead = 0
        """Items that are counted in the bar's `n`, but still worked on."""

    def is_ending(self, bar: Recorded) -> None:
        """The bar or its loop ends."""
        counter = self.task.state.counter
        if isinstance(counter, Follower):
            counter.is_ending(bar)


class Recorded(std.tqdm):  # type: ignore[type-arg]  # as above
    """The side of a recorded class that its user sees."""

    _progstore: Recording | None = None  # until the end of __init__, and for good where that raises
    __draws_itself: ClassVar[bool] = False
    __iterates_itself: ClassVar[bool] = False

    def __init_subclass__(cls, *, is_counterpart: bool = False, **arguments: Any) -> None:
        # A class that counts its subclasses, or wants arguments of them, is not to meet a counterpart.
        if not is_counterpart:
            super().__init_subclass__(**arguments)
        order = cls.__mro__
        foreign = [each for each in order if each.__module__ != __name__ and each not in (Given, std.tqdm, object)]
        cls.__draws_itself = any(method in vars(each) for each in foreign for method in DRAWING)
        behind = [each for each in order[order.index(Recorded) :] if each in foreign]
        # tqdm's own classes hand out one item at a time, and count it as one.
        cls.__iterates_itself = any("__iter__" in vars(each) and not _is_tqdms(each) for each in behind)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        given, options = (vars(self).pop(f"_progstore_{name}", {}) for name in ("given", "options"))
        total = getattr(self, "total", None)
        is_silent = bool(getattr(self, "disable", True))
        desc = plain(given.get("desc") if is_silent else getattr(self, "desc", None))
        unit = plain(given.get("unit", "it") if is_silent else getattr(self, "unit", "it"))
        task: Task[Any] = track(
            name=desc or name_after(caller(self)), total=total_of(total), unit=unit, bar=False, **options
        )
        if given.get("total") is None and total is not None:
            task.state.total_source = "len"
        task.state.counter = Follower(self, task.state)
        vars(self)["_progstore"] = Recording(task, is_silent=is_silent)  # not set as attributes are, see Given

    def __iter__(self) -> Iterator[Any]:
        """Loop over the items. A second loop over the same bar is a new attempt, and as with tqdm it is not drawn."""
        recording = self._progstore
        if recording is None:
            return super().__iter__()
        again = recording.task.state.looped or recording.task.state.ended_at is not None
        if again:
            _end(recording.task)
            self.__begin_again(recording)
        state = recording.task.state
        by_tqdm = self.__iterates_itself or recording.is_reversing or (not self.disable and self.__may_draw_each_step())
        iterator, loop = counted(super().__iter__() if by_tqdm else self.iterable, self.__exhausted, self.__left)
        frame = caller(self)
        state.frame = (id(frame), frame.f_code)
        state.looped = recording.is_looping = True
        context.enter(state)
        if not self.__iterates_itself:  # what does is asked for its `n`, for one item may be any number to it
            recording.start = 0 if again else number(self.n, 0)
            recording.loop = loop
        if not by_tqdm and not self.disable:
            del self.n  # the class has it, exactly, as long as the loop runs
            displays.begin(state, Frames(self))
        return iterator

    def __reversed__(self) -> Iterator[Any]:
        """As tqdm's, in whichever order that is."""
        recording = self._progstore
        if recording is None:
            return super().__reversed__()
        recording.is_reversing = True
        try:
            return super().__reversed__()
        finally:
            recording.is_reversing = False

    def reset(self, total: float | None = None) -> None:
        """As tqdm's; after a full pass it is a new attempt."""
        recording = self._progstore
        again = False
        if recording is not None and not recording.is_looping and recording.task.state.is_live:
            state = recording.task.state
            again = 0 < (state.total or 0) <= state.done
            if again:
                _end(recording.task)
        super().reset(total)
        if recording is not None and again:
            self.__begin_again(recording)
        elif recording is not None and recording.is_silent:
            recording.task.state.advanced = 0

    def close(self) -> None:
        """As tqdm's. With less done than the total it was left early; while a loop or a block goes on, that decides."""
        recording = self._progstore
        if recording is not None:
            recording.is_ending(self)
            displays.finish(recording.task.state)
        try:
            super().close()
        finally:
            if recording is not None and not recording.is_looping and not recording.is_in_block:
                _end(recording.task)

    def __enter__(self) -> Self:
        recording = self._progstore
        if recording is not None:
            recording.is_in_block = True
            context.enter(recording.task.state)
        return super().__enter__()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            super().__exit__(exc_type, exc_value, traceback)
        finally:
            recording = self._progstore
            if recording is not None:
                recording.is_in_block = False
                if exc_value is not None:
                    recording.task.__exit__(exc_type, exc_value, traceback)
                _end(recording.task)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        # What tqdm lets be copied or sent to another process, as a disabled bar, is there a bar that is not recorded.
        reduced = super().__reduce_ex__(protocol)
        itself = vars(type(self)).get("_progstore_class")
        if itself is None or isinstance(reduced, str):
            return reduced
        how, arguments, *rest = reduced
        if how is copyreg.__newobj__:  # type: ignore[attr-defined]  # not in the stub
            how = _made  # the other one insists on our class
        return (how, tuple(itself if each is type(self) else each for each in arguments), *rest)

    def __getstate__(self) -> Any:
        state = super().__getstate__()
        if isinstance(state, dict):
            return {name: value for name, value in state.items() if name != "_progstore"}
        return state

    # What looks at the bar from outside

    def progstore_redraw(self) -> None:
        """In the drawing thread: what tqdm does in its loop, if something has moved."""
        # Never waiting: whoever holds tqdm's lock may be about to end a loop, and wait for us.
        with bars.tqdms_lock(0, type(self)) as held:
            recording = self._progstore
            loop = None if recording is None else recording.loop
            if not held or recording is None or loop is None or self.disable:
                return
            now, n = self._time(), recording.start + loop.done()  # type: ignore[attr-defined]  # not in the stub
            moved, passed = n - self.last_print_n, now - self.last_print_t
            if not moved or passed < self.mininterval or now < self.start_t + (self.delay or 0):
                return
            if self.smoothing:
                self._ema_dn(moved)  # type: ignore[attr-defined]  # not in the stub
                self._ema_dt(passed)  # type: ignore[attr-defined]  # not in the stub
            self.__dict__.pop("n", None)  # set by hand within the loop; as in tqdm, the loop's own count wins
            self.display()
            self.last_print_n, self.last_print_t = n, now

    def progstore_count(self) -> object:
        """How many are done, as far as the bar knows."""
        recording = self._progstore
        if recording is None or recording.loop is None:
            n = getattr(self, "n", 0)
            return n if recording is None or not recording.ahead else number(n, nan) - recording.ahead
        return recording.start + recording.loop.done()

    def progstore_final_count(self, *, exhausted: bool) -> object:
        """How many were done when the loop ended."""
        recording = self._progstore
        if recording is None or recording.loop is None:
            return self.progstore_count()
        return recording.start + recording.loop.final(exhausted)

    def __may_draw_each_step(self) -> bool:
        own = vars(self)
        own_ways = self.__draws_itself or "n" not in own or any(method in own for method in DRAWING)
        own_clock = self._time is not time  # type: ignore[attr-defined]  # not in the stub
        return own_ways or own_clock or self.mininterval < FRAME or not self.dynamic_miniters or self.gui

    def __exhausted(self) -> None:
        self.__loop_ends(exhausted=True)

    def __left(self) -> None:
        if self._progstore is not None:
            self._progstore.task.state.left_early = True
            remember_left(self._progstore.task.state)
        self.__loop_ends(exhausted=False)

    def __loop_ends(self, *, exhausted: bool) -> None:
        recording = self._progstore
        if recording is not None:
            state = recording.task.state
            recording.is_ending(self)
            state.stop_counting(exhausted=exhausted)
            if recording.loop is not None and ("n" not in vars(self) or not self.disable):
                self.n = state.counted
            recording.loop = None
            recording.is_looping = False
        self.close()

    def __begin_again(self, recording: Recording) -> None:
        task: Task[Any] = Task(None, recording.task.state.successor(), bar=False)
        task.state.total = total_of(self.total)
        task.state.counter = Follower(self, task.state)
        task.begin()
        recording.task = task


def _is_tqdms(cls: type) -> bool:
    return f"{cls.__module__}.".startswith("tqdm.")


def _made(cls: type, *arguments: Any) -> Any:
    return cls.__new__(cls, *arguments)


def _end(task: Task[Any]) -> None:
    """End the task, if it has not ended yet, by what is known of the loop."""
    if task.state.exhausted:
        task.complete()
    elif task.state.left_early:
        task.cancel(LEFT_EARLY)
    else:
        task.state.stop_counting(exhausted=False)  # which takes over the bar's total, too
        task.close()
