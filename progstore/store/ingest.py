"""Documents in: what other machines and other stores send is written over one connection, and is on disk when the call
returns.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import ExitStack, suppress
from typing import Final

from sqlalchemy import Connection

from progstore.store import schema
from progstore.store.checkpoint import checkpoint_if_due
from progstore.store.documents import Document, Received, decode
from progstore.store.engine import Location, writer_engine
from progstore.store.faults import Fault, classify
from progstore.store.lockfile import LockFile
from progstore.store.merging import Arrival, Merged, merge
from progstore.store.reader import Reader, faults_explained
from progstore.store.writes import DATA_FAULTS
from progstore.values import IngestReport

BUSY_MS: Final = 5000
"""Milliseconds that a document waits for its turn among the writers."""

CLOSE_PATIENCE: Final = 0.5
"""Seconds that giving the connection back waits for a document that is being written."""


class Ingester:
    """Writes documents into one store; safe to use from several threads, which are served one after the other."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._link = _Link(reader.location)
        reader.close_with(self._link.close)

    def ingest(self, document: Document, *, durable: bool) -> IngestReport:
        """Write what is newer in `document` than in the store. The store is made where there is none.

        With `durable` it survives a power cut when this returns. Raises BadValue for what is no document, and what
        `Reader.connection` raises.
        """
        received = decode(document)
        with self._reader.asking(), faults_explained(self._reader.location):
            merged = self._link.merge(received, durable=durable)
        return IngestReport(
            rows=merged.written,
            refused=(*received.refused, *merged.refused),
            stop_requested=tuple(merged.stop_requested),
        )


class _Link:
    """The connection to the file that is at a place now, made when it is needed."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._turn = threading.Lock()
        self._stack: ExitStack | None = None
        self._inode: tuple[int, int] | None = None
        self._connection: Connection
        self._lock: LockFile

    def merge(self, received: Received, *, durable: bool) -> Merged:
        """Write it in one transaction, or row by row where the store cannot hold a row."""
        with self._turn:
            try:
                self._open()
                return self._merge(received, durable=durable)
            except BaseException:
                self._close()
                raise

    def close(self) -> None:
        """Give the connection back, unless a document is on its way over it for longer than a moment."""
        if self._turn.acquire(timeout=CLOSE_PATIENCE):
            try:
                self._close()
            finally:
                self._turn.release()

    def _open(self) -> None:
        if self._stack is not None and self._inode == _inode(self._location):
            return
        self._close()
        with ExitStack() as stack:
            schema.create_file(self._location)
            self._inode = _inode(self._location)
            engine = writer_engine(self._location, busy_ms=BUSY_MS)
            stack.callback(engine.dispose)
            self._connection = stack.enter_context(engine.connect())
            schema.prepare(self._connection, self._location)
            self._lock = LockFile(self._location.lock, create=True)
            stack.callback(self._lock.close)
            self._stack = stack.pop_all()

    def _close(self) -> None:
        stack, self._stack = self._stack, None
        if stack is not None:
            stack.close()

    def _merge(self, received: Received, *, durable: bool) -> Merged:
        now = time.time()
        sent_at = received.sent_at
        arrival = None if sent_at is None else Arrival(received_at=now, clock_offset=sent_at - now)
        raw = self._connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        try:
            with self._connection.begin():
                merged = merge(self._connection, received.batch, arrival)
        except DATA_FAULTS:
            with self._connection.begin():
                merged = merge(self._connection, received.batch, arrival, singly=True)
        self._checkpoint(raw)
        return merged

    def _checkpoint(self, raw: sqlite3.Connection) -> None:
        try:
            checkpoint_if_due(raw, self._location, self._lock)
        except sqlite3.OperationalError as error:
            if classify(error) is not Fault.BUSY:
                raise  # else somebody writes; the next document tries again


def _inode(location: Location) -> tuple[int, int] | None:
    with suppress(OSError):
        status = os.stat(location.path)
        return status.st_dev, status.st_ino
    return None
