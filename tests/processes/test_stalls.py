"""A job that stands still, in C code that lets no other thread run or by a signal, is neither lost nor wrong."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import progstore
from tests.conftest import Program

Until = Callable[..., Any]
Ask = Callable[..., list[Any]]

STALL, STALL_SOAK = 1.2, 60.0
"""Seconds that the interpreter is held; the shortest of our limits is a twentieth of a second, the longest an hour."""
AGES = 2 * 3600
"""Seconds: longer than any limit after which work on another host would be called lost."""

HELD = """
    import ctypes, sys
    import progstore

    with progstore.session("held"):
        for number in progstore.track(range(5), "job", interval=0.05):
            if number == 2:
                assert progstore.flush(30)
                print("held", flush=True)
                ctypes.PyDLL(None).usleep(int(float(sys.argv[1]) * 1e6))  # PyDLL keeps the interpreter to itself
                print("free", flush=True)
                sys.stdin.readline()
"""

COUNTS = """
    import sys
    import progstore

    for number in progstore.track(range(10**6), "job", interval=0.05):
        if number == 100:
            assert progstore.flush(30)
            print("ready", flush=True)
            sys.stdin.readline()
        elif number == 300:
            break
    assert progstore.flush(30)
"""


@pytest.fixture
def life(store_path: Path) -> Iterator[Callable[[], str]]:
    """What a reader, who would call stale what has not moved for a second, says of the one task that runs."""
    with progstore.open_store(stale_after=1.0) as store:

        def life() -> str:
            (task,) = store.tasks()
            assert task.verdict is not None
            return task.verdict.life

        yield life


def test_c_code_that_holds_the_interpreter_makes_nobody_lost(
    program: Program, life: Callable[[], str], ask: Ask, until: Until, soak: bool
) -> None:
    """No thread of the job runs meanwhile, ours neither; a reader looks at the process, not at its signs of life."""
    job = program(HELD, str(STALL_SOAK if soak else STALL))
    assert job.stdout is not None
    assert job.stdout.readline() == "held\n"
    assert life() == "alive"
    until(lambda: life() == "stale")
    assert job.stdout.readline() == "free\n"
    _, errors = job.communicate("\n", timeout=30)
    assert (job.returncode, errors) == (0, "")
    assert ask("SELECT status, done FROM tasks") == [("complete", 5.0)]


def test_a_job_that_is_stopped_for_ages_is_suspended_and_goes_on_as_if_nothing_had_been(
    program: Program, life: Callable[[], str], store_path: Path, ask: Ask
) -> None:
    """Its last sign of life is made two hours old; neither readers nor whoever settles calls it lost."""
    job = program(COUNTS)
    assert job.stdout is not None
    assert job.stdout.readline() == "ready\n"
    os.kill(job.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, job.pid, os.WSTOPPED | os.WNOWAIT)
    with closing(sqlite3.connect(store_path, timeout=10)) as connection, connection:
        connection.execute("UPDATE processes SET heartbeat_at = heartbeat_at - ?", (AGES,))
    assert life() == "suspended"
    with progstore.open_store() as store:
        assert store.settle() == 0
    os.kill(job.pid, signal.SIGCONT)
    _, errors = job.communicate("\n", timeout=30)
    assert (job.returncode, errors) == (0, "")
    assert ask("SELECT status, done, lost_at FROM tasks") == [("cancelled", 300.0, None)]


def test_a_process_that_is_stopped_while_it_holds_the_store_holds_up_nobodys_job(
    program: Program, store_path: Path, run_program: Callable[..., str], ask: Ask, until: Until
) -> None:
    """Others' progress is late until it goes on or is killed; then all of it is there."""
    run_program("import progstore\nfor _ in progstore.track([1], 'before'): pass")
    holder = program(
        """
        import os, signal, sqlite3, sys
        connection = sqlite3.connect(sys.argv[1], isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        os.kill(os.getpid(), signal.SIGSTOP)
        """,
        str(store_path),
    )
    os.waitid(os.P_PID, holder.pid, os.WSTOPPED | os.WNOWAIT)
    job = program(
        """
        import sys
        import progstore

        with progstore.session("beside"):
            for number in progstore.track(range(1000), "job", interval=0.05):
                pass
            print(progstore.flush(0.5), flush=True)
            sys.stdin.readline()
            print(progstore.flush(30), flush=True)
        """
    )
    assert job.stdout is not None
    assert job.stdout.readline() == "False\n"
    assert ask("SELECT name FROM tasks") == ["before"]
    holder.kill()
    holder.wait()
    output, errors = job.communicate("\n", timeout=60)
    assert (job.returncode, output, errors) == (0, "True\n", "")
    assert ask("SELECT status, done FROM tasks WHERE name = 'job'") == [("complete", 1000.0)]
