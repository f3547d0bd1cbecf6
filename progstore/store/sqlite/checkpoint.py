"""The elected checkpointer: moves the write-ahead log into the database, one process at a time.

SQLite's own automatic checkpoints are off, for before 3.51.3 they can corrupt the file when two connections write
around one. What is safe: hold a kernel lock, commit something small, checkpoint at once.
"""

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING, Final

from progstore.store.sqlite.engines import LOG_AT_REST, WRITER_BUSY_MS
from progstore.store.sqlite.lockfile import CHECKPOINT, LockFile

if TYPE_CHECKING:
    from progstore.store.sqlite.location import SqliteLocation

PASSIVE_AT: Final = LOG_AT_REST + 1
"""Bytes of write-ahead log from which it is moved while others go on."""
TRUNCATE_AT: Final = 64 * 2**20
"""Bytes from which the log is also cut back once it is moved, for which writers wait a moment."""
TRUNCATE_BUSY_MS: Final = 100
WARN_AT: Final = 256 * 2**20
"""Bytes from which a reader that never ends must be holding it."""


def checkpoint_if_due(raw: sqlite3.Connection, location: SqliteLocation, lock: LockFile) -> int:
    """Checkpoint where the log is large and nobody else is at it; returns the log's size in bytes as it was found.

    Raises sqlite3.Error where the commit before it or the checkpoint fails.
    """
    size = wal_size(location)
    if size >= PASSIVE_AT:
        checkpoint(raw, lock, truncate=size >= TRUNCATE_AT)
    return size


def checkpoint(raw: sqlite3.Connection, lock: LockFile, *, truncate: bool) -> int | None:
    """Checkpoint now; returns the bytes of the log that a reader kept from being moved, None where another process is
    at it. Raises sqlite3.Error.
    """
    if not lock.try_lock(CHECKPOINT):
        return None
    try:
        unmoved = _move(raw, "PASSIVE")
        # While it is cut back writers wait, so all but the last of it must have been moved before; where a reader keeps
        # that from being done, they would wait in vain.
        if truncate and not unmoved:
            raw.execute(f"PRAGMA busy_timeout={TRUNCATE_BUSY_MS}")
            unmoved = _move(raw, "TRUNCATE")
        return unmoved
    finally:
        if truncate:
            raw.execute(f"PRAGMA busy_timeout={WRITER_BUSY_MS}")
        lock.unlock(CHECKPOINT)


def _move(raw: sqlite3.Connection, mode: str) -> int:
    """Commit something small and checkpoint; returns the bytes that were not moved."""
    raw.execute(_SOMETHING_SMALL, (str(time.time()),))
    _, pages, moved = raw.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    return int((pages - moved) * raw.execute("PRAGMA page_size").fetchone()[0])


def wal_size(location: SqliteLocation) -> int:
    """Bytes of the write-ahead log; 0 where there is none."""
    try:
        return os.stat(location.wal).st_size
    except OSError:
        return 0


_SOMETHING_SMALL: Final = (
    "INSERT INTO store_info VALUES ('checkpointed_at', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
