"""The one connection over which a process writes: opens the store, commits batches, notices what happens to the file.

Used by one thread. Every method may raise what `faults.classify` tells apart; the recorder answers.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Final

from sqlalchemy import Connection, Engine

from progstore.store import faults, schema, statements, writes
from progstore.store.batch import Applied, Batch, ProcessRow, TaskIdentity
from progstore.store.checkpoint import WARN_AT, checkpoint_if_due
from progstore.store.engine import Location, locate, writer_engine
from progstore.store.lockfile import LockFile, owner_byte
from progstore.store.settle import settle
from progstore.store.watch import Watch

SYNC_EVERY: Final = 5.0
"""Seconds after which a tick is made to survive a power cut, too."""

Build = Callable[[writes.Lookup], Batch]


class StoreWriter:
    """A process's connection to one store for writing. Built without touching the disk; `open` does that."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._location: Location | None = None
        self._lock: LockFile | None = None
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._files: tuple[object, object] = (None, None)
        self._last_sync = 0.0
        self._long_log = False
        self._settled = False
        self._ids = writes.Ids()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    @property
    def name(self) -> str:
        """What the store is called in a message; where its URL cannot be used, the fault itself names that."""
        return "its store" if self._location is None else self._location.path

    @property
    def location(self) -> Location:
        """Where the store is. Raises StoreError for a URL that cannot be used."""
        if self._location is None:
            self._location = locate(self._url)
        return self._location

    @property
    def log_is_held(self) -> bool:
        """Whether the write-ahead log has grown so large that a reader must be holding it."""
        return self._long_log

    def open(self, process: ProcessRow) -> None:
        """Connect, create or upgrade the schema, and publish `process` as alive.

        The process's lock byte is taken before its row can be seen, so that nobody finds a row without a lock.
        """
        location = self.location
        statements.compile_all()
        schema.create_file(location)
        file = _inode(location.path)
        self._drop_stale_log(file)
        self._engine = writer_engine(location)
        try:
            self._connection = self._engine.connect()
            schema.prepare(self._connection, location)
            self._publish(self._connection, process)
            self._files = (file, _inode(location.wal))
            self._settle(self._connection)
            self._check_files()
        except BaseException:
            self.close()
            raise

    def _drop_stale_log(self, file: object) -> None:
        """The log of a file that is no longer there would be played into the one that is there instead."""
        last_file, last_log = self._files
        if last_log is not None and file != last_file and _inode(self.location.wal) == last_log:
            for leftover in (self.location.wal, self.location.path + "-shm"):
                with suppress(FileNotFoundError):
                    os.unlink(leftover)

    def _settle(self, connection: Connection) -> None:
        """Readers only conclude that others are lost; a writer that arrives writes it down, for SQL to see."""
        if not self._settled:
            with closing(Watch(self.location)) as watch, connection.begin():
                settle(connection, watch)
            self._settled = True

    def commit(self, process: ProcessRow, build: Build, *, durable: bool) -> Applied:
        """Write what `build` gathers inside the transaction.

        With `durable`, or when the last sync is long ago, it survives a power cut when this returns.
        Raises StoreReplaced where the file is no longer the one that was opened.
        """
        connection, raw = self._opened()
        self._check_files()
        now = time.monotonic()
        durable = durable or now - self._last_sync >= SYNC_EVERY
        raw.execute("PRAGMA synchronous=FULL" if durable else "PRAGMA synchronous=NORMAL")
        known = self._ids.copy()
        try:
            applied = self._transact(connection, process, build, singly=False)
        except writes.DATA_FAULTS:
            self._ids = known  # what the store gave since was rolled back
            applied = self._transact(connection, process, build, singly=True)
        if durable:
            self._last_sync = now
        self._check_files()
        return applied

    def checkpoint(self) -> None:
        """Move the write-ahead log into the database where it is due."""
        _, raw = self._opened()
        assert self._lock is not None
        self._long_log = checkpoint_if_due(raw, self.location, self._lock) > WARN_AT

    def forget_task(self, identity: TaskIdentity) -> None:
        """The task's id need not be remembered."""
        self._ids.tasks.pop(identity, None)

    def forget_session(self, uid: str) -> None:
        """The session's id need not be remembered; its row must be handed in again before its next task."""
        self._ids.sessions.pop(uid, None)

    def close(self) -> None:
        """Give the connection back; the process's lock stays, for the process lives on."""
        connection, self._connection = self._connection, None
        engine, self._engine = self._engine, None
        try:
            if connection is not None:
                connection.close()
        finally:
            if engine is not None:
                engine.dispose()

    def release(self) -> None:
        """Close, and give the process's lock back."""
        self.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    def _publish(self, connection: Connection, process: ProcessRow) -> None:
        lock = self._lock
        # Beside a new file there may be a new lock file; the old one is kept until the byte of the new one is held.
        if lock is None or not lock.is_at(self.location.lock):
            lock = LockFile(self.location.lock, create=True)
        self._ids = writes.Ids()
        with connection.begin():
            writes.apply(connection, Batch(processes=[process]), self._ids)
            lock.try_lock(owner_byte(self._ids.processes[process.uid]))
        if self._lock is not None and self._lock is not lock:
            self._lock.close()
        self._lock = lock

    def _transact(self, connection: Connection, process: ProcessRow, build: Build, *, singly: bool) -> Applied:
        with connection.begin():
            if writes.min_writer(connection) > schema.FORMAT:
                schema.check_writable(schema.versions(connection), self.location)
            batch = build(writes.Lookup(connection))
            writes.beat(connection, self._ids.processes[process.uid], process.heartbeat_at, process.dropped_events)
            return writes.apply(connection, batch, self._ids, singly=singly)

    def _opened(self) -> tuple[Connection, sqlite3.Connection]:
        assert self._connection is not None, "open() comes first"
        raw = self._connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        return self._connection, raw

    def _check_files(self) -> None:
        if self._identity() != self._files:
            raise faults.StoreReplaced("the file, or the log beside it, was deleted, moved or replaced")

    def _identity(self) -> tuple[object, object]:
        """Device and inode of the database and its log; opening either would drop SQLite's locks, stat does not."""
        return _inode(self.location.path), _inode(self.location.wal)


def _inode(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
