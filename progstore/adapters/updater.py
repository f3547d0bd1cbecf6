"""Dara's progress updater: functions that are given a `ProgressUpdater`, each call of which is a task.

Only the import changes: `from progstore.adapters.updater import ProgressUpdater, track_progress`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from progstore.adapters.injection import Calls, name_of
from progstore.live.callbacks import checked
from progstore.live.task import Task
from progstore.live.tracking import track
from progstore.values import TaskView

__all__ = ["ProgressUpdater", "run_task", "track_progress"]

Result = TypeVar("Result")
OnProgress = Callable[[TaskView], object]

LISTENING: Final = 0.5
"""Seconds that a result waits at most until `on_progress` has heard all."""
HANDED_IN: Final = "__send_update"
"""The keyword by which Dara's own workers hand in what shows progress on its pages."""
UNESTIMATED: Final = 0.0

_on_progress: ContextVar[OnProgress | None] = ContextVar("progstore_on_progress", default=None)


class ProgressUpdater:
    """Says how far a task is, in percents; the function that is decorated with `track_progress` is given one."""

    def __init__(self, task: Task[Any], forward: Callable[[float, str], object] | None = None) -> None:
        self._task = task
        self._forward = forward

    def send_update(self, progress: float, message: str | None = None) -> None:
        """The task stands at `progress` percent, kept within 0 and 100; without a message the last one stays.

        Raises TypeError and BadValue for what is no number, TypeError for a message that is no string.
        """
        self._task.report(progress, message)
        if self._forward is not None:
            self._forward(progress, self._task.state.message)

    def fake_progress(self, progress_end: float, message: str | None = None, estimated_time: float = 0) -> None:
        """Let the percent rise by the clock from where it stands towards `progress_end`, which it never passes.

        `estimated_time` is in milliseconds; 0 means that it is not known. The next update ends it. Raises TypeError
        and BadValue for what is no number, and BadValue for a negative estimate.
        """
        expected = estimated_time / 1000 if estimated_time else UNESTIMATED
        self._task.simulate(until=progress_end, message=message, expect=expected)
        if self._forward is not None:
            self._forward(progress_end, f"FAKE_PROGRESS__{estimated_time}__{self._task.state.message}")


def track_progress(func: Callable[..., Result]) -> Callable[..., Result]:
    """Make each call of a function a task, and give it a `ProgressUpdater` for the parameter annotated so.

    The function is called without that parameter, directly or by `run_task`, and may be a coroutine function.
    Raises ValueError where no parameter is annotated with ProgressUpdater, TypeError where there is nothing to call.
    """
    if not callable(func):
        raise TypeError(f"track_progress decorates functions, got {type(func).__name__}")
    calls = _Updated(func)
    if calls.parameter is None:
        raise ValueError(f"{calls.name} has no parameter annotated with ProgressUpdater; add one, or use @tracked")
    call = calls.wrapper()
    # By this Dara's workers know functions that want to be given what shows progress on its pages.
    call.__wrapped_by__ = track_progress  # type: ignore[attr-defined]  # functions take any attribute
    return call


def run_task(
    func: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    on_progress: OnProgress | None = None,
) -> Any:
    """Run `func` as a task, here and now, and return what it returns; for a coroutine function, await the result.

    `on_progress` is called with a TaskView as that of `track()`; it has heard the end when the result is there, unless
    it takes more than half a second longer. A function that is not decorated with `track_progress` may be run, too.
    From a coroutine, run what blocks with `await asyncio.to_thread(run_task, func, ...)`.

    Raises what the function raises, TypeError for a `func` or `on_progress` that cannot be called so.
    """
    if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
        raise TypeError(f"run_task runs functions that return, {name_of(func)} is a generator; call it and iterate")
    call = func if _is_decorated(func) else _Updated(func).wrapper()
    hearing = None if on_progress is None else _Hearing(checked(on_progress))
    run = _run_coroutine if inspect.iscoroutinefunction(call) else _run_function
    return run(functools.partial(call, *args, **(kwargs or {})), hearing)


class _Updated(Calls):
    """The calls of a function that may want an updater."""

    wanted = ProgressUpdater

    def __init__(self, func: Callable[..., Any]) -> None:
        super().__init__(func)
        self.name = name_of(func)

    def begin(self) -> Task[Any]:
        """As `track()` begins one; its callback is that of `run_task`, for the outermost call only."""
        on_progress = _on_progress.get()
        if on_progress is not None:
            _on_progress.set(None)
        return track(name=self.name, on_progress=on_progress)

    def value(self, task: Task[Any], kwargs: dict[str, Any]) -> ProgressUpdater:
        """An updater of the task."""
        return ProgressUpdater(task, kwargs.pop(HANDED_IN, None))


class _Hearing:
    """A callback, and whether it has heard the end."""

    def __init__(self, callback: OnProgress) -> None:
        self._callback = callback
        self._is_over = threading.Event()

    def __call__(self, view: TaskView) -> None:
        try:
            self._callback(view)
        finally:
            if view.status.is_terminal:
                self._is_over.set()

    def wait(self) -> None:
        self._is_over.wait(LISTENING)


def _run_function(call: Callable[[], Any], hearing: _Hearing | None) -> Any:
    before = _on_progress.set(hearing)
    try:
        return call()
    finally:
        _on_progress.reset(before)
        if hearing is not None:
            hearing.wait()


async def _run_coroutine(call: Callable[[], Any], hearing: _Hearing | None) -> Any:
    before = _on_progress.set(hearing)
    try:
        return await call()
    finally:
        _on_progress.reset(before)
        if hearing is not None:
            # In a thread, for the callback may need this loop.
            await asyncio.to_thread(hearing.wait)


def _is_decorated(func: Callable[..., Any]) -> bool:
    while isinstance(func, functools.partial):
        func = func.func
    return getattr(func, "__wrapped_by__", None) is track_progress
