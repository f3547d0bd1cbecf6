"""Servers that answer wrongly, or not at all: the job goes on, one warning names the cause, and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import progstore
from progstore.remote import leftovers
from progstore.store.engine import locate
from tests.conftest import PATIENCE
from tests.remote.conftest import Server, left_in, local, send_rest, server

__all__ = ["local", "server"]  # fixtures

PROBLEM = json.dumps({"detail": "it is \x1b[31mfull\n today"})
TAKEN = json.dumps({"rows": 1, "refused": [], "stop_requested": []})


def answer(status: str, body: str = "", *headers: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


HALF = answer("200 OK", TAKEN)[:-10]
FAULTS = {
    "refuses": "connection refused",
    "unknown token": "it wants a token (401): set PROGSTORE_TOKEN to a push token of it",
    "forbidden": "it wants a token (403): set PROGSTORE_TOKEN to a push token of it: it is [31mfull today",
    "too small": "it takes not even one row: it is too large",
    "broken": "it answers 500",
    "full": "it answers 503: it is [31mfull today",
    "elsewhere": "it is elsewhere (302): it points to https://right.example",
    "not there": "there is no progstore at this address (404)",
    "garbage": "what it answers is no HTTP",
    "something else": "its answer is not that of a progstore",
    "other json": "its answer is not that of a progstore",
    "half": "it breaks off before it has answered",
    "nothing": "it breaks off before it has answered",
    "silent": "it does not answer within 1 s",
    "slow drip": "it does not answer within 1 s",
    "no tls": "TLS fails: WRONG_VERSION_NUMBER",
}
"""What a server does, and the cause that the job is told."""
ANSWERS = {
    "unknown token": answer("401 Unauthorized"),
    "forbidden": answer("403 Forbidden", PROBLEM),
    "too small": answer("413 Content Too Large"),
    "broken": answer("500 Internal Server Error", "<h1>oh"),
    "full": answer("503 Service Unavailable", PROBLEM, "Retry-After: 1"),
    "elsewhere": answer("302 Found", "", "Location: https://me:secret@right.example/api/v1/ingest"),
    "not there": answer("404 Not Found"),
    "garbage": b"SSH-2.0-OpenSSH_9.2\r\n",
    "something else": answer("200 OK", "<h1>It works!</h1>"),
    "other json": answer("200 OK", '{"rows": 1, "refused": null}'),
    "half": HALF,
    "nothing": b"",
    "no tls": answer("400 Bad Request"),
}
FEW = 3000
"""Bytes of a request that the picky server takes."""

JOB = """
    import json, logging, sys
    import progstore
    from progstore.remote import client

    class Heard(logging.Handler):
        def emit(self, record):
            print(json.dumps([record.levelname, record.getMessage()]), flush=True)

    logging.getLogger("progstore").addHandler(Heard())
    logging.getLogger("progstore").setLevel(logging.INFO)
    client.ANSWER_SECONDS = 1.0
    progstore.configure(interval=0.05)
    tasks = [
        progstore.track(name=kind, total=100, session=progstore.session(kind, store=url), store=url)
        for kind, url in json.loads(sys.argv[1]).items()
    ]
    for task in tasks:
        task.__enter__()
        task.update(10)
    sys.stdin.readline()
    for task in tasks:
        task.__exit__(None, None, None)
    print(json.dumps(["FLUSHED", progstore.flush(10)]), flush=True)
