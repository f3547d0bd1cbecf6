"""How often a job writes: once per interval with all that changed, however often it says something."""

from __future__ import annotations

import math
import sqlite3
import struct
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Program

Ask = Callable[..., list[Any]]

INTERVAL = 0.25


@pytest.fixture
def commits(run_program: Callable[..., str], store_path: Path) -> Callable[[str], tuple[int, str]]:
    """Runs a job on a store that is there, and counts its transactions in the write-ahead log; gives its output, too.

    The job must end with `os._exit`, for a connection that is closed takes the log away.
    """

    def commits(source: str) -> tuple[int, str]:
        run_program("import progstore\nfor _ in progstore.track([1], 'before'): pass")
        output = run_program(source)
        log = Path(f"{store_path}-wal").read_bytes()
        page_size = struct.unpack_from(">I", log, 8)[0]
        # The header of a frame tells the size of the database after a commit, and 0 within a transaction.
        sizes = [struct.unpack_from(">I", log, at + 4)[0] for at in range(32, len(log) - page_size, 24 + page_size)]
        return sum(size > 0 for size in sizes), output

    return commits


def test_200_steps_in_a_second_are_written_in_seven_transactions(
    commits: Callable[[str], tuple[int, str]], ask: Ask
) -> None:
    """The process, the start and the end are three of them; the rest are one per interval."""
    count, output = commits(
        f"""
        import os, time, progstore

        began = time.monotonic()
        for number in progstore.track(range(200), "steps", interval={INTERVAL}):
            time.sleep(0.005)
        print(time.monotonic() - began, flush=True)
        assert progstore.flush(30)
        os._exit(0)
        """
    )
    assert 2 <= count <= 3 + math.ceil(float(output) / INTERVAL)
    assert ask("SELECT status, done FROM tasks WHERE name = 'steps'") == [("complete", 200.0)]


def test_ten_updates_and_an_immediate_end_are_written_in_three_transactions(
    commits: Callable[[str], tuple[int, str]], ask: Ask
) -> None:
    """One of them makes the process known."""
    count, _ = commits(
        """
        import os, progstore

        with progstore.track(name="steps", total=10) as task:
            for number in range(10):
                task.update()
        assert progstore.flush(30)
        os._exit(0)
        """
    )
    assert count <= 3
    assert ask("SELECT status, done FROM tasks WHERE name = 'steps'") == [("complete", 10.0)]


def test_a_hundred_live_tasks_share_their_transactions(commits: Callable[[str], tuple[int, str]], ask: Ask) -> None:
    """What many tasks say within one interval is one transaction."""
    count, output = commits(
        f"""
        import os, time, progstore

        began = time.monotonic()
        tasks = [progstore.track(name="many", total=20, interval={INTERVAL}) for number in range(100)]
        for step in range(20):
            for task in tasks:
                task.update()
            time.sleep(0.02)
        for task in tasks:
            task.complete()
        print(time.monotonic() - began, flush=True)
        assert progstore.flush(30)
        os._exit(0)
        """
    )
    assert count <= 5 + math.ceil(float(output) / INTERVAL)
    assert ask("SELECT status, done, count(*) FROM tasks WHERE name = 'many'") == [("complete", 20.0, 100)]


def test_where_nothing_changes_nothing_is_written(commits: Callable[[str], tuple[int, str]]) -> None:
    """A job that waits for something writes nothing until its next sign of life."""
    count, _ = commits(
        """
        import os, time, progstore

        task = progstore.track(name="waits", total=10, interval=0.05)
        assert progstore.flush(30)
        time.sleep(1)
        os._exit(0)
        """
    )
    assert count <= 3


def test_a_store_that_keeps_its_writers_waiting_is_written_less_often(
    program: Program, store_path: Path, ask: Ask
) -> None:
    """A write rests ten times as long as it took, so many writers do not lock one another out; ends are not held up."""
    job = program(
        """
        import sys, progstore

        with progstore.track(name="goes on", interval=0.02) as task:
            assert progstore.flush(30)
            print("ready", flush=True)
            while True:
                task.update()
                if not sys.stdin.readline():
                    break
        """
    )
    assert job.stdin is not None
    assert job.stdout is not None
    assert job.stdout.readline() == "ready\n"
    before = ask("SELECT beats FROM processes")[0]
    with closing(sqlite3.connect(store_path, isolation_level=None, timeout=10)) as others:
        for _ in range(10):
            others.execute("BEGIN IMMEDIATE")
            job.stdin.write("on\n")
            job.stdin.flush()
            time.sleep(0.15)
            others.execute("ROLLBACK")
            time.sleep(0.05)
    assert ask("SELECT beats FROM processes")[0] - before <= 5
    assert job.communicate(timeout=30)[1] == ""
    assert ask("SELECT status, done FROM tasks") == [("complete", 11.0)]
