"""Anybody's SQL question to an SQLite file: SQLite itself refuses what does not read, or takes too long."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from progstore.errors import BadQuery
from progstore.reports import QueryResult
from progstore.store.questions import collect
from progstore.store.sqlite.engines import as_text, open_read_only

if TYPE_CHECKING:
    from progstore.store.reader import Reader
    from progstore.store.sqlite.location import SqliteLocation

LARGEST_CELL: Final = 90_000
"""Characters or bytes of one value in a question of one second; a longer one is an error of SQLite's.

Nothing interrupts a function such as `instr`, whose time grows with the square of that.
"""
LARGEST_SIGNS: Final = 100
"""Characters that `trim` may be told to take away, for the same reason."""
_WIDTHS: Final = re.compile(r"%[-+ 0#,!]*(\d+|\*)?(?:\.(\d+|\*))?")
_STEPS: Final = 100
"""SQLite's own steps between two looks at the clock."""

_ALLOWED: Final = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
}


def ask(
    location: SqliteLocation,
    reader: Reader,
    sql: str,
    params: Sequence[Any] | Mapping[str, Any],
    *,
    limit: int,
    seconds: float,
) -> QueryResult:
    """The answer to one read-only statement. Raises BadQuery with SQLite's own message."""
    with reader.alone(lambda: closing(open_read_only(location))) as raw:
        question = _Question(raw, seconds)
        try:
            return question.answer(sql, params, limit)
        except (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError, TypeError, ValueError) as error:
            raise question.bad(error) from error


class _Question:
    """One statement on a connection of its own."""

    def __init__(self, raw: sqlite3.Connection, seconds: float) -> None:
        self._raw = raw
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._forbidden = ""
        self._refused = ""
        self._largest = int(LARGEST_CELL * max(1.0, seconds) ** 0.5)
        for category, most in {**_LIMITS, sqlite3.SQLITE_LIMIT_LENGTH: self._largest}.items():
            raw.setlimit(category, most)
        for name, strip in (("trim", str.strip), ("ltrim", str.lstrip), ("rtrim", str.rstrip)):
            raw.create_function(name, 2, partial(self._trimmed, strip), deterministic=True)
        for name in ("printf", "format"):
            raw.create_function(name, -1, self._formatted, deterministic=True)
        # When first used these describe their own columns by CREATE TABLE, which is forbidden from here on.
        raw.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')").fetchall()
        raw.set_authorizer(self._authorize)
        raw.set_progress_handler(self._is_late, _STEPS)

    def answer(self, sql: str, params: Sequence[Any] | Mapping[str, Any], limit: int) -> QueryResult:
        """All rows up to `limit`."""
        cursor = self._raw.execute(sql, params)
        if cursor.description is None:
            raise BadQuery("this statement has no answer; begin with SELECT, for example `select * from v_running`")
        return collect((column[0] for column in cursor.description), cursor, limit)

    def bad(self, error: Exception) -> BadQuery:
        """The error in SQLite's words, with what to do about it."""
        if isinstance(error, BadQuery):
            return error
        if self._forbidden:
            return BadQuery(
                f"{self._forbidden} is not allowed ({error}): only SELECT is, for the store is read-only here"
            )
        if isinstance(error, sqlite3.OperationalError) and str(error) == "interrupted":
            return BadQuery(f"interrupted after {self._seconds:g} s; add a condition or a LIMIT, or allow more time")
        if "too big" in str(error):
            return BadQuery(f"{error}: a value may be {self._largest:,} long in a question of {self._seconds:g} s")
        return BadQuery(self._refused or str(error))

    def _trimmed(self, strip: Callable[[str, str], str], text: Any, signs: Any) -> str | None:
        if text is None or signs is None:
            return None
        text, signs = (as_text(value) if isinstance(value, bytes) else str(value) for value in (text, signs))
        if len(signs) > LARGEST_SIGNS:
            raise self._refusal(f"trim takes at most {LARGEST_SIGNS} characters away")
        return strip(text, signs) if signs else text

    def _formatted(self, *values: Any) -> str | None:
        """What SQLite's own function says, asked elsewhere once its widths are known to be bearable."""
        if not values or values[0] is None:
            return None
        layout = as_text(values[0]) if isinstance(values[0], bytes) else str(values[0])
        widths = [width for pair in _WIDTHS.findall(layout) for width in pair if width]
        if "*" in widths or sum(int(width[:10]) for width in widths) > LARGEST_CELL:
            raise self._refusal(f"printf takes widths of at most {LARGEST_CELL:,} in all, and none from a *")
        with closing(sqlite3.connect(":memory:")) as elsewhere:
            (answer,) = elsewhere.execute(f"SELECT printf({','.join('?' * len(values))})", values).fetchone()
        return str(answer)

    def _refusal(self, why: str) -> ValueError:
        self._refused = why  # SQLite tells no more than that one of our functions has failed
        return ValueError(why)

    def _authorize(self, action: int, _: str | None, second: str | None, *__: str | None) -> int:
        if action in _ALLOWED and second != "load_extension":
            return sqlite3.SQLITE_OK
        self._forbidden = self._forbidden or _NAMES.get(action) or second or "this"
        return sqlite3.SQLITE_DENY

    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline


_NAMES: Final = {
    getattr(sqlite3, f"SQLITE_{word}"): word.replace("_", " ")
    for word in (
        "ALTER_TABLE", "ANALYZE", "ATTACH", "CREATE_INDEX", "CREATE_TABLE", "CREATE_TEMP_INDEX", "CREATE_TEMP_TABLE",
        "CREATE_TEMP_TRIGGER", "CREATE_TEMP_VIEW", "CREATE_TRIGGER", "CREATE_VIEW", "CREATE_VTABLE", "DELETE", "DETACH",
        "DROP_INDEX", "DROP_TABLE", "DROP_TEMP_INDEX", "DROP_TEMP_TABLE", "DROP_TEMP_TRIGGER", "DROP_TEMP_VIEW",
        "DROP_TRIGGER", "DROP_VIEW", "DROP_VTABLE", "INSERT", "PRAGMA", "REINDEX", "SAVEPOINT", "TRANSACTION", "UPDATE",
    )
}  # fmt: skip
