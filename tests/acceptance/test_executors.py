"""Executors: pools of futures, counted as they are worked off."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import ExitStack
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path

import pytest

import progstore

Task = Callable[[], progstore.TaskView]


@pytest.fixture
def task(store_path: Path) -> Task:
    """Reads the only task of the test's store, after everything said so far is on disk."""

    def read() -> progstore.TaskView:
        assert progstore.flush(10)
        with progstore.open_store(str(store_path)) as store:
            (only,) = store.tasks()
            return only

    return read


def square(number: int) -> int:
    """What is computed."""
    return number * number


def fail_at_three(number: int) -> int:
    """What is computed with one failure."""
    if number == 3:
        raise ValueError("three")
    return number


def test_five_calls_by_five_workers(task: Task) -> None:
    """Five results, and 5 of 5."""
    with ThreadPoolExecutor(5) as executor:
        futures = [executor.submit(square, number) for number in range(5)]
        results = [future.result() for future in progstore.as_completed(futures, "Square", total=5)]
    assert sorted(results) == [0, 1, 4, 9, 16]
    assert (task().status, task().done, task().total) == ("complete", 5, 5)


def test_the_exit_stack_form_is_identical(task: Task) -> None:
    """As the recipe for tqdm has it."""
    with ExitStack() as stack:
        executor = stack.enter_context(ThreadPoolExecutor(max_workers=5))
        futures = {executor.submit(square, number): number for number in range(5)}
        results = {futures[future]: future.result() for future in progstore.as_completed(futures, "Square")}
    assert results == {0: 0, 1: 1, 2: 4, 3: 9, 4: 16}
    assert (task().status, task().done, task().total) == ("complete", 5, 5)


def test_ten_calls_with_one_that_fails(task: Task) -> None:
    """10 of 10 with 1 failed, and complete: the loop got through."""
    with ThreadPoolExecutor(5) as executor:
        futures = [executor.submit(fail_at_three, number) for number in range(10)]
        failures = [future for future in progstore.as_completed(futures, "Try") if future.exception()]
    assert len(failures) == 1
    assert (task().status, task().done, task().total, task().failed) == ("complete", 10, 10, 1)


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_map_in_chunks_counts_items(pool: type[ThreadPoolExecutor | ProcessPoolExecutor], task: Task) -> None:
    """101 items in chunks of 10 are 101 of 101."""
    with pool(2) as executor:
        results = list(progstore.map(executor, square, range(101), name="Square", chunksize=10))
    assert results == [number * number for number in range(101)]
    assert (task().status, task().done, task().total) == ("complete", 101, 101)


def test_submitted_running_done_and_failed_are_told_apart(task: Task) -> None:
    """Two workers, each with something in hand; the others wait."""
    gate = threading.Event()
    with ThreadPoolExecutor(2) as executor:
        futures: list[Future[object]] = [executor.submit(fail_at_three, number) for number in (1, 2, 3)]
        wait(futures)
        futures += [executor.submit(gate.wait, 60) for _ in range(5)]
        loop = progstore.as_completed(futures, "Try")
        next(loop)
        now = task()
        assert (now.total, now.active, now.done, now.failed, now.cancelled) == (8, 2, 3, 1, 0)
        gate.set()
        assert len(list(loop)) == 7
    now = task()
    assert (now.total, now.active, now.done, now.failed, now.cancelled) == (8, 0, 8, 1, 0)


def test_an_endless_map_is_taken_as_the_loop_goes(task: Task) -> None:
    """With a buffer; leaving the loop ends it."""
    with ThreadPoolExecutor(2) as executor:
        results = progstore.map(executor, square, count(), name="Square", buffersize=8)
        assert list(islice(results, 100)) == [number * number for number in range(100)]
        del results
    assert (task().status, task().total) == ("cancelled", None)
    assert task().done + task().cancelled <= 100 + 8


def test_ten_coroutines_with_one_that_fails(task: Task) -> None:
    """As with threads: 10 of 10 with 1 failed."""

    async def wait_for(number: int) -> int:
        await asyncio.sleep(0)
        return fail_at_three(number)

    async def main() -> list[object]:
        return await progstore.aio.gather(*map(wait_for, range(10)), name="Try", return_exceptions=True)

    assert sum(isinstance(result, ValueError) for result in asyncio.run(main())) == 1
    now = task()
    assert (now.status, now.total, now.active, now.done, now.failed, now.cancelled) == ("complete", 10, 0, 10, 1, 0)


def count_up(number: int) -> int:
    """What is computed, with progress of its own."""
    return sum(1 for _ in progstore.track(range(number), f"Up to {number}"))


def test_work_in_child_processes_reports_into_the_same_session(store_path: Path) -> None:
    """By itself, also from a worker that began before the session."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as executor:
        executor.submit(int).result()
        with progstore.session("nightly"):
            assert list(progstore.map(executor, count_up, [3, 4], name="Count")) == [3, 4]
    assert progstore.flush(10)
    with progstore.open_store(str(store_path)) as store:
        assert [session.name for session in store.sessions()] == ["nightly"]
        tasks = {each.name: (each.session_name, str(each.status), each.done) for each in store.tasks()}
    assert tasks == {
        "Count": ("nightly", "complete", 2),
        "Up to 3": ("nightly", "complete", 3),
        "Up to 4": ("nightly", "complete", 4),
    }
