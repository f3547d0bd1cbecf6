"""The connections over which a store is read: opened at first use, checked at each question, closed before a fork."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from progstore.errors import StoreBusy, StoreDamaged, StoreError, StoreNotFound
from progstore.store import schema
from progstore.store.engine import Location, open_read_only, reader_engine
from progstore.store.faults import Fault, cause, classify

FORK_PATIENCE: Final = 0.5
"""Seconds that a fork waits for questions that other threads are asking."""

_readers: weakref.WeakSet[Reader] = weakref.WeakSet()
_registry = threading.Lock()
_at_fork: list[Reader] = []

Inode = tuple[int, int]


class Reader:
    """Connections to one store for reading; safe to use from several threads, and nothing is held between questions."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._mutex = threading.Lock()
        self._idle = threading.Condition(self._mutex)
        self._asking = 0
        self._forking = False
        self._torn = False
        self._open = _Open()
        # Whoever forgets to close it does not leave connections behind.
        weakref.finalize(self, self._open.close)
        self._inode: Inode | None = None
        self._looked: tuple[Inode, int] | None = None
        self._version = 0
        with _registry:
            _readers.add(self)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection that sees the store as it is at the first question, until the block ends.

        Raises StoreNotFound, StoreDamaged, StoreTooNew, StoreBusy or StoreError, each with what to do.
        """
        with self.asking(), faults_explained(self.location), self._current_engine().connect() as connection:
            self._check(connection)
            # The pool rolls back what it gets back, which ends a reading as well as COMMIT does.
            connection.exec_driver_sql("BEGIN")
            yield connection

    @contextmanager
    def raw(self) -> Iterator[sqlite3.Connection]:
        """A connection of the driver's own that is read-only and closed when the block ends. Raises as `connection`."""
        with self.connection():
            pass  # whatever is wrong with the store is told before anything is asked
        with self.asking(), faults_explained(self.location):
            raw = open_read_only(self.location)
            try:
                yield raw
            finally:
                raw.close()

    def data_version(self) -> int:
        """A number that grows when another connection has committed, or another file has taken the store's place."""
        with self.asking(), faults_explained(self.location):
            inode = self._inode_now()
            with self._mutex:
                if self._open.looker is None or self._looked is None or self._looked[0] != inode:
                    self._open.close_looker()
                    self._open.looker = open_read_only(self.location)
                looked = (inode, self._open.looker.execute("PRAGMA data_version").fetchone()[0])
                if looked != self._looked:
                    self._looked = looked
                    self._version += 1
                return self._version

    def close(self) -> None:
        """Give the connections back; the next question opens them again."""
        with self._mutex:
            self._open.close()

    def close_with(self, close: Callable[[], None]) -> None:
        """Call `close` whenever the connections are given back, before a fork too."""
        self._open.others.append(close)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """While connections are in use: a fork waits for the end of it."""
        with self._idle:
            self._idle.wait_for(lambda: not self._forking)
            if self._torn:
                raise StoreError(
                    f"{self.location.path} was in use when this process was forked and cannot be used in it; "
                    "finish with a store before forking, or start the process by `spawn`"
                )
            self._asking += 1
        try:
            yield
        finally:
            with self._idle:
                self._asking -= 1
                self._idle.notify_all()

    def _current_engine(self) -> Engine:
        inode = self._inode_now()
        with self._mutex:
            if self._open.engine is None or inode != self._inode:
                self._open.close_engine()
                self._open.engine = reader_engine(self.location)
                self._inode = inode
            return self._open.engine

    def _inode_now(self) -> Inode:
        try:
            status = os.stat(self.location.path)
        except OSError:
            raise StoreNotFound(
                f"there is no store at {self.location.path} yet; the first tracked loop creates it, "
                "or try `progstore demo`"
            ) from None
        if stat.S_ISDIR(status.st_mode):
            raise StoreError(f"{self.location.path} is a directory; a store is a file")
        return status.st_dev, status.st_ino

    def _check(self, connection: Connection) -> None:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        try:
            least = raw.execute("SELECT value FROM store_info WHERE key = 'min_reader'").fetchone()
        except sqlite3.OperationalError:
            least = None
        if least is not None and least[0] == str(schema.FORMAT):
            return
        found = schema.versions(connection)
        if found.revision is None:
            raise StoreNotFound(f"{self.location.path} is empty; the first tracked loop makes a store of it")
        schema.check_readable(found, self.location)

    # Around a fork

    def before_fork(self, deadline: float) -> None:
        """Close every connection, for a child that inherited one would drop SQLite's locks."""
        self._idle.acquire()
        self._forking = True
        self._idle.wait_for(lambda: not self._asking, max(0.0, deadline - time.monotonic()))
        self._open.close()

    def after_fork_in_parent(self) -> None:
        """Let the questions go on."""
        self._forking = False
        self._idle.notify_all()
        self._idle.release()

    def after_fork_in_child(self) -> None:
        """Only the forking thread is here: what others were asking will not end."""
        torn = self._torn or self._asking > 0
        self._mutex = threading.Lock()
        self._idle = threading.Condition(self._mutex)
        self._asking, self._forking, self._torn = 0, False, torn


class _Open:
    """The connections that a reader has at the moment."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.looker: sqlite3.Connection | None = None
        self.others: list[Callable[[], None]] = []

    def close(self) -> None:
        """Close them; those in use are closed when they are given back."""
        self.close_engine()
        self.close_looker()
        for close in self.others:
            close()

    def close_engine(self) -> None:
        engine, self.engine = self.engine, None
        if engine is not None:
            engine.dispose()

    def close_looker(self) -> None:
        looker, self.looker = self.looker, None
        if looker is not None:
            looker.close()


@contextmanager
def faults_explained(location: Location) -> Iterator[None]:
    """What SQLite raises becomes an error of ours that says what to do."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        raise explained(error, location) from error


def explained(error: Exception, location: Location) -> StoreError:
    """The error for whoever asked, with the file, the cause and the way out."""
    said, path = cause(error), location.path
    match classify(error):
        case Fault.BUSY:
            return StoreBusy(f"another process holds {path} ({said}); try again")
        case Fault.NOT_A_DATABASE:
            return StoreDamaged(f"{path} is no SQLite database ({said}); choose another file with PROGSTORE_URL")
        case Fault.CORRUPT:
            return StoreDamaged(
                f"{path} is damaged ({said}); `progstore db check` tells more, `progstore db recover` saves what it can"
            )
        case Fault.READ_ONLY | Fault.CANNOT_OPEN:
            return StoreError(f"{path} cannot be opened ({said}); look at the rights of the file and its directory")
        case Fault.FULL:
            return StoreError(f"{path} cannot be written ({said}); the disk is full")
        case _ if said.startswith("no such"):
            return StoreError(f"{path} has an older schema ({said}); upgrade it with `progstore db upgrade`")
        case _:
            return StoreError(f"{path} cannot be used ({said}); `progstore db check` tells more")


def _before_fork() -> None:
    deadline = time.monotonic() + FORK_PATIENCE
    _registry.acquire()
    _at_fork[:] = _readers
    for reader in _at_fork:
        reader.before_fork(deadline)


def _after_fork_in_parent() -> None:
    for reader in _at_fork:
        reader.after_fork_in_parent()
    _at_fork.clear()
    _registry.release()


def _after_fork_in_child() -> None:
    for reader in _at_fork:
        reader.after_fork_in_child()
    _at_fork.clear()
    _registry.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
