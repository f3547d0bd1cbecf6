"""Create, compare and upgrade what is on disk; safe for many processes at once.

The version is read by plain SQL, and Alembic, which takes 200 ms to import, only where there is something to migrate.
Readers never migrate.
"""

from __future__ import annotations

import os
import sqlite3
import time
from typing import NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from progstore._version import __version__
from progstore.errors import StoreBusy, StoreError, StoreTooNew
from progstore.store.engine import Location, writer_engine
from progstore.store.lockfile import MAINTENANCE, LockFile
from progstore.store.tables import metadata, store_info
from progstore.store.views import create_views

HEAD = "0002"
"""The newest migration, which a fresh schema equals."""
FORMAT = 1
"""What this code can read and write; a store says the least that a reader and a writer need."""
CREATE_PATIENCE = 10.0
"""Seconds that creating may wait for another process that is at it."""


class Versions(NamedTuple):
    """What a store says of itself; `revision` is None where it holds nothing yet."""

    revision: str | None
    min_reader: int
    min_writer: int
    created_by: str


def versions(connection: Connection) -> Versions:
    """What the store says of itself. Raises StoreError where the file belongs to another program."""
    names = set(connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())
    if "store_info" not in names:
        if names:
            raise StoreError("this SQLite database belongs to another program; choose a file of its own for progstore")
        return Versions(None, FORMAT, FORMAT, "")
    info: dict[str, str] = dict(connection.exec_driver_sql("SELECT key, value FROM store_info").all())
    revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return Versions(revision, int(info["min_reader"]), int(info["min_writer"]), info["created_by"])


def check_readable(found: Versions, location: Location) -> None:
    """Raises StoreTooNew where this code may not read the store."""
    if found.min_reader > FORMAT:
        raise _too_new(location, "read", found.min_reader)


def check_writable(found: Versions, location: Location) -> None:
    """Raises StoreTooNew where this code may not write to the store."""
    if found.min_writer > FORMAT:
        raise _too_new(location, "write to", found.min_writer)


def prepare(connection: Connection, location: Location) -> None:
    """Make sure that a writer finds its tables: create them in an empty file, refuse a newer store, upgrade an older.

    Raises StoreTooNew, StoreError, StoreBusy.
    """
    if _is_current(connection):
        return
    _set_up_empty_file(connection)
    found = versions(connection)
    connection.rollback()
    if found.revision is None:
        _create(connection)
        found = versions(connection)
        connection.rollback()
    check_writable(found, location)
    if found.revision is not None and found.revision < HEAD:
        upgrade(location)


def upgrade(location: Location) -> tuple[str | None, str]:
    """Migrate the store to this code's schema in one transaction; returns the revision before and after.

    Raises StoreBusy while another process migrates or cleans up, StoreTooNew for a store that is ahead of this code.
    """
    lock = LockFile(location.lock, create=True)
    engine = writer_engine(location, busy_ms=int(CREATE_PATIENCE * 1000))
    try:
        if not lock.try_lock(MAINTENANCE):
            raise StoreBusy(f"another process upgrades or cleans up {location.path}; try again when it is done")
        with engine.connect() as connection:
            _set_up_empty_file(connection)
            found = versions(connection)
            connection.rollback()
            check_writable(found, location)
            if found.revision is None:
                _create(connection)
            elif found.revision < HEAD:
                from progstore_migrations import migrate

                with connection.begin():
                    migrate(connection)
        return found.revision, max(found.revision or HEAD, HEAD)
    finally:
        engine.dispose()
        lock.close()


def create_file(location: Location) -> None:
    """An empty file that only this user can read, in a directory that is made where it is missing.

    Raises OSError where it cannot be made.
    """
    folder = os.path.dirname(location.path)
    if not os.path.isdir(folder):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    try:
        os.close(os.open(location.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return


def _is_current(connection: Connection) -> bool:
    """Whether the store is just as this code makes it, asked without the lock that a crowd of starting processes
    would queue for.
    """
    raw = _raw(connection)
    try:
        (revision,) = raw.execute("SELECT version_num FROM alembic_version").fetchone()
        (needed,) = raw.execute("SELECT value FROM store_info WHERE key = 'min_writer'").fetchone()
    except (sqlite3.OperationalError, TypeError):  # no such table or row; the long way says what is wrong
        return False
    return revision == HEAD and int(needed) <= FORMAT


def _create(connection: Connection) -> None:
    _switch_to_wal(connection)
    with connection.begin():
        if versions(connection).revision is not None:
            return
        metadata.create_all(connection, checkfirst=False)
        create_views(connection)
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
        connection.execute(
            store_info.insert(),
            [
                {"key": "created_by", "value": __version__},
                {"key": "min_reader", "value": str(FORMAT)},
                {"key": "min_writer", "value": str(FORMAT)},
            ],
        )


def _set_up_empty_file(connection: Connection) -> None:
    """Before anything else is done with it: even a transaction that is rolled back fixes how it will be vacuumed."""
    if _raw(connection).execute("PRAGMA page_count").fetchone() == (0,):
        _switch_to_wal(connection)


def _switch_to_wal(connection: Connection) -> None:
    """Two pragmas that must come before the first table; another process may hold the file while it does the same."""
    raw = _raw(connection)
    deadline = time.monotonic() + CREATE_PATIENCE
    while True:
        try:
            raw.execute("PRAGMA auto_vacuum=INCREMENTAL")
            raw.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # SQLite does not call its busy handler here, for a change of journal mode needs the file alone.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise OperationalError("PRAGMA journal_mode=WAL", None, error) from error
            time.sleep(0.01)
        else:
            return


def _raw(connection: Connection) -> sqlite3.Connection:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def _too_new(location: Location, verb: str, needed: int) -> StoreTooNew:
    return StoreTooNew(
        f"{location.path} needs store format {needed} to {verb} it, and progstore {__version__} knows format {FORMAT}; "
        "upgrade with `pip install --upgrade progstore`"
    )
