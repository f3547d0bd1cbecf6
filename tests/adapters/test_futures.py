"""Futures: the same values, order, exceptions and timeouts as concurrent.futures has, and exact counts."""

from __future__ import annotations

import concurrent.futures
import gc
import operator
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import progstore
from progstore.adapters.pooled import LOOK
from tests.adapters.conftest import Recorded
from tests.conftest import Program


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Three worker threads."""
    with ThreadPoolExecutor(3) as executor:
        yield executor


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Two worker processes."""
    with ProcessPoolExecutor(2) as executor:
        executor.submit(os.getpid).result()
        yield executor


def fail_at_seven(number: int) -> int:
    """What is computed: it goes wrong once."""
    if number == 7:
        raise ValueError("seven")
    return number


def read(path: str) -> str:
    """What is computed: as long as the test wants."""
    with open(path, encoding="ascii") as file:
        return file.read()


def done_future() -> Future[Any]:
    """One that has its result already."""
    future: Future[Any] = Future()
    future.set_result("")
    return future


def counts(task: progstore.TaskView) -> dict[str, float | None]:
    """All counts of a task."""
    return {name: getattr(task, name) for name in ("total", "active", "done", "failed", "cancelled")}


def test_each_future_is_yielded_once(threads: ThreadPoolExecutor, recorded: Recorded) -> None:
    """Also one that was passed twice."""
    futures = [threads.submit(fail_at_seven, number) for number in range(5)]
    yielded = list(progstore.as_completed([*futures, futures[0]], "Fetch"))
    assert len(yielded) == 5
    assert set(yielded) == set(futures)
    (task,) = recorded()
    assert (task.name, task.status) == ("Fetch", "complete")
    assert counts(task) == {"total": 5, "active": 0, "done": 5, "failed": 0, "cancelled": 0}


def test_futures_come_in_the_order_in_which_they_end(threads: ThreadPoolExecutor) -> None:
    """The slow one last, wherever it stands."""
    gates = [threading.Event() for _ in range(3)]
    futures = [threads.submit(gate.wait, 60) for gate in gates]
    order = []
    gates[2].set()
    for future in progstore.as_completed(futures):
        order.append(futures.index(future))
        if len(order) < 3:
            gates[2 - len(order)].set()
    assert order == [2, 1, 0]


def test_submitted_running_done_and_failed_are_told_apart(threads: ThreadPoolExecutor, recorded: Recorded) -> None:
    """While they are worked on; running are never more than the workers."""
    gate = threading.Event()
    futures: list[Future[Any]] = [threads.submit(fail_at_seven, number) for number in (1, 7)]
    concurrent.futures.wait(futures)
    futures += [threads.submit(gate.wait, 60) for _ in range(5)]
    futures[-1].cancel()
    loop = progstore.as_completed(futures, "Fetch")
    next(loop)
    (task,) = recorded()
    assert counts(task) == {"total": 7, "active": 3, "done": 2, "failed": 1, "cancelled": 1}
    gate.set()
    list(loop)
    (task,) = recorded()
    assert task.status == "complete"
    assert counts(task) == {"total": 7, "active": 0, "done": 6, "failed": 1, "cancelled": 1}


def test_running_are_never_more_than_the_workers(
    processes: ProcessPoolExecutor, recorded: Recorded, tmp_path: Path
) -> None:
    """A process pool calls a future running that only waits in its queue."""
    pipes = [str(tmp_path / f"pipe{number}") for number in range(6)]
    for pipe in pipes:
        os.mkfifo(pipe)
    results = progstore.map(processes, read, pipes[:3], name="Map")
    loop = progstore.as_completed([*(processes.submit(read, pipe) for pipe in pipes[3:]), done_future()], name="Loop")
    next(loop)
    # Opening a pipe waits until the worker has opened it at the other end.
    with open(pipes[0], "w", encoding="ascii"), open(pipes[1], "w", encoding="ascii"):
        mapped, _ = recorded()
    assert counts(mapped) == {"total": 3, "active": 2, "done": 0, "failed": 0, "cancelled": 0}
    open(pipes[2], "w", encoding="ascii").close()
    assert list(results) == [""] * 3
    with open(pipes[3], "w", encoding="ascii"), open(pipes[4], "w", encoding="ascii"):
        time.sleep(LOOK)  # not to get the count of the look before
        _, looped = recorded()
    assert counts(looped) == {"total": 4, "active": 2, "done": 1, "failed": 0, "cancelled": 0}
    open(pipes[5], "w", encoding="ascii").close()
    assert len(list(loop)) == 3


