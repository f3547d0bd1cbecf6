"""Advisory locks, where SQLite has the bytes of a lock file.

The server keeps them by database and by two numbers. The first of ours stands for the schema, so that several stores in
one database do not meet; the second is a purpose below zero, or the id of the process that owns it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar, Final

from sqlalchemy import Connection

from progstore.store.backend import OwnerLocks

MAINTENANCE: Final = -1
"""Held while one process cleans up or upgrades."""
CREATION: Final = -2
"""Held to the end of the transaction that creates or migrates tables."""
ORDER: Final = -3
"""Held from the first id that a transaction takes until its commit."""

# The schema's number, mixed with one of ours so that locks of other programs are not met by chance, as an int4.
_STORE: Final = "((SELECT oid::bigint FROM pg_namespace WHERE nspname = current_schema()) # 1886547815) - 2147483648"
_TRY: Final = f"SELECT pg_try_advisory_lock(({_STORE})::int, %s::int)"
_WAIT: Final = f"SELECT pg_advisory_xact_lock(({_STORE})::int, %s::int)"
_UNLOCK: Final = f"SELECT pg_advisory_unlock(({_STORE})::int, %s::int)"
# What pg_locks shows as unsigned numbers.
_HELD: Final = f"""
SELECT objid::bigint FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 2
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND classid::bigint = ({_STORE} + 4294967296) %% 4294967296 AND objid::bigint = ANY(%s)
"""  # fmt: skip


def try_lock(connection: Connection, number: int) -> bool:
    """Take a lock until it is given back or the connection ends; False where another connection holds it."""
    return bool(connection.exec_driver_sql(_TRY, (number,)).scalar())


def unlock(connection: Connection, number: int) -> None:
    """Give it back."""
    connection.exec_driver_sql(_UNLOCK, (number,))


def wait_in_transaction(connection: Connection, number: int) -> None:
    """Take a lock until the transaction ends. Raises what `faults` calls busy after the connection's lock_timeout."""
    connection.exec_driver_sql(_WAIT, (number,))


class ServerLocks(OwnerLocks):
    """The locks of owners as the server shows them to everybody.

    The server drops one when the connection that took it ends: at once when its process dies, after half a minute
    (see `engines`) when its machine does.
    """

    are_certain: ClassVar[bool] = False

    def held(self, connection: Connection, process_ids: Collection[int]) -> Collection[int] | None:
        """Asked over the connection of the reading."""
        return set(connection.exec_driver_sql(_HELD, (list(process_ids),)).scalars())

    def close(self) -> None:
        """There is nothing of its own."""
