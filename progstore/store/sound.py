"""Rows as readers may count on them: what another program wrote wrongly becomes a value that its column can have.

SQLite keeps whatever it is given in a column of any type: text where a number belongs, bytes where text does.
"""

from __future__ import annotations

import math
from collections import defaultdict, namedtuple
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import Row, Select, Table, Text
from sqlalchemy.types import Float

from progstore import clean

_LARGEST_INTEGER = 2**63 - 1
Source = Table | Select[Any]
_right: defaultdict[Source, set[tuple[type, ...]]] = defaultdict(set)
"""The types of rows that were found to be right, so that only the first such row is looked at closely."""


def sound(source: Source, rows: Iterable[Row[Any]]) -> list[Any]:
    """These rows of a table or a kept question, with all of its columns; of one with a wrong value a copy in which it
    is right.
    """
    right = _right[source]
    return [
        row
        if tuple(map(type, row)) in right and math.inf not in row and -math.inf not in row
        else _closely(source, row)
        for row in rows
    ]


def number(value: object) -> float | None:
    """A number that was computed over such columns; None for whatever else came of it."""
    if isinstance(value, Decimal):  # PostgreSQL's sums of whole numbers
        return float(value)
    return clean.bounded(value) if isinstance(value, int | float) else None


def text(value: object) -> str:
    """What a column of text should have held: bytes read as UTF-8, a number as it is written."""
    if isinstance(value, str):
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _closely(source: Source, row: Row[Any]) -> Any:
    mended = _kind(source)._make(
        _mended(column, value) for column, value in zip(source.exported_columns, row, strict=True)
    )
    if mended != tuple(row):
        return mended
    _right[source].add(tuple(map(type, row)))
    return row


@cache
def _kind(source: Source) -> Any:
    return namedtuple("_Mended", source.exported_columns.keys())  # noqa: PYI024  # its fields are the columns'


def _mended(column: Any, value: Any) -> Any:
    """The value, or what stands for it: its text, the nearest number, else nothing, or 0 where something must be."""
    if value is None:
        return None
    nothing = None if column.nullable else 0
    if isinstance(column.type, Text):
        return text(value)
    if not isinstance(value, int | float):
        return nothing
    if isinstance(column.type, Float):
        return float(clean.bounded(value))
    return int(value) if -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER else nothing
