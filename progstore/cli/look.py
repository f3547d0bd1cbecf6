"""What the output may look like: its width, colours and symbols.

A state is always a word; symbol and colour only repeat it.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass

import click

from progstore.values import SessionView, TaskView
from progstore.wording import SIGNS, state

NARROWEST = 40
"""Columns; a terminal that says less is taken to be this wide."""


@dataclass(frozen=True, slots=True)
class Look:
    """How to print: `columns` is None where the output is no terminal, and nothing is cut, coloured or drawn then."""

    columns: int | None
    colour: bool
    unicode: bool

    @property
    def terminal(self) -> bool:
        """True where a human looks at it right now."""
        return self.columns is not None

    @property
    def mark(self) -> str:
        """What stands where text was cut."""
        return "…" if self.unicode else ".."

    def paint(self, text: str, colour: str | None = None, *, bold: bool = False) -> str:
        """`text` in a colour, where there are colours."""
        return click.style(text, fg=colour, bold=bold or None) if self.colour else text

    def bar(self, percent: float | None, columns: int = 10) -> str:
        """A bar of `columns` characters for 0 to 100 percent; empty track where nobody knows."""
        full, empty = ("█", "░") if self.unicode else ("#", ".")
        filled = 0 if percent is None else int(min(max(percent, 0.0), 100.0) * columns / 100)
        return full * filled + empty * (columns - filled)

    def status(self, view: SessionView | TaskView) -> str:
        """The state in a word, on a terminal with its symbol before it."""
        word = state(view)
        if not self.terminal:
            return str(word)
        return f"{SIGNS[word].symbol if self.unicode else SIGNS[word].ascii} {word}"


def current_look() -> Look:
    """How to print to this process's stdout; NO_COLOR, TERM=dumb and COLUMNS are obeyed."""
    stream = sys.stdout
    terminal = stream is not None and stream.isatty()
    colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    columns = max(shutil.get_terminal_size().columns, NARROWEST) if terminal else None
    return Look(columns=columns, colour=colour, unicode=_can_show(stream, "●✓✗○⊘◌‖†█░└├…"))


def _can_show(stream: object, symbols: str) -> bool:
    try:
        symbols.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
