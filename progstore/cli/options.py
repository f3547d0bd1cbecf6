"""Options and arguments that several commands share, and what they are parsed into."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from progstore.ages import AGE_EXAMPLES, moment, parse_age
from progstore.errors import BadFilter
from progstore.values import Life, Status

Command = TypeVar("Command", bound=Callable[..., Any])
Made = TypeVar("Made", bound=click.Command)

STORED = tuple(str(status) for status in Status)
"""The states that stand in the store."""
STATES = (*STORED, *(str(life) for life in Life if life is not Life.ALIVE))
"""Those, and what a reader concludes about running work."""

_SIZE = re.compile(r"(\d{1,15}(?:\.\d+)?)\s?([kmgt]?)(i?)b", re.ASCII)


class Age(click.ParamType[float]):
    """An age such as 26h, as seconds."""

    name = "age"

    def convert(self, value: Any, *_: object) -> float:
        """Raises BadFilter."""
        return value if isinstance(value, float) else parse_age(value)


class Size(click.ParamType[int]):
    """A size such as 2GB, as bytes."""

    name = "size"

    def convert(self, value: Any, *_: object) -> int:
        """Raises BadFilter."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(value.strip().lower())
        if match is None:
            raise BadFilter(f"{value!r} is not a size; give a number and a unit, as in 500MB, 2GB or 1.5GiB")
        return int(float(match[1]) * (1024 if match[3] else 1000) ** ("kmgt".find(match[2]) + 1 if match[2] else 0))


class Moment(click.ParamType[float]):
    """A date, a time or an age ago, as seconds UTC."""

    name = "when"

    def convert(self, value: Any, *_: object) -> float:
        """Raises BadFilter."""
        return value if isinstance(value, float) else moment(value)


class Place(click.ParamType["tuple[int, int | None]"]):
    """17, a session, or 17/42, a task of it; as (17, None) or (17, 42)."""

    name = "id"

    def convert(self, value: Any, *_: object) -> tuple[int, int | None]:
        """Raises BadFilter."""
        if isinstance(value, tuple):
            return value
        session, slash, task = value.strip().partition("/")
        try:
            return _id(session), _id(task) if slash else None
        except ValueError:
            raise BadFilter(
                f"{value!r} is no id; give a session, as in 17, or a task of it, as in 17/42; `progstore ls` lists them"
            ) from None


def with_examples(*lines: str, title: str = "Examples") -> Callable[[Made], Made]:
    """Lines at the end of a command's help text, shown as they stand."""

    def decorate(command: Made) -> Made:
        shown = "\n".join(f"  {line}" for line in lines)
        command.help = f"{inspect.cleandoc(command.help or '')}\n\n\b\n{title}:\n{shown}"
        return command

    return decorate


def store_option(command: Command) -> Command:
    """`--store`: where the store is."""
    return click.option(
        "--store", "url", metavar="URL", help="Path or URL of the store. [env: PROGSTORE_URL; default: the user's own]"
    )(command)


def json_option(command: Command) -> Command:
    """`--json`: for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def csv_option(command: Command) -> Command:
    """`--csv`: for spreadsheets."""
    return click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for spreadsheets.")(command)


def filter_options(states: Sequence[str]) -> Callable[[Command], Command]:
    """The options that say which sessions or tasks are meant; `states` are the words that `--status` takes."""
    options = (
        click.option("--host", metavar="HOST", help="Only what ran on this host."),
        click.option("--until", type=Moment(), metavar="WHEN", help="Only what started before; as for --since."),
        click.option(
            "--since",
            type=Moment(),
            metavar="WHEN",
            help=f"Only what started since: a date or time (local), or how long ago, as in {AGE_EXAMPLES}.",
        ),
        click.option(
            "--status",
            "states",
            multiple=True,
            type=click.Choice(states, case_sensitive=False),
            metavar="STATE",
            help=f"Only what stands so; may be repeated: {', '.join(states)}.",
        ),
        click.option("--name", metavar="NAME", help="Only sessions of this name."),
    )

    def decorate(command: Command) -> Command:
        for option in options:
            command = option(command)
        return command

    return decorate


def age_option(name: str, help: str, *, required: bool = False) -> Callable[[Command], Command]:
    """An option that takes an age."""
    return click.option(name, type=Age(), metavar="AGE", required=required, help=help)


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) < 2**63):
        raise ValueError(text)
    return int(text)
