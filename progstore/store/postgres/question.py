"""Anybody's SQL question to a PostgreSQL store, over a role that may be allowed anything.

Three fences, none of which reads SQL itself:

1. The statement is prepared by the extended protocol, which takes one statement, and described without being run.
2. As a subquery it is made a view that is rolled back again. Then the server's own parse of it is at hand: every
   relation and every function by its number, whatever spelling, cast or operator brought it in. Relations must be of
   the store's schema; functions must be the server's own and must only compute, by what the server says of each.
3. Just that subquery is run in a READ ONLY transaction with time limits, on a connection that is closed afterwards.

What is not guaranteed: a value may take as much of the server's memory as a value can (1 GB), and views that others
have put into the schema do what they do. A role that may only SELECT is the best fence.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import Any, Final, cast

import psycopg
from psycopg import pq
from psycopg.sql import Literal
from sqlalchemy import URL

from progstore.errors import BadQuery
from progstore.reports import QueryResult
from progstore.store.postgres.engines import writer_engine
from progstore.store.postgres.faults import words
from progstore.store.questions import collect
from progstore.store.reader import Reader

LARGEST_CELL: Final = 1_000_000
"""Characters of one value."""
LONGEST_QUESTION: Final = 100_000
LARGEST_SPILL: Final = "1GB"
"""What sorting and the like may take of the server's disk, where this role may set that."""

_WORDS: Final = re.compile(
    r"""'(?:[^']|'')*' | "[^"]*" | --[^\n]* | /\*.*?\*/ | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ | :: | \? | :(?P<name>\w+)""",
    re.DOTALL | re.VERBOSE,
)
"""Placeholders, and all in which what looks like one is none."""
_EXPLAIN: Final = re.compile(r"\s*EXPLAIN\s+(?!\()", re.IGNORECASE)
_FUNCTION: Final = re.compile(r":(?:funcid|opfuncid|aggfnoid|winfnoid|elemfuncid|tsmhandler) (\d+)")
_OPERATOR: Final = re.compile(r":opno (\d+)")
_RELATION: Final = re.compile(r":relid (\d+)")
_LOCKS: Final = re.compile(r":hasForUpdate true")

_BOOL, _BYTEA = 16, 17
_NUMBERS: Final = frozenset({20, 21, 23, 26, 700, 701, 1700, _BOOL})
"""Types that come as they are; all others come as text."""

_VOLATILE: Final = ["clock_timestamp", "gen_random_uuid", "random", "timeofday"]
"""Functions that give something else each time, and do nothing."""
_HARMLESS: Final = ["pg_column_size", "pg_size_bytes", "pg_size_pretty", "pg_typeof"]
_TELLTALE: Final = r"^pg_|^current_setting|^(query|table|schema|database|cursor)_to_xml|^ts_stat|^txid_|^inet_"
"""Functions that only read, but of the server's settings, sessions, files, or of any table."""

_REFUSED_FUNCTIONS: Final = """
SELECT coalesce(p.proname::text, 'a function that is not there') FROM unnest(%(numbers)s::oid[]) AS f(number)
LEFT JOIN pg_proc AS p ON p.oid = f.number
WHERE p.oid IS NULL OR p.oid >= 16384 OR p.pronamespace <> 'pg_catalog'::regnamespace
  OR p.provolatile = 'v' AND p.proname <> ALL(%(volatile)s)
  OR p.proname ~ %(telltale)s AND p.proname <> ALL(%(harmless)s)
"""
# The numbers below 16384 are given when a server is made.
_REFUSED_OPERATORS: Final = """
SELECT 'operator ' || oprname FROM pg_operator WHERE oid >= 16384 AND oid = ANY(%(numbers)s)
"""
_REFUSED_RELATIONS: Final = """
SELECT n.nspname || '.' || c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = ANY(%(numbers)s) AND c.oid <> 'pg_temp.progstore_question'::regclass
  AND NOT (n.nspname = current_schema() AND c.relkind IN ('r', 'v'))
"""
_PARSED: Final = "SELECT ev_action::text FROM pg_rewrite WHERE ev_class = 'pg_temp.progstore_question'::regclass"


def ask(
    address: URL,
    reader: Reader,
    sql: str,
    params: Sequence[Any] | Mapping[str, Any],
    *,
    limit: int,
    seconds: float,
) -> QueryResult:
    """The answer to one read-only statement.

    Raises BadQuery with the server's own message.
    """
    with reader.alone(lambda: _connected(address)) as raw:
        try:
            question = _Question(raw, _with_params(raw, sql, params), seconds)
            return question.answer(limit)
        except (psycopg.Error, OverflowError, UnicodeError, TypeError, ValueError) as error:
            raise _bad(error, seconds) from error


@contextmanager
def _connected(address: URL) -> Iterator[psycopg.Connection[Any]]:
    connection = writer_engine(address).raw_connection()
    raw = connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    connection.detach()  # so that no pool waits for the end of what is interrupted
    with closing(raw):
        yield raw


