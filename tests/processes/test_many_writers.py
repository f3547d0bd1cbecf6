"""Many processes with many tasks each on one file: nobody waits, nothing is lost, and the log stays small."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

import pytest

import progstore
from tests.conftest import Figures, Program
from tests.faults.conftest import reading, wal_size

Ask = Callable[..., list[Any]]

WRITERS, WRITERS_SOAK = 8, 64
SECONDS, SECONDS_SOAK = 3, 120
TASKS = 20
STEP = 0.02
"""Seconds between two rounds of updates of a job."""
TOO_LARGE = "has grown large: a reader that never ends must be holding it"
LATE = "another process holds it; progress is late, nothing is lost"
"""What may be warned of on a machine that is too busy for so many."""
LOG_BOUND = 128 * 2**20
"""Bytes: from half of it on the log is cut back once it is moved."""

CROWD = """
    import json, os, resource, sys, threading, time
    import progstore
    import progstore.live.outbox  # so that all of the crowd begin at once, not one import after the other
    from progstore.store import statements

    statements.compile_all("sqlite")
    writers, tasks, seconds, step = (float(word) for word in sys.argv[1:])

    def job(number):
        waited, updates, steps = [], 0, 0

        def timed(call, *args, **kwargs):
            began = time.perf_counter()
            result = call(*args, **kwargs)
            waited.append(time.perf_counter() - began)
            return result

        with progstore.session(f"writer {number}"):
            live = [timed(progstore.track, name=f"task {n}", key=f"task {n}") for n in range(int(tasks))]
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                for task in live:
                    timed(task.update)
                steps += 1
                if steps % 100 == 0:  # now and then one ends, and another begins
                    for _ in progstore.track([1, 2], "short"):
                        pass
                time.sleep(step)
            for task in live:
                timed(task.complete)
            assert progstore.flush(60)
            (recorder,) = (each for each in threading.enumerate() if each.name == "progstore-recorder")
            busy = time.clock_gettime(time.pthread_getcpuclockid(recorder.ident))
        waited.sort()
        return {
            "steps": steps, "shorts": steps // 100, "cpu": busy / seconds, "longest": waited[-1],
            "p99": waited[len(waited) * 99 // 100],
        }

    children = []
    for number in range(int(writers)):
        if child := os.fork():
            children.append(child)
            continue
        said = json.dumps({"writer": number, **job(number)})
        os.write(1, said.encode() + b"\\n")
        os._exit(0)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)
"""


class Told(NamedTuple):
    """What one writer says at its end; `cpu` is the part of a core that its recorder took, the rest are seconds that
    its calls took.
    """

    writer: int
    steps: int
    shorts: int
    cpu: float
    longest: float
    p99: float


@pytest.mark.parametrize("beside", ["alone", "beside a reader that never ends"])
def test_many_writers_share_a_file_and_neither_lose_nor_wait(
    beside: str,
    program: Program,
    store_path: Path,
    soak: bool,
    ask: Ask,
    figures: Callable[[Figures], None],
) -> None:
    """Each with twenty live tasks; readers read on, and every step is there in the end. Nothing is warned of
    but what is so.
    """
    if beside != "alone" and not soak:
        pytest.skip("takes minutes; --soak runs it, and a short form is among the faults")
    writers, seconds = (WRITERS_SOAK, SECONDS_SOAK) if soak else (WRITERS, SECONDS)
    crowd = program(CROWD, *(str(each) for each in (writers, TASKS, seconds, STEP)))
    with ExitStack() as stack:
        read: list[float] = []
        longest_log, is_held = 0, beside == "alone"
        while crowd.poll() is None:
            if not is_held and ask("SELECT 1 FROM tasks"):
                stack.enter_context(reading(store_path))
                is_held = True
            read += a_reader_looks()
            longest_log = max(longest_log, wal_size(store_path))
            time.sleep(0.1)
    output, errors = crowd.communicate()
    assert crowd.returncode == 0, errors
    large, late = (sum(words in line for line in errors.splitlines()) for words in (TOO_LARGE, LATE))
    assert large + late == errors.count("\n"), errors
    assert beside != "alone" or not large
    told = [Told(**json.loads(line)) for line in output.splitlines()]
    assert len(told) == writers
    lost, items = lost_items(told, ask)
    assert lost == 0
    assert ask("PRAGMA integrity_check") == ["ok"]
    assert beside != "alone" or longest_log <= LOG_BOUND
    figures(
        Figures(
            f"{writers} writers with {TASKS} tasks each, {beside}",
            f"{seconds} s",
            items,
            lost,
            f"{of_writers(told)}; {of_readers(read)}; log at most {longest_log / 2**20:.0f} MB; "
            f"{late} warned that the store keeps them waiting",
        )
    )


def of_writers(told: list[Told]) -> str:
    """What they took, and what their jobs waited."""
    cpu, longest = [each.cpu for each in told], max(each.longest for each in told)
    return (
        f"recorder {mean(cpu):.2%} of a core, at most {max(cpu):.2%}; a job's call at most "
        f"{max(each.p99 for each in told) * 1e6:.0f} µs in 99 of 100, {longest * 1e3:.0f} ms ever"
    )


def of_readers(read: list[float]) -> str:
    """What a reader waited."""
    return f"a page of what is live {median(read) * 1e3:.0f} ms, at most {max(read) * 1e3:.0f} ms"


def a_reader_looks() -> list[float]:
    """How long (seconds) it takes to open the store and read a page of what is live; nothing while there is none."""
    began = time.perf_counter()
    try:
        with progstore.open_store() as store:
            store.tasks(progstore.Filter(live=True), limit=50)
    except progstore.StoreNotFound:
        return []
    return [time.perf_counter() - began]


def lost_items(told: list[Told], ask: Ask) -> tuple[int, int]:
    """How many items are not recorded exactly as they were done, and how many there are."""
    recorded = dict(ask("SELECT session_name, sum(done) FROM tasks WHERE status = 'complete' GROUP BY 1"))
    done = {f"writer {each.writer}": each.steps * TASKS + each.shorts * 2 for each in told}
    return sum(abs(count - int(recorded[name])) for name, count in done.items()), sum(done.values())
