"""What has yet to be sent, for whoever sends it: each look and each mark is a short transaction of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection

from progstore.store import outgoing
from progstore.store.outgoing import Parcel, Place, Reached
from progstore.store.reader import Reader, faults_explained
from progstore.store.settle import newly_lost, settle
from progstore.store.watch import Watch


class Dispatch:
    """The list of what the server at `url` is to get from the store behind `reader`. Everything raises StoreError."""

    def __init__(self, reader: Reader, url: str) -> None:
        self._reader = reader
        self._url = url

    def read(self, after: Reached, limit: int, refused: Mapping[Place, int]) -> Parcel:
        """The next rows and processes behind `after`, as `outgoing.read` says."""
        with self._reader.connection() as connection:
            return outgoing.read(connection, self._url, after, limit, refused)

    def acknowledge(self, parcel: Parcel, stop_requested: Sequence[str]) -> None:
        """The server has all of `parcel`, and says which sessions somebody asked to stop."""
        with _writing(self._reader) as connection:
            outgoing.acknowledge(connection, self._url, parcel)
            outgoing.ask_to_stop(connection, stop_requested)

    def count(self) -> int:
        """How many rows are on the list."""
        with self._reader.connection() as connection:
            return outgoing.count(connection, self._url)


def servers(reader: Reader) -> list[str]:
    """The servers that something in this store has yet to be sent to. Raises StoreError."""
    with reader.connection() as connection:
        return outgoing.urls(connection)


def settle_lost(reader: Reader, watch: Watch) -> None:
    """What is found dead is noted as lost, so that a server hears of it from the machine that knows. Raises
    StoreError.
    """
    with reader.connection() as connection:
        if not newly_lost(connection, watch):
            return
    with _writing(reader) as connection:
        settle(connection, watch)


@contextmanager
def _writing(reader: Reader) -> Iterator[Connection]:
    """A transaction for which a fork waits."""
    with reader.asking(), faults_explained(reader.location):
        engine = reader.location.writer_engine()
        try:
            with engine.connect() as connection, connection.begin():
                yield connection
        finally:
            engine.dispose()
