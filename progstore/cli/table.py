"""Tables of text that fit the terminal, and are complete and stable where they are piped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from progstore.cli.look import Look
from progstore.cli.text import cut, pad, width

GAP = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table.

    On a terminal that is too narrow, columns with `least` are cut down to that many characters, the widest first; then
    those with `drop` go, the highest number first. `colours` has a colour for each cell, or is empty.
    """

    title: str
    cells: Sequence[str]
    right: bool = False
    least: int | None = None
    drop: int | None = None
    colours: Sequence[str | None] = ()

    @property
    def natural(self) -> int:
        """The columns that it takes uncut."""
        return max([width(self.title), *(width(cell) for cell in self.cells)])


def render(columns: Sequence[Column], look: Look) -> list[str]:
    """The lines of the table, the titles first. Columns that are empty in every row are left out on a terminal."""
    shown = [column for column in columns if not look.terminal or any(column.cells)]
    shown, widths = _fit(shown, look)
    lines = [_line([column.title.upper() for column in shown], shown, widths, look, None)]
    rows = range(len(shown[0].cells) if shown else 0)
    lines.extend(_line([column.cells[row] for column in shown], shown, widths, look, row) for row in rows)
    lines[0] = look.paint(lines[0], bold=True)
    return lines


def fits(columns: Sequence[Column], look: Look) -> bool:
    """Whether the table can be made narrow enough without leaving a column out."""
    if look.columns is None:
        return True
    narrowest = [_narrowest(column, column.natural) for column in columns]
    return sum(narrowest) + len(GAP) * (len(narrowest) - 1) <= look.columns


def records(columns: Sequence[Column], look: Look) -> list[str]:
    """The table turned: a block for each row, a line for each cell, for what is too wide to stand side by side."""
    longest = max(width(column.title) for column in columns)
    lines = []
    for row in range(len(columns[0].cells)):
        lines += [""] if row else []
        lines += [f"{look.paint(pad(column.title, longest), bold=True)}{GAP}{column.cells[row]}" for column in columns]
    return lines


def _fit(columns: list[Column], look: Look) -> tuple[list[Column], list[int]]:
    natural = [column.natural for column in columns]
    if look.columns is None:
        return columns, natural
    while True:
        least = [_narrowest(column, wide) for column, wide in zip(columns, natural, strict=True)]
        # Narrowed step by step, so never from beyond what the terminal can show of it.
        widths = [min(wide, max(few, look.columns)) for wide, few in zip(natural, least, strict=True)]
        over = sum(widths) + len(GAP) * (len(widths) - 1) - look.columns
        room = sum(widths) - sum(least)
        droppable = [index for index, column in enumerate(columns) if column.drop is not None]
        if over <= room or not droppable:
            break
        gone = max(droppable, key=lambda index: columns[index].drop or 0)
        del columns[gone], natural[gone]
    for _ in range(min(over, room)):
        flexible = (index for index, wide in enumerate(widths) if wide > least[index])
        widths[max(flexible, key=widths.__getitem__)] -= 1
    return columns, widths


def _narrowest(column: Column, natural: int) -> int:
    if column.least is None:
        return natural
    return min(natural, max(column.least, width(column.title)))


def _line(cells: list[str], columns: list[Column], widths: list[int], look: Look, row: int | None) -> str:
    parts = []
    for index, (cell, column) in enumerate(zip(cells, columns, strict=True)):
        text = cut(cell, widths[index], look.mark) if look.terminal else cell
        text = pad(text, widths[index], right=column.right)
        if index == len(columns) - 1 and not column.right:
            text = text.rstrip()
        if row is not None and column.colours:
            text = look.paint(text, column.colours[row])
        parts.append(text)
    return GAP.join(parts)
