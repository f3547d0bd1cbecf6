"""Executors: pools of futures, counted as they are worked off."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import ExitStack
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
