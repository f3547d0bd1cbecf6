"""The one connection over which a process writes: opens the store, commits batches, notices what happens to it.

Used by one thread. Every method may raise what `faults.classify` tells apart; the recorder answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, select

from progstore.store import schema, statements, writes
from progstore.store.backend import Hold, Location
from progstore.store.batch import Applied, Batch, ProcessRow, TaskIdentity
from progstore.store.engine import locate
from progstore.store.faults import ADVICE, ROW_FAULTS, Fault, is_of_row
from progstore.store.lookup import Lookup
from progstore.store.settle import settle
from progstore.store.tables import processes
from progstore.store.watch import Watch

SYNC_EVERY: Final = 5.0
"""Seconds after which a tick is made to survive a power cut, too."""

Build = Callable[[Lookup], Batch]


class _Unsure(NamedTuple):
    """A batch whose commit was not answered for yet: with which sign of life it went, and what came of it if it is
    there.
    """

    heartbeat_at: float
    applied: Applied


class StoreWriter:
    """A process's connection to one store for writing. Built without touching the store; `open` does that."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._location: Location | None = None
        self._hold: Hold | None = None
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._last_sync = 0.0
        self._is_synced = True
        self._settled = False
        self._ids = writes.Ids()
        self._unsure: _Unsure | None = None
        self._arrived: Applied | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    @property
    def is_synced(self) -> bool:
        """Whether all that was written survives a power cut."""
        return self._is_synced

    @property
    def name(self) -> str:
        """What the store is called in a message; where its URL cannot be used, the fault itself names that."""
        return "its store" if self._location is None else self._location.name

    @property
    def location(self) -> Location:
        """Where the store is. Raises StoreError for a URL that cannot be used."""
        if self._location is None:
            self._location = locate(self._url)
        return self._location

    @property
    def warning(self) -> str:
        """What is wrong with the store though it can be written, or empty."""
        return "" if self._hold is None else self._hold.warning

    def advice(self, fault: Fault) -> str:
        """What a job's user is told to expect or to do."""
        return ADVICE[fault] if self._location is None else self._location.advice(fault)

    def open(self, process: ProcessRow) -> None:
        """Connect, create or upgrade the schema, and publish `process` as alive.

        The process's lock is taken before its row can be seen, so that nobody finds a row without a lock.
        """
        location = self.location
        if self._hold is None:
            self._hold = location.hold()
        statements.compile_all(location.dialect)
        self._hold.before_connecting()
        self._engine = location.writer_engine()
        try:
            self._connection = self._engine.connect()
            schema.prepare(self._connection, location)
            self._look_back(self._connection, process)
            self._publish(self._connection, self._hold, process)
            self._hold.connected()
            self._settle(self._connection)
            self._hold.check()
        except BaseException:
            self.close()
            raise

    def _settle(self, connection: Connection) -> None:
        """Readers only conclude that others are lost; a writer that arrives writes it down, for SQL to see."""
        if not self._settled:
            with closing(Watch(self.location)) as watch, connection.begin():
                settle(connection, watch)
            self._settled = True

    def owes_sync(self, *, at_once: bool) -> bool:
        """Whether something of what was written is yet to be made to survive a power cut: for long, or `at_once`."""
        return not self._is_synced and (at_once or time.monotonic() - self._last_sync >= SYNC_EVERY)

    def arrived(self) -> Applied | None:
        """What came of the last batch, where `commit` raised and it turned out when the store was opened again that it
        is there all the same. Told once.
        """
        arrived, self._arrived = self._arrived, None
        return arrived

    def commit(self, process: ProcessRow, build: Build, *, durable: bool) -> Applied:
        """Write what `build` gathers inside the transaction.

        With `durable`, or when the last sync is long ago, it survives a power cut when this returns.
        Raises StoreReplaced where the store is no longer the one that was opened.
        """
        _, hold = self._opened()
        hold.check()
        now = time.monotonic()
        durable = durable or now - self._last_sync >= SYNC_EVERY
        self._unsure, self._is_synced = None, False
        try:
            applied = self._write(process, build, durable=durable, singly=False)
        except ROW_FAULTS as error:
            if not is_of_row(error):
                raise
            applied = self._write(process, build, durable=durable, singly=True)
        if durable:
            self._last_sync, self._is_synced = now, True
        hold.check()
        self._unsure = None
        return applied

    def tidy(self) -> None:
        """Do what the store needs between transactions from time to time."""
        connection, hold = self._opened()
        hold.tidy(connection)

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
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.release()

    def _look_back(self, connection: Connection, process: ProcessRow) -> None:
        """A connection may be lost after the store has committed and before it has said so. The sign of life that every
        batch brings along tells whether the last one is there: to write it again would double its events.
        """
        if self._unsure is not None:
            with connection.begin():
                sign = select(processes.c.heartbeat_at).where(processes.c.uid == process.uid)
                if connection.execute(sign).scalar() == self._unsure.heartbeat_at:
                    self._arrived = self._unsure.applied
            self._unsure = None

    def _publish(self, connection: Connection, hold: Hold, process: ProcessRow) -> None:
        self._ids = writes.Ids()
        with connection.begin():
            writes.apply(connection, Batch(processes=[process]), self._ids)
            hold.own(connection, self._ids.processes[process.uid])

    def _write(self, process: ProcessRow, build: Build, *, durable: bool, singly: bool) -> Applied:
        connection, hold = self._opened()
        known = self._ids.copy()
        try:
            with hold.transaction(connection, durable=durable):
                applied = self._write_within(connection, process, build, singly=singly)
                self._unsure = _Unsure(process.heartbeat_at, applied)
        except BaseException:
            self._ids = known  # what the store gave since was rolled back, and the connection may be used again
            raise
        return applied

    def _write_within(self, connection: Connection, process: ProcessRow, build: Build, *, singly: bool) -> Applied:
        if not schema.is_known(writes.min_writer(connection)):
            schema.check_writable(schema.versions(connection, self.location), self.location)
        batch = build(Lookup(connection, self._ids))
        number = self._ids.processes[process.uid]
        writes.beat(connection, number, process)
        if not (push_to := self.location.push_to):
            return writes.apply(connection, batch, self._ids, singly=singly)
        from progstore.store import outgoing  # only who pushes loads it

        newest = outgoing.newest_event(connection)
        applied = writes.apply(connection, batch, self._ids, singly=singly)
        outgoing.mark(connection, push_to, number, batch, self._ids, events_after=newest)
        return applied

    def _opened(self) -> tuple[Connection, Hold]:
        assert self._connection is not None, "open() comes first"
        assert self._hold is not None
        return self._connection, self._hold