def test_a_callback_that_comes_late_is_counted(recorded: Recorded) -> None:
    """The loop may be over before: a future gives its result away first, and calls back then."""
    begun, gate = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(begun.wait, 60)
        future.add_done_callback(lambda _: gate.wait(60))
        loop = progstore.as_completed([future], "Late")
        begun.set()
        assert len(list(loop)) == 1
        (task,) = recorded()
        gate.set()
    assert (task.status, task.done) == ("complete", 1)
    assert recorded()[0].done == 1


def test_an_exception_that_ends_the_program_is_the_tasks(program: Program, recorded: Recorded) -> None:
    """Also out of a loop over futures."""
    process = program("""
        from concurrent.futures import ThreadPoolExecutor
        import progstore
        with ThreadPoolExecutor(1) as executor:
            for future in progstore.as_completed([executor.submit(int, "x")], "Fetch"):
                future.result()
    """)
    process.communicate(timeout=60)
    assert process.returncode == 1
    (task,) = recorded()
    assert (task.status, task.error_type, task.done, task.failed) == ("error", "ValueError", 1, 1)


def test_each_failure_is_an_event(threads: ThreadPoolExecutor, recorded: Recorded, store_path: Any) -> None:
    """With what the future raised; the loop sees that as ever."""
    futures = [threads.submit(fail_at_seven, number) for number in (6, 7)]
    errors = [future.exception() for future in progstore.as_completed(futures, "Fetch")]
    assert sorted(type(error).__name__ for error in errors) == ["NoneType", "ValueError"]
    recorded()
    with progstore.open_store(str(store_path)) as store:
        failures = [event.message for event in store.events() if event.kind == "failed item"]
    assert failures == ["ValueError: seven"]


def test_a_timeout_is_raised_and_ends_the_task(threads: ThreadPoolExecutor, recorded: Recorded) -> None:
    """As an error, for the loop did not get what it wanted."""
    gate = threading.Event()
    futures = [threads.submit(gate.wait, 60)]
    with pytest.raises(TimeoutError, match=r"1 \(of 1\) futures unfinished"):
        list(progstore.as_completed(futures, "Fetch", timeout=0.01))
    gate.set()
    (task,) = recorded()
    assert (task.status, task.error_type, task.done) == ("error", "TimeoutError", 0)


def test_leaving_the_loop_leaves_the_futures_alone(threads: ThreadPoolExecutor, recorded: Recorded) -> None:
    """They go on, but are not counted any more."""
    gate = threading.Event()
    futures: list[Future[Any]] = [threads.submit(fail_at_seven, 1), threads.submit(gate.wait, 60)]
    for _ in progstore.as_completed(futures, "Fetch"):
        break
    (task,) = recorded()
    assert (task.status, task.message, task.done, task.active) == ("cancelled", "left early", 1, 0)
    gate.set()
    assert futures[1].result() is True
    assert recorded()[0].done == 1


def test_what_is_never_looped_over_was_left(threads: ThreadPoolExecutor, recorded: Recorded) -> None:
    """It does not stay running for ever."""
    progstore.as_completed([threads.submit(fail_at_seven, 1)], "Fetch")
    assert recorded()[0].status == "cancelled"


def test_futures_are_taken_with_the_first_step(threads: ThreadPoolExecutor, recorded: Recorded) -> None:
    """As by the loop of concurrent.futures: what submits as it is asked submits nothing before."""
    submitted = []

    def submit() -> Iterator[Future[int]]:
        for number in range(3):
            submitted.append(number)
            yield threads.submit(fail_at_seven, number)

    loop = progstore.as_completed(submit(), "Fetch")
    assert (submitted, recorded()[0].total) == ([], None)
    assert len(list(loop)) == 3
    assert (recorded()[0].total, recorded()[0].status) == (3, "complete")


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), "cancelled"), (ZeroDivisionError(), "error"), (SystemExit(), "cancelled")],
)
def test_what_the_futures_own_source_raises_ends_the_task(
    error: BaseException, status: str, threads: ThreadPoolExecutor, recorded: Recorded
) -> None:
    """It does not stay running."""

    def submit() -> Iterator[Future[int]]:
        yield threads.submit(fail_at_seven, 1)
        raise error

    with pytest.raises(type(error)):
        list(progstore.as_completed(submit(), "Fetch"))
    assert recorded()[0].status == status


