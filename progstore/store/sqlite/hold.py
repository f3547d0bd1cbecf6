"""What a process that writes to an SQLite file holds of it: a byte of the lock file, and the inodes it knows it by."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from progstore.store import faults
from progstore.store.backend import Hold
from progstore.store.sqlite.checkpoint import WARN_AT, checkpoint_if_due
from progstore.store.sqlite.engines import raw_of
from progstore.store.sqlite.files import inode
from progstore.store.sqlite.lockfile import LockFile, owner_byte

if TYPE_CHECKING:
    from progstore.store.sqlite.location import SqliteLocation


class SqliteHold(Hold):
    """The lock byte stays when the connection is closed, for the process lives on."""

    def __init__(self, location: SqliteLocation) -> None:
        self._location = location
        self._lock: LockFile | None = None
        self._file: object = None
        self._files: tuple[object, object] = (None, None)

    def before_connecting(self) -> None:
        """Make an empty file where there is none. Raises OSError."""
        self._location.make()
        self._file = inode(self._location.path)
        self._drop_stale_log(self._file)

    def own(self, connection: Connection, process_id: int) -> None:  # noqa: ARG002  # the lock is a file's
        """Take the process's byte, of the lock file that is beside the store now."""
        lock = self._lock
        # Beside a new file there may be a new lock file; the old one is kept until the byte of the new one is held.
        if lock is None or not lock.is_at(self._location.lock):
            lock = LockFile(self._location.lock, create=True)
        lock.try_lock(owner_byte(process_id))
        if self._lock is not None and self._lock is not lock:
            self._lock.close()
        self._lock = lock

    def connected(self) -> None:
        """Remember the inodes of the file and of its log."""
        self._files = (self._file, inode(self._location.wal))

    def check(self) -> None:
        """Raises StoreReplaced where they are others now, or the file is empty."""
        if (inode(self._location.path), inode(self._location.wal)) != self._files:
            raise faults.StoreReplaced("the file, or the log beside it, was deleted, moved or replaced")
        # SQLite would go on from its log and its memory, and whoever opens the file next would delete that log.
        if os.stat(self._location.path).st_size == 0:
            raise faults.StoreReplaced("the file was emptied")

    @contextmanager
    def transaction(self, connection: Connection, *, durable: bool) -> Iterator[None]:
        """With synchronous=FULL, or with NORMAL, which syncs only at a checkpoint."""
        raw_of(connection).execute("PRAGMA synchronous=FULL" if durable else "PRAGMA synchronous=NORMAL")
        with connection.begin():
            yield

    def tidy(self, connection: Connection) -> None:
        """Move the write-ahead log into the database where it is due."""
        if self._lock is None:  # whoever writes for others owns nothing himself
            self._lock = LockFile(self._location.lock, create=True)
        size = checkpoint_if_due(raw_of(connection), self._location, self._lock)
        too_large = f"{self._location.wal} has grown large: a reader that never ends must be holding it"
        self.warning = too_large if size > WARN_AT else ""

    def release(self) -> None:
        """Give the byte back."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    def _drop_stale_log(self, file: object) -> None:
        """The log of a file that is no longer there would be played into the one that is there instead."""
        last_file, last_log = self._files
        if last_log is not None and file != last_file and inode(self._location.wal) == last_log:
            for leftover in (self._location.wal, self._location.path + "-shm"):
                with suppress(FileNotFoundError):
                    os.unlink(leftover)
