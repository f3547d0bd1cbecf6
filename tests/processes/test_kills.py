"""SIGKILL at any moment: the file is whole, nothing promised is lost, nothing is above the truth, the end is seen."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import progstore
from tests.conftest import Figures

WRITERS = 4
KILLS, KILLS_SOAK = 12, 300
KINDS = ("list", "generator", "hand", "nested", "many")
INTERVAL = 0.2
"""Seconds between two writes of one writer."""
PROMISE = INTERVAL + 0.5
"""Seconds that a record may be behind the truth."""
SLACK = 10
"""A machine that is busy with other things may be so many times slower, for no test may be flaky."""
LONGEST_LIFE = 1.5
"""Seconds after its first step, or after its first write, at which a writer is killed at the latest."""
EARLY = 0.2
"""The part of the writers whose time counts from their first step, when nothing may be written yet."""

TRUTH = """
    import mmap, struct, time

    SLOTS, STEPS = 16, 20_000
    ENTRY, HEADER = struct.Struct("dd"), 16

    class Truth:
        '''What was truly done, in memory that outlives the process: when, and how many by then.'''

        def __init__(self, memory, slot):
            self.memory, self.base, self.entries = memory, slot * (HEADER + STEPS * ENTRY.size), 0

        def did(self, done):
            ENTRY.pack_into(self.memory, self.base + HEADER + self.entries * ENTRY.size, time.monotonic(), done)
            self.entries += 1
            struct.pack_into("d", self.memory, self.base, self.entries)

        def promised(self, done):
            struct.pack_into("d", self.memory, self.base + 8, done)

        def read(self):
            entries, promised = struct.unpack_from("dd", self.memory, self.base)
            log = self.memory[self.base + HEADER : self.base + HEADER + int(entries) * ENTRY.size]
            return promised, list(ENTRY.iter_unpack(log))

    def open_truth(path):
        with open(path, "r+b") as file:
            memory = mmap.mmap(file.fileno(), 0)
        return [Truth(memory, slot) for slot in range(SLOTS)]
"""
JOB = """
    import random, sys, time
    sys.path.insert(0, sys.argv[3])
    from truth import open_truth
    import progstore

    kind, slots = sys.argv[1], open_truth(sys.argv[2])
    dies_early = sys.argv[5:] == ["early"]

    def work():
        time.sleep(random.uniform(0, 0.004))

    def follow(items, key):
        truth = slots[int(key)]
        for number, _ in enumerate(progstore.track(items, f"{kind} {key}", key=key)):
            work()
            if number % 50 == (20 if dies_early else 0) and progstore.flush(5):
                truth.promised(number)
            truth.did(number + 1)

    def by_hand(keys):
        tasks = [progstore.track(name=f"{kind} {key}", key=str(key), total=10_000) for key in keys]
        if not dies_early:
            progstore.flush(30)
        for number in range(10_000):
            for key, task in zip(keys, tasks):
                slots[key].did(number + 1)
                task.update()
                work()
            if number % 50 == 20 and progstore.flush(5):
                for key in keys:
                    slots[key].promised(number + 1)

    with progstore.session(sys.argv[4]):
        if kind == "list":
            follow(list(range(10_000)), "0")
        elif kind == "generator":
            follow((number for number in range(10_000)), "0")
        elif kind == "hand":
            by_hand([0])
        elif kind == "many":
            by_hand(range(12))
        else:
            for number in progstore.track(range(10_000), key="0"):
                for _ in progstore.track(range(20), "inner"):
                    work()
                if not dies_early and progstore.flush(5):
                    slots[0].promised(number)
                slots[0].did(number + 1)
