"""Futures: `as_completed()` and `map()` as in concurrent.futures, tracked.

What is counted is what the pool has done, which may be ahead of the loop over its results. What a worker process tracks
itself joins the session of the loop, whenever the pool was started.
"""

from __future__ import annotations

import concurrent.futures
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from itertools import islice
from time import monotonic
from typing import Any, Final, TypeVar, Unpack

from progstore.adapters.chunks import carried, run_chunk
from progstore.adapters.options import Options
from progstore.adapters.pooled import Pooled, of_executors, shortest

Result = TypeVar("Result")

OF_PROCESSES: Final = ("concurrent.futures.process", "loky.process_executor", "joblib.externals.loky.process_executor")
"""Where executors come from that send their work to processes of this machine."""


def as_completed(
    futures: Iterable[Future[Result]],
    name: str | None = None,
    *,
    total: float | None = None,
    timeout: float | None = None,
    **options: Unpack[Options],
) -> Iterator[Future[Result]]:
    """Yield the futures as they complete, each once, as `concurrent.futures.as_completed` does.

    `total` is by default their number, `timeout` is in seconds from the first step to the last future; the other
    keywords are those of `track()`. Raises TimeoutError. A pool that breaks ends the task as an error.
    """
    pool = of_executors()
    source = _completed(futures, timeout, pool, is_counted=total is None)
    return pool.track(source, name, total=shortest([futures]) if total is None else total, **options)


def map(  # noqa: A001  # named for what it stands in for
    executor: Executor,
    fn: Callable[..., Result],
    *iterables: Iterable[Any],
    name: str | None = None,
    total: float | None = None,
    timeout: float | None = None,
    chunksize: int = 1,
    buffersize: int | None = None,
    **options: Unpack[Options],
) -> Iterator[Result]:
    """Yield `fn` of the iterables' items, computed by `executor`, in their order, as its own `map` does.

    All is submitted at once, as executors do. With `buffersize`, which endless iterables need, at most so many calls
    are submitted whose results were not yet yielded, and items are taken as the loop goes on. `timeout` is in seconds
    from this call to the last result. `chunksize` items go to a worker process in one piece, which is one call then;
    threads take single ones. The other keywords are those of `track()`. Leaving the loop cancels what has not begun.
    Raises what `fn` or an iterable raises, which ends the task as an error, and TimeoutError.
    """
    if chunksize < 1:
        raise ValueError(f"chunksize must be at least 1, got {chunksize}")
    if buffersize is not None and not isinstance(buffersize, int):
        raise TypeError(f"buffersize must be an integer or None, got {type(buffersize).__name__}")
    if buffersize is not None and buffersize < 1:
        raise ValueError(f"buffersize must be at least 1 or None, got {buffersize}")
    deadline = None if timeout is None else timeout + monotonic()
    pool = of_executors(getattr(executor, "_max_workers", None))
    calls = _Calls(executor, fn, zip(*iterables, strict=False), pool, buffersize)
    results = pool.track(
        _results(calls, deadline), name, total=shortest(iterables) if total is None else total, **options
    )
    calls.is_counted = total is None
    if not isinstance(executor, concurrent.futures.ThreadPoolExecutor):
        calls.send_away(chunksize)
    try:
        calls.submit()
    except BaseException as error:
        pool.end(error)
        raise
    return results


class _Calls:
    """The calls of one function, handed to an executor; their futures wait in order."""

    def __init__(
        self,
        executor: Executor,
        fn: Callable[..., Any],
        items: Iterator[tuple[Any, ...]],
        pool: Pooled,
        most: int | None,
    ) -> None:
        self.waiting: deque[Future[Any]] = deque()
        self.pool = pool
        self.in_chunks = False
        self.is_counted = False
        """The total is their number, once that is known."""
        self._executor: Executor | None = executor
        self._fn = fn
        self._items: Iterator[tuple[Any, ...]] = items
        self._most = most
        self._submitted = 0

    def send_away(self, chunksize: int) -> None:
        """They leave this process: several in one piece, and with the session that they are made in."""
        if chunksize > 1:
            fn = self._fn
            self._items = ((fn, chunk) for chunk in _chunks(self._items, chunksize))
            self._fn, self.in_chunks = run_chunk, True
        # Elsewhere, on another machine even, there need be no progstore.
        if any(base.__module__ in OF_PROCESSES for base in type(self._executor).__mro__):
            self._fn = carried(self._fn, self.pool.task.state)

    def submit(self) -> None:
        """Hand over all that may wait. Raises what the iterables and the executor raise."""
        executor, most = self._executor, self._most
        assert executor is not None
        fn, keep, count, in_chunks = self._fn, self.waiting.append, self.pool.add, self.in_chunks
        room = None if most is None else most - len(self.waiting)
        handed_over = submitted = 0
        for arguments in islice(self._items, room):
            future = executor.submit(fn, *arguments)
            size = len(arguments[1]) if in_chunks else 1
            keep(future)
            count(future, size)
            handed_over += 1
            submitted += size
        self._submitted += submitted
        if room is None or handed_over < room:
            # Let go of it, as its own map does.
            self._executor = None
            if self.is_counted:
                self.pool.task.total = self._submitted

    def has_next(self) -> bool:
        """Whether there is one more result to wait for; hands over what may wait by now."""
        if self._executor is not None:
            self.submit()
        return bool(self.waiting)

    def take(self, deadline: float | None) -> Any:
        """The result of the first one, which waits no longer. Raises what its function raised, and TimeoutError."""
        result = self.waiting[0].result(None if deadline is None else deadline - monotonic())
        self.waiting.popleft()
        self.pool.settle()
        return result


def _completed(
    futures: Iterable[Future[Result]], timeout: float | None, pool: Pooled, *, is_counted: bool
) -> Iterator[Future[Result]]:
    try:
        submitted = dict.fromkeys(futures)
        if is_counted:
            pool.task.total = len(submitted)
        for future in submitted:
            pool.add(future)
        completed = concurrent.futures.as_completed(submitted, timeout)
        # Nothing here holds what is handed out, for results may be large.
        del submitted, futures
        for future in completed:
            pool.settle()
            given = [future]
            del future
            yield given.pop()
    except GeneratorExit:
        raise
    except BaseException as error:
        pool.end(error)
        raise
    pool.settle()
    if pool.broken is not None:
        pool.end(pool.broken)


def _results(calls: _Calls, deadline: float | None) -> Iterator[Any]:
    """The calls' results in order. However it ends, what has not begun by then is cancelled."""
    waiting, pool = calls.waiting, calls.pool
    pool.to_cancel = waiting  # not before: as with an executor's own map, results may be of no interest to the caller
    try:
        while calls.has_next():
            # Nothing here holds what is handed out, for results may be large.
            if calls.in_chunks:
                results = calls.take(deadline)[::-1]
                while results:
                    yield results.pop()
            else:
                yield calls.take(deadline)
    except GeneratorExit:
        raise
    except BaseException as error:
        pool.end(error)
        raise
    finally:
        for future in waiting:
            future.cancel()


def _chunks(items: Iterator[tuple[Any, ...]], size: int) -> Iterator[Sequence[tuple[Any, ...]]]:
    while chunk := tuple(islice(items, size)):
        yield chunk
