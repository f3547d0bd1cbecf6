"""Several machines, one board: each with a name, ids, processes and a network of its own, as the guide has it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.machines.conftest import Machine, Network

ADMIN, PUSHER = "the-admin-s-token", "a-push-token"
JOB = """
import sys, progstore
with progstore.track(name="Ingest", total=100, unit="file") as task:
    for line in sys.stdin:
        task.update(int(line))
        print(progstore.flush(5), flush=True)
"""
"""Is as many files further as each line says."""
GET = """
import sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"authorization": "Bearer " + sys.argv[2]})
try:
    print(urllib.request.urlopen(request, timeout=10).read().decode())
except urllib.error.HTTPError as error:
    if error.code != 503:
        raise
    print('{"items": []}')
"""
"""A board that nothing was ever sent to has no store yet."""


class Board:
    """`progstore ui` on a machine of its own."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.url = f"http://{machine.address}:8787"
        self.start()

    def start(self) -> None:
        """Serve, until it is killed."""
        serving = ("ui", "--host", self.machine.address, "--no-open")
        tokens = {"PROGSTORE_TOKEN": ADMIN, "PROGSTORE_PUSH_TOKEN": PUSHER, "PROGSTORE_URL": "board.db"}
        self.server = self.machine.start(sys.executable, "-m", "progstore", *serving, **tokens)
        assert self.server.stdout is not None
        assert "progstore ui" in self.server.stdout.readline()

    def sessions(self) -> dict[str, dict[str, Any]]:
        """What the board says of each machine's session, by host."""
        got = self.machine.run(sys.executable, "-c", GET, f"{self.url}/api/v1/sessions", ADMIN)
        return {session["host"]: session for session in json.loads(got)["items"]}

    def task(self, host: str) -> dict[str, Any]:
        """The one task of that machine's session."""
        number = self.sessions()[host]["id"]
        got = self.machine.run(sys.executable, "-c", GET, f"{self.url}/api/v1/sessions/{number}", ADMIN)
        (task,) = json.loads(got)["tasks"]
        return dict(task)


@pytest.fixture
def board(network: Network) -> Board:
    """A board that the other machines of the network reach."""
    return Board(network.machine("board"))


def advance(job: subprocess.Popen[str], files: int) -> None:
    """Let the job be so many files further; it is on disk where it runs."""
    assert job.stdin is not None
    assert job.stdout is not None
    job.stdin.write(f"{files}\n")
    job.stdin.flush()
    assert job.stdout.readline() == "True\n"


def push(machine: Machine, board: Board) -> subprocess.Popen[str]:
    """A job on that machine, whose progress goes to the board."""
    return machine.python(JOB, PROGSTORE_URL=board.url, PROGSTORE_TOKEN=PUSHER)


def test_jobs_of_two_machines_are_on_one_board(network: Network, board: Board, until: Callable[..., Any]) -> None:
    """Each under the name of its machine, alive by what it sends, though nobody there can see its process."""
    machines = [network.machine("alpha"), network.machine("beta")]
    jobs = [push(machine, board) for machine in machines]
    for number, job in enumerate(jobs):
        advance(job, 30 + number)
    until(lambda: {"alpha", "beta"} <= board.sessions().keys())
    for number, machine in enumerate(machines):
        until(lambda machine=machine, number=number: board.task(machine.name)["done"] == 30 + number)
        verdict = board.task(machine.name)["verdict"]
        assert verdict["life"] == "alive"
        assert verdict["reason"].startswith(f"{machine.name} gave a sign of life")


def test_a_machine_that_is_cut_off_works_on_and_sends_it_later(
    network: Network, board: Board, until: Callable[..., Any]
) -> None:
    """Neither a pulled plug nor a killed server holds up a job, or loses anything of it."""
    alpha = network.machine("alpha")
    job = push(alpha, board)
    advance(job, 10)
    until(lambda: board.task("alpha")["done"] == 10 if "alpha" in board.sessions() else False)
    network.unplug(alpha)
    advance(job, 20)
    assert board.task("alpha")["done"] == 10
    board.server.kill()
    board.server.communicate()
    network.plug_in(alpha)
    advance(job, 30)
    board.start()
    advance(job, 40)
    assert job.stdin is not None
    job.stdin.close()
    until(lambda: board.task("alpha")["status"] == "complete")
    assert board.task("alpha")["done"] == 100


def test_a_job_that_is_killed_is_lost_at_once_where_its_machine_goes_on(
    network: Network, board: Board, until: Callable[..., Any]
) -> None:
    """The machine's next job finds it dead, and the board need not wait for signs of life that do not come."""
    alpha = network.machine("alpha")
    job = push(alpha, board)
    advance(job, 10)
    until(lambda: "alpha" in board.sessions())
    (inside,) = alpha.processes_of(job)
    os.kill(inside, signal.SIGKILL)
    job.communicate()
    sent = alpha.start(sys.executable, "-m", "progstore", "push", PROGSTORE_URL=board.url, PROGSTORE_TOKEN=PUSHER)
    _, errors = sent.communicate(timeout=60)
    assert sent.returncode == 0, errors
    verdict = board.task("alpha")["verdict"]
    assert verdict["life"] == "lost"
    assert verdict["reason"].endswith("last seen at item 10 of 100")