"""


@dataclass
class Writer:
    """A job that says in shared memory what it has truly done."""

    name: str
    process: subprocess.Popen[bytes]
    slots: list[Any]
    dies_after: float
    """Seconds from its first step, which may wait for its first write, to its kill."""

    def is_due(self) -> bool:
        """Whether its time has come."""
        _, log = self.slots[0].read()
        return bool(log) and time.monotonic() - log[0][0] >= self.dies_after


@dataclass
class Measured:
    """What was measured over all kills, in seconds behind the truth and until the end was seen."""

    behind: list[float] = field(default_factory=list)
    seen_after: list[float] = field(default_factory=list)
    unknown: list[float] = field(default_factory=list)
    """The same for tasks of which nothing was in the store yet, for their process had only begun to import."""

    items: int = 0
    """What was truly done."""
    lost: int = 0
    """Items that were promised to be on disk, and are not."""

    def __str__(self) -> str:
        behind, seen = sorted(self.behind), sorted(self.seen_after)
        late = sum(seconds > PROMISE for seconds in behind)
        return (
            f"{len(behind)} tasks; behind the truth: median {behind[len(behind) // 2]:.3f} s, "
            f"max {behind[-1]:.3f} s, {late} over {PROMISE} s; {len(self.unknown)} not in the store yet, max "
            f"{max(self.unknown, default=0):.3f} s; lost seen after: median {seen[len(seen) // 2] * 1000:.0f} ms, max "
            f"{seen[-1] * 1000:.0f} ms"
        )


@pytest.fixture
def start_writer(tmp_path: Path) -> Iterator[Callable[[int], Writer]]:
    """Starts writers on this test's store; what still runs is killed at the end."""
    (tmp_path / "truth.py").write_text(textwrap.dedent(TRUTH), encoding="utf-8")
    (tmp_path / "job.py").write_text(textwrap.dedent(JOB), encoding="utf-8")
    namespace: dict[str, Any] = {}
    exec(textwrap.dedent(TRUTH), namespace)  # noqa: S102  # the very code that the jobs use
    size = namespace["SLOTS"] * (namespace["HEADER"] + namespace["STEPS"] * namespace["ENTRY"].size)
    running = []

    def start(number: int) -> Writer:
        memory = tmp_path / f"memory{number}"
        with memory.open("wb") as file:
            file.truncate(size)
        name, kind = f"writer {number}", KINDS[number % len(KINDS)]
        hurry = ["early"] if random.random() < EARLY else []
        process = subprocess.Popen(
            [sys.executable, str(tmp_path / "job.py"), kind, str(memory), str(tmp_path), name, *hurry],
            env={**os.environ, "PROGSTORE_INTERVAL": str(INTERVAL)},
        )
        running.append(process)
        return Writer(name, process, namespace["open_truth"](memory), random.uniform(0, LONGEST_LIFE))

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_a_kill_at_any_moment_loses_at_most_one_interval_and_promises_nothing_false(
    start_writer: Callable[[int], Writer],
    store_path: Path,
    ask: Callable[..., list[Any]],
    until: Callable[..., Any],
    soak: bool,
    figures: Callable[[Figures], None],
) -> None:
    """Four writers share a store and are killed one after the other, each replaced by a new one."""
    measured = Measured()
    kills = KILLS_SOAK if soak else KILLS
    writers = [start_writer(number) for number in range(WRITERS)]
    for number in range(kills):
        victim = until(lambda: next((each for each in writers if each.is_due()), None))
        os.kill(victim.process.pid, signal.SIGKILL)
        killed_at = time.monotonic()
        assert_seen_as_lost(victim, measured, killed_at, until)
        victim.process.wait()
        check_records(victim, killed_at, ask, measured)
        assert integrity(store_path) == "ok"
        writers[writers.index(victim)] = start_writer(WRITERS + number)
    assert measured.lost == 0, "of what was promised to be on disk"
    figures(Figures("SIGKILL of jobs", f"{kills} kills", measured.items, measured.lost, str(measured)))
    assert max(measured.behind + measured.unknown) <= PROMISE * SLACK
    assert max(measured.seen_after) <= 1.0 * SLACK


def check_records(victim: Writer, killed_at: float, ask: Callable[..., list[Any]], measured: Measured) -> None:
    """What is recorded of a killed writer, against what it had truly done."""
    recorded = dict(ask("SELECT key, done FROM tasks WHERE session_name = ? AND name <> 'inner'", victim.name))
    for slot, truth in enumerate(victim.slots):
        promised, log = truth.read()
        if not log:
            continue
        done = recorded.get(str(slot), 0)
        assert done <= log[-1][1], f"{victim.name}, slot {slot}: {done} recorded, {log[-1][1]} done"
        measured.items += int(log[-1][1])
        measured.lost += int(max(0, promised - done))
        # Behind since the first step that is missing in the record; the newest one may not even have been counted.
        missing = next((moment for moment, count in log[:-1] if count > done), killed_at)
        (measured.behind if str(slot) in recorded else measured.unknown).append(killed_at - missing)


def assert_seen_as_lost(victim: Writer, measured: Measured, killed_at: float, until: Callable[..., Any]) -> None:
    """The verdict on all that it left running is `lost`, with the last item and the time."""
    left = progstore.Filter(session_name=victim.name, live=True)
    with progstore.open_store() as store:
        try:
            until(lambda: all(is_lost(task) for task in store.tasks(left)), 1.0 * SLACK)
        except progstore.StoreNotFound:  # nobody has written anything yet
            return
        measured.seen_after.append(time.monotonic() - killed_at)
        for task in store.tasks(left):
            assert task.verdict is not None
            assert task.verdict.since is not None
            assert 0 <= time.time() - task.verdict.since <= PROMISE * SLACK


def is_lost(task: progstore.TaskView) -> bool:
    """Whether a reader holds it for lost."""
    return task.verdict is not None and task.verdict.life is progstore.Life.LOST


def integrity(path: Path) -> str:
    """What SQLite says of the file over a fresh connection, while others write; nothing wrong where none is yet."""
    if not path.exists():
        return "ok"
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        (said,) = connection.execute("PRAGMA integrity_check").fetchone()
        return str(said)
    finally:
        connection.close()
