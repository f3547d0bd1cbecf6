"""Documents in: what other machines and other stores send is written over one connection, and is on disk when the call
returns.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, suppress
from typing import Final

from sqlalchemy import Connection

from progstore.errors import StoreError
from progstore.reports import IngestReport
from progstore.store import schema
from progstore.store.backend import Hold, Location
from progstore.store.documents import Document, Received, decode
from progstore.store.faults import ROW_FAULTS, Fault, StoreReplaced, classify, driver_errors, is_of_row
from progstore.store.merging import Arrival, Merged, merge
from progstore.store.reader import Reader, faults_explained

PATIENCE: Final = 5.0
"""Seconds that a document waits for its turn among the writers."""

CLOSE_PATIENCE: Final = 0.5
"""Seconds that giving the connection back waits for a document that is being written."""


class Ingester:
    """Writes documents into one store; safe to use from several threads, which are served one after the other."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._link = _Link(reader.location)
        reader.close_with(self._link.close)

    def ingest(self, document: Document, *, durable: bool, age: float) -> IngestReport:
        """Write what is newer in `document` than in the store, `age` seconds after it began to arrive. The store is
        made where there is none.

        With `durable` it survives a power cut when this returns. Raises BadValue for what is no document, and what
        `Reader.connection` raises.
        """
        since = time.monotonic() - age
        received = decode(document)
        location = self._reader.location
        try:
            with self._reader.asking(), faults_explained(location):
                merged = self._link.merge(received, since, durable=durable)
        except OSError as error:
            raise location.explained(error) from error
        except StoreReplaced as error:
            raise StoreError(f"{location.name} cannot be written ({error}); try again") from error
        return IngestReport(
            rows=merged.written,
            refused=(*received.refused, *merged.refused),
            stop_requested=tuple(merged.stop_requested),
        )


class _Link:
    """The connection to the store that is at a place now, made when it is needed."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._turn = threading.Lock()
        self._stack: ExitStack | None = None
        self._connection: Connection
        self._hold: Hold

    def merge(self, received: Received, since: float, *, durable: bool) -> Merged:
        """Write what began to arrive at `since` (monotonic) in one transaction, or row by row where the store cannot
        hold a row.
        """
        with self._turn:
            try:
                try:
                    return self._merge(received, since, durable=durable)
                except StoreReplaced:  # what was written may be gone, and may come twice
                    self._close()
                    return self._merge(received, since, durable=durable)
            except BaseException:
                self._close()
                raise

    def close(self) -> None:
        """Give the connection back, unless a document is on its way over it for longer than a moment."""
        if self._turn.acquire(timeout=CLOSE_PATIENCE):
            try:
                self._close()
            finally:
                self._turn.release()

    def _open(self) -> None:
        if self._stack is not None:
            with suppress(StoreReplaced):
                self._hold.check()
                return
        self._close()
        with ExitStack() as stack:
            self._hold = self._location.hold()
            stack.callback(self._hold.release)
            self._hold.before_connecting()
            engine = self._location.writer_engine(patience=PATIENCE)
            stack.callback(engine.dispose)
            self._connection = stack.enter_context(engine.connect())
            schema.prepare(self._connection, self._location)
            self._hold.connected()
            self._stack = stack.pop_all()

    def _close(self) -> None:
        stack, self._stack = self._stack, None
        if stack is not None:
            stack.close()

    def _merge(self, received: Received, since: float, *, durable: bool) -> Merged:
        self._open()
        connection, hold, sent_at = self._connection, self._hold, received.sent_at
        # To be read and to wait for its turn took time, which tells nothing of the sender's clock.
        began = self._location.now(connection) - (time.monotonic() - since)
        connection.rollback()
        arrival = None if sent_at is None else Arrival(received_at=began, clock_offset=sent_at - began)
        try:
            with hold.transaction(connection, durable=durable):
                merged = merge(connection, received.batch, arrival)
        except ROW_FAULTS as error:
            if not is_of_row(error):
                raise
            with hold.transaction(connection, durable=durable):
                merged = merge(connection, received.batch, arrival, singly=True)
        hold.check()
        try:
            hold.tidy(connection)
        except driver_errors() as error:
            if classify(error) is not Fault.BUSY:  # somebody writes; after the next document it is tried again
                raise
        return merged
