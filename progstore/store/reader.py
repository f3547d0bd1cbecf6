"""The connections over which a store is read: opened at first use, checked at each question, closed before a fork."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine

from progstore.errors import StoreError, StoreNotFound
from progstore.store import schema
from progstore.store.backend import Location, Looker
from progstore.store.faults import driver_errors

FORK_PATIENCE: Final = 0.5
"""Seconds that a fork waits for questions that other threads are asking."""

_readers: weakref.WeakSet[Reader] = weakref.WeakSet()
_registry = threading.Lock()
_at_fork: list[Reader] = []
_forking = threading.local()
_abandoned: list[_Open] = []

Opened = TypeVar("Opened")


class Reader:
    """Connections to one store for reading; safe to use from several threads, and nothing is held between questions."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._mutex = threading.Lock()
        self._idle = threading.Condition(self._mutex)
        # Of its own, for a look may last long where a server is gone, and a fork must not wait for that.
        self._looking = threading.Lock()
        self._asking = 0
        self._forking = False
        self._torn = False
        self._open = _Open()
        # Whoever forgets to close it does not leave connections behind.
        self._at_end = weakref.finalize(self, self._open.close)
        # Not when the program ends: a thread may be in the middle of a look, and Python's sqlite3 may crash where a
        # connection is closed under it.
        self._at_end.atexit = False
        self._identity: Hashable = None
        self._looked: tuple[Hashable, Hashable] | None = None
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
            self.location.begin_reading(connection)
            yield connection

    @contextmanager
    def alone(self, opened: Callable[[], AbstractContextManager[Opened]]) -> Iterator[Opened]:
        """What `opened` opens on the store, for this block alone. Raises as `connection`."""
        with self.connection():
            pass  # whatever is wrong with the store is told before anything is asked
        with self.asking(), faults_explained(self.location), opened() as connection:
            yield connection

    def data_version(self) -> int:
        """A number that grows when another connection has committed, or another store has taken this one's place."""
        with self.asking(), faults_explained(self.location):
            identity = self.location.identity()
            with self._looking:
                if self._looked is None or self._looked[0] != identity:
                    self._open.close_looker()
                looked = (identity, self._open.look(self.location))
                if looked != self._looked:
                    self._looked = looked
                    self._version += 1
                return self._version

    def close(self) -> None:
        """Give the connections back; the next question opens them again."""
        with self._looking, self._mutex:
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
                    f"{self.location.name} was in use when this process was forked and cannot be used in it; "
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
        identity = self.location.identity()
        with self._mutex:
            if self._open.engine is None or identity != self._identity:
                self._open.close_engine()
                self._open.engine = self.location.reader_engine()
                self._identity = identity
            return self._open.engine

    def _check(self, connection: Connection) -> None:
        glance = self.location.glance(connection)
        if glance is not None and glance.min_reader == str(schema.FORMAT):
            return
        found = schema.versions(connection, self.location)
        if found.revision is None:
            raise StoreNotFound(f"{self.location.name} is empty; the first tracked loop makes a store of it")
        schema.check_readable(found, self.location)

    # Around a fork

    def before_fork(self, deadline: float) -> None:
        """Close every connection, for a child that inherited one would drop SQLite's locks."""
        self._idle.acquire()
        self._forking = True
        is_idle = self._idle.wait_for(lambda: not self._asking, max(0.0, deadline - time.monotonic()))
        self._open.close(may_be_looking=not is_idle)

    def after_fork_in_parent(self) -> None:
        """Let the questions go on."""
        self._forking = False
        self._idle.notify_all()
        self._idle.release()

    def after_fork_in_child(self) -> None:
        """Only the forking thread is here: what others were asking will not end."""
        if self._asking:
            self._torn = True
            # What is in use is the parent's: to close it here would end it there.
            self._at_end.detach()
            _abandoned.append(self._open)
            self._open = _Open()
        self._mutex, self._looking = threading.Lock(), threading.Lock()
        self._idle = threading.Condition(self._mutex)
        self._asking, self._forking = 0, False


class _Open:
    """The connections that a reader has at the moment."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self._looker: Looker | None = None
        self.others: list[Callable[[], None]] = []

    def look(self, location: Location) -> Hashable:
        """What is seen over a connection that is kept as long as it works."""
        if self._looker is None:
            self._looker = location.looker()
        try:
            return self._looker.look()
        except BaseException:
            self.close_looker()
            raise

    def close(self, *, may_be_looking: bool = False) -> None:
        """Close them; those in use are closed when they are given back."""
        self.close_engine()
        if not may_be_looking:
            self.close_looker()
        for close in self.others:
            close()

    def close_engine(self) -> None:
        engine, self.engine = self.engine, None
        if engine is not None:
            engine.dispose()

    def close_looker(self) -> None:
        looker, self._looker = self._looker, None
        if looker is not None:
            looker.close()


@contextmanager
def faults_explained(location: Location) -> Iterator[None]:
    """What a driver raises becomes an error of ours that says what to do."""
    try:
        yield
    except driver_errors() as error:
        raise location.explained(error) from error


# A thread that imports this module while another forks registers hooks of which only those after the fork are called.


def _before_fork() -> None:
    deadline = time.monotonic() + FORK_PATIENCE
    _registry.acquire()
    _forking.is_here = True
    _at_fork[:] = _readers
    for reader in _at_fork:
        reader.before_fork(deadline)


def _after_fork_in_parent() -> None:
    _after_fork(Reader.after_fork_in_parent)


def _after_fork_in_child() -> None:
    _after_fork(Reader.after_fork_in_child)


def _after_fork(go_on: Callable[[Reader], None]) -> None:
    if not getattr(_forking, "is_here", False):
        return
    for reader in _at_fork:
        go_on(reader)
    _at_fork.clear()
    _forking.is_here = False
    _registry.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
