"""How an SQLite file is cleaned up: checkpoints between the steps, and pages given back a few at a time."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import Connection

from progstore.store.cleaner import FREE_PART, Cleaner, Pace
from progstore.store.faults import Fault, classify
from progstore.store.sqlite.checkpoint import checkpoint, checkpoint_if_due
from progstore.store.sqlite.engines import raw_of
from progstore.store.sqlite.files import Pages
from progstore.store.sqlite.lockfile import LockFile

if TYPE_CHECKING:
    from progstore.store.sqlite.location import SqliteLocation

Result = TypeVar("Result")

VACUUM_SECONDS: Final = 0.004
"""How long one step that gives pages back shall take."""


class SqliteCleaner(Cleaner):
    """A writing connection to the file, with the lock file for its checkpoints."""

    location: SqliteLocation

    def entered(self, stack: ExitStack) -> None:
        """Open the lock file, for the byte of the elected checkpointer."""
        self._lock = LockFile(self.location.lock, create=True)
        stack.callback(self._lock.close)
        self._used = Pages.of(raw_of(self.connection)).used

    def freed_bytes(self) -> int:
        """The difference in pages that are not free."""
        return self._used - Pages.of(raw_of(self.connection)).used

    def give_back(self, free_part: float = FREE_PART) -> int:
        """By incremental vacuum, in steps."""
        raw, pace = raw_of(self.connection), Pace(VACUUM_SECONDS, 8, 10_000)
        before = pages = Pages.of(raw)
        while pages.free and pages.free > free_part * pages.number:
            began = time.monotonic()
            # By execute() the pragma would free one page only.
            self.in_turn(lambda: raw.executescript(f"PRAGMA incremental_vacuum({pace.size})"))
            pace.took(time.monotonic() - began)
            self.after_step()
            left, pages = pages.free, Pages.of(raw)
            if pages.free >= left:
                break  # a file that was made without incremental vacuum gives nothing back
        if pages.number < before.number:
            # The file shrinks when the log is moved into it.
            self.in_turn(lambda: checkpoint(raw, self._lock, truncate=False))
        return (before.number - pages.number) * before.size

    def without_references(self, work: Callable[[Connection], Result]) -> Result:
        """SQLite does not look for rows that refer to what is deleted, for which it would read all tasks each time."""
        raw = raw_of(self.connection)
        raw.execute("PRAGMA foreign_keys=OFF")
        try:
            return self.transact(work)[0]
        finally:
            raw.execute("PRAGMA foreign_keys=ON")

    def after_step(self) -> None:
        """Checkpoint where the log has grown."""
        try:
            checkpoint_if_due(raw_of(self.connection), self.location, self._lock)
        except sqlite3.OperationalError as error:
            if classify(error) is not Fault.BUSY:
                raise  # else somebody writes; after the next step it is tried again
