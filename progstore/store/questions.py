"""Anybody's SQL question: one statement that can only read, for so long, with so many rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from progstore import clean
from progstore.errors import BadQuery
from progstore.reports import QueryResult
from progstore.store.reader import Reader

LARGEST_RESULT: Final = 100_000_000
"""Characters of all values together; what comes after is left out."""
BLOB_SHOWN: Final = 1000
"""Bytes of a blob that are shown."""
MOST_ROWS: Final = 1_000_000


def ask(
    reader: Reader, sql: str, params: Sequence[Any] | Mapping[str, Any] = (), *, limit: int, seconds: float
) -> QueryResult:
    """The answer to one read-only statement; every value can be made JSON of.

    Raises BadQuery with the database's own message, and what `Reader.connection` raises.
    """
    if not 1 <= limit <= MOST_ROWS:
        raise BadQuery(f"limit is a number of rows from 1 to {MOST_ROWS:,}, got {clean.shown(limit)}")
    if not 0 < seconds <= 3600:
        raise BadQuery(f"seconds is from above 0 to 3600, got {clean.shown(seconds)}")
    return reader.location.ask(reader, sql, params, limit=limit, seconds=seconds)


def collect(columns: Iterable[str], rows: Iterable[Sequence[Any]], limit: int) -> QueryResult:
    """The first `limit` rows, fewer where they are large; the first is always there."""
    kept: list[tuple[Any, ...]] = []
    size, truncated = 0, False
    for row in rows:
        shown = tuple(_shown(value) for value in row)
        size += sum(len(value) for value in shown if isinstance(value, str))
        if len(kept) == limit or (kept and size > LARGEST_RESULT):
            truncated = True
            break
        kept.append(shown)
    return QueryResult(tuple(columns), tuple(kept), truncated)


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        rest = f"… [cut, {len(value):,} bytes]" if len(value) > BLOB_SHOWN else ""
        return f"X'{value[:BLOB_SHOWN].hex().upper()}'{rest}"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value
