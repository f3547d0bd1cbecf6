"""The board as lines of text: in columns that fit the width, with colours where there are any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len
from rich.text import Text

from progstore.wording import SIGNS
from progstore_term.rows import Key, Row

GAP = 2
BAR, SHORT_BAR = 10, 5
"""Columns of a bar, and of one where the terminal is narrow."""
NARROW = 100
NAME_LEAST = 18
"""Columns that the name keeps; others go before it gets narrower."""
MESSAGE_LEAST = 12


@dataclass(frozen=True, slots=True)
class Style:
    """How to draw: `columns` is None where nobody looks, and nothing is cut, drawn or marked then."""

    columns: int | None
    unicode: bool = True


class Line(NamedTuple):
    """One line and the key of the row that it belongs to; None for what cannot be chosen."""

    text: Text
    key: Key | None


class Column(NamedTuple):
    """One column: its title, what stands in it, and whether numbers line up at its right."""

    title: str
    cell: Callable[[Row, Style], Text]
    right: bool = False


def _state(row: Row, style: Style) -> Text:
    if row.state is None:
        return Text()
    sign = SIGNS[row.state]
    symbol = "" if style.columns is None else f"{sign.symbol if style.unicode else sign.ascii} "
    return Text(f"{symbol}{row.state}", sign.colour)


def _bar(row: Row, style: Style) -> Text:
    if row.percent is None or row.state is None:
        return Text()
    full, empty = ("█", "░") if style.unicode else ("#", ".")
    room = SHORT_BAR if style.columns is not None and style.columns < NARROW else BAR
    filled = int(min(max(row.percent, 0.0), 100.0) * room / 100 + 1e-6)
    return Text.assemble((full * filled, SIGNS[row.state].colour), (empty * (room - filled), "bright_black"))


STATE = Column("state", _state)
PROGRESS = Column("", _bar)
PERCENT = Column("done", lambda row, _: Text(row.percent_text), right=True)
ITEMS = Column("items", lambda row, _: Text(row.items), right=True)
TOOK = Column("took", lambda row, _: Text(row.took), right=True)
LEFT = Column("left ~", lambda row, _: Text(row.left), right=True)
RATE = Column("rate", lambda row, _: Text(row.rate), right=True)
HOST = Column("host", lambda row, _: Text(row.host, "bright_black"))
MESSAGE = Column("message", lambda row, _: Text(row.message))

_SHOWN = (STATE, PROGRESS, PERCENT, ITEMS, TOOK, LEFT, RATE, HOST)
"""In the order in which they stand behind the name; the message comes last, in what room is left."""
_FIRST_OUT = (HOST, RATE, TOOK)
"""In the order in which they go for a name that is longer than its least."""
_LATER_OUT = (PROGRESS, LEFT, ITEMS, STATE, PERCENT)
"""In the order in which they go for the least of a name."""


def lines_of(rows: Sequence[Row], style: Style) -> list[Line]:
    """The board; the first line has the titles of the columns."""
    columns = [column for column in _SHOWN if style.columns is not None or column is not PROGRESS]
    cells = {column: [column.cell(row, style) for row in rows] for column in (*columns, MESSAGE)}
    columns = [column for column in columns if any(cells[column])]
    widths = {column: max(map(_width, (Text(column.title), *cells[column]))) for column in columns}
    names = [_name(row, style) for row in rows]
    name = max([NAME_LEAST, *(_width(each) for each, row in zip(names, rows, strict=True) if row.state is not None)])
    message = max(map(_width, cells[MESSAGE]), default=0)
    if style.columns is not None:
        columns, name, message = _fit(columns, widths, name, message, style.columns)
    shown = [*columns, *([MESSAGE] if message else [])]
    widths[MESSAGE] = message
    head = _line(Text("name"), [Text(column.title) for column in shown], shown, widths, name)
    head.stylize("bold")
    lines = [Line(_ended(head, style), None)]
    for at, row in enumerate(rows):
        if row.state is None:
            lines.append(Line(_ended(names[at], style), None))
            continue
        line = _line(names[at], [cells[column][at] for column in shown], shown, widths, name)
        lines.append(Line(_ended(line, style), row.key))
        if row.remark:
            words = Text(" " * (2 * row.depth + 4) + row.remark, SIGNS[row.state].colour)
            lines.append(Line(_ended(words, style), row.key))
    return lines


def _fit(
    columns: list[Column], widths: dict[Column, int], name: int, message: int, room: int
) -> tuple[list[Column], int, int]:
    """The columns that fit into `room`, and how wide the name and the message may be."""
    kept = list(columns)

    def rest() -> int:
        return room - sum(widths[column] + GAP for column in kept)

    for column in (*_FIRST_OUT, *_LATER_OUT):
        if rest() >= min(name, max(NAME_LEAST, room * 3 // 10) if column in _FIRST_OUT else NAME_LEAST):
            continue
        if column in kept:
            kept.remove(column)
    free = max(1, rest())
    # A long name gives way to the message only as far as it stays readable.
    name = min(name, free, max(NAME_LEAST, free * 3 // 5) if message else free)
    cut = min(message, free - name - GAP)
    return kept, name, cut if cut >= min(message, MESSAGE_LEAST) else 0


def _name(row: Row, style: Style) -> Text:
    if row.key is None:
        return Text("  " * row.depth + row.label, "bright_black" if row.depth else "bold")
    if style.columns is None:
        return Text("  " * row.depth + row.label)
    opened, closed = ("▾", "▸") if style.unicode else ("-", "+")
    mark = (closed if row.folded else opened) if row.folds else " "
    return Text("  " * row.depth + f"{mark} {row.label}")


def _line(name: Text, cells: Sequence[Text], columns: Sequence[Column], widths: dict[Column, int], room: int) -> Text:
    line = _cut(name, room)
    line.append(" " * (room - _width(line)))
    for column, cell in zip(columns, cells, strict=True):
        line.append(" " * GAP)
        cell = _cut(cell, widths[column])  # noqa: PLW2901  # the same cell, cut
        space = " " * (widths[column] - _width(cell))
        line.append_text(Text(space) + cell if column.right else cell + Text(space))
    return line


def _cut(text: Text, width: int) -> Text:
    """A copy that takes at most `width` columns."""
    cut = text.copy()
    cut.truncate(max(width, 0), overflow="ellipsis")
    return cut


def _ended(line: Text, style: Style) -> Text:
    """The line without blanks at its end, cut to the terminal."""
    if style.columns is None:
        line.rstrip()
        return line
    line.truncate(style.columns, overflow="ellipsis")
    return line


def _width(text: Text) -> int:
    return cell_len(text.plain)