def test_what_is_no_future_is_an_error(recorded: Recorded) -> None:
    """Of the loop, as with concurrent.futures, and of the task."""
    with pytest.raises(AttributeError):
        list(concurrent.futures.as_completed([1]))  # type: ignore[arg-type]  # that is what is tested
    with pytest.raises(AttributeError):
        list(progstore.as_completed([1], "Fetch"))  # type: ignore[arg-type]  # that is what is tested
    assert (recorded()[0].status, recorded()[0].error_type) == ("error", "AttributeError")


def test_results_are_let_go_of(threads: ThreadPoolExecutor) -> None:
    """A million large results must not stay in memory until the end."""

    class Result:
        pass

    futures = [threads.submit(Result) for _ in range(3)]
    concurrent.futures.wait(futures)
    loop = progstore.as_completed(iter(futures), "Fetch")
    results = progstore.map(threads, lambda _: Result(), range(3), name="Map")
    del futures
    seen = [weakref.ref(next(loop).result()), weakref.ref(next(loop).result())]
    seen += [weakref.ref(next(results)), weakref.ref(next(results))]
    gc.collect()
    # A future's callback, which lets go of it, may come a moment after its result.
    assert [ref() for ref in seen[:3]] == [None] * 3
    del loop, results


def test_a_future_without_a_name_is_called_like_its_function(threads: ThreadPoolExecutor, recorded: Recorded) -> None:
    """As with `track`."""
    list(progstore.as_completed([threads.submit(fail_at_seven, 1)]))
    list(progstore.map(threads, fail_at_seven, [1]))
    assert {task.name for task in recorded()} == {"test_a_future_without_a_name_is_called_like_its_function"}


@pytest.mark.parametrize("kind", ["threads", "processes"])
@pytest.mark.parametrize("chunksize", [1, 4])
def test_map_gives_what_the_executors_own_map_gives(
    kind: str, chunksize: int, request: pytest.FixtureRequest, recorded: Recorded
) -> None:
    """Values in order, from several iterables, as long as the shortest."""
    executor: Executor = request.getfixturevalue(kind)
    ours = progstore.map(executor, operator.add, range(10), iter(range(100)), name="Add", chunksize=chunksize)
    assert list(ours) == list(executor.map(operator.add, range(10), range(100), chunksize=chunksize))
    (task,) = recorded()
    assert (task.status, task.done, task.total) == ("complete", 10, 10)


def test_map_submits_all_at_once(threads: ThreadPoolExecutor) -> None:
    """Before the first result is asked for."""
    begun = threading.Semaphore(0)
    results = progstore.map(threads, lambda _: begun.release(), range(3), name="Eager")
    for _ in range(3):
        assert begun.acquire(timeout=60)
    assert list(results) == [None] * 3


def test_map_raises_where_the_failing_item_stands(threads: ThreadPoolExecutor, recorded: Recorded) -> None:
    """What came before is handed out, what was not begun is cancelled, and the task has the error."""
    gate = threading.Event()

    def work(number: int) -> int:
        if number > 7:
            gate.wait(60)
        return fail_at_seven(number)

    results = progstore.map(threads, work, range(50), name="Map")
    assert [next(results) for _ in range(7)] == list(range(7))
    with pytest.raises(ValueError, match="seven"):
        next(results)
    gate.set()
    (task,) = recorded()
    assert (task.status, task.error_type, task.failed, task.total) == ("error", "ValueError", 1, 50)
    assert task.done == 8
    assert task.cancelled >= 50 - 8 - 3


