"""The pages beside an empty Litestar handler: polling, launching, streaming, and a job that many watch."""

from __future__ import annotations

import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from progstore import Filter, Status, open_store
from tests.benchmarks.filling import fill
from tests.benchmarks.measure import Row, medians, seconds

PROGRAM = str(Path(sys.executable).with_name("progstore"))
EMPTY = """
import socket, uvicorn
from litestar import Litestar, get

@get("/")
async def empty() -> None:
    pass

listener = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
app = Litestar([empty], logging_config=None, openapi_config=None)
config = uvicorn.Config(app, log_level="warning", ws="none", access_log=False, server_header=False)
uvicorn.Server(config).run(sockets=[listener])
"""
JOB = """
import sys, time, progstore
progstore.configure(interval=0.2, bar=False)
with progstore.session("watched"), progstore.track(name="Count", total=10**9) as task:
    print("http://", flush=True)
    while True:
        task.update(1)
        time.sleep(0.01)
"""
LOOP = """
import sys, time, progstore
progstore.configure(bar=False)
def work(number):
    return sum(range(200))
began = time.process_time(), time.perf_counter()
for number in progstore.track(range(int(sys.argv[1])), "Work"):
    work(number)
print(time.perf_counter() - began[1])
"""
AT_ONCE = 32
"""Requests that are sent in one piece: the client must not be what is measured."""
WATCHERS = 1000
DASHBOARDS = 50
LAUNCH_SECONDS = 1.0
LARGE, SMALL = 1_000_000, 10_000


@contextmanager
def running(*command: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that says where it listens, and where that is; killed in the end."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1", **environment}
    )
    assert process.stdout is not None
    try:
        found = re.search(r"http://\S*", process.stdout.readline())
        assert found, "it did not start"
        yield process, found[0]
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


