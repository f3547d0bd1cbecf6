"""What a process that writes to a PostgreSQL store holds besides its connection: an advisory lock, on that connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from progstore.store.backend import Hold
from progstore.store.postgres import locks


class PostgresHold(Hold):
    """Its lock ends with the connection; there is nothing else to remember, for a server is not moved unnoticed."""

    def before_connecting(self) -> None:
        """The server is there or it is not."""

    def own(self, connection: Connection, process_id: int) -> None:
        """Where a former connection of this process still holds it, that is as good until it ends."""
        locks.try_lock(connection, process_id)

    def connected(self) -> None:
        """The connection itself tells when it is lost."""

    def check(self) -> None:
        """The same."""

    @contextmanager
    def transaction(self, connection: Connection, *, durable: bool) -> Iterator[None]:
        """With synchronous_commit, or without: then the server writes it to disk within some 0.6 s."""
        with connection.begin():
            connection.exec_driver_sql(f"SET LOCAL synchronous_commit = {'on' if durable else 'off'}")
            yield

    def tidy(self, connection: Connection) -> None:
        """The server does that itself."""

    def release(self) -> None:
        """It ended with the connection."""
