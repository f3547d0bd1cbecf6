"""A clean-up beside many writers, killed again and again: nothing is harmed, nobody fails, and it comes to its end."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import progstore
from tests.benchmarks.filling import PER_SESSION, SESSION_NAMES, fill
from tests.conftest import Figures

WRITER = """
    import json, sqlite3, sys, threading, time
    import progstore
    from progstore.store.engine import locate

    name, over, waits = sys.argv[1], threading.Event(), []
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    pooled = locate().writer_engine(patience=30.0).raw_connection()
    raw = pooled.driver_connection

    def commit():
        '''A transaction like a recorder's, timed from when it asks for its turn until it is on disk.'''
        began = time.monotonic()
        raw.execute("BEGIN IMMEDIATE")
        raw.execute("INSERT INTO store_info VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET value = value + 1", (name,))
        raw.execute("COMMIT")
        waits.append((began, time.monotonic() - began))

    with progstore.session(name):
        for _ in progstore.track(range(10**9), "work"):
            commit()
            if over.wait(0.1):
                break
        progstore.flush(60)
    print(json.dumps(waits))
"""


class Scale(NamedTuple):
    """How large the store is, how many write to it, and how often the clean-up is killed."""

    tasks: int
    writers: int
    kills: int


QUICK, LONG = Scale(3_000, 2, 2), Scale(1_000_000, 8, 12)
KEPT_PART = 0.1
"""The part of the sessions that the rule spares."""
LONGEST_WAIT = 0.05
"""Seconds that a writer should wait at the most; told, for a busy machine may be slower."""
CALM = 2000
"""Commits after a long clean-up with which those beside it are compared."""


@dataclass
class Load:
    """The commits of the writers beside a clean-up, and how large the log was meanwhile."""

    waits: list[tuple[float, float]] = field(default_factory=list)
    """When each commit asked for its turn, by the monotonic clock, and the seconds until it was on disk."""
    commits: dict[str, int] = field(default_factory=dict)
    largest_log: int = 0

    def told(self, since: float, until: float) -> str:
        """The waits of that time."""
        waits = [wait for began, wait in self.waits if since <= began < until]
        if len(waits) < 2:
            return "too few commits to tell"
        per_cent = statistics.quantiles(waits, n=100)
        p50, p99, most = (1000 * each for each in (per_cent[49], per_cent[98], max(waits)))
        over = sum(wait > LONGEST_WAIT for wait in waits)
        return (
            f"{len(waits):,} commits of {len(self.commits)} writers, p50 {p50:.1f} ms, p99 {p99:.1f} ms, "
            f"max {most:.0f} ms, {over} over {1000 * LONGEST_WAIT:.0f} ms"
        )


@contextmanager
def writers(
    program: Callable[..., Any], ask: Callable[..., Any], until: Callable[..., Any], number: int
) -> Iterator[Load]:
    """So many jobs record and commit while the block lasts; the load is told at its end."""
    load, over = Load(), threading.Event()
    wal = Path(f"{os.environ['PROGSTORE_URL']}-wal")

    def watch() -> None:
        while not over.wait(0.02):
            load.largest_log = max(load.largest_log, wal.stat().st_size if wal.exists() else 0)

    watcher = threading.Thread(target=watch)
    names = [f"job {each}" for each in range(number)]
    jobs = [program(WRITER, name) for name in names]
    until(lambda: ask("SELECT count(*) FROM tasks WHERE name = 'work' AND done > 0") == [number])
    watcher.start()
    try:
        yield load
    finally:
        over.set()
        watcher.join()
    for name, job in zip(names, jobs, strict=True):
        told, errors = job.communicate(timeout=60)
        assert job.returncode == 0, errors
        waits = json.loads(told)
        load.waits += map(tuple, waits)
        load.commits[name] = len(waits)


COMMITS = "SELECT sum(value) FROM store_info WHERE key LIKE 'job %'"


def prune(keep_last: int) -> subprocess.Popen[str]:
    """A clean-up in a process of its own, as cron starts it."""
    command = [str(Path(sys.executable).with_name("progstore")), "prune", "--keep-last", str(keep_last), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_somewhere(
    process: subprocess.Popen[str], ask: Callable[..., Any], until: Callable[..., Any], most: int
) -> None:
    """Kill it after it has removed some sessions, from none to `most`, wherever it is then."""
    (before,) = ask("SELECT count(*) FROM sessions")
    enough = before - random.randint(0, most)
    until(lambda: ask("SELECT count(*) FROM sessions")[0] <= enough or process.poll() is not None, 300)
    process.kill()
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors


def assert_whole(store_path: Path, kept: list[int]) -> None:
    """The file is sound, no row refers to one that is gone, what is spared is there, and no session is half gone."""
    connection = sqlite3.connect(f"file:{store_path}?mode=ro", uri=True, timeout=10)
    try:
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        sizes = dict(connection.execute("SELECT session_id, count(*) FROM tasks WHERE name <> 'work' GROUP BY 1"))
        (sessions,) = connection.execute("SELECT count(*) FROM sessions WHERE name NOT LIKE 'job %'").fetchone()
    finally:
        connection.close()
    assert set(kept) <= sizes.keys()
    assert set(sizes.values()) == {PER_SESSION}
    assert sessions == len(sizes)


@pytest.mark.timeout(3600)
def test_a_clean_up_beside_many_writers_may_be_killed_at_any_moment(
    store_path: Path,
    program: Callable[..., Any],
    ask: Callable[..., list[Any]],
    until: Callable[..., Any],
    soak: bool,
    figures: Callable[[Figures], None],
) -> None:
    """The next one goes on; in the end exactly what the rule spares is left, and all that was written meanwhile."""
    scale = LONG if soak else QUICK
    fill(str(store_path), scale.tasks)
    size = store_path.stat().st_size
    keep_last = round(KEPT_PART * scale.tasks / PER_SESSION / len(SESSION_NAMES))
    newest = "SELECT id FROM sessions WHERE name = ? ORDER BY started_at DESC, id DESC LIMIT ?"
    kept = sorted(number for name in SESSION_NAMES for number in ask(newest, name, keep_last))
    with writers(program, ask, until, scale.writers) as load:
        for _ in range(scale.kills):
            kill_somewhere(prune(keep_last), ask, until, scale.tasks // PER_SESSION // 20)
            assert_whole(store_path, kept)
        (before,) = ask("SELECT count(*) FROM tasks WHERE name <> 'work'")
        began = time.monotonic()
        last = prune(keep_last)
        told, errors = last.communicate()
        ended = time.monotonic()
        assert last.returncode == 0, errors
        report = json.loads(told)
        if soak:
            (committed,) = ask(COMMITS)
            until(lambda: ask(COMMITS)[0] >= committed + CALM)
    left = store_path.stat().st_size
    assert_whole(store_path, kept)
    assert report["warnings"] == []
    assert ask("SELECT id FROM sessions WHERE name NOT LIKE 'job %' ORDER BY id") == kept
    assert left < size * (KEPT_PART + 0.1) + 500_000
    for name, commits in load.commits.items():
        assert ask("SELECT CAST(value AS INTEGER) FROM store_info WHERE key = ?", name) == [commits]
        assert ask("SELECT status, done FROM tasks WHERE name = 'work' AND session_name = ?", name) == [
            ("cancelled", commits - 1)  # the one at which it was left does not count
        ]
    with progstore.open_store() as store:
        assert store.prune(keep_last=keep_last, dry_run=True).sessions == 0
    figures(
        Figures(
            f"a clean-up of a store of {scale.tasks:,} tasks beside {scale.writers} writers",
            f"{scale.kills} kills",
            scale.tasks - len(kept) * PER_SESSION,
            0,
            f"the last run {report['tasks']:,} of {before:,} tasks in {ended - began:.0f} s; "
            f"beside it {load.told(began, ended)}; without it {load.told(ended, math.inf)}; "
            f"log at most {load.largest_log / 1e6:.0f} MB; file {size / 1e6:.0f} MB, then {left / 1e6:.0f} MB, "
            f"{report['bytes_given_back'] / 1e6:.0f} MB given back by the last run",
        )
    )
