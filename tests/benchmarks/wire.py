"""Posts by Progressista's protocol, at few tasks and at many: our server, which has each on disk before it answers,
beside Progressista's own, in memory and with the file that it can keep.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.benchmarks.measure import Row
from tests.benchmarks.web import PROGRAM, running

CLIENTS = 8
"""Connections that post at once, each the next as soon as the one before is answered."""
SIZES = (10, 5000)
ANSWER = b'{"ok":true}'


def rows(folder: Path, *, quick: bool) -> list[Row]:
    """Seconds a post at each size, as posts a second beside the peer's."""
    span = 1.0 if quick else 5.0
    made = []
    for size in SIZES:
        store = str(folder / f"wire{size}.db")
        with running(PROGRAM, "ui", "--no-open", "--port", "0", "--store", store) as (_, address):
            ours = _posts_a_second(address, size, span)
        for kept, file in (("in memory", ""), ("in a file", str(folder / f"peer{size}.json"))):
            with _peer(file) as address:
                theirs = _posts_a_second(address, size, span)
            figures = f"{ours:,.0f}/s", f"{theirs:,.0f}/s {kept}"
            made.append(Row(f"a post by the wire, {size:,} tasks", *figures, theirs / ours, 1.0))
    return made


@contextmanager
def _peer(file: str) -> Iterator[str]:
    """Progressista's own server in a process of its own, which keeps its tasks in that file where there is one."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = (sys.executable, "-m", "progressista", "serve", "--host", "127.0.0.1", "--port", str(port))
    environment = {**os.environ, "PROGRESSISTA_STORAGE_PATH": file}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as process:
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.kill()


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("Progressista's server did not start")


def _posts_a_second(address: str, size: int, span: float) -> float:
    """So many tasks are begun first; then their posts are counted for `span` seconds."""
    requests = [_request(number, status="start", n=0) for number in range(size)]
    with ExitStack() as connections:
        host, _, port = address.removeprefix("http://").rstrip("/").partition(":")
        clients = [connections.enter_context(socket.create_connection((host, int(port)))) for _ in range(CLIENTS)]
        _post(clients, requests, until=None)
        began = time.perf_counter()
        updates = (_request(number % size, status="update", n=number) for number in range(10**9))
        return _post(clients, updates, until=began + span) / (time.perf_counter() - began)


def _post(clients: list[socket.socket], requests: list[bytes] | Iterator[bytes], until: float | None) -> int:
    """Post them over all connections; how many were answered until then."""
    waiting, answered, under_way = iter(requests), 0, 0
    with selectors.DefaultSelector() as ready:
        for client in clients:
            ready.register(client, selectors.EVENT_READ)
            client.sendall(next(waiting))
            under_way += 1
        while under_way:
            for key, _ in ready.select():
                answered_to = key.fileobj
                assert isinstance(answered_to, socket.socket)
                answer = answered_to.recv(65536)
                while not answer.endswith(ANSWER):
                    assert b" 200 " in answer[:16], answer
                    answer += answered_to.recv(65536)
                answered, under_way = answered + 1, under_way - 1
                following = next(waiting, None) if until is None or time.perf_counter() < until else None
                if following is not None:
                    answered_to.sendall(following)
                    under_way += 1
    return answered


def _request(number: int, **said: object) -> bytes:
    body = json.dumps(
        {"task_id": f"host:{number}", "total": 10**9, "desc": "Ingest", "timestamp": time.time(), **said}
    ).encode()
    head = (
        "POST /progress HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
