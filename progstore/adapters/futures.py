"""Futures: `as_completed()` and `map()` as in concurrent.futures, tracked.

Counts come from the futures' own callbacks; nothing is written per item, and no thread waits for any. A failed future
counts as done and failed, a cancelled one only as cancelled. What is counted is what the pool has done, which may be
ahead of the loop over its results.
"""

from __future__ import annotations

import concurrent.futures
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from itertools import islice
from time import monotonic
from typing import Any, Final, TypeVar, Unpack

from progstore.adapters.calling import caller, name_after
from progstore.adapters.chunks import run_chunk
from progstore.adapters.options import Options
from progstore.live.state import failure_text
from progstore.live.task import Task
from progstore.live.tracking import track

Result = TypeVar("Result")

LOOK: Final = 0.25
"""Seconds between two looks at how many futures run."""
WINDOW: Final = 1000
"""Unfinished futures that are looked at; executors start them in the order in which they were submitted."""


def as_completed(
    futures: Iterable[Future[Result]],
    name: str | None = None,
    *,
    total: float | None = None,
    timeout: float | None = None,
    **options: Unpack[Options],
) -> Iterator[Future[Result]]:
    """Yield the futures as they complete, each once, as `concurrent.futures.as_completed` does.

    `total` is by default their number, `timeout` is in seconds from the first to the last of them; the other keywords
    are those of `track()`. Raises TimeoutError.
    """
    submitted = dict.fromkeys(futures)
    pool = _Pool()
    source = _completed(concurrent.futures.as_completed(submitted, timeout), pool)
    results = pool.track(source, name, total=len(submitted) if total is None else total, **options)
    for future in submitted:
        pool.add(future)
    return results


def map(  # noqa: A001  # named for what it stands in for
    executor: Executor,
    fn: Callable[..., Result],
    *iterables: Iterable[Any],
    name: str | None = None,
    total: float | None = None,
    timeout: float | None = None,
    chunksize: int = 1,
    **options: Unpack[Options],
) -> Iterator[Result]:
    """Yield `fn` of the iterables' items, computed by `executor`, in their order, as its own `map` does.

    All is submitted at once. `timeout` is in seconds from this call to the last result. `chunksize` items go to a
    worker process in one piece; threads take single ones. The other keywords are those of `track()`. Leaving the loop
    cancels what has not begun. Raises what `fn` raises, which ends the task as an error, and TimeoutError.
    """
    if chunksize < 1:
        raise ValueError(f"chunksize must be at least 1, got {chunksize}")
    deadline = None if timeout is None else timeout + monotonic()
    in_chunks = chunksize > 1 and not isinstance(executor, concurrent.futures.ThreadPoolExecutor)
    waiting: deque[Future[Any]] = deque()
    pool = _Pool(getattr(executor, "_max_workers", None))
    source = _results(waiting, deadline, pool, in_chunks=in_chunks)
    results = pool.track(source, name, total=_shortest(iterables) if total is None else total, **options)
    submitted = 0
    try:
        for chunk in _chunks(zip(*iterables, strict=False), chunksize if in_chunks else 1):
            future = executor.submit(run_chunk, fn, chunk) if in_chunks else executor.submit(fn, *chunk[0])
            waiting.append(future)
            pool.add(future, len(chunk))
            submitted += len(chunk)
    except BaseException as error:
        pool.task.__exit__(type(error), error, None)
        raise
    if total is None:
        pool.task.total = submitted
    return results


class _Pool:
    """The futures of one task, and their counts. It is the task's counter, so that it is asked when somebody looks."""

    task: Task[Any]

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers
        self.to_cancel: Iterable[Future[Any]] = ()
        """What is cancelled when the task ends, as far as it has not begun."""
        self._unfinished: dict[Future[Any], int] = {}
        self._looked_at = -LOOK

    def track(
        self, results: Iterator[Result], name: str | None, *, total: float | None, **options: Unpack[Options]
    ) -> Iterator[Result]:
        """Begin the task; what it returns is `results`, and ends the task when it ends."""
        frame = caller()
        self.task = track(results, name or name_after(frame), total=total, **options)
        state = self.task.state
        iterator: Iterator[Result] = iter(self.task)
        state.frame = (id(frame), frame.f_code)
        state.counter = self
        return iterator

    def add(self, future: Future[Any], size: int = 1) -> None:
        """Count this future, which stands for `size` items."""
        self._unfinished[future] = size
        future.add_done_callback(self._finished)

    def done(self) -> float:
        """None beyond what was counted when it finished; on the way it is looked how many run."""
        now = monotonic()
        if now - self._looked_at >= LOOK:
            self._looked_at = now
            self.task.state.active = self._running()
        return 0

    def final(self, exhausted: bool) -> float:  # noqa: ARG002  # a counter is asked so
        """The same at the end; a future's callback may come a moment after its result."""
        _cancel(self.to_cancel)
        for future in list(self._unfinished):
            if future.done():
                self._finished(future)
        self.task.state.active = 0
        return 0

    def _finished(self, future: Future[Any]) -> None:
        size = self._unfinished.pop(future, 0)
        state = self.task.state
        if not size or state.ended_at is not None:
            return
        if future.cancelled():
            state.cancelled += size
        elif (error := future.exception()) is not None:
            # Of a chunk nobody can tell how many went well before.
            self.task.update(1)
            self.task.fail_item(failure_text(error))
        else:
            self.task.update(size)

    def _running(self) -> int:
        try:
            first = list(islice(self._unfinished, WINDOW))
        except RuntimeError:  # without a global lock others may change it meanwhile; the next look will tell
            return int(self.task.state.active)
        running = sum(future.running() for future in first)
        # A process pool says "running" of what only waits in its queue.
        return running if self._workers is None else min(running, self._workers)


def _completed(completed: Iterator[Future[Result]], pool: _Pool) -> Iterator[Future[Result]]:
    try:
        yield from completed
    except TimeoutError as error:
        pool.task.error(error)
        raise


def _results(waiting: deque[Future[Any]], deadline: float | None, pool: _Pool, *, in_chunks: bool) -> Iterator[Any]:
    """The futures' results in order. However it ends, what has not begun by then is cancelled."""
    pool.to_cancel = waiting  # not before: as with an executor's own map, results may be of no interest to the caller
    try:
        while waiting:
            result = _result(waiting, deadline)
            if not in_chunks:
                yield result
                continue
            # Results are let go of as they are handed out, for they may be large.
            result.reverse()
            while result:
                yield result.pop()
    except Exception as error:
        pool.task.error(error)
        raise
    finally:
        _cancel(waiting)


def _result(waiting: deque[Future[Any]], deadline: float | None) -> Any:
    result = waiting[0].result(None if deadline is None else deadline - monotonic())
    waiting.popleft()
    return result


def _cancel(futures: Iterable[Future[Any]]) -> None:
    for future in futures:
        future.cancel()


def _chunks(items: Iterator[tuple[Any, ...]], size: int) -> Iterator[Sequence[tuple[Any, ...]]]:
    while chunk := tuple(islice(items, size)):
        yield chunk


def _shortest(iterables: Sequence[Iterable[Any]]) -> int | None:
    """How many items there will be, where all say how many they have."""
    try:
        return min(len(each) for each in iterables)  # type: ignore[arg-type]  # those without a length raise
    except (TypeError, ValueError):
        return None
