"""The connection over which a store is cleaned up: one at a time, in steps so short that no writer waits long."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from progstore.errors import StoreBusy, StoreError, StoreNotFound
from progstore.store import schema
from progstore.store.checkpoint import checkpoint, checkpoint_if_due
from progstore.store.engine import Location, writer_engine
from progstore.store.faults import Fault, classify
from progstore.store.lockfile import MAINTENANCE, LockFile
from progstore.store.reader import faults_explained

Result = TypeVar("Result")

PATIENCE: Final = 10.0
"""Seconds that one step waits for its turn among the writers."""
DELETE_SECONDS: Final = 0.008
"""How long one transaction that deletes shall take."""
VACUUM_SECONDS: Final = 0.004
"""How long one step that gives pages back shall take."""
FREE_PART: Final = 0.05
"""Part of the file that may stay free; writers fill it again."""


class Pace:
    """How much to do in one step, so that it takes about `seconds`; after each step, writers get as long."""

    def __init__(self, seconds: float, least: int, most: int) -> None:
        self._seconds = seconds
        self._least = least
        self._most = most
        self.size = least

    def took(self, seconds: float) -> None:
        """A step of this size took `seconds`: aim better with the next, and let others go first."""
        factor = min(2.0, max(0.25, self._seconds / max(seconds, 1e-6)))
        self.size = min(self._most, max(self._least, int(self.size * factor)))
        time.sleep(seconds)


class Cleaner:
    """A writing connection under the maintenance lock, for a `with` block.

    Entering raises StoreNotFound, StoreTooNew, StoreError, and StoreBusy while another clean-up or upgrade is at it.
    """

    def __init__(self, location: Location) -> None:
        self.location = location
        self._stack = ExitStack()
        self._connection: Connection
        self._lock: LockFile

    def __enter__(self) -> Self:
        if not os.path.exists(self.location.path):
            raise StoreNotFound(f"there is no store at {self.location.path} yet; the first tracked loop creates it")
        with ExitStack() as stack:
            stack.enter_context(faults_explained(self.location))
            try:
                self._lock = LockFile(self.location.lock, create=True)
            except OSError as error:
                raise StoreError(
                    f"{self.location.lock} cannot be opened ({error}); look at its directory's rights"
                ) from error
            stack.callback(self._lock.close)
            engine = writer_engine(self.location)
            stack.callback(engine.dispose)
            self._connection = stack.enter_context(engine.connect())
            schema.prepare(self._connection, self.location)
            if not self._lock.try_lock(MAINTENANCE):
                raise StoreBusy(
                    f"another process cleans up or upgrades {self.location.path}; try again when it is done"
                )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def raw(self) -> sqlite3.Connection:
        """The driver's own connection."""
        raw = self._connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        return raw

    def transact(self, work: Callable[[Connection], Result]) -> tuple[Result, float]:
        """Do `work` in one transaction; returns what it returned, and the seconds that others were kept waiting."""

        def attempt() -> tuple[Result, float]:
            with self._connection.begin():
                began = time.monotonic()
                result = work(self._connection)
            return result, time.monotonic() - began

        done = self._in_turn(attempt)
        self._checkpoint()
        return done

    def used_bytes(self) -> int:
        """Bytes of the file that hold something."""
        pages, free, size = (self.raw.execute(f"PRAGMA {name}").fetchone()[0] for name in _SIZES)
        return int((pages - free) * size)

    def give_back(self, free_part: float = FREE_PART) -> int:
        """Give free pages back to the disk until at most `free_part` of the file is free; returns bytes."""
        raw, pace = self.raw, Pace(VACUUM_SECONDS, 8, 10_000)
        before, free, size = (raw.execute(f"PRAGMA {name}").fetchone()[0] for name in _SIZES)
        pages = before
        while free and free > free_part * pages:
            began = time.monotonic()
            # By execute() the pragma would free one page only.
            self._in_turn(lambda: raw.executescript(f"PRAGMA incremental_vacuum({pace.size})"))
            pace.took(time.monotonic() - began)
            self._checkpoint()
            left, pages = free, raw.execute("PRAGMA page_count").fetchone()[0]
            free = raw.execute("PRAGMA freelist_count").fetchone()[0]
            if free >= left:
                break  # a file that was made without incremental vacuum gives nothing back
        if pages < before:
            # The file shrinks when the log is moved into it.
            self._in_turn(lambda: checkpoint(raw, self._lock, truncate=False))
        return int((before - pages) * size)

    def without_references(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in one transaction in which SQLite does not look for rows that refer to what is deleted."""
        self.raw.execute("PRAGMA foreign_keys=OFF")
        try:
            return self.transact(work)[0]
        finally:
            self.raw.execute("PRAGMA foreign_keys=ON")

    def _checkpoint(self) -> None:
        try:
            checkpoint_if_due(self.raw, self.location, self._lock)
        except sqlite3.OperationalError as error:
            if classify(error) is not Fault.BUSY:
                raise  # else somebody writes; after the next step it is tried again

    def _in_turn(self, step: Callable[[], Result]) -> Result:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return step()
            except (OperationalError, sqlite3.OperationalError) as error:
                if classify(error) is not Fault.BUSY or time.monotonic() > deadline:
                    raise


_SIZES = ("page_count", "freelist_count", "page_size")
