"""Frontends plug in: the protocol they keep, and the loader that finds them by the entry points `progstore.frontends`.

Loading a frontend must be cheap, for `progstore --help` loads them all: its module and `commands()` import nothing
heavy; what a command needs is imported when it runs.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any, Protocol

import click

from progstore.errors import MissingExtra

GROUP = "progstore.frontends"
"""The entry-point group; each entry point names an object that keeps the `Frontend` protocol."""


class Frontend(Protocol):
    """What reads a store and shows, serves or forwards it."""

    @property
    def name(self) -> str:
        """One word, as users call the frontend; the extra that installs its packages has the same name."""

    @property
    def summary(self) -> str:
        """One line that says what the frontend is for."""

    def commands(self) -> Sequence[click.Command]:
        """The commands that join the command line, each with a name and a help text."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A command that joined the command line, and where it comes from."""

    command: click.Command
    frontend: str
    entry_point: EntryPoint


@dataclass(frozen=True, slots=True)
class Loaded:
    """What all installed frontends bring.

    `offers` are commands by name, `summaries` go by frontend, `missing` has a sentence with the install line for each
    frontend whose packages are not there, `warnings` are sentences about what was left out.
    """

    offers: Mapping[str, Offer]
    summaries: Mapping[str, str]
    missing: Mapping[str, str]
    warnings: tuple[str, ...]


def load(core: Collection[str]) -> Loaded:
    """Load every installed frontend; a command named like one in `core` is left out.

    Never raises for a frontend's fault: a broken one gives a warning and is left out.
    """
    offers: dict[str, Offer] = {}
    summaries: dict[str, str] = {}
    missing: dict[str, str] = {}
    warnings: list[str] = []
    for point in _entry_points():
        try:
            name, summary, commands = _ask(point)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a stranger's module does, ls must go on
            if lacking := missing_extra(point, error):
                missing[point.name] = str(lacking)
            else:
                warnings.append(f"{_called(point)} is broken and left out: {type(error).__name__}: {error}")
            continue
        summaries[name] = summary
        for command in commands:
            taken = offers.get(str(command.name))
            if command.name in core:
                warnings.append(f"the command {command.name!r} of {_called(point)} is left out: progstore has its own")
            elif taken:
                other = _called(taken.entry_point)
                warnings.append(f"the command {command.name!r} of {_called(point)} is left out: {other} has it already")
            else:
                offers[str(command.name)] = Offer(command, name, point)
    return Loaded(offers, summaries, missing, tuple(warnings))


def missing_extra(point: EntryPoint, error: BaseException) -> MissingExtra | None:
    """The error that says what to install, where `error` means that packages of a frontend are missing; else None."""
    if isinstance(error, MissingExtra):
        return error
    own = point.module.partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or (error.name or own).partition(".")[0] == own:
        return None
    package = point.dist.name if point.dist else own
    extras = point.dist.metadata.get_all("Provides-Extra", []) if point.dist else []
    wanted = f"{package}[{point.name}]" if point.name in extras else package
    return MissingExtra(f'the frontend {point.name!r} needs {error.name}: pip install "{wanted}"')


def _entry_points() -> Iterable[EntryPoint]:
    """Ours first, so that nobody else's command takes the place of `ui`; the others by name."""
    points = importlib.metadata.entry_points(group=GROUP)
    return sorted(points, key=lambda point: (_package(point) != "progstore", point.name, _package(point)))


def _ask(point: EntryPoint) -> tuple[str, str, Sequence[click.Command]]:
    frontend: Frontend = point.load()
    commands: tuple[Any, ...] = tuple(frontend.commands())
    for command in commands:
        if not isinstance(command, click.Command) or not command.name:
            raise TypeError(f"commands() must give click commands with names, got {command!r}")
    return str(frontend.name), str(frontend.summary), commands


def _called(point: EntryPoint) -> str:
    return f"the frontend {point.name!r} of the package {_package(point)}"


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.module
