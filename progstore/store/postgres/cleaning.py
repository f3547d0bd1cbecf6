"""How a PostgreSQL store is cleaned up: the space of rows that went is used again once the server has vacuumed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from sqlalchemy import Connection

from progstore.store.cleaner import FREE_PART, Cleaner
from progstore.store.postgres import upkeep
from progstore.store.retention import number_of_rows
from progstore.store.tables import metadata

Result = TypeVar("Result")


class PostgresCleaner(Cleaner):
    """A writing connection that vacuums when the rows are gone."""

    def entered(self, stack: ExitStack) -> None:  # noqa: ARG002  # nothing to be given back
        """Remember how much there is."""
        with self.connection.begin():
            self._size = upkeep.size(self.connection)
            self._rows = number_of_rows(self.connection)

    def after_step(self) -> None:
        """The server does that itself."""

    def freed_bytes(self) -> int:
        """The part of the rows that went, of the size; the server knows no better before it has vacuumed."""
        with self.connection.begin():
            left = number_of_rows(self.connection)
        return self._size * max(0, self._rows - left) // max(1, self._rows)

    def give_back(self, free_part: float = FREE_PART) -> int:  # noqa: ARG002  # the server decides
        """By VACUUM, which keeps nobody waiting and gives to the disk what is free at the end of a table."""
        before = self._measured()
        raw = self.connection.connection.driver_connection
        assert raw is not None
        raw.autocommit = True  # VACUUM stands in no transaction
        try:
            raw.execute("SET statement_timeout = 0")
            for table in metadata.sorted_tables:
                raw.execute(f"VACUUM (ANALYZE) {table.name}")
        finally:
            raw.autocommit = False
        return max(0, before - self._measured())

    def without_references(self, work: Callable[[Connection], Result]) -> Result:
        """The server looks for them by an index that SQLite does not need."""
        return self.transact(work)[0]

    def _measured(self) -> int:
        with self.connection.begin():
            return upkeep.size(self.connection)
