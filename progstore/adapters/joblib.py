"""joblib: what `Parallel` works off within a `with track(...)` block is a task, whoever calls it there.

joblib tells of each batch that is completed by calling `print_progress`, with every backend; that is listened to. What
a worker tracks itself joins the session of the block, also in processes that joblib has kept from before.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Unpack

from joblib import Parallel  # type: ignore[import-untyped]  # it has no types

from progstore.adapters.calling import caller, name_after
from progstore.adapters.chunks import carried
from progstore.adapters.options import Options
from progstore.live import tracking
from progstore.live.task import Task


def track(
    name: str | None = None, *, total: float | None = None, **options: Unpack[Options]
) -> AbstractContextManager[Task[Any]]:
    """Track each call of a `joblib.Parallel` in the block, also one that a library makes, as one task.

    Items count when their batch is done. `total` is by default their number, as soon as that is known; the other
    keywords are those of `track()`. What the block raises ends the task as an error.
    """
    return _block(name or name_after(caller()), total, options)


@contextmanager
def _block(name: str, total: float | None, options: Options) -> Generator[Task[Any], None, None]:
    with tracking.track(name=name, total=total, **options) as task:
        before = _block_task.set((task, total is None))
        try:
            yield task
        finally:
            _block_task.reset(before)


_block_task: ContextVar[tuple[Task[Any], bool] | None] = ContextVar("progstore_joblib", default=None)
"""The task of the block that this thread is in, and whether its total is counted."""


def _follow(call: Callable[..., Any]) -> Callable[..., Any]:
    """`Parallel.__call__`, such that a block around it follows what it does; elsewhere it is as it was."""

    @wraps(call)
    def followed(parallel: Any, iterable: Iterable[Any]) -> Any:
        block = _block_task.get()
        if block is None:
            parallel.__dict__.pop("print_progress", None)  # of a block that is over
            return call(parallel, iterable)
        task, is_counted = block
        parallel.print_progress = _Listener(parallel, task)
        # A Parallel within this one is work of an item.
        before = _block_task.set(None)
        try:
            return call(parallel, _carried_each(iterable, task, is_counted=is_counted))
        finally:
            _block_task.reset(before)

    return followed


class _Listener:
    """Stands in for the `print_progress` of one Parallel during one call."""

    def __init__(self, parallel: Any, task: Task[Any]) -> None:
        self._parallel = parallel
        self._task = task
        self._counted = 0

    def __call__(self) -> None:
        completed = self._parallel.n_completed_tasks
        self._task.update(completed - self._counted)
        self._counted = completed
        type(self._parallel).print_progress(self._parallel)


def _carried_each(iterable: Iterable[Any], task: Task[Any], *, is_counted: bool) -> Iterable[Any]:
    """The calls to make, each with the session of the task; they are counted where they end."""
    calls = _calls(iterable, task, is_counted=is_counted)
    # joblib asks what it is given how many there are.
    return list(calls) if hasattr(iterable, "__len__") else calls


def _calls(iterable: Iterable[Any], task: Task[Any], *, is_counted: bool) -> Iterator[Any]:
    number = 0
    for func, args, kwargs in iterable:
        number += 1
        yield carried(func, task.state), args, kwargs
    if is_counted:
        task.total = (task.total or 0) + number


Parallel.__call__ = _follow(Parallel.__call__)
