"""Pools of multiprocessing: `imap()` and `imap_unordered()` as pools have them, tracked.

What a worker tracks itself joins the session of the loop, also where the pool was started before. A pool never tells
that a worker died, and waits for the lost result for ever; the task is running as long, with what has come counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from multiprocessing.pool import Pool
from typing import Any, Generic, TypeVar, Unpack

from progstore.adapters.calling import caller, name_after
from progstore.adapters.chunks import carried
from progstore.adapters.options import Options
from progstore.adapters.pooled import shortest
from progstore.live.reasons import failure_text
from progstore.live.task import Task
from progstore.live.tracking import track

Result = TypeVar("Result")


def imap(
    pool: Pool,
    func: Callable[[Any], Result],
    iterable: Iterable[Any],
    chunksize: int = 1,
    *,
    name: str | None = None,
    total: float | None = None,
    **options: Unpack[Options],
) -> Iterator[Result]:
    """Yield `func` of the items in their order, as `pool.imap(func, iterable, chunksize)` does.

    An item counts when the loop over the results has worked through it. `total` is by default the number of items,
    where the iterable knows it; the other keywords are those of `track()`. Raises what `func` raises, which counts as
    failed and ends the task as an error.
    """
    return _tracked(pool.imap, func, iterable, chunksize, name=name, total=total, options=options)


def imap_unordered(
    pool: Pool,
    func: Callable[[Any], Result],
    iterable: Iterable[Any],
    chunksize: int = 1,
    *,
    name: str | None = None,
    total: float | None = None,
    **options: Unpack[Options],
) -> Iterator[Result]:
    """The same, in the order in which the results come, as `pool.imap_unordered(func, iterable, chunksize)` does."""
    return _tracked(pool.imap_unordered, func, iterable, chunksize, name=name, total=total, options=options)


def _tracked(
    get: Callable[..., Iterator[Result]],
    func: Callable[[Any], Result],
    iterable: Iterable[Any],
    chunksize: int,
    *,
    name: str | None,
    total: float | None,
    options: Options,
) -> Iterator[Result]:
    """What to loop over: the results that `get` gives."""
    frame = caller()
    results: _Results[Result] = _Results()
    total = shortest([iterable]) if total is None else total
    task = results.task = track(results, name or name_after(frame), total=total, **options)
    iterator: Iterator[Result] = iter(task)
    task.state.frame = (id(frame), frame.f_code)
    task.state.counter = results
    try:
        results.source = get(carried(func, task.state), iterable, chunksize)
    except BaseException as error:
        task.__exit__(type(error), error, None)
        raise
    return iterator


class _Results(Generic[Result]):
    """A pool's results on their way to a loop. It is the task's counter."""

    source: Iterator[Result]
    task: Task[Result]

    def __init__(self) -> None:
        self._fetched = 0
        self._done = 0

    def __iter__(self) -> Iterator[Result]:
        return self

    def __next__(self) -> Result:
        self._done = self._fetched
        try:
            result = next(self.source)
        except StopIteration:
            if self.task.total is None:
                self.task.total = self._done
            raise
        except BaseException as error:
            if isinstance(error, Exception):
                self._fetched += 1
                self._done += 1
                self.task.fail_item(failure_text(error))
            self.task.__exit__(type(error), error, None)
            raise
        self._fetched += 1
        return result

    def done(self) -> float:
        """Results that the loop has worked through: it has asked for the next one."""
        return self._done

    def final(self, exhausted: bool) -> float:  # noqa: ARG002  # a counter is asked so
        """The same at the end."""
        return self._done
