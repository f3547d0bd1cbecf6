"""What the tests of the web share: real servers on real ports, and real programs that record while one looks."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
import uvicorn

import progstore
from progstore_web import Access, create_app
from progstore_web.gate import Gate
from tests.store.conftest import Filled

Program = Callable[..., "subprocess.Popen[str]"]

INGEST = """
    import sys
    import progstore

    with progstore.session("nightly import", meta={"model": "all-MiniLM", "depth": {"levels": [1, 2]}}):
        with progstore.track(name="Ingest", total=10, unit="file") as task:
            task.update(2)
            task.fail_item("row 7: bad date")
            task.message("part 2")
            print(progstore.flush(10), flush=True)
            for line in sys.stdin:
                task.update(int(line))
                print(progstore.flush(10), flush=True)
"""
"""Does 3 of 10 files, one of which failed, then as many as it is told to, and ends when its input does."""


class Job:
    """A real process that records, and goes on when it is told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.wait()

    def wait(self) -> None:
        """Until what it did is in the store."""
        assert self.process.stdout is not None
        said = self.process.stdout.readline().strip()
        assert said == "True", self.process.communicate()

    def go_on(self, steps: int) -> None:
        """Let it do so many steps, and wait until they are in the store."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        self.wait()

    def end(self) -> None:
        """Let it end in its own way."""
        _, errors = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, errors


class Serve(Protocol):
    """Serves a store and gives a client of the server; with no `path` this test's store."""

    def __call__(
        self,
        *,
        access: Access | None = None,
        root_path: str = "",
        mounted_at: str = "",
        path: Path | str | None = None,
        stale_after: float = 0.0,
        jobs: Mapping[str, progstore.Job] | None = None,
        jobs_at_once: int = 4,
    ) -> httpx.Client:
        """The client; its base URL is the server."""


@pytest.fixture
def serve(store_path: Path) -> Iterator[Serve]:
    """A way to start servers, each in a thread with a port of its own."""
    ends = ExitStack()

    def start(
        *,
        access: Access | None = None,
        root_path: str = "",
        mounted_at: str = "",
        path: Path | str | None = None,
        stale_after: float = 0.0,
        jobs: Mapping[str, progstore.Job] | None = None,
        jobs_at_once: int = 4,
    ) -> httpx.Client:
        store = ends.enter_context(progstore.open_store(str(path or store_path), stale_after=stale_after))
        app = create_app(store, root_path=root_path, auth=access, jobs=jobs, jobs_at_once=jobs_at_once)
        return ends.enter_context(running(app, mounted_at=mounted_at))

    with ends:
        yield start


@contextmanager
def running(app: Gate, *, mounted_at: str = "") -> Iterator[httpx.Client]:
    """A client of the application, which a server runs within."""
    listener = socket.create_server(("127.0.0.1", 0))
    asgi: Any = _mounted(app, mounted_at) if mounted_at else app
    server = uvicorn.Server(uvicorn.Config(asgi, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    client = httpx.Client(verify=False, base_url=f"http://127.0.0.1:{listener.getsockname()[1]}")  # noqa: S501  # loading certificates takes longer than a test
    try:
        yield client
    finally:
        client.close()
        app.end_streams()
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def site(serve: Serve) -> httpx.Client:
    """A server of this test's store that asks for no token."""
    return serve()


@pytest.fixture
def filled(store_path: Path) -> Iterator[Filled]:
    """This test's store, for a test that fills it row by row."""
    made = Filled(store_path)
    yield made
    made.close()


@pytest.fixture
def ingest(program: Program) -> Job:
    """A program that runs, with 3 of 10 files done and one of them failed."""
    return Job(program(INGEST))


def eventually(ask: Callable[[], Any], holds: Callable[[Any], bool], *, seconds: float = 30.0) -> Any:
    """What `ask` gives as soon as it `holds`; the last answer where it never does."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if holds(answer) or time.monotonic() > deadline:
            return answer
        time.sleep(0.05)


@pytest.fixture
def until() -> Callable[..., Any]:
    """Asks again and again until the answer holds."""
    return eventually


def _mounted(app: Any, prefix: str) -> Any:
    """`app` below a prefix, as frameworks mount one: the whole path stands in the scope, and the prefix as its root."""

    async def host(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            assert scope["path"].startswith(prefix)
            scope = {**scope, "root_path": prefix}
        await app(scope, receive, send)

    return host
