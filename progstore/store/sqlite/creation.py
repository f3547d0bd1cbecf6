"""A new SQLite file: private to its user, with what must be set before its first table."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from progstore.store.sqlite.engines import raw_of

PATIENCE: Final = 10.0
"""Seconds that creating may wait for another process that is at it."""


def create_file(path: str) -> None:
    """An empty file that only this user can read, in a directory that is made where it is missing.

    Raises OSError where it cannot be made.
    """
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return


def set_up_empty_file(connection: Connection) -> None:
    """Before anything else is done with it; a file that holds something stays as it is."""
    if raw_of(connection).execute("PRAGMA page_count").fetchone() == (0,):
        switch_to_wal(connection)


def switch_to_wal(connection: Connection) -> None:
    """Two pragmas that must come before the first table; another process may hold the file while it does the same."""
    raw = raw_of(connection)
    deadline = time.monotonic() + PATIENCE
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
