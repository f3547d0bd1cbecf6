"""The file itself: how large and whether sound, and a copy of it while others write."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from progstore.errors import StoreError
from progstore.store.faults import cause
from progstore.store.sqlite.checkpoint import wal_size
from progstore.store.sqlite.engines import open_read_only, raw_of
from progstore.store.sqlite.files import Pages, absolute, check_path

if TYPE_CHECKING:
    from progstore.store.reader import Reader
    from progstore.store.sqlite.location import SqliteLocation

SAFE: Final = (3, 51, 3)
"""The first SQLite whose own checkpoints cannot corrupt a database that two connections write."""
UNSAFE_NOTE: Final = (
    "before 3.51.3 SQLite can corrupt the file when two programs write around a checkpoint; progstore's own writers "
    "avoid that, but do not write to this file with the sqlite3 shell or other programs while jobs record"
)


def facts(location: SqliteLocation, connection: Connection, *, integrity: bool) -> Mapping[str, Any]:
    """Sizes, what a vacuum could give back, SQLite's version, and with `integrity` whether the file is sound."""
    pages = Pages.of(raw_of(connection))
    found: dict[str, Any] = {
        "path": location.path,
        "size": os.stat(location.path).st_size,
        "wal_size": wal_size(location),
        "free_size": pages.free * pages.size,
    }
    if integrity:
        found["integrity"] = _integrity(connection)
    found["sqlite"] = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < SAFE:
        found["sqlite_note"] = UNSAFE_NOTE
    return found


def backup(location: SqliteLocation, reader: Reader, target: str) -> int:
    """Copy the live store to the new file `target`, which only this user can read; returns bytes.

    Raises StoreError where the target exists or cannot be made.
    """
    path = check_path(absolute(target))
    with reader.alone(lambda: closing(open_read_only(location))) as source:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise StoreError(f"{path} exists already; give the name of a new file") from None
        except OSError as error:
            raise StoreError(f"{path} cannot be made ({error.strerror}); choose another place") from error
        try:
            copy = sqlite3.connect(path)
            try:
                # In one go: in steps it would begin again with each commit of a writer.
                source.backup(copy)
            finally:
                copy.close()
        except BaseException:
            os.unlink(path)
            raise
    return os.stat(path).st_size


def _integrity(connection: Connection) -> str:
    try:
        return "; ".join(connection.exec_driver_sql("PRAGMA quick_check(10)").scalars())
    except DatabaseError as error:
        return cause(error)