"""


class Faulty:
    """A server that does one thing wrong, until it is healed: then it passes everything on to one that is right."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.right: int | None = None
        self.requests = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        if kind == "refuses":
            self._listener.close()
        else:
            threading.Thread(target=self._serve, daemon=True).start()
        self._ends = threading.Event()

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self.kind == 'no tls' else 'http'}://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Let go of all connections."""
        self._ends.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self.right is not None and self.kind != "picky":
                self._pass_on(connection, self.right)
                return
            self.requests += 1
            connection.settimeout(1.0)
            heard = b"" if self.kind == "no tls" else self._hear(connection)
            if self.kind == "picky":
                self._pick(connection, heard)
            elif self.kind == "silent":
                self._ends.wait(30)
            elif self.kind == "slow drip":
                for byte in answer("200 OK", TAKEN):
                    connection.sendall(bytes([byte]))
                    if self._ends.wait(0.1):
                        break
            else:
                connection.sendall(ANSWERS[self.kind])

    @staticmethod
    def _hear(connection: socket.socket) -> bytes:
        heard = b""
        while b"\r\n\r\n" not in heard:
            heard += connection.recv(65536)
        head, _, body = heard.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def _pick(self, connection: socket.socket, heard: bytes) -> None:
        """Pass on what is small."""
        if len(heard) > FEW:
            connection.sendall(ANSWERS["too small"])
            return
        assert self.right is not None
        with socket.create_connection(("127.0.0.1", self.right)) as beyond:
            beyond.sendall(heard.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            while data := beyond.recv(65536):
                connection.sendall(data)

    @staticmethod
    def _pass_on(connection: socket.socket, port: int) -> None:
        connection.settimeout(None)
        with socket.create_connection(("127.0.0.1", port)) as beyond:

            def back() -> None:
                with contextlib.suppress(OSError):
                    while data := beyond.recv(65536):
                        connection.sendall(data)

            threading.Thread(target=back, daemon=True).start()
            while data := connection.recv(65536):
                beyond.sendall(data)


@pytest.fixture
def faulty() -> Iterator[dict[str, Faulty]]:
    """A server of each kind."""
    servers = {kind: Faulty(kind) for kind in FAULTS}
    yield servers
    for each in servers.values():
        each.close()


def test_the_job_goes_on_is_told_the_cause_once_and_loses_nothing(
    faulty: dict[str, Faulty],
    server: Server,
    local: Path,
    program: Callable[..., subprocess.Popen[str]],
    until: Callable[..., Any],
) -> None:
    """Each fault in its own words; when the server is right again, all that was recorded goes there."""
    job = program(JOB, json.dumps({kind: each.url for kind, each in faulty.items()}))
    assert job.stdin is not None
    assert job.stdout is not None
    warned: list[str] = []
    expected = {
        f"progstore cannot push to {faulty[kind].url}: {cause}; the job goes on, recorded in {local}"
        for kind, cause in FAULTS.items()
    }
    while len(warned) < len(FAULTS):
        level, said = json.loads(job.stdout.readline())
        assert level == "WARNING", said
        warned.append(said)
    assert set(warned) == expected
    # Nothing more is said of the same, however often it is tried.
    until(lambda: faulty["broken"].requests >= 3)
    server.start()
    healed = [each for each in faulty.values() if each.kind not in ("refuses", "no tls")]
    for each in healed:
        each.right = server.port
    job.stdin.write("end\n")
    job.stdin.flush()
    said_after = [json.loads(line) for line in job.stdout]
    assert ["FLUSHED", True] in said_after
    # On a busy machine the right server may not answer within what is left to a job that ends; then it is said.
    warned_after = [said for level, said in said_after if level == "WARNING" and "does not answer within" not in said]
    assert warned_after == []
    assert job.wait(30) == 0
    for each in healed:
        send_rest(local, each.url)
    with progstore.open_store(str(server.path)) as store:
        found = {task.name: (str(task.status), task.done) for task in store.tasks()}
    assert found == {each.kind: ("complete", 10.0) for each in healed}
    left = {row.url for row in left_in(local)}
    assert left == {faulty["refuses"].url, faulty["no tls"].url}


def test_a_row_that_no_request_may_hold_stays_here_and_the_others_arrive(
    server: Server, local: Path, run_program: Callable[..., str]
) -> None:
    """It is said once, and it keeps nothing else back."""
    server.start()
    picky = Faulty("picky")
    picky.right = server.port
    run_program(
        """
        import logging, random
        import progstore

        heard = []
        handler = logging.Handler()
        handler.emit = lambda record: heard.append(record.getMessage())
        logging.getLogger("progstore").addHandler(handler)
        progstore.configure(interval=0.05)
        noise = "".join(chr(random.randrange(33, 1000)) for _ in range(20_000))
        for number in range(12):
            with progstore.track(name=f"task {number}", total=1, meta={"noise": noise} if number == 7 else {}) as task:
                task.update()
        assert progstore.flush(10)
        """,
        PROGSTORE_URL=picky.url,
    )
    outcome = leftovers.send(locate(str(local)), picky.url, PATIENCE)
    picky.close()
    assert (outcome.left, outcome.refused, outcome.trouble) == (1, ("it is too large",), "")
    with progstore.open_store(str(server.path)) as store:
        assert sorted(task.name for task in store.tasks()) == sorted(
            f"task {number}" for number in range(12) if number != 7
        )
