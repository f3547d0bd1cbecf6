"""SQL in SQLite's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Column, ColumnElement, Connection
from sqlalchemy.dialects import sqlite

from progstore.store.spelling import Spelling

if TYPE_CHECKING:
    from progstore.store.views import View


class SqliteSpelling(Spelling):
    """The words of SQLite from 3.35."""

    insert = staticmethod(sqlite.insert)
    compiler = sqlite.dialect(paramstyle="qmark")

    def says(self, column: Column[str], wanted: str) -> ColumnElement[bool]:
        """LIKE, which SQLite takes in this sense; where it can be left out, ESCAPE is, for LIKE is quicker then."""
        has_wildcards = any(sign in wanted for sign in "%_/")
        return column.contains(wanted, autoescape=has_wildcards)

    def in_order(self, connection: Connection) -> None:
        """There is one writer at a time anyway."""

    def utc(self, seconds: str) -> str:
        """By strftime."""
        return f"strftime('%Y-%m-%d %H:%M:%S', {seconds}, 'unixepoch')"

    def meta(self, session_id: str, task_id: str) -> str:
        """One value that some other program wrote wrongly must not make the whole view fail."""
        value = "CASE WHEN json_valid(m.value) THEN json(m.value) ELSE json_quote(m.value) END"
        return (
            f"(SELECT json_group_object(m.key, {value}) FROM metadata AS m"
            f" WHERE m.session_id = {session_id} AND m.task_id = {task_id})"
        )

    def number_of(self, condition: str) -> str:
        """A condition is a number."""
        return f"total({condition})"

    def sum_of(self, condition: str) -> str:
        """As an integer."""
        return f"sum({condition})"

    def whole(self, number: str) -> str:
        """CAST cuts off."""
        return f"CAST({number} AS INTEGER)"

    def between(self, lowest: str, number: str, highest: str) -> str:
        """max() and min() of two."""
        return f"max({lowest}, min({number}, {highest}))"

    def not_negative(self, number: str) -> str:
        """max() of NULL is NULL."""
        return f"max(0.0, {number})"

    def real(self, number: str) -> str:
        """Times one."""
        return f"1.0 * {number}"

    def point(self, place: int) -> str:
        """By its path."""
        return f"json_extract(c.value, '$[{place}]')"

    def points(self, curve: str) -> str:
        """A table-valued function."""
        return f"json_each({curve}) AS c"

    def create_view(self, connection: Connection, name: str, view: View) -> None:
        """The meaning stands in the SQL, which SQLite keeps as it is, so that `.schema v_tasks` explains itself."""
        connection.exec_driver_sql(f"CREATE VIEW {name} AS\n{view.sql}")
