"""`progstore ui` as a user runs it: a process that answers, says where, and ends when it is told to."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from progstore_web.listening import address, listen

PROGRAM = str(Path(sys.executable).with_name("progstore"))
Ui = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def ui() -> Iterator[Ui]:
    """A way to start `progstore ui`; what still runs is killed at the end."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [PROGRAM, "ui", "--no-open", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": "1", **environment},
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def address_of(process: subprocess.Popen[str]) -> str:
    """The address that it printed."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://\S+", line)
    assert found, (line, process.communicate())
    return found[0]


def test_it_says_where_the_pages_are_and_they_are_there(ui: Ui) -> None:
    """On loopback, without a store even."""
    address = address_of(ui("--port", "0"))
    assert address.startswith("http://127.0.0.1:")
    assert "progstore demo" in httpx.get(address).text
    assert httpx.get(f"{address}health").json() == {"status": "ok"}


@pytest.mark.parametrize("looked_at", ["health", "live/now", "api/v1/now/stream"])
def test_ctrl_c_ends_it_quietly(ui: Ui, run_program: Callable[..., str], looked_at: str) -> None:
    """Also while a browser holds its connection open, or a stream: no traceback, and no failure."""
    run_program("import progstore; list(progstore.track(range(3), 'First'))")
    process = ui("--port", "0")
    address = address_of(process)
    with httpx.Client() as browser, browser.stream("GET", f"{address}{looked_at}", timeout=30) as answer:
        assert answer.status_code == 200
        next(answer.iter_raw())
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")


def test_a_taken_port_gives_way_to_the_next_free_one(ui: Ui) -> None:
    """And one line says so."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        process = ui("--port", str(taken))
        port = int(address_of(process).rstrip("/").rpartition(":")[2])
        assert port > taken
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert errors.splitlines() == [f"port {taken} is taken, so it is {port}"]


def test_others_can_reach_it_only_with_a_token_or_on_purpose(ui: Ui) -> None:
    """Without either it does not start, and says what to do."""
    refused = ui("--host", "0.0.0.0", "--port", "0")  # noqa: S104  # what the test is about
    _, errors = refused.communicate(timeout=30)
    assert refused.returncode == 2
    assert "--token" in errors
    assert "--no-auth" in errors
    free = address_of(ui("--host", "0.0.0.0", "--port", "0", "--no-auth"))  # noqa: S104
    assert httpx.get(f"{free}api/v1/now").status_code == 200
    locked = address_of(ui("--host", "0.0.0.0", "--port", "0", PROGSTORE_TOKEN="alpha, beta"))  # noqa: S104, S106
    assert httpx.get(f"{locked}api/v1/now").status_code == 401
    assert httpx.get(f"{locked}api/v1/now", headers={"authorization": "Bearer beta"}).status_code == 200
    assert httpx.get(f"{locked}health", headers={"host": "10.1.2.3"}).status_code == 200
    assert httpx.get(f"{locked}health", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="there is one kind of addresses here")
def test_all_addresses_are_those_of_both_kinds() -> None:
    """The one that is printed among them, and the one that the browser is sent to."""
    with listen("::", 0) as listener:
        printed = urlsplit(address("::", listener.getsockname()[1], ""))
        for host in (printed.hostname, "::1"):
            socket.create_connection((host, printed.port), timeout=30).close()


def test_further_names_and_a_root_path_are_taken(ui: Ui) -> None:
    """For a proxy in front of it."""
    address = address_of(ui("--port", "0", "--allow-host", "Jobs.Example", "--root-path", "/jobs"))
    assert address.endswith("/jobs/")
    answer = httpx.get(address, headers={"host": "jobs.example"})
    assert answer.status_code == 200
    assert 'href="/jobs/' in answer.text


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--token", " , "), "--token"),
        (("--token", "pässwort"), "--token holds what no header can carry"),
        (("--token", "alpha", "--no-auth"), "--no-auth"),
        (("--root-path", "jobs"), "--root-path"),
        (("--host", "no.such.invalid", "--no-auth"), "no.such.invalid"),
        (("--host", "203.0.113.7", "--no-auth", "--port", "0"), "cannot listen"),
        (("--port", "99999"), "--port"),
    ],
)
def test_a_mistake_ends_it_with_a_word(ui: Ui, arguments: tuple[str, ...], word: str) -> None:
    """No traceback, and what is wrong is named."""
    process = ui(*arguments)
    _, errors = process.communicate(timeout=30)
    assert process.returncode in (1, 2)
    assert word in errors
    assert "Traceback" not in errors


def test_asking_for_help_loads_no_server() -> None:
    """The command line must stay quick for those who never open the pages."""
    source = "import sys, progstore_web; progstore_web.frontend.commands(); print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout
    assert not {"litestar", "uvicorn", "jinja2", "sqlalchemy", "msgspec"} & set(output.split())


def test_the_host_s_logging_is_left_alone(tmp_path: Path) -> None:
    """Whoever embeds the pages finds his loggers as they were."""
    source = """
import logging, sys
import progstore
from progstore_web import create_app
before = (list(logging.root.handlers), logging.root.level, logging.raiseExceptions)
create_app(progstore.open_store(sys.argv[1]))
assert before == (logging.root.handlers, logging.root.level, logging.raiseExceptions)
assert not logging.getLogger("progstore").handlers
"""
    subprocess.run([sys.executable, "-c", source, str(tmp_path / "x.db")], check=True)
