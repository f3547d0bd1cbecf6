"""Callables: `@tracked`, by which each call of a function is a task."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from functools import wraps
from typing import Any, TypeVar, Unpack, get_args, overload

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
        return _Calls(name, None, None, {}).wrapper()
    return lambda func: _Calls(func, name, total, options).wrapper()


class _Calls:
    """The calls of one function."""

    def __init__(self, func: Callable[..., Any], name: str | None, total: float | None, options: Options) -> None:
        if not callable(func):
            raise TypeError(f"tracked() decorates functions, got {type(func).__name__}")
        self._func = func
        self._name = name or getattr(func, "__qualname__", type(func).__qualname__).rpartition("<locals>.")[2]
        self._total = total
        self._options = options
        self._parameter: str | None = None
        self._position: int | None = None
        self._signature: inspect.Signature | None = None
        self._find_parameter()

    def wrapper(self) -> Callable[..., Any]:
        """What is called in the function's place."""
        func = self._func
        if inspect.iscoroutinefunction(func):
            call: Callable[..., Any] = self._around_coroutine()
        elif inspect.isasyncgenfunction(func):
            call = self._around_async_generator()
        elif inspect.isgeneratorfunction(func):
            call = self._around_generator()
        else:
            call = self._around_function()
        call = wraps(func)(call)
        if self._signature is not None:
            # Whoever calls by signature, as web frameworks do, must not try to fill in the task.
            call.__signature__ = self._signature  # type: ignore[attr-defined]  # inspect looks there
        return call

    def _around_function(self) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._begin() as task:
                args = self._with_task(task, args, kwargs)
                return self._func(*args, **kwargs)

        return call

    def _around_coroutine(self) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            with self._begin() as task:
                args = self._with_task(task, args, kwargs)
                return await self._func(*args, **kwargs)

        return call

    def _around_generator(self) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with self._begin() as task:
                args = self._with_task(task, args, kwargs)
                return (yield from self._func(*args, **kwargs))

        return call

    def _around_async_generator(self) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            with self._begin() as task:
                args = self._with_task(task, args, kwargs)
                items = self._func(*args, **kwargs)
                try:
                    async for item in items:
                        yield item
                finally:
                    await items.aclose()

        return call

    def _begin(self) -> Task[Any]:
        return track(name=self._name, total=self._total, **self._options)

    def _with_task(self, task: Task[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments with the task in its place, among `args` or in `kwargs`, unless the caller has given one."""
        place = self._position
        if self._parameter is None or self._parameter in kwargs:
            return args
        if place is None or len(args) < place:
            kwargs[self._parameter] = task
            return args
        if len(args) > place and isinstance(args[place], Task):
            return args
        return (*args[:place], task, *args[place:])

    def _find_parameter(self) -> None:
        try:
            signature = inspect.signature(self._func)
        except (TypeError, ValueError):  # functions of C may have none; then they have no annotations either
            return
        parameters = list(signature.parameters.values())
        for index, parameter in enumerate(parameters):
            by_position = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
            may_be_given = by_position or parameter.kind is parameter.KEYWORD_ONLY
            if may_be_given and _is_task(parameter.annotation, self._func):
                self._parameter = parameter.name
                self._position = index if by_position else None
                others = [each for each in parameters if each is not parameter]
                self._signature = signature.replace(parameters=others)
                return


def _is_task(annotation: Any, func: Callable[..., Any]) -> bool:
    """Whether an annotation means Task, `Task[int]` or `Task | None`; where it is postponed, it is still text."""
    if isinstance(annotation, str):
        scope = getattr(inspect.unwrap(func), "__globals__", {})
        try:
            # As typing.get_type_hints() does, which gives up on all of them where one cannot be known.
            # It may be quoted on top of that.
            return _is_task(eval(annotation, scope), func)  # noqa: S307  # it is the program's own text
        except Exception:  # noqa: BLE001  # whatever it raises, its names are not there when the program runs
            name = annotation.removesuffix("| None").partition("[")[0].strip()
            return name in ("Task", "progstore.Task")
    return annotation is Task or Task in get_args(annotation)
