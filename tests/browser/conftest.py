"""What the tests in a real browser share: Debian's chromium, watched for everything that must not happen."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request, sync_playwright

import progstore
from progstore_web import create_app

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
INGEST = """
    import sys
    import progstore

    with progstore.session("nightly import", meta={"model": "all-MiniLM"}):
        with progstore.track(name="Ingest", total=10, unit="file") as task:
            task.update(3)
            print(progstore.flush(10), flush=True)
            for line in sys.stdin:
                task.update(int(line))
                print(progstore.flush(10), flush=True)
"""
PROGRAM = str(Path(sys.executable).with_name("progstore"))
EXPECTED = re.compile(
    r"responded with a status of (400|401|404|503)|net::ERR_(CONNECTION|EMPTY|INCOMPLETE|CONTENT_LENGTH)"
    r"|htmx:error: Failed to fetch"
)
"""What chromium and htmx write to the console of a page whose server answers so, or is gone."""


class Visit(Protocol):
    """Opens an address in a browser window of its own."""

    def __call__(self, address: str, **context: Any) -> Page:
        """The page; `context` is as Playwright's `new_context` takes it."""


class Job:
    """A real process that records, and goes on when it is told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._wait()

    def go_on(self, steps: int) -> None:
        """Let it do so many steps, and wait until they are in the store."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        self._wait()

    def end(self) -> None:
        """Let it end in its own way."""
        _, errors = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, errors

    def _wait(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "True\n", self.process.communicate()


class Pages(NamedTuple):
    """Where the pages are."""

    address: str


class Server:
    """`progstore ui` in a process of its own."""

    def __init__(self, *arguments: str, port: int) -> None:
        self.port = port
        self.process = subprocess.Popen(
            [PROGRAM, "ui", "--no-open", "--port", str(port), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        found = re.search(r"http://\S+", self.process.stdout.readline())
        assert found is not None
        self.address = found[0].rstrip("/")

    def end(self) -> None:
        """Stop it, and wait until it is gone."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def work(program: Callable[..., subprocess.Popen[str]]) -> Callable[[str], Job]:
    """A way to start programs that record, and print `True` when what they did is in the store."""
    return lambda source: Job(program(source))


@pytest.fixture
def ingest(work: Callable[[str], Job]) -> Job:
    """A program that runs, with 3 of 10 files done; it does as many more as it is told to."""
    return work(INGEST)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser; without one the test is skipped, which says so.

    Not for the whole run: as long as it is there its event loop counts as running, and no other test could run one.
    """
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine; on Debian: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """A way to open pages; after the test nothing may have been wrong in any of them."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_page(address: str, **context: Any) -> Page:
        window = chromium.new_context(**context)
        contexts.append(window)
        page = window.new_page()
        own = urlsplit(address).hostname

        def on_console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning") and not EXPECTED.search(message.text):
                faults.append(f"console: {message.text}")

        def on_request(request: Request) -> None:
            if urlsplit(request.url).hostname not in (own, "localhost", "127.0.0.1"):
                faults.append(f"asked another host: {request.url}")

        def on_dialog(dialog: Dialog) -> None:
            faults.append(f"dialog: {dialog.message}")
            dialog.dismiss()

        page.on("console", on_console)
        page.on("request", on_request)
        page.on("pageerror", lambda error: faults.append(f"script: {error}"))
        page.on("dialog", on_dialog)
        page.goto(address)
        return page

    yield open_page
    for window in contexts:
        window.close()
    assert faults == []


@pytest.fixture
def start_server() -> Iterator[Callable[..., Server]]:
    """A way to run `progstore ui`; what still runs is killed at the end."""
    running: list[Server] = []

    def start(*arguments: str, port: int = 0) -> Server:
        if not port:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
        running.append(Server(*arguments, port=port))
        return running[-1]

    yield start
    for server in running:
        server.end()


@pytest.fixture
def server(store_path: Path) -> Iterator[Pages]:
    """The pages over this test's store, served from within this process: quicker than one of their own."""
    with progstore.open_store(str(store_path)) as store, socket.create_server(("127.0.0.1", 0)) as listener:
        app = create_app(store)
        served = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", access_log=False))
        thread = threading.Thread(target=served.run, kwargs={"sockets": [listener]})
        thread.start()
        yield Pages(f"http://127.0.0.1:{listener.getsockname()[1]}")
        app.end_streams()
        served.should_exit = True
        thread.join()