class Client:
    """One connection that asks the same again and again, many at once."""

    def __init__(self, address: str, path: str, *headers: str) -> None:
        host, _, port = address.removeprefix("http://").rstrip("/").partition(":")
        self._socket = socket.create_connection((host, int(port)))
        lines = (f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "", "")
        self._request = "\r\n".join(lines).encode()
        self._socket.sendall(self._request)
        self.answer = self._socket.recv(65536).decode()
        self._length = len(self.answer)

    def ask(self, times: int) -> None:
        """Ask so often."""
        for _ in range(times // AT_ONCE):
            self._socket.sendall(self._request * AT_ONCE)
            missing = self._length * AT_ONCE
            while missing > 0:
                missing -= len(self._socket.recv(min(missing, 1 << 20)))

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def rows(folder: Path, rounds: int, *, quick: bool) -> list[Row]:
    """The rows of the web's budgets."""
    store = str(folder / "web.db")
    with running(sys.executable, "-c", JOB, PROGSTORE_URL=store) as (job, _):
        time.sleep(2)  # the first state is on its way to the store
        launched = medians({"ui": lambda: _launch(store)}, 1 if quick else 3)["ui"]
        watched = _streams(store, 50 if quick else WATCHERS, 2.0 if quick else 10.0)
        job.kill()
        job.wait()
        polling = _polling(store, 3200 if quick else 16_000, rounds)
    return [
        Row("polling one session, unchanged", *_compared(polling, "poll", "empty"), 1 / 0.9),
        Row("`progstore ui` answering after launch", f"{launched:.2f} s", "", launched, LAUNCH_SECONDS, "s"),
        Row("1,000 streams on one session, CPU", f"{watched:.1%}", "one core", watched, 0.15),
        *_watched_job(store, 100_000 if quick else 400_000, rounds),
        *_history(folder, rounds, quick=quick),
    ]


def _compared(figures: dict[str, float], ours: str, peer: str) -> tuple[str, str, float]:
    return f"{figures[ours] * 1e6:.0f} µs", f"{figures[peer] * 1e6:.0f} µs", figures[ours] / figures[peer]


def _polling(store: str, times: int, rounds: int) -> dict[str, float]:
    with (
        running(PROGRAM, "ui", "--no-open", "--port", "0", "--store", store) as (_, pages),
        running(sys.executable, "-c", EMPTY) as (_, empty),
    ):
        first = Client(pages, "/api/v1/sessions/1")
        tag = re.search(r"etag: (\S+)", first.answer)
        first.close()
        assert tag
        poll = Client(pages, "/api/v1/sessions/1", f"If-None-Match: {tag[1]}")
        assert " 304 " in poll.answer, poll.answer
        other = Client(empty, "/")
        ways = {"poll": lambda: seconds(lambda: poll.ask(times)), "empty": lambda: seconds(lambda: other.ask(times))}
        return {name: figure / times for name, figure in medians(ways, rounds).items()}


def _launch(store: str) -> float:
    began = time.perf_counter()
    with running(PROGRAM, "ui", "--no-open", "--port", "0", "--store", store) as (_, address):
        Client(address, "/").close()
        return time.perf_counter() - began


def _streams(store: str, watchers: int, span: float) -> float:
    """The part of a core that the server takes while so many watch a run that changes all the time."""
    with (
        running(PROGRAM, "ui", "--no-open", "--port", "0", "--store", store) as (server, address),
        _watching(address, watchers) as read,
    ):
        read(2.0)
        before = _cpu_seconds(server.pid)
        read(span)
        return (_cpu_seconds(server.pid) - before) / span * (WATCHERS / watchers)


@contextmanager
def _watching(address: str, watchers: int) -> Iterator[Callable[[float], None]]:
    host, _, port = address.removeprefix("http://").rstrip("/").partition(":")
    request = f"GET /api/v1/sessions/1/stream HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    with selectors.DefaultSelector() as ready, ExitStack() as connections:
        for _ in range(watchers):
            connection = connections.enter_context(socket.create_connection((host, int(port))))
            connection.sendall(request)
            ready.register(connection, selectors.EVENT_READ)

        def read(span: float) -> None:
            until = time.monotonic() + span
            while (left := until - time.monotonic()) > 0:
                for key, _ in ready.select(left):
                    key.fileobj.recv(65536)  # type: ignore[union-attr]  # what was registered are sockets

        yield read


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _watched_job(store: str, steps: int, rounds: int) -> list[Row]:
    def job() -> float:
        answer = subprocess.run(
            [sys.executable, "-c", LOOP, str(steps)],
            env={**os.environ, "PROGSTORE_URL": store},
            capture_output=True,
            text=True,
            check=True,
        )
        return float(answer.stdout)

    def beside_dashboards() -> float:
        with (
            running(PROGRAM, "ui", "--no-open", "--port", "0", "--store", store) as (_, address),
            _watching(address, DASHBOARDS),
        ):
            return job()

    figures = medians({"alone": job, "watched": beside_dashboards}, max(rounds // 3, 1))
    ratio = figures["watched"] / figures["alone"]
    ours, peer = (f"{figures[name]:.2f} s" for name in ("watched", "alone"))
    return [Row(f"a job beside {DASHBOARDS} dashboards", ours, peer, ratio, 1.1)]


def _history(folder: Path, rounds: int, *, quick: bool) -> list[Row]:
    large, small = folder / "large.db", folder / "small.db"
    fill(str(large), LARGE // 50 if quick else LARGE)
    fill(str(small), SMALL)
    asked = {
        "the newest": Filter(roots=True),
        "of a status": Filter(statuses=frozenset({Status.ERROR})),
        "of a name": Filter(session_name="report"),
        "of a host": Filter(host="db1"),
    }
    with open_store(str(large)) as many, open_store(str(small)) as few:
        made = []
        for what, wanted in asked.items():
            ways = {
                "many": lambda wanted=wanted: seconds(lambda: many.tasks(wanted)),
                "few": lambda wanted=wanted: seconds(lambda: few.tasks(wanted)),
            }
            figures = medians(ways, max(rounds * 3, 9))
            ours, peer = (f"{figures[name] * 1e3:.1f} ms" for name in ("many", "few"))
            made.append(Row(f"history, {what}, 1M tasks", ours, f"{peer}, 10k", figures["many"] / figures["few"], 2.0))
    return made
