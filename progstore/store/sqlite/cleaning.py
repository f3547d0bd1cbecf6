"""How an SQLite file is cleaned up: checkpoints between the steps, and pages given back a few at a time."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import Connection

from progstore.store.cleaner import FREE_PART, Cleaner, GivenBack, Pace
from progstore.store.faults import Fault, classify
from progstore.store.sqlite.checkpoint import (
    PASSIVE_AT,
    TRUNCATE_AT,
    WARN_AT,
    checkpoint,
    wal_size,
)
from progstore.store.sqlite.engines import raw_of
from progstore.store.sqlite.files import Pages
from progstore.store.sqlite.lockfile import LockFile

if TYPE_CHECKING:
    from progstore.store.sqlite.location import SqliteLocation

Result = TypeVar("Result")

VACUUM_SECONDS: Final = 0.008
"""How long one step that gives pages back shall take."""
TURN: Final = 0.040
"""Seconds between two steps while others write. Who waits looks again after 1, 3, 8, 18, 33 and 53 ms, and so three
times within such a pause: in a shorter one it misses its turn again when others are quicker twice.
"""
OTHERS_SECONDS: Final = 15.0
"""How long others are held to write after one of them has; a recorder with nothing to tell does every 10 s."""
MOVE_SECONDS: Final = 2.0
"""How long the end of a clean-up waits for the log to be moved into the file."""
LOG_GROWTH: Final = 1.25
"""By how much a log that a reader keeps from being moved grows until that is tried again; each try reads all of it."""
INCREMENTAL: Final = 2
"""What SQLite calls the mode of vacuum in which a file can shrink step by step."""

_CANNOT_SHRINK: Final = (
    "{path} was made without incremental vacuum: {free:,} free bytes stay in it for new rows; while nothing records, "
    "`sqlite3 {path} 'PRAGMA auto_vacuum=INCREMENTAL; VACUUM'` gives them back and mends it"
)
_LOG_IS_HELD: Final = (
    "{path} becomes {free:,} bytes smaller when a program that has been reading it for long comes to an end; until "
    "then its write-ahead log, now {size:,} bytes, cannot be moved into it"
)


class SqliteCleaner(Cleaner):
    """A writing connection to the file, with the lock file for its checkpoints."""

    location: SqliteLocation

    def entered(self, stack: ExitStack) -> None:
        """Open the lock file, for the byte of the elected checkpointer, and see how things stand."""
        self._lock = LockFile(self.location.lock, create=True)
        stack.callback(self._lock.close)
        self._raw = raw_of(self.connection)
        pages = Pages.of(self._raw)
        self._size = max(pages.bytes, self._file_size())
        self._unmoved = 0
        self._version = self._data_version()
        self._others_until = 0.0

    @property
    def is_held_up(self) -> bool:
        """A reader that does not end has kept the log from being moved until it is very large: to go on would only make
        it larger.
        """
        return self._unmoved >= WARN_AT

    def let_others(self, seconds: float) -> None:
        """Where others write, the pause is long enough for those who wait."""
        version, now = self._data_version(), time.monotonic()
        if version != self._version:
            self._version, self._others_until = version, now + OTHERS_SECONDS
        super().let_others(max(seconds, TURN) if now < self._others_until else seconds)

    def used_bytes(self) -> int:
        """Pages that are not free."""
        return Pages.of(self._raw).used

    def give_back(self, free_part: float = FREE_PART, at_most: int | None = None) -> GivenBack:
        """By incremental vacuum, in steps; the file shrinks when the log is moved into it."""
        path, pages = self.location.path, Pages.of(self._raw)
        wanted = int(pages.used / (1 - free_part))
        if at_most is not None:
            wanted = min(wanted, at_most)
        if pages.free and pages.bytes > wanted:
            if pages.vacuum != INCREMENTAL:
                return GivenBack(0, _CANNOT_SHRINK.format(path=path, free=pages.free * pages.size))
            self._vacuum(wanted // pages.size)
            pages = Pages.of(self._raw)
        smaller = self._size - pages.bytes
        if smaller > 0 and not self._moved():
            return GivenBack(0, _LOG_IS_HELD.format(path=path, free=smaller, size=wal_size(self.location)))
        return GivenBack(max(0, smaller))

    def without_references(self, work: Callable[[Connection], Result]) -> tuple[Result, float]:
        """SQLite does not look for rows that refer to what is deleted, for which it would read all tasks each time."""
        self._raw.execute("PRAGMA foreign_keys=OFF")
        try:
            return self.transact(work)
        finally:
            self._raw.execute("PRAGMA foreign_keys=ON")

    def after_step(self) -> None:
        """Checkpoint where the log has grown."""
        size = wal_size(self.location)
        if size < PASSIVE_AT:
            self._unmoved = 0
        elif size >= self._unmoved * LOG_GROWTH:
            try:
                unmoved = checkpoint(self._raw, self._lock, truncate=size >= TRUNCATE_AT)
            except sqlite3.OperationalError as error:
                if classify(error) is not Fault.BUSY:
                    raise
                unmoved = None  # somebody writes; after a later step it is tried again
            self._unmoved = self._unmoved if unmoved is None else unmoved

    def _vacuum(self, wanted: int) -> None:
        """Take free pages off the end of the file until it has `wanted` ones."""
        pace, pages = Pace(VACUUM_SECONDS, 8, 10_000), Pages.of(self._raw)
        while pages.free and pages.number > wanted and not self.is_held_up:
            # By execute() the pragma would free one page only.
            script = f"PRAGMA incremental_vacuum({min(pace.size, pages.number - wanted)})"
            began = time.monotonic()
            self.in_turn(lambda: self._raw.executescript(script))  # noqa: B023  # it is called at once
            took = time.monotonic() - began
            pace.took(took)
            self.after_step()
            self.let_others(took)
            pages = Pages.of(self._raw)

    def _moved(self) -> bool:
        """Move the log into the file; False where a reader keeps it from that."""
        deadline = time.monotonic() + MOVE_SECONDS
        while True:
            self.in_turn(lambda: checkpoint(self._raw, self._lock, truncate=False))
            if self._file_size() <= Pages.of(self._raw).bytes:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)  # another process may be at it, or has written in between

    def _file_size(self) -> int:
        return os.stat(self.location.path).st_size

    def _data_version(self) -> int:
        """A number that changes when another connection has committed."""
        return int(self._raw.execute("PRAGMA data_version").fetchone()[0])
