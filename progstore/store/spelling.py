"""What SQL says in other words on each kind of database; whoever puts a statement together asks here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ColumnElement, Connection, Dialect, Table

if TYPE_CHECKING:
    from progstore.store.views import View


class Spelling(ABC):
    """The words of one kind of database. What takes and gives text is for the views, which are written by hand."""

    insert: Callable[[Table], Any]
    """INSERT that knows ON CONFLICT."""
    compiler: Dialect
    """Compiles a statement with placeholders by position, as its driver takes them."""

    @abstractmethod
    def says(self, column: Column[str], wanted: str) -> ColumnElement[bool]:
        """`column` holds the text `wanted`; large and small ASCII letters are the same."""

    @abstractmethod
    def in_order(self, connection: Connection) -> None:
        """From here to the end of the transaction, the ids that rows get grow in the order of commits."""

    # In views

    @abstractmethod
    def utc(self, seconds: str) -> str:
        """A time that people can read, from seconds since 1970; NULL where there is no such time."""

    @abstractmethod
    def meta(self, session_id: str, task_id: str) -> str:
        """The metadata of a task, or of the session under task 0, as the text of a JSON object; NULL is never said."""

    @abstractmethod
    def number_of(self, condition: str) -> str:
        """An aggregate: how many rows fulfil the condition."""

    @abstractmethod
    def sum_of(self, condition: str) -> str:
        """The same where there is at least one row."""

    @abstractmethod
    def whole(self, number: str) -> str:
        """A number that is not negative, rounded down."""

    @abstractmethod
    def between(self, lowest: str, number: str, highest: str) -> str:
        """The number, but at least the lowest and at most the highest."""

    @abstractmethod
    def not_negative(self, number: str) -> str:
        """The number, but at least 0.0; NULL stays NULL."""

    @abstractmethod
    def real(self, number: str) -> str:
        """A number of which a part can be divided off."""

    @abstractmethod
    def point(self, place: int) -> str:
        """The number at that place of `c.value`, a point of a curve."""

    @abstractmethod
    def points(self, curve: str) -> str:
        """What a curve's points are selected from beside their task, as `c`."""

    @abstractmethod
    def create_view(self, connection: Connection, name: str, view: View) -> None:
        """Create the view with the meaning of its columns, within the caller's transaction."""


@cache
def of(dialect: str) -> Spelling:
    """The spelling of SQLAlchemy's dialect of that name."""
    if dialect == "postgresql":
        from progstore.store.postgres.spelling import PostgresSpelling

        return PostgresSpelling()
    from progstore.store.sqlite.spelling import SqliteSpelling

    return SqliteSpelling()
