"""asyncio: `as_completed()`, `gather()`, async iterables and `TaskGroup` as asyncio has them, tracked.

Counts come from the awaitables' own callbacks. Active are all that have not finished, for to asyncio all of them run.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Coroutine, Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any, Final, Generic, Self, TypeVar, Unpack

from progstore.adapters.calling import caller, name_after
from progstore.adapters.options import Options
from progstore.adapters.pooled import Pooled, shortest
from progstore.live import context, tracking
from progstore.live.exits import remember_left
from progstore.live.reasons import LEFT_EARLY
from progstore.live.task import Task

Item = TypeVar("Item")
Result = TypeVar("Result")

ASYNC_TOO: Final = sys.version_info >= (3, 13)
"""What `asyncio.as_completed` gives may be looped over with `async for`, too."""

__all__ = ["TaskGroup", "as_completed", "gather", "track"]


def track(
    iterable: AsyncIterable[Item], name: str | None = None, *, total: float | None = None, **options: Unpack[Options]
) -> AsyncIterator[Item]:
    """Track an `async for` loop over `iterable`; within it, `progstore.current()` is the task.

    The keywords are those of `progstore.track()`. Leaving the loop leaves the iterable as a bare loop does. Raises
    TypeError for what no `async for` takes.
    """
    items = aiter(iterable)
    frame = caller()
    task = tracking.track(name=name or name_after(frame), total=total, **options)
    steps = task.state.counter = _Steps()
    return _Loop(items, task, steps, frame)


def as_completed(
    aws: Iterable[Awaitable[Result]],
    name: str | None = None,
    *,
    total: float | None = None,
    timeout: float | None = None,
    **options: Unpack[Options],
) -> Iterator[Coroutine[Any, Any, Result]]:
    """Run the awaitables and give what `asyncio.as_completed` gives: coroutines, each waiting for the next one to
    complete; from Python 3.13 on it may also be looped over with `async for`, which gives the tasks.

    `total` is by default their number, `timeout` is in seconds; the other keywords are those of `progstore.track()`.
    Raises TypeError for what is no iterable of awaitables.
    """
    if asyncio.isfuture(aws) or asyncio.iscoroutine(aws):
        raise TypeError(f"as_completed() takes an iterable of awaitables, got one {type(aws).__name__}")
    pool = _of_asyncio()
    is_counted = total is None
    total = shortest([aws]) if total is None else total
    if not ASYNC_TOO:
        source = _completed(aws, timeout, pool, is_counted=is_counted)
        return pool.track(source, name, total=total, **options)
    frame = caller()
    pool.begin(name or name_after(frame), total=total, **options)
    try:
        both = asyncio.as_completed(_started(aws, pool, is_counted=is_counted), timeout=timeout)
    except BaseException as error:
        pool.end(error)
        raise
    return _EitherLoop(both, pool.task, pool, frame)


def gather(
    *aws: Awaitable[Any], name: str | None = None, return_exceptions: bool = False, **options: Unpack[Options]
) -> asyncio.Future[list[Any]]:
    """Run the awaitables and give what `asyncio.gather` gives: a future of all their results.

    The first exception that it raises ends the task as an error, and what goes on then is not counted any more; with
    `return_exceptions` they are failed items. The other keywords are those of `progstore.track()`.
    """
    pool = _of_asyncio()
    pool.begin(name or name_after(caller()), total=len(dict.fromkeys(aws)), **options)
    started: dict[Any, asyncio.Future[Any]] = {}
    try:
        for each in aws:
            if each not in started:
                future = started[each] = asyncio.ensure_future(each)
                pool.add(future)
                if future is not each:
                    # As gather does: nobody else can know this task, so nobody is told that it was never finished.
                    future._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001  # see above
        together = asyncio.gather(*[started[each] for each in aws], return_exceptions=return_exceptions)
    except BaseException as error:
        pool.end(error)
        raise

    def ended(outer: asyncio.Future[Any]) -> None:
        try:
            error = _outcome(outer)
        except asyncio.CancelledError as cancelled:
            error = cancelled
        pool.task.complete() if error is None else pool.end(error)

    if together.done():
        ended(together)
    else:
        together.add_done_callback(ended)
    return together


class TaskGroup(asyncio.TaskGroup):
    """asyncio's TaskGroup, tracked: its tasks are the items of one task.

    `total` is by default the number of tasks that were created; the other keywords are those of `progstore.track()`.
    What the group raises ends the task as an error, a cancellation as cancelled.
    """

    def __init__(self, name: str | None = None, *, total: float | None = None, **options: Unpack[Options]) -> None:
        super().__init__()
        self._progress = _of_asyncio()
        self._begun = (name or name_after(caller()), total, options)
        self._created = 0

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        name, total, options = self._begun
        self._progress.begin(name, total=total, **options)
        return self

    async def __aexit__(
        self, et: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        try:
            await super().__aexit__(et, exc, tb)
        except BaseException as error:
            self._progress.end(error)
            raise
        self._progress.task.__exit__(et, exc, tb)

    def create_task(self, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        """As asyncio's, and counted."""
        created = super().create_task(coro, **kwargs)
        self._created += 1
        if self._begun[1] is None:
            self._progress.task.total = self._created
        self._progress.add(created)
        return created


