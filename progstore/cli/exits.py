"""Exit codes, and how errors become them; the only place where an error of progstore ends a program."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from progstore.cli.text import one_line
from progstore.errors import (
    AlreadyEnded,
    BadFilter,
    BadQuery,
    BadValue,
    MissingExtra,
    NotFound,
    ProgstoreError,
    StillRunning,
    StoreBusy,
)

FINE = 0
NO = 1
USAGE = 2
STORE = 3
NOT_FOUND = 4
BUSY = 5
MISSING = 6
SYSTEM = 7
TIMEOUT = 124
INTERRUPTED = 130
PIPE_CLOSED = 141

MEANINGS = {
    FINE: "fine",
    NO: "the answer is no",
    USAGE: "not understood: a command, an option, an age, SQL",
    STORE: "the store is not there or cannot be used",
    NOT_FOUND: "the store has no such session or task",
    BUSY: "another process holds the store; try again",
    MISSING: "not installed; the message is the install line",
    SYSTEM: "the system refused, say to write the output",
    TIMEOUT: "ran out of time",
    INTERRUPTED: "stopped by Ctrl-C",
    PIPE_CLOSED: "the reader of the output went away",
}

_CODES: tuple[tuple[type[ProgstoreError], int], ...] = (
    (BadFilter, USAGE),
    (BadQuery, USAGE),
    (BadValue, USAGE),
    (NotFound, NOT_FOUND),
    (StoreBusy, BUSY),
    (MissingExtra, MISSING),
    (StillRunning, NO),
    (AlreadyEnded, NO),
    (ProgstoreError, STORE),
)


class Handover(BaseException):
    """Raised by a command to end the command line and call `program`, whose errors, exits and output are its own."""

    def __init__(self, program: Callable[[], object]) -> None:
        super().__init__()
        self.program = program


def say(message: str) -> None:
    """One line for a human on stderr, which is never mixed into the output."""
    click.echo(f"progstore: {one_line(message)}", err=True)


def leave(code: int, message: str = "") -> NoReturn:
    """End the program with an exit code, and with one line on stderr where there is a message."""
    if message:
        say(message)
    raise click.exceptions.Exit(code)


@contextmanager
def errors_as_exits() -> Iterator[None]:
    """Turn what progstore or the system raises into one line on stderr and an exit code."""
    try:
        yield
    except ProgstoreError as error:
        leave(code_of(error), str(error))
    except BrokenPipeError:
        leave(PIPE_CLOSED)
    except OSError as error:
        leave(SYSTEM, str(error))
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            click.echo(err=True)  # the terminal has shown ^C, which stands in the way of the line
        leave(INTERRUPTED, "stopped by Ctrl-C")


def code_of(error: ProgstoreError) -> int:
    """The exit code for `error`."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


def epilog(*codes: int, fine: str = MEANINGS[FINE], no: str = MEANINGS[NO]) -> str:
    """The end of a help text: what the exit codes of a command mean; `fine` and `no` say it for this command."""
    meanings = {**MEANINGS, FINE: fine, NO: no}
    lines = "\n".join(f"  {code:<4} {meanings[code]}" for code in codes)
    return f"\b\nExit codes:\n{lines}"
