"""The parameters of jobs: what their annotations allow, and values of those types from text or JSON."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

from progstore.live.process import is_secret
from progstore.values import Json

SUPPORTED: Final = "str, int, float, bool, date, datetime, pathlib.Path, Literal, an Enum, a list of one, or one | None"

_KINDS: Final[dict[object, str]] = {
    str: "text",
    int: "int",
    float: "float",
    bool: "bool",
    date: "date",
    datetime: "datetime",
    Path: "path",
}
Moment = TypeVar("Moment", date, datetime)

_TRUE: Final = ("true", "yes", "on", "1")
_FALSE: Final = ("false", "no", "off", "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a job, as its annotation has it.

    `kind` is text, int, float, bool, date, datetime, path or choice; `choices` are the words of the last. A `many`
    parameter takes a list; an `optional` one may be None. `default` is of no meaning where the parameter is `required`.
    """

    name: str
    kind: str
    required: bool
    default: Any = None
    many: bool = False
    optional: bool = False
    choices: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()
    """What each choice stands for."""

    @property
    def is_secret(self) -> bool:
        """Whether it is called like something that is not to be shown or kept."""
        return is_secret(self.name)

    def to_dict(self) -> dict[str, Json]:
        """What it takes, as plain JSON; the default of what is secret is not told."""
        return {
            "name": self.name,
            "kind": self.kind,
            "required": self.required,
            "default": None if self.is_secret else self.write(self.default),
            "many": self.many,
            "optional": self.optional,
            "choices": list(self.choices),
            "secret": self.is_secret,
        }

    def read(self, given: Any) -> Any:
        """The value that text or JSON spells. Raises ValueError, which says what is accepted."""
        if given is None and self.optional:
            return None
        if not self.many:
            return self._one(given)
        if not isinstance(given, list | tuple):
            given = [given]
        return [self._one(each) for each in given]

    def write(self, value: Any) -> Json:
        """A value as JSON that `read` takes for the same; what is of no such type, as a default may be, as text."""
        if isinstance(value, list | tuple):
            return [self.write(each) for each in value]
        for choice, meant in zip(self.choices, self.values, strict=True):
            if type(meant) is type(value) and meant == value:
                return choice
        if value is None or isinstance(value, bool | int | float | str):
            return value
        return value.isoformat() if isinstance(value, date) else str(value)

    def _one(self, given: Any) -> Any:
        if self.kind == "choice":
            return self._choice(given)
        return _READERS[self.kind](given)

    def _choice(self, given: Any) -> Any:
        for choice, meant in zip(self.choices, self.values, strict=True):
            if given == choice or (type(given) is type(meant) and given == meant):
                return meant
        raise ValueError(f"one of {', '.join(self.choices)}, got {_shown(given)}")


def parameter_of(parameter: inspect.Parameter, scope: dict[str, Any]) -> Parameter:
    """What a job's parameter takes; `scope` has the names that a postponed annotation uses.

    Raises TypeError where nobody could give it by name, or its annotation is none that can be read from text.
    """
    name = parameter.name
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise TypeError(f"a job's parameters are given by name, and {name!r} cannot be")
    if parameter.annotation is parameter.empty:
        raise TypeError(f"the job's parameter {name!r} has no annotation; it says what is accepted: {SUPPORTED}")
    annotation = _resolved(parameter.annotation, name, scope)
    optional, inner = _without_none(annotation)
    many = get_origin(inner) is list
    kind, choices = _kind_of(get_args(inner)[0] if many else inner)
    if kind is None:
        raise TypeError(f"the job's parameter {name!r} is annotated {annotation!r}; what can be given is {SUPPORTED}")
    required = parameter.default is parameter.empty
    return Parameter(
        name=name,
        kind=kind,
        required=required,
        default=None if required else parameter.default,
        many=many,
        optional=optional,
        choices=tuple(choices),
        values=tuple(choices.values()),
    )


def _resolved(annotation: Any, name: str, scope: dict[str, Any]) -> Any:
    while isinstance(annotation, str):
        try:
            annotation = eval(annotation, scope)  # noqa: S307  # it is the program's own text
        except Exception as error:
            raise TypeError(f"the annotation {annotation!r} of the job's parameter {name!r} fails: {error}") from error
    return _resolved(get_args(annotation)[0], name, scope) if get_origin(annotation) is Annotated else annotation


def _without_none(annotation: Any) -> tuple[bool, Any]:
    """Whether None is accepted, and what else."""
    if get_origin(annotation) not in (Union, UnionType):
        return False, annotation
    others = [each for each in get_args(annotation) if each is not NoneType]
    if len(others) != 1:
        return False, annotation
    return True, others[0]


def _kind_of(annotation: Any) -> tuple[str | None, dict[str, Any]]:
    """The kind that an annotation means, None where it means none, and the choices."""
    if get_origin(annotation) is Literal:
        chosen = get_args(annotation)
        if not all(isinstance(each, str | int) for each in chosen):
            return None, {}
        return "choice", {_word(each): each for each in chosen}
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "choice", dict(annotation.__members__)
    return (_KINDS.get(annotation) if isinstance(annotation, type) else None), {}


def _word(value: str | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# What reads each kind; text as a person types it, or what JSON has for it.


def _read_text(given: Any) -> str:
    if not isinstance(given, str):
        raise _no("a text", given)
    return given


def _read_int(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int | str):
        raise _no("a whole number", given)
    try:
        return int(given)
    except ValueError:
        raise _no("a whole number", given) from None


def _read_float(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise _no("a number", given)
    try:
        number = float(given)
    except (ValueError, OverflowError):
        raise _no("a number", given) from None
    if not math.isfinite(number):
        raise _no("a finite number", given)
    return number


def _read_bool(given: Any) -> bool:
    if isinstance(given, bool):
        return given
    word = given.strip().lower() if isinstance(given, str) else None
    if word not in (*_TRUE, *_FALSE):
        raise _no("true or false", given)
    return word in _TRUE


def _read_date(given: Any) -> date:
    return _from_iso(date.fromisoformat, "a date such as 2026-11-30", given)


def _read_datetime(given: Any) -> datetime:
    return _from_iso(datetime.fromisoformat, "a time such as 2026-11-30T08:15", given)


def _read_path(given: Any) -> Path:
    if not isinstance(given, str) or not given or "\0" in given:
        raise _no("a path", given)
    return Path(given)


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "text": _read_text,
    "int": _read_int,
    "float": _read_float,
    "bool": _read_bool,
    "date": _read_date,
    "datetime": _read_datetime,
    "path": _read_path,
}


def _from_iso(read: Callable[[str], Moment], what: str, given: Any) -> Moment:
    if not isinstance(given, str):
        raise _no(what, given)
    try:
        return read(given.strip())
    except ValueError:
        raise _no(what, given) from None


def _no(wanted: str, given: Any) -> ValueError:
    return ValueError(f"{wanted}, got {_shown(given)}")


def _shown(given: Any) -> str:
    said = repr(given)
    return said if len(said) <= 60 else f"{said[:59]}…"
