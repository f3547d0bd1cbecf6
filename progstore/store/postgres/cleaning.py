"""How a PostgreSQL store is cleaned up: the space of rows that went is used again once the server has vacuumed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from sqlalchemy import Connection

from progstore.store.cleaner import FREE_PART, Cleaner, GivenBack
from progstore.store.postgres import upkeep
from progstore.store.tables import metadata

Result = TypeVar("Result")


class PostgresCleaner(Cleaner):
    """A writing connection that vacuums when the rows are gone."""

    def entered(self, stack: ExitStack) -> None:
        """There is nothing else to take."""

    @property
    def is_held_up(self) -> bool:
        """Who reads for long only keeps the server from using space again."""
        return False

    def after_step(self) -> None:
        """The server does that itself."""

    def used_bytes(self) -> int:
        """Of the rows that are there; an estimate."""
        return self._measured(upkeep.used)

    def give_back(self, free_part: float = FREE_PART, at_most: int | None = None) -> GivenBack:  # noqa: ARG002
        """By VACUUM, which keeps nobody waiting and decides by itself: what is free at the end of a table goes back to
        the disk, all else is used for new rows. A table at which the server's own vacuum is, is left to that.
        """
        before = self._measured(upkeep.size)
        raw = self.connection.connection.driver_connection
        assert raw is not None
        raw.autocommit = True  # VACUUM stands in no transaction
        try:
            raw.execute("SET statement_timeout = 0")
            for table in metadata.sorted_tables:
                raw.execute(f"VACUUM (ANALYZE, SKIP_LOCKED) {table.name}")
        finally:
            raw.autocommit = False
        return GivenBack(max(0, before - self._measured(upkeep.size)))

    def without_references(self, work: Callable[[Connection], Result]) -> tuple[Result, float]:
        """The server looks for them by an index that SQLite does not need."""
        return self.transact(work)

    def _measured(self, measure: Callable[[Connection], int]) -> int:
        with self.connection.begin():
            return measure(self.connection)
