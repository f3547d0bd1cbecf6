"""What a process that writes to a PostgreSQL store holds: an advisory lock, on its connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from progstore.store.backend import Hold
from progstore.store.merge_statements import merge_remote
from progstore.store.postgres import locks
from progstore.store.postgres.engines import now


class PostgresHold(Hold):
    """Its lock ends with the connection; there is nothing else to remember, for a server is not moved unnoticed."""

    def before_connecting(self) -> None:
        """The server is there or it is not."""

    def own(self, connection: Connection, process_id: int) -> None:
        """Where a former connection of this process still holds it, that is as good until it ends.

        It is also noted by how much this machine's clock is ahead of the server's.
        """
        locks.try_lock(connection, process_id)
        before = time.time()
        server = now(connection)
        note = {"given_process_id": process_id, "given_received_at": None}
        ahead = (before + time.time()) / 2 - server
        connection.execute(merge_remote(connection.dialect.name), {**note, "given_clock_offset": ahead})

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
