"""A drop-in for tqdm whose bars are recorded: the same class, drawn the same way, with a few keywords more.

With tqdm's default settings a loop is counted from outside and drawn by a thread, which costs a fraction of what tqdm
takes per iteration. Where more redraws may be expected (a `mininterval` under 0.1 s, `miniters` given, a subclass that
draws in its own way) tqdm's own loop stays, and what is recorded follows its `n`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from time import time
from types import TracebackType
from typing import Any, Generic, Self

from tqdm import std

from progstore import displays
from progstore.adapters.calling import caller, name_after
from progstore.adapters.following import Follower, Frames, number, plain, total_of
from progstore.displays.bars import tqdms_lock
from progstore.displays.stage import FRAME
from progstore.live import context
from progstore.live.counting import counted
from progstore.live.exits import remember_left
from progstore.live.state import LEFT_EARLY
from progstore.live.task import Task
from progstore.live.tracking import track

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from progstore.live.counting import Counter
    from progstore.live.session import Session

    Item = TypeVar("Item", default=Any)
else:
    from typing import TypeVar

    Item = TypeVar("Item")

__all__ = ["tqdm", "trange"]

AFTER_ITERABLE = (
    *("desc", "total", "leave", "file", "ncols", "mininterval", "maxinterval", "miniters", "ascii", "disable"),
    "unit",
)
"""tqdm's arguments in their order, as far as a disabled bar forgets them."""


