"""Functions each call of which is a task, and the one parameter that its annotation says the adapter fills in."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from functools import wraps
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from progstore.live.task import Task


class Parameter(NamedTuple):
    """A parameter that is filled in: its name, its place among the positional ones, the signature without it."""

    name: str
    position: int | None
    rest: inspect.Signature


def find_parameter(func: Callable[..., Any], wanted: type) -> Parameter | None:
    """The first parameter annotated with `wanted`, `wanted[...]`, `wanted | None` or `Annotated[wanted, ...]`;
    None where there is none.
    """
    try:
        signature = inspect.signature(func)
    except (TypeError, ValueError):  # functions of C may have none; then they have no annotations either
        return None
    parameters = list(signature.parameters.values())
    for index, parameter in enumerate(parameters):
        by_position = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        may_be_given = by_position or parameter.kind is parameter.KEYWORD_ONLY
        if may_be_given and _means(parameter.annotation, wanted, func):
            others = [each for each in parameters if each is not parameter]
            return Parameter(parameter.name, index if by_position else None, signature.replace(parameters=others))
    return None


def name_of(func: Callable[..., Any]) -> str:
    """What the tasks of a function are called when nobody says: as it is, without the functions around it."""
    return str(getattr(func, "__qualname__", type(func).__qualname__)).rpartition("<locals>.")[2]


class Calls:
    """The calls of one function: each one a task, which the function may be given."""

    wanted: type = Task
    """What the parameter to be filled in is annotated with."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func
        self.parameter = find_parameter(func, self.wanted)

    def begin(self) -> Task[Any]:
        """The task of a call that begins now."""
        raise NotImplementedError

    def value(self, task: Task[Any], kwargs: dict[str, Any]) -> object:  # noqa: ARG002  # others take from them
        """What the parameter is given in a call; what stands in `kwargs` for the adapter is taken out of them."""
        return task

    def wrapper(self) -> Callable[..., Any]:
        """What is called in the function's place."""
        func = self.func
        if inspect.iscoroutinefunction(func):
            call: Callable[..., Any] = self._around_coroutine()
        elif inspect.isasyncgenfunction(func):
            call = self._around_async_generator()
        elif inspect.isgeneratorfunction(func):
            call = self._around_generator()
        else:
            call = self._around_function()
        call = wraps(func)(call)
        if self.parameter is not None:
            # Whoever calls by signature, as web frameworks do, must not try to fill it in.
            call.__signature__ = self.parameter.rest  # type: ignore[attr-defined]  # inspect looks there
        return call

    def _around_function(self) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.begin() as task:
                args = self._filled_in(task, args, kwargs)
                return self.func(*args, **kwargs)

        return call

    def _around_coroutine(self) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            with self.begin() as task:
                args = self._filled_in(task, args, kwargs)
                return await self.func(*args, **kwargs)

        return call

    def _around_generator(self) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with self.begin() as task:
                args = self._filled_in(task, args, kwargs)
                return (yield from self.func(*args, **kwargs))

        return call

    def _around_async_generator(self) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            with self.begin() as task:
                args = self._filled_in(task, args, kwargs)
                items = self.func(*args, **kwargs)
                try:
                    async for item in items:
                        yield item
                finally:
                    await items.aclose()

        return call

    def _filled_in(self, task: Task[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments with the value in its place, among `args` or in `kwargs`, unless the caller has given one."""
        parameter = self.parameter
        if parameter is None:
            return args
        value, place = self.value(task, kwargs), parameter.position
        if parameter.name in kwargs:
            return args
        if place is None or len(args) < place:
            kwargs[parameter.name] = value
            return args
        if len(args) > place and isinstance(args[place], self.wanted):
            return args
        return (*args[:place], value, *args[place:])


def _means(annotation: Any, wanted: type, func: Callable[..., Any]) -> bool:
    """Whether an annotation means the type; where it is postponed, it is still text."""
    if isinstance(annotation, str):
        scope = getattr(inspect.unwrap(func), "__globals__", {})
        try:
            # As typing.get_type_hints() does, which gives up on all of them where one cannot be known.
            # It may be quoted on top of that.
            return _means(eval(annotation, scope), wanted, func)  # noqa: S307  # it is the program's own text
        except Exception:  # noqa: BLE001  # whatever it raises, its names are not there when the program runs
            name = annotation.removesuffix("| None").partition("[")[0].strip()
            return name == wanted.__name__ or (
                name.startswith("progstore.") and name.rpartition(".")[2] == wanted.__name__
            )
    kind = get_origin(annotation)
    if kind is Annotated:
        return _means(get_args(annotation)[0], wanted, func)
    # But `list[Task]` asks for several, which nobody has.
    return annotation is wanted or (kind in (Union, UnionType) and wanted in get_args(annotation))