def test_a_chunk_that_fails_raises_what_the_process_raised(processes: ProcessPoolExecutor, recorded: Recorded) -> None:
    """With the traceback from there; the chunk's other results are lost, as with the executor's own map."""
    results = progstore.map(processes, fail_at_seven, range(12), name="Map", chunksize=5)
    assert [next(results) for _ in range(5)] == list(range(5))
    with pytest.raises(ValueError, match="seven") as caught:
        next(results)
    assert "fail_at_seven" in str(caught.value.__cause__)
    (task,) = recorded()
    assert (task.status, task.failed) == ("error", 1)


def test_map_has_a_timeout_from_its_call(threads: ThreadPoolExecutor, recorded: Recorded) -> None:
    """For all results together."""
    gate = threading.Event()
    results = progstore.map(threads, lambda _: gate.wait(60), range(5), name="Map", timeout=0.01)
    with pytest.raises(TimeoutError):
        next(results)
    gate.set()
    (task,) = recorded()
    assert (task.status, task.error_type) == ("error", "TimeoutError")


def test_leaving_a_map_cancels_what_has_not_begun(threads: ThreadPoolExecutor, recorded: Recorded) -> None:
    """As the executor's own map does."""
    gate = threading.Event()
    results = progstore.map(threads, lambda number: number == 0 or gate.wait(60), range(20), name="Map")
    assert next(results) is True
    del results
    gate.set()
    (task,) = recorded()
    assert (task.status, task.message) == ("cancelled", "left early")
    assert task.cancelled >= 20 - 1 - 3


def test_a_map_that_nobody_loops_over_is_worked_through(recorded: Recorded) -> None:
    """As the executor's own; what becomes of it is not followed."""
    seen: list[int] = []
    with ThreadPoolExecutor(1) as executor:
        progstore.map(executor, seen.append, range(20), name="Map")
    assert len(seen) == 20
    assert recorded()[0].status == "cancelled"


def test_an_executor_that_is_shut_down_is_an_error_of_the_task(recorded: Recorded) -> None:
    """The caller gets the executor's own exception."""
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        progstore.map(executor, fail_at_seven, [1], name="Map")
    (task,) = recorded()
    assert (task.status, task.error_type) == ("error", "RuntimeError")


@pytest.mark.parametrize("chunksize", [0, -1])
def test_a_chunk_holds_something(threads: ThreadPoolExecutor, chunksize: int) -> None:
    """Anything else is refused before it begins."""
    with pytest.raises(ValueError, match="at least 1"):
        progstore.map(threads, fail_at_seven, [1], chunksize=chunksize)


def test_many_threads_count_exactly(recorded: Recorded) -> None:
    """Each future once, though their callbacks run anywhere."""
    with ThreadPoolExecutor(8) as executor:
        total = sum(progstore.map(executor, int, ["1"] * 5000, name="Many"))
    assert total == 5000
    assert recorded()[0].done == 5000


def test_items_cost_neither_a_thread_nor_a_write(
    threads: ThreadPoolExecutor, recorded: Recorded, ask: Callable[..., list[Any]]
) -> None:
    """However many there are: one task, its start and its end."""
    recorded()
    before = threading.active_count()
    futures = [threads.submit(int, "1") for _ in range(2000)]
    most = max(threading.active_count() for _ in progstore.as_completed(futures, "Many"))
    assert most <= before + 3 + 1  # the pool's own and the recorder
    assert recorded()[0].done == 2000
    assert ask("SELECT kind FROM events ORDER BY id") == ["started", "complete"]


@pytest.mark.parametrize("of", [progstore.as_completed, progstore.map])
def test_the_keywords_of_track_are_taken(
    of: Callable[..., Any], threads: ThreadPoolExecutor, recorded: Recorded
) -> None:
    """Unit, key, metadata and session."""
    options = {"name": "Fetch", "unit": "page", "key": "k", "meta": {"a": 1}, "session": "nightly"}
    if of is progstore.map:
        list(progstore.map(threads, fail_at_seven, [1], **options))  # type: ignore[arg-type]  # put together by name
    else:
        list(progstore.as_completed([threads.submit(fail_at_seven, 1)], **options))  # type: ignore[arg-type]  # the same
    (task,) = recorded()
    assert (task.unit, task.key, dict(task.meta), task.session_name) == ("page", "k", {"a": 1}, "nightly")
