"""What the tests of the store share: a store that a test fills row by row, and ways to read it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from progstore import owner, proc
from progstore.store import schema
from progstore.store.engine import locate
from progstore.store.store import Store
from progstore.store.tables import events, meta, processes, sessions, tasks

ENDED = ("complete", "error", "cancelled")


class Filled:
    """A store whose rows a test writes as recorders would have; every method returns the new row's id.

    What is not said has a harmless value. Processes live (they are this one) unless told otherwise.
    """

    def __init__(self, place: Path | str) -> None:
        self.url = str(place)
        self.location = locate(self.url)
        self.location.make()
        self._engine = self.location.writer_engine(patience=5)
        self._connection = self._engine.connect()
        schema.prepare(self._connection, self.location)
        self._connection.rollback()
        self._locks: list[ExitStack] = []
        self.now = time.time()
        self._is_open = False
        self._numbers = iter(range(1, 10**9))

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()
        self._engine.dispose()
        for lock in self._locks:
            lock.close()

    def process(self, *, locked: bool = False, **values: Any) -> int:
        """A process; `locked` holds its byte as long as the test lasts."""
        row = {
            "uid": f"p{next(self._numbers)}",
            **owner.here()._asdict(),
            "pid": os.getpid(),
            "start_ticks": proc.start_ticks(),
            "program": "job.py",
            "argv": "[]",
            "cwd": "/",
            "username": "me",
            "python": "3",
            "progstore_version": "0",
            "interval": 0.5,
            "started_at": self.now - 100,
            "heartbeat_at": self.now - 1,
        } | values
        number = self._insert(processes, row)
        if locked:
            self.lock(number)
        return number

    def lock(self, process_id: int) -> None:
        """Hold that process's lock, as it would itself."""
        stack = ExitStack()
        hold = self.location.hold()
        stack.callback(hold.release)
        engine = self.location.writer_engine()
        stack.callback(engine.dispose)
        connection = stack.enter_context(engine.connect())
        with connection.begin():
            hold.own(connection, process_id)
        self._locks.append(stack)

    def ended_process(self, **values: Any) -> int:
        """A process that ended well."""
        return self.process(**{"ended_at": self.now - 10, "end_reason": "exit", **values})

    def dead_process(self, **values: Any) -> int:
        """A process of this machine that was killed."""
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
            ticks = proc.start_ticks(child.pid)
            child.kill()
        return self.process(**{"pid": child.pid, "start_ticks": ticks, **values})

    def session(self, name: str = "nightly", *, status: str | None = "complete", **values: Any) -> int:
        """A block's session that ended with `status`, or has no end."""
        started = values.get("started_at", self.now - 60)
        row = {
            "uid": f"s{next(self._numbers)}",
            "name": name,
            "kind": "block",
            "host": owner.here().host,
            "started_at": started,
            "ended_at": started + 10 if status else None,
            "end_status": status,
            "duration": 10.0 if status else None,
            "rev": 1,
        } | values
        return self._insert(sessions, row)

    def task(self, session_id: int, name: str = "Ingest", status: str = "complete", **values: Any) -> int:
        """A task of a hundred items that took ten seconds, or stands at none of them."""
        number = next(self._numbers)
        ended = status in ENDED
        started = None if status == "pending" else values.get("started_at", self.now - 60)
        row = {
            "session_id": session_id,
            "key": f"k{number}",
            "attempt": 1,
            "session_name": "nightly",
            "name": name,
            "unit": "it",
            "status": status,
            "done": 100 if status == "complete" else 0,
            "total": 100,
            "failed": 0,
            "active": 0,
            "cancelled": 0,
            "message": "",
            "rev": 1,
            "started_at": started,
            "updated_at": (started or self.now - 60) + 10,
            "ended_at": (started or self.now - 60) + 10 if ended else None,
            "duration": 10.0 if ended else None,
        } | values
        return self._insert(tasks, row)

    def event(
        self, session_id: int, task_id: int | None = None, kind: str = "message", message: str = "", **values: Any
    ) -> int:
        """Something that happened."""
        row = {"session_id": session_id, "task_id": task_id, "at": self.now, "kind": kind, "message": message} | values
        return self._insert(events, row)

    def meta(self, session_id: int, task_id: int = 0, **values: Any) -> None:
        """Metadata, each value as JSON."""
        with self._connection.begin():
            for key, value in values.items():
                row = {"session_id": session_id, "task_id": task_id, "key": key, "value": json.dumps(value)}
                self._connection.execute(insert(meta).values(row))

    def change(self, table: Any, number: int, **values: Any) -> None:
        """What the row's owner would write later."""
        with self._connection.begin():
            self._connection.execute(update(table).where(table.c.id == number).values(**values))

    def run(self, sql: str) -> None:
        """Any statement, as another program may do it."""
        with self._connection.begin():
            self._connection.exec_driver_sql(sql)

    def checkpoint(self) -> tuple[int, ...]:
        """Move the log into the file: whether that was held up, frames in the log, frames moved."""
        raw = self._connection.connection.driver_connection
        assert raw is not None
        return tuple(raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone())

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is written in the block goes into one transaction, which is quicker."""
        with self._connection.begin():
            self._is_open = True
            yield
        self._is_open = False

    def _insert(self, table: Any, row: dict[str, Any]) -> int:
        with nullcontext() if self._is_open else self._connection.begin():
            result = self._connection.execute(insert(table).values(row))
            return int(result.inserted_primary_key[0])  # type: ignore[index]  # a single row has a key


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, store_path: Path) -> str:
    """Where the store of the test is: in a file, and once more on a server. Those marked `sqlite` are about files."""
    if request.param == "sqlite":
        return str(store_path)
    return str(request.getfixturevalue("postgres_store"))


def _parameters(item: pytest.Item) -> dict[str, Any]:
    return getattr(getattr(item, "callspec", None), "params", {})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is about files is not tried on a server."""
    items[:] = [
        item
        for item in items
        if not (item.get_closest_marker("sqlite") and _parameters(item).get("place") == "postgresql")
    ]


@pytest.fixture
def filled(place: str) -> Iterator[Filled]:
    """An empty store that the test fills."""
    made = Filled(place)
    yield made
    made.close()


@pytest.fixture
def store(filled: Filled) -> Iterator[Store]:
    """The same store, opened for reading."""
    with Store(filled.url) as opened:
        yield opened
