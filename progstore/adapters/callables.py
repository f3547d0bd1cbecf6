"""Callables: `@tracked`, by which each call of a function is a task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, Unpack, overload

from progstore.adapters.injection import Calls, name_of
from progstore.adapters.options import Options
from progstore.live.task import Task
from progstore.live.tracking import track

Result = TypeVar("Result")


@overload
def tracked(name: Callable[..., Result], /) -> Callable[..., Result]: ...


@overload
def tracked(
    name: str | None = None, *, total: float | None = None, **options: Unpack[Options]
) -> Callable[[Callable[..., Result]], Callable[..., Result]]: ...


def tracked(
    name: Callable[..., Result] | str | None = None, *, total: float | None = None, **options: Unpack[Options]
) -> Callable[..., Any]:
    """Make each call of a function a task, called `name` or like the function.

    A parameter annotated `progstore.Task` is given the task, unless the caller passes one; callers leave it out. The
    function may be a coroutine or generator function, too; a generator's task lasts as long as its iteration. What the
    function raises ends the task as an error, and is raised. The keywords are those of `track()`.

    Raises TypeError at once where there is nothing to call.
    """
    if callable(name):
        return _Tracked(name, None, None, {}).wrapper()
    return lambda func: _Tracked(func, name, total, options).wrapper()


class _Tracked(Calls):
    """The calls of a function under `@tracked`."""

    def __init__(self, func: Callable[..., Any], name: str | None, total: float | None, options: Options) -> None:
        if not callable(func):
            raise TypeError(f"tracked() decorates functions, got {type(func).__name__}")
        super().__init__(func)
        self._name = name or name_of(func)
        self._total = total
        self._options = options

    def begin(self) -> Task[Any]:
        """As `track()` begins one."""
        return track(name=self._name, total=self._total, **self._options)
