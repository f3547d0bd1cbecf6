"""SQL in PostgreSQL's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Column, ColumnElement, Connection
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from progstore.store.postgres import locks
from progstore.store.spelling import Spelling

if TYPE_CHECKING:
    from progstore.store.views import View

FIRST_SECOND = -62135596800
LAST_SECOND = 253402300799
"""Of the years 1 to 9999, beyond which to_timestamp() fails sooner or later."""


class PostgresSpelling(Spelling):
    """The words of PostgreSQL from 14, which is the oldest that is maintained."""

    insert = staticmethod(postgresql.insert)
    compiler = PGDialect_psycopg(paramstyle="format")

    def says(self, column: Column[str], wanted: str) -> ColumnElement[bool]:
        """ILIKE, which in the collation "C" of our columns knows the case of ASCII letters only."""
        return column.icontains(wanted, autoescape=True)

    def in_order(self, connection: Connection) -> None:
        """One at a time: else a reader that has seen id 8 would never ask for id 7, which is committed later."""
        locks.wait_in_transaction(connection, locks.ORDER)

    def utc(self, seconds: str) -> str:
        """By to_char."""
        time = f"to_char(to_timestamp({seconds}) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"
        return f"CASE WHEN {seconds} BETWEEN {FIRST_SECOND} AND {LAST_SECOND} THEN {time} END"

    def meta(self, session_id: str, task_id: str) -> str:
        """Put together as text, for one value that some other program wrote wrongly must not make the view fail."""
        return (
            "(SELECT '{' || coalesce(string_agg(to_json(m.key)::text || ':' || m.value, ',' ORDER BY m.key), '') || '}'"
            f" FROM metadata AS m WHERE m.session_id = {session_id} AND m.task_id = {task_id})"
        )

    def number_of(self, condition: str) -> str:
        """By FILTER."""
        return f"count(*) FILTER (WHERE {condition})"

    def sum_of(self, condition: str) -> str:
        """The same."""
        return self.number_of(condition)

    def whole(self, number: str) -> str:
        """A whole number of its own type, for CAST rounds."""
        return f"CAST(floor({number}) AS bigint)"

    def between(self, lowest: str, number: str, highest: str) -> str:
        """Of two."""
        return f"greatest({lowest}, least({number}, {highest}))"

    def not_negative(self, number: str) -> str:
        """greatest() would leave NULL out."""
        return f"CASE WHEN {number} < 0.0 THEN 0.0 ELSE {number} END"

    def real(self, number: str) -> str:
        """Of double precision."""
        return f"CAST({number} AS double precision)"

    def point(self, place: int) -> str:
        """By its place."""
        return f"CAST(c.value ->> {place} AS double precision)"

    def points(self, curve: str) -> str:
        """A function that returns rows."""
        return f"jsonb_array_elements(CAST({curve} AS jsonb)) AS c(value)"

    def create_view(self, connection: Connection, name: str, view: View) -> None:
        r"""The meaning is kept as comments, so that `\d+ v_tasks` explains itself."""
        connection.exec_driver_sql(f"CREATE VIEW {name} AS\n{view.sql}")
        for statement in view.comments(name):
            connection.exec_driver_sql(statement)
