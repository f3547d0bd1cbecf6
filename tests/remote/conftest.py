"""What the tests of pushing share: a server that can go away and come back, and two stores that are compared."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy import select

import progstore
from progstore.remote import leftovers
from progstore.store.engine import locate
from progstore.store.gathering import EVENTS, event_row, gather
from progstore.store.reader import Reader
from progstore.store.tables import outgoing, senders, sessions, tasks
from progstore_web import Access, create_app
from tests.conftest import PATIENCE


class Server:
    """The pages over a store of their own, on one port; it may be stopped and started again."""

    def __init__(self, path: Path, access: Access | None = None) -> None:
        self.path = path
        self._access = access
        self.port = free_port()
        self._end: Callable[[], None] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Answer, from now on."""
        store = progstore.open_store(str(self.path))
        app = create_app(store, auth=self._access)
        listener = socket.create_server(("127.0.0.1", self.port))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()

        def end() -> None:
            server.should_exit = True
            server.force_exit = True
            thread.join()
            listener.close()
            store.close()

        self._end = end

    def stop(self) -> None:
        """Answer no more."""
        end, self._end = self._end, None
        if end is not None:
            end()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that is not yet started."""
    server = Server(tmp_path / "server.db")
    yield server
    server.stop()


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the default store is in this test, in which all is recorded before it is sent."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "progstore" / "progstore.db"


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as any_port:
        number: int = any_port.getsockname()[1]
    return number


def send_rest(path: Path, url: str, seconds: float = PATIENCE) -> None:
    """Send what the ended jobs had no time to send, as `progstore push` does."""
    outcome = leftovers.send(locate(str(path)), url, seconds)
    assert (outcome.left, outcome.refused, outcome.trouble) == (0, (), "")


def rows_of(path: Path) -> Counter[str]:
    """Every row of a store by what identifies it in any: none of this store's own ids is in it. Nothing where no store
    is yet.
    """
    with suppress(progstore.StoreNotFound), Reader(locate(str(path))).connection() as connection:
        session_ids = connection.execute(select(sessions.c.id)).scalars().all()
        task_ids = connection.execute(select(tasks.c.id)).scalars().all()
        batch = gather(connection, session_ids, task_ids)
        batch.events = [event_row(row) for row in connection.execute(EVENTS)]
        kinds = (batch.processes, batch.sessions, batch.tasks, batch.events, batch.metadata)
        return Counter(repr(dataclasses.asdict(row)) for kind in kinds for row in kind)
    return Counter()


def left_in(path: Path) -> list[Any]:
    """What is marked there, and of whom the servers have yet to hear."""
    with Reader(locate(str(path))).connection() as connection:
        return [*connection.execute(select(outgoing)), *connection.execute(select(senders))]


def assert_same(one: Path, other: Path) -> None:
    """Both stores hold the same rows, each as often, and nothing is left to be sent."""
    assert left_in(one) == []
    first, second = rows_of(one), rows_of(other)
    assert first
    assert (first - second, second - first) == (Counter(), Counter())
