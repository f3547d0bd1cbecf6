"""The board on the screen: what the keys do, which part of it is seen, and what stands above and below it."""

from __future__ import annotations

import io
import os
import textwrap

from rich.console import Console
from rich.text import Text

from progstore import BadFilter
from progstore_term.board import Board
from progstore_term.reading import Reading
from progstore_term.rows import SORTS, Choices, Key, Row, headline, rows_of
from progstore_term.table import Line, Style, lines_of
from progstore_term.terminal import Terminal
from progstore_term.wording import one_line

HELP = (
    ("up down  j k", "choose a line"),
    ("page up/down  home end", "go through a long board"),
    ("enter  space  left right", "fold or unfold what is chosen"),
    ("/", "filter: words, name:etl status:error took>10m host:db1 since:7d is:live; Enter takes it, Escape does not"),
    ("s", "sort: by start, name, percent, time"),
    ("a", "list all tasks and sessions, or those worth seeing"),
    ("?", "this help"),
    ("q  Ctrl-C", "quit"),
)
KEYS = "q quit  / filter  s sort  a all  enter fold  ? help"
MOVES = {"up": -1, "k": -1, "down": 1, "j": 1}
FOLDS = {"enter", " ", "left", "right"}


class Screen:
    """What is seen of the boards that `reading` reads, and what the user has chosen."""

    def __init__(self, reading: Reading, where: str, *, unicode: bool) -> None:
        self.quit = False
        self._reading = reading
        self._where = where
        self._unicode = unicode
        self._choices = Choices(hint="; a shows them")
        self._chosen: Key | None = None
        self._place = 0
        self._top = 0
        self._page = 10
        self._rows: list[Row] = []
        self._help = False
        self._typing: str | None = None
        self._complaint = ""

    # What keys do

    def press(self, key: str) -> None:
        """Do what this key is for; any other does nothing."""
        if self._typing is not None:
            self._type(key)
        elif self._help and key != "q":
            self._help = False
        elif key == "q":
            self.quit = True
        elif key == "?":
            self._help = True
        elif key == "/":
            self._typing, self._complaint = self._reading.written, ""
        elif key == "s":
            self._choices.sort = SORTS[(SORTS.index(self._choices.sort) + 1) % len(SORTS)]
        elif key == "a":
            self._choices.show_all = not self._choices.show_all
        elif key in FOLDS:
            self._fold(key)
        else:
            self._move(key)

    def _type(self, key: str) -> None:
        assert self._typing is not None
        self._complaint = ""
        if key == "enter":
            try:
                self._reading.ask(self._typing.strip())
                self._typing = None
            except BadFilter as error:
                self._complaint = str(error)
        elif key == "escape":
            self._typing = None
        elif key == "backspace":
            self._typing = self._typing[:-1]
        elif key == "clear":
            self._typing = ""
        elif len(key) == 1 and key.isprintable():
            self._typing += key

    def _move(self, key: str) -> None:
        keys = [row.key for row in self._rows if row.key is not None]
        if not keys:
            return
        at = keys.index(self._chosen) if self._chosen in keys else 0
        steps = {**MOVES, "page up": -self._page, "page down": self._page, "home": -len(keys), "end": len(keys)}
        self._chosen = keys[min(max(at + steps.get(key, 0), 0), len(keys) - 1)]

    def _fold(self, key: str) -> None:
        row = next((row for row in self._rows if row.key == self._chosen), None)
        if row is None or row.key is None or not row.folds or (row.folded and key == "left"):
            return
        if row.folded or key != "right":
            self._choices.turned ^= {row.key}

    # What is seen

    def lines(self, size: os.terminal_size) -> list[str]:
        """All lines of the screen, with the colours that the terminal has."""
        texts = self._compose(self._reading.board, size.columns, size.lines)
        for text in texts:
            text.truncate(size.columns, overflow="ellipsis")
        return _written(texts, size.columns)

    def _compose(self, board: Board | None, columns: int, lines: int) -> list[Text]:
        top, bottom = [self._title(board)], self._foot(columns)
        if self._help:
            width = max(len(keys) for keys, _ in HELP)
            shown = [Text(f"  {keys:{width}}  {what}") for keys, what in HELP]
            return [*top, *_filled([Text(), *shown], lines - 1 - len(bottom)), *bottom]
        table = self._table(board, columns)
        if lines >= 8:
            bottom.insert(0, self._detail())
        if lines >= 6 and len(table) > 1:
            top.append(table[0].text)
        body = self._part(table[1:], max(1, lines - len(top) - len(bottom)))
        return [*top, *body, *bottom][:lines]

    def _title(self, board: Board | None) -> Text:
        title = Text("progstore top", "bold")
        said = "reading…" if board is None else "" if board.trouble else headline(board)
        title.append(f"  {said}" if said else "", "not bold")
        if self._reading.written:
            title.append(f"  filter: {one_line(self._reading.written)}", "cyan")
        if self._choices.sort != SORTS[0]:
            title.append(f"  by {self._choices.sort}", "not bold")
        title.append("  all" if self._choices.show_all else "", "not bold")
        return title.append(f"  {one_line(self._where)}", "not bold bright_black")

    def _table(self, board: Board | None, columns: int) -> list[Line]:
        if board is None:
            return []
        self._rows = rows_of(board, self._choices)
        keys = [row.key for row in self._rows if row.key is not None]
        if self._chosen in keys:
            self._place = keys.index(self._chosen)
        else:  # it is gone: what has come to its place
            self._chosen = keys[min(self._place, len(keys) - 1)] if keys else None
        said = [Line(text, None) for text in _wrapped(board.trouble, columns - 2)]
        if not keys:
            empty = "Nothing matches the filter." if self._reading.written else "Nothing was recorded yet."
            return [Line(Text(), None), *(said or [Line(Text(empty), None)])]
        # A place at the left says what is chosen, for those who see no colour.
        table = lines_of(self._rows, Style(max(1, columns - 2), self._unicode))
        return [*table[:1], *said, *table[1:]]

    def _part(self, table: list[Line], room: int) -> list[Text]:
        """The lines that are seen, the chosen one among them, with a mark before it."""
        self._page = max(1, room - 1)
        mine = [at for at, line in enumerate(table) if line.key is not None and line.key == self._chosen]
        if mine:
            # What stands above the first line, its heading, is seen with it.
            first = 0 if not any(line.key for line in table[: mine[0]]) else mine[0]
            self._top = max(min(self._top, first), mine[-1] - room + 1)
        self._top = max(0, min(self._top, len(table) - room))
        seen = []
        for at, line in enumerate(table[self._top : self._top + room], self._top):
            is_chosen = bool(mine) and at == mine[0]
            text = Text("> " if is_chosen else "  ") + line.text
            if is_chosen:
                text.stylize("reverse")
            seen.append(text)
        return _filled(seen, room)

    def _detail(self) -> Text:
        row = next((row for row in self._rows if row.key == self._chosen), None)
        return Text("" if row is None else row.detail, "bright_black")

    def _foot(self, columns: int) -> list[Text]:
        if self._typing is None:
            return [Text(KEYS, "reverse" if columns > len(KEYS) else "")]
        kept = self._typing[-max(1, columns - 11) :]
        prompt = Text.assemble(("filter: ", "bold"), one_line(kept), ("_", "blink"))
        return [*_wrapped(self._complaint, columns), prompt]


def show(terminal: Terminal, screen: Screen) -> None:
    """Draw and obey keys until somebody quits, or a signal asks for the end."""
    while not screen.quit and terminal.ended_by is None:
        terminal.show(screen.lines(terminal.size()))
        for key in terminal.typed():
            if key == "redraw":
                terminal.redraw()
            else:
                screen.press(key)


def _wrapped(words: str, columns: int) -> list[Text]:
    """What is wrong, over as many lines as it takes; none where nothing is."""
    lines = textwrap.wrap(one_line(words), max(10, columns - 2))
    return [Text(f"{'  ' if at else '! '}{line}", "yellow") for at, line in enumerate(lines)]


def _filled(texts: list[Text], lines: int) -> list[Text]:
    return [*texts[:lines], *(Text() for _ in range(lines - len(texts)))]


def _written(texts: list[Text], columns: int) -> list[str]:
    """The lines as they are written to the terminal."""
    paper = io.StringIO()
    console = Console(file=paper, force_terminal=True, width=columns + 1, highlight=False, markup=False, emoji=False)
    console.print(Text("\n").join(texts), no_wrap=True, overflow="ignore", crop=False, end="")
    return paper.getvalue().split("\n")