class tqdm(std.tqdm, Generic[Item]):  # type: ignore[type-arg]  # noqa: N801  # no argument when the program runs
    """tqdm's bar, recorded. It takes all that tqdm takes.

    `key` names the task within its session: a new start under the same key is a new attempt. `meta` are JSON values
    kept with it. `session` is a Session or a name, `store` a path or URL. With `record=False` nothing is written; a
    disabled bar draws nothing, but is recorded. Raises TypeError and BadValue for such a keyword that cannot be.
    """

    # Until the end of __init__, and for good where that raises, there is no task.
    _task: Task[Any] | None = None
    _loop: Counter | None = None
    _start: float = 0
    _is_looping = False
    _is_in_block = False
    _is_silent = False

    def __init__(
        self,
        iterable: Iterable[Item] | None = None,
        *args: Any,
        key: str | None = None,
        meta: Mapping[str, Any] | None = None,
        session: Session | str | None = None,
        store: str | None = None,
        record: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(iterable, *args, **kwargs)
        self._is_silent = bool(self.disable)
        given = dict(zip(AFTER_ITERABLE, args, strict=False)) | kwargs
        desc = plain(given.get("desc") if self._is_silent else self.desc)
        task: Task[Any] = track(
            name=desc or name_after(caller()),
            total=total_of(self.total),
            unit=plain(given.get("unit", "it") if self._is_silent else self.unit),
            meta=meta,
            key=key,
            session=session,
            store=store,
            bar=False,
            record=record,
        )
        if given.get("total") is None and self.total is not None:
            task.state.total_source = "len"
        task.state.counter = Follower(self, task.state)
        self._task = task

    def __iter__(self) -> Iterator[Item]:
        """Loop over the items. A second loop over the same bar is a new attempt, and as with tqdm it is not drawn."""
        task = self._task
        if task is None:
            return super().__iter__()
        again = task.state.looped or task.state.ended_at is not None
        if again:
            self._end(task)
            task = self._begin_again(task)
        state = task.state
        by_steps = not self.disable and self._may_draw_each_step()
        iterator, loop = counted(super().__iter__() if by_steps else self.iterable, self._exhausted, self._left)
        frame = caller()
        state.frame = (id(frame), frame.f_code)
        state.looped = self._is_looping = True
        context.enter(state)
        if not by_steps:
            self._start = 0 if again else number(self.n, 0)
            self._loop = loop
            if not self.disable:
                del self.n  # __getattr__ has it, exactly, as long as the loop runs
                displays.begin(state, Frames(self))
        return iterator

    def update(self, n: float | None = 1) -> bool | None:
        """As tqdm's; a disabled bar counts too."""
        task = self._task
        if self._is_silent and task is not None and task.state.ended_at is None:
            task.update(number(n, 0))
        return super().update(n)

    def reset(self, total: float | None = None) -> None:
        """As tqdm's; after a full pass it is a new attempt."""
        task = self._task
        again = False
        if task is not None and not self._is_looping and task.state.is_live:
            again = 0 < (task.state.total or 0) <= task.state.done
            if again:
                self._end(task)
        super().reset(total)
        if task is not None and again:
            self._begin_again(task)
        elif task is not None and self._is_silent:
            task.state.advanced = 0

    def close(self) -> None:
        """As tqdm's. With less done than the total it was left early; while a loop or a block goes on, that decides."""
        task = self._task
        if task is not None:
            displays.finish(task.state)
        try:
            super().close()
        finally:
            if task is not None and not self._is_looping and not self._is_in_block:
                self._end(task)

    def __enter__(self) -> Self:
        if self._task is not None:
            self._is_in_block = True
            context.enter(self._task.state)
        return super().__enter__()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            super().__exit__(exc_type, exc_value, traceback)
        finally:
            self._is_in_block = False
            if self._task is not None:
                if exc_value is not None:
                    self._task.__exit__(exc_type, exc_value, traceback)
                self._end(self._task)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            loop = self._loop
            if name == "n" and loop is not None:
                return self._start + loop.done()
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # What looks at the bar from outside

    def redraw(self) -> None:
        """In the drawing thread: what tqdm does in its loop, if something has moved."""
        # Never waiting: whoever holds tqdm's lock may be about to end a loop, and wait for us.
        with tqdms_lock(0, type(self)) as held:
            loop = self._loop
            if not held or loop is None or self.disable:
                return
            now, n = self._time(), self._start + loop.done()  # type: ignore[attr-defined]  # not in the stub
            moved, passed = n - self.last_print_n, now - self.last_print_t
            if not moved or passed < self.mininterval or now < self.start_t + (self.delay or 0):
                return
            if self.smoothing:
                self._ema_dn(moved)  # type: ignore[attr-defined]  # not in the stub
                self._ema_dt(passed)  # type: ignore[attr-defined]  # not in the stub
            self.__dict__.pop("n", None)  # set by hand within the loop; as in tqdm, the loop's own count wins
            self.display()
            self.last_print_n, self.last_print_t = n, now

    def count(self) -> object:
        """How many are done, as far as the bar knows."""
        return self.n if self._loop is None else self._start + self._loop.done()

    def final_count(self, *, exhausted: bool) -> object:
        """How many were done when the loop ended."""
        return self.n if self._loop is None else self._start + self._loop.final(exhausted)

    def _may_draw_each_step(self) -> bool:
        drawing = ("display", "refresh", "update")
        own_ways = any(getattr(type(self), method) is not getattr(tqdm, method) for method in drawing)
        own_clock = self._time is not time  # type: ignore[attr-defined]  # not in the stub
        return own_ways or own_clock or self.mininterval < FRAME or not self.dynamic_miniters or self.gui

    def _exhausted(self) -> None:
        self._loop_ends(exhausted=True)

    def _left(self) -> None:
        if self._task is not None:
            self._task.state.left_early = True
            remember_left(self._task.state)
        self._loop_ends(exhausted=False)

    def _loop_ends(self, *, exhausted: bool) -> None:
        if self._task is not None:
            self._task.state.stop_counting(exhausted=exhausted)
            if self._loop is not None and ("n" not in self.__dict__ or not self.disable):
                self.n = self._task.state.counted
        self._loop = None
        self._is_looping = False
        self.close()

    def _end(self, task: Task[Any]) -> None:
        """End the task, if it has not ended yet, by what is known of the loop."""
        if task.state.exhausted:
            task.complete()
        elif task.state.left_early:
            task.cancel(LEFT_EARLY)
        else:
            task.state.stop_counting(exhausted=False)  # which takes over the bar's total, too
            task.close()

    def _begin_again(self, last: Task[Any]) -> Task[Any]:
        task: Task[Any] = Task(None, last.state.successor(), bar=False)
        task.state.total = total_of(self.total)
        task.state.counter = Follower(self, task.state)
        task.begin()
        self._task = task
        return task


def trange(*args: int, **kwargs: Any) -> tqdm[int]:
    """`tqdm(range(*args), **kwargs)`."""
    return tqdm(range(*args), **kwargs)
