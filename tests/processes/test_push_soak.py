"""Many jobs push to a server that is killed again and again: in the end both stores agree row by row."""

from __future__ import annotations

import http.client
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.remote.conftest import free_port, left_in, local, rows_of, send_rest

__all__ = ["local"]  # a fixture

PROGRAM = str(Path(sys.executable).with_name("progstore"))
JOBS, JOBS_SOAK = 2, 8
KILLS, KILLS_SOAK = 3, 10
LONGEST_LIFE = 1.0
"""Seconds that a server lives at the most before it is killed, from when it answers."""
LONGEST_ABSENCE, LONG_ABSENCE = 0.5, 60.0
"""Seconds for which it is away then; once in the long form for much longer."""

JOB = """
    import sys, threading, time
    import progstore

    progstore.configure(interval=0.05)
    ends = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ends.set()), daemon=True).start()
    number = 0
    print("begun", flush=True)
    with progstore.session(sys.argv[1], meta={"of": "soak"}):
        while not ends.is_set():
            number += 1
            for step in progstore.track(range(10), f"loop {number}", meta={"number": number}):
                if step % 4 == 0:
                    progstore.current().message(f"step {step}")
                    with progstore.track(name="nested", total=1) as nested:
                        nested.update()
                time.sleep(0.03)
    assert progstore.flush(30)
"""


class KilledServer:
    """`progstore ui` in a process of its own, always on the same port."""

    def __init__(self, path: Path, port: int) -> None:
        self.path = path
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it; it will answer soon."""
        command = [PROGRAM, "ui", "--no-open", "--store", str(self.path), "--port", str(self._port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def answers(self) -> bool:
        """Whether it answers."""
        with suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
            try:
                connection.request("GET", "/health")
                return connection.getresponse().status == 200
            finally:
                connection.close()
        return False

    def kill(self) -> None:
        """SIGKILL."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


@pytest.fixture
def killed_server(tmp_path: Path) -> Iterator[KilledServer]:
    """A server that is not started yet."""
    server = KilledServer(tmp_path / "server.db", free_port())
    yield server
    server.kill()


@pytest.mark.timeout(600)
def test_a_server_that_is_killed_again_and_again_has_everything_once(
    killed_server: KilledServer,
    local: Path,
    program: Callable[..., subprocess.Popen[str]],
    until: Callable[..., Any],
    soak: bool,
    request: pytest.FixtureRequest,
) -> None:
    """Whether it had written what it did not answer for, or had answered for what is not yet off the list."""
    kills = KILLS_SOAK if soak else KILLS
    long_absence = random.randrange(kills) if soak else None
    server = killed_server
    server.start()
    jobs = [program(JOB, f"job {number}", PROGSTORE_URL=server.url) for number in range(JOBS_SOAK if soak else JOBS)]
    for job in jobs:
        assert job.stdout is not None
        job.stdout.readline()
    for number in range(kills):
        until(server.answers, 120)
        if number == 0:
            until(lambda: rows_of(server.path))  # something has arrived
        time.sleep(random.uniform(0, LONGEST_LIFE))
        server.kill()
        time.sleep(LONG_ABSENCE if number == long_absence else random.uniform(0, LONGEST_ABSENCE))
        server.start()
    until(server.answers, 120)
    for job in jobs:
        _, errors = job.communicate(timeout=60)
        assert job.returncode == 0, errors
    send_rest(local, server.url, 300)
    until(lambda: not left_in(local))
    here, there = rows_of(local), rows_of(server.path)
    lost, twice = here - there, Counter({row: count for row, count in (there - here).items() if row in here})
    strange = {row for row in there if row not in here}
    figures = f"{kills} kills, {len(jobs)} jobs, {here.total():,} rows: {lost.total()} lost, {twice.total()} twice"
    request.config.get_terminal_writer().line(f"\n{figures}")
    assert here.total() > 100
    assert (lost, twice, strange) == (Counter(), Counter(), set())
