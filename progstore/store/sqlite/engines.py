"""Connections to an SQLite file: the writer's, whose transactions begin IMMEDIATE, and those that can only read."""

from __future__ import annotations

import os
import sqlite3
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from progstore.errors import StoreNotFound

if TYPE_CHECKING:
    from progstore.store.sqlite.location import SqliteLocation

WRITER_BUSY_MS = 250
READER_BUSY_MS = 2000
READER_POOL = 4
LOG_AT_REST = 4 * 2**20 - 1
"""Bytes of its file that a write-ahead log keeps when it begins anew. Whoever commits first then would need some 10 ms
to give them back, and all others would wait for that.
"""
as_text = partial(str, encoding="utf-8", errors="replace")
"""Text as SQLite hands it out, which another program may have written in another encoding."""


def writer_engine(path: str, *, busy_ms: int = WRITER_BUSY_MS) -> Engine:
    """An engine whose transactions begin IMMEDIATE and whose connections never checkpoint by themselves.

    SQLite before 3.51.3 can corrupt a WAL database when two connections write around a checkpoint; without automatic
    checkpoints and with one elected checkpointer it does not.
    """

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=busy_ms / 1000)
        connection.text_factory = as_text
        try:
            for pragma in ("synchronous=NORMAL", "wal_autocheckpoint=0", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute(f"PRAGMA journal_size_limit={LOG_AT_REST}")
        except BaseException:
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def begin_immediate(connection: object) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]  # a Connection; the hook is untyped

    return engine


def reader_engine(location: SqliteLocation) -> Engine:
    """An engine whose connections can only read.

    Raises StoreNotFound, when it connects, where there is no file.
    """
    return create_engine(
        "sqlite://",
        creator=lambda: open_read_only(location),
        poolclass=QueuePool,
        pool_size=READER_POOL,
        max_overflow=8,
    ).execution_options(isolation_level="AUTOCOMMIT")


def open_read_only(location: SqliteLocation, *, even_cut_short: bool = False) -> sqlite3.Connection:
    """A connection that cannot write. In a directory where SQLite may not create its helper files the file is read
    as it stands, which is right as long as nobody writes to it; `SqliteLocation.identity` tells when somebody does.
    With `even_cut_short`, a file that is shorter than it says is opened, too, to save what is in it.

    Raises StoreNotFound where there is no file.
    """
    if not os.path.exists(location.path):
        raise StoreNotFound(
            f"there is no store at {location.path} yet; the first tracked loop creates it, or try `progstore demo`"
        )
    address = "file:" + quote(os.fsencode(location.path))
    connection = _connect_uri(f"{address}?mode=ro")
    try:
        if even_cut_short:
            connection.execute("PRAGMA writable_schema=ON")  # under which SQLite counts the pages that are there
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        cannot_open = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        if not cannot_open or os.path.exists(location.wal):
            raise
        connection = _connect_uri(f"{address}?immutable=1")
    except BaseException:
        connection.close()
        raise
    connection.text_factory = as_text
    connection.execute("PRAGMA query_only=ON")
    return connection


def raw_of(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def _connect_uri(address: str) -> sqlite3.Connection:
    return sqlite3.connect(
        address, uri=True, isolation_level=None, check_same_thread=False, timeout=READER_BUSY_MS / 1000
    )