class _Question:
    """One statement on a connection of its own."""

    def __init__(self, raw: psycopg.Connection[Any], sql: str, seconds: float) -> None:
        self._raw = raw
        self._explain = _EXPLAIN.match(sql)
        self._sql = sql if self._explain is None else sql[self._explain.end() :]
        self._seconds = seconds
        if len(sql) > LONGEST_QUESTION:
            raise BadQuery(f"a question is at most {LONGEST_QUESTION:,} characters long, this one is too large")

    def answer(self, limit: int) -> QueryResult:
        """All rows up to `limit`."""
        self._begin()
        columns = self._described()
        subquery = self._subquery(columns)
        self._must_only_read(subquery)
        self._raw.rollback()
        self._begin(read_only=True)
        cursor = self._raw.cursor()
        names: list[str] = [name for name, _ in columns]
        if self._explain is not None:
            subquery, names = f"EXPLAIN {self._sql}", ["QUERY PLAN"]
        else:
            subquery += f"\nLIMIT {limit + 1}"
        with closing(cast("Generator[Any]", cursor.stream(subquery))) as rows:
            return collect(names, (tuple(map(_plain, row)) for row in rows), limit)

    def _begin(self, *, read_only: bool = False) -> None:
        run = self._raw.execute
        run(f"SET TRANSACTION READ {'ONLY' if read_only else 'WRITE'}")
        run(f"SET LOCAL statement_timeout = {max(1, int(self._seconds * 1000))}")
        run("SET LOCAL max_parallel_workers_per_gather = 0")
        if self._raw.info.parameter_status("is_superuser") == "on":
            run(f"SET LOCAL temp_file_limit = '{LARGEST_SPILL}'")

    def _described(self) -> list[tuple[str, int]]:
        """The names and types of the columns; the statement is parsed for it, not run."""
        server, encoding = self._raw.pgconn, self._raw.info.encoding
        for result in (server.prepare(b"", self._sql.encode(encoding)), server.describe_prepared(b"")):
            if result.status != pq.ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(result, encoding)
        names = [(result.fname(place) or b"").decode(encoding) for place in range(result.nfields)]
        if not names:
            raise BadQuery("this statement has no answer, and only SELECT is allowed, for the store is read-only here")
        return [(name, result.ftype(place)) for place, name in enumerate(names)]

    def _subquery(self, columns: Sequence[tuple[str, int]]) -> str:
        """What is checked and then run: a statement that is whole by itself stays so between these brackets."""
        inner = ", ".join(f"c{place}" for place in range(len(columns)))
        outer = ", ".join(f"{_shown(place, kind)} AS o{place}" for place, (_, kind) in enumerate(columns))
        body = self._sql.rstrip().rstrip(";")
        return f"SELECT {outer} FROM (\n{body}\n) AS question({inner})"

    def _must_only_read(self, subquery: str) -> None:
        """Raises BadQuery for what the server's own parse of it shows beyond computing over the store's tables."""
        try:
            self._raw.execute(f"CREATE TEMPORARY VIEW progstore_question AS {subquery}")
        except psycopg.errors.SyntaxError as error:
            raise BadQuery(f"only SELECT is allowed, for the store is read-only here ({words(error)})") from error
        except psycopg.errors.FeatureNotSupported as error:
            raise BadQuery(f"only SELECT is allowed, for the store is read-only here ({words(error)})") from error
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction) as error:
            raise BadQuery(
                f"what a question does cannot be found out here ({words(error)}); SQL can be asked where the role may "
                "make temporary views, and not on a standby"
            ) from error
        ((tree,),) = self._raw.execute(_PARSED).fetchall()
        if _LOCKS.search(tree):
            raise BadQuery("FOR UPDATE is not allowed: only reading is, for the store is read-only here")
        for pattern, refused in (
            (_FUNCTION, _REFUSED_FUNCTIONS),
            (_OPERATOR, _REFUSED_OPERATORS),
            (_RELATION, _REFUSED_RELATIONS),
        ):
            numbers = sorted({int(number) for number in pattern.findall(tree)} - {0})
            asked = {"numbers": numbers, "volatile": _VOLATILE, "harmless": _HARMLESS, "telltale": _TELLTALE}
            found = self._raw.execute(refused, asked).fetchone()
            if found is not None:
                raise BadQuery(f"{found[0]} is not allowed: a question reads the store's own tables, and only computes")


def _with_params(raw: psycopg.Connection[Any], sql: str, params: Sequence[Any] | Mapping[str, Any]) -> str:
    """The statement with quoted values in it, for a view takes no parameters; ? and :name stand for them, as in SQLite.

    Where this should misread a statement, the fences stand all the same.
    """
    if not params:
        return sql
    used: set[object] = set()

    def quoted(found: re.Match[str]) -> str:
        if found[0] != "?" and found["name"] is None:
            return found[0]
        key: Any = found["name"] or len(used)
        used.add(key)
        return Literal(params[key]).as_string(raw)

    try:
        filled = _WORDS.sub(quoted, sql)
    except (KeyError, IndexError, TypeError) as error:
        raise BadQuery(f"there is no value for a placeholder ({error}); ? takes a list, :name a mapping") from error
    if not isinstance(params, Mapping) and len(used) != len(params):
        raise BadQuery(f"there are {len(used)} placeholders and {len(params)} values")
    return filled


def _shown(place: int, kind: int) -> str:
    if kind in _NUMBERS:
        return f"c{place}"
    if kind == _BYTEA:
        return f"substring(c{place} FROM 1 FOR {LARGEST_CELL + 1})"
    return f"left(c{place}::text, {LARGEST_CELL + 1})"


def _plain(value: Any) -> Any:
    if isinstance(value, str | bytes) and len(value) > LARGEST_CELL:
        raise BadQuery(f"a value may be {LARGEST_CELL:,} long, and one here is longer")
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    return value


def _bad(error: Exception, seconds: float) -> BadQuery:
    if isinstance(error, BadQuery):
        return error
    if isinstance(error, psycopg.errors.QueryCanceled):
        return BadQuery(f"interrupted after {seconds:g} s; add a condition or a LIMIT, or allow more time")
    return BadQuery(words(error) if isinstance(error, psycopg.Error) else str(error))