class _Loop(Generic[Item]):
    """An `async for` loop; how it ends is how its task ends."""

    def __init__(self, items: Any, task: Task[Any], steps: _Steps | Pooled, frame: FrameType) -> None:
        self._items = items
        self._task = task
        self._steps = steps
        task.state.frame = (id(frame), frame.f_code)

    def __aiter__(self) -> Self:
        context.enter(self._task.state)
        return self

    async def __anext__(self) -> Item:
        self._steps.settle()
        try:
            item: Item = await anext(self._items)
        except StopAsyncIteration:
            self._exhausted()
            raise
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        except BaseException as error:
            self._task.__exit__(type(error), error, None)
            raise
        return item

    def __del__(self) -> None:
        state = self._task.state
        if state.is_live:
            state.stop_counting(exhausted=False)
            state.left_early = True
            remember_left(state)
            self._task.cancel(LEFT_EARLY)

    def _exhausted(self) -> None:
        self._task.state.stop_counting(exhausted=True)
        self._task.complete()


class _EitherLoop(_Loop[Any]):
    """The same, or a plain loop over coroutines: what `asyncio.as_completed` gives from Python 3.13 on."""

    def __iter__(self) -> Self:
        context.enter(self._task.state)
        return self

    def __next__(self) -> Any:
        self._steps.settle()
        try:
            return next(self._items)
        except StopIteration:
            self._exhausted()
            raise


class _Steps:
    """Counts a loop: when it asks for an item, its body has worked through the one before."""

    def __init__(self) -> None:
        self._asked = 0

    def settle(self) -> None:
        """The loop asks for an item."""
        self._asked += 1

    def done(self) -> float:
        """Items that the loop has worked through."""
        return max(0, self._asked - 1)

    def final(self, exhausted: bool) -> float:  # noqa: ARG002  # a counter is asked so
        """The same at the end."""
        return self.done()


def _of_asyncio() -> Pooled:
    return Pooled(_outcome, asyncio.CancelledError, len)


def _outcome(future: Any) -> BaseException | None:
    """What a finished future raises. Raises CancelledError."""
    if future.cancelled():
        raise asyncio.CancelledError
    # Asking by exception() would count as having seen it, and asyncio tells of those that nobody saw.
    error: BaseException | None = getattr(future, "_exception", None)
    return error


def _started(aws: Iterable[Awaitable[Any]], pool: Pooled, *, is_counted: bool) -> list[asyncio.Future[Any]]:
    futures: list[asyncio.Future[Any]] = [asyncio.ensure_future(each) for each in dict.fromkeys(aws)]
    for future in futures:
        pool.add(future)
    if is_counted:
        pool.task.total = len(futures)
    return futures


def _completed(
    aws: Iterable[Awaitable[Any]], timeout: float | None, pool: Pooled, *, is_counted: bool
) -> Iterator[Any]:
    try:
        for each in asyncio.as_completed(_started(aws, pool, is_counted=is_counted), timeout=timeout):
            pool.settle()
            yield each
    except GeneratorExit:
        raise
    except BaseException as error:
        pool.end(error)
        raise
