"""`map` over executors: what it gives, raises and takes is what the executor's own map does, however it is cut."""

from __future__ import annotations

import itertools
import operator
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import progstore
from tests.adapters.conftest import Recorded


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    """Two worker threads."""
    with ThreadPoolExecutor(2) as executor:
        yield executor


class InPieces(Executor):
    """A foreign executor: like the one it stands before, but no pool of threads to look at."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Pass it on."""
        return self._executor.submit(fn, *args, **kwargs)


def die_of_three(number: int) -> int:
    """What is computed: it kills its process once."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def exit_at_two(number: int) -> int:
    """What is computed: it wants to end the program once."""
    if number == 2:
        raise SystemExit(5)
    return number


def outcome(results: Callable[[], Iterable[Any]]) -> tuple[list[Any], str]:
    """All that a loop gets, and what ended it."""
    got: list[Any] = []
    try:
        got.extend(results())
    except ZeroDivisionError as error:
        return got, repr(error)
    return got, ""


def broken_off(items: list[int], place: int | None) -> Iterable[int]:
    """The items as a generator that fails before the one at `place`, if there is such a place."""
    if place is None:
        return items
    return (number if index < place else 1 // 0 for index, number in enumerate(items))


@given(
    first=st.lists(st.integers(0, 5), max_size=12),
    second=st.lists(st.integers(1, 5), max_size=12),
    bad=st.none() | st.integers(0, 11),
    chunksize=st.integers(1, 4),
    buffersize=st.none() | st.integers(1, 5),
    foreign=st.booleans(),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_map_gives_and_raises_what_the_executors_own_gives_and_raises(
    first: list[int],
    second: list[int],
    bad: int | None,
    chunksize: int,
    buffersize: int | None,
    foreign: bool,
    threads: ThreadPoolExecutor,
) -> None:
    """From several iterables, also of different length, empty ones, ones that fail midway, calls that fail."""
    executor: Executor = InPieces(threads) if foreign else threads

    def ours() -> Iterable[int]:
        return progstore.map(
            executor,
            operator.floordiv,
            second,
            broken_off(first, bad),
            name="Divide",
            chunksize=chunksize,
            buffersize=buffersize,
            record=False,
        )

    got, error = outcome(ours)
    expected = outcome(lambda: threads.map(operator.floordiv, second, broken_off(first, bad)))
    if buffersize is None and not (foreign and chunksize > 1):
        assert (got, error) == expected
        return
    # One by one, as the builtin gives them: taken ahead of the loop, an iterable's error comes before results that
    # wait, and a call's error takes the results of its chunk with it.
    singly = outcome(lambda: map(operator.floordiv, second, broken_off(first, bad)))
    assert bool(error) == bool(singly[1]) == bool(expected[1])
    assert got == singly[0][: len(got)]
    assert error or got == singly[0]


@pytest.mark.parametrize(("chunksize", "ahead"), [(1, 3), (10, 30)])
def test_an_endless_input_is_taken_only_so_far_ahead(
    chunksize: int, ahead: int, threads: ThreadPoolExecutor, recorded: Recorded
) -> None:
    """Never more than `buffersize` calls are under way whose result was not given yet."""
    taken = []

    def numbers() -> Iterator[int]:
        for number in itertools.count():
            taken.append(number)
            yield number

    results = progstore.map(
        InPieces(threads), str, numbers(), name="Endless", chunksize=chunksize, buffersize=3, unit="number"
    )
    assert len(taken) == ahead
    for seen in range(1, 101):
        assert next(results) == str(seen - 1)
        assert len(taken) <= seen + ahead
    assert len(taken) > ahead
    (task,) = recorded()
    assert (task.status, task.total) == ("running", None)
    assert 100 <= task.done <= len(taken)
    del results
    (task,) = recorded()
    assert (task.status, task.message, task.total) == ("cancelled", "left early", None)
    assert 100 <= task.done + task.cancelled <= len(taken)


def test_the_total_of_a_lazy_map_is_known_where_its_input_ends(threads: ThreadPoolExecutor, recorded: Recorded) -> None:
    """Or at once, where the input knows it."""
    results = progstore.map(threads, int, (each for each in "123"), name="Lazy", buffersize=2)
    assert recorded()[0].total is None
    assert list(results) == [1, 2, 3]
    assert list(progstore.map(threads, int, "45", name="Known", buffersize=1)) == [4, 5]
    assert [(task.status, task.done, task.total) for task in recorded()] == [("complete", 3, 3), ("complete", 2, 2)]


def test_results_may_be_taken_after_the_executor_was_left(recorded: Recorded) -> None:
    """All was submitted at the call, also of an input without a length."""
    with ThreadPoolExecutor(1) as executor:
        results = progstore.map(executor, int, (each for each in "123"), name="Later")
    assert list(results) == [1, 2, 3]
    assert (recorded()[0].status, recorded()[0].done, recorded()[0].total) == ("complete", 3, 3)


@pytest.mark.parametrize(("buffersize", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError)])
def test_a_buffer_holds_something(threads: ThreadPoolExecutor, buffersize: Any, error: type[Exception]) -> None:
    """Anything else is refused before it begins."""
    with pytest.raises(error, match="buffersize must be"):
        progstore.map(threads, int, "1", buffersize=buffersize)


@pytest.mark.parametrize("buffersize", [None, 2])
def test_an_input_that_raises_ends_the_task_as_an_error(
    buffersize: int | None, threads: ThreadPoolExecutor, recorded: Recorded
) -> None:
    """The caller gets the exception: at the call, or in the loop where items are taken there."""
    with pytest.raises(ZeroDivisionError):
        list(progstore.map(threads, int, broken_off([0] * 9, 5), name="Bad input", buffersize=buffersize))
    (task,) = recorded()
    assert (task.status, task.error_type) == ("error", "ZeroDivisionError")
    assert task.done <= 5


def test_a_call_that_exits_ends_the_task_and_the_loop(threads: ThreadPoolExecutor, recorded: Recorded) -> None:
    """SystemExit comes to the loop as with the executor's own map; it is a wish to end, and no error."""
    results = progstore.map(threads, exit_at_two, range(9), name="Exit")
    assert list(islice(results, 2)) == [0, 1]
    with pytest.raises(SystemExit) as caught:
        next(results)
    assert caught.value.code == 5
    (task,) = recorded()
    assert (task.status, task.message, task.failed) == ("cancelled", "SystemExit: 5", 1)
    assert task.done + task.cancelled <= 9


def test_a_map_interrupted_while_it_submits_is_cancelled(threads: ThreadPoolExecutor, recorded: Recorded) -> None:
    """Nothing stays running for ever."""

    def numbers() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        progstore.map(threads, int, numbers(), name="Interrupted")
    (task,) = recorded()
    assert (task.status, task.message) == ("cancelled", "interrupted")


def test_a_map_whose_futures_are_cancelled_is_cancelled(recorded: Recorded) -> None:
    """That is no failure; the loop gets the exception as ever."""
    gate = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        executor.submit(gate.wait, 60)
        results = progstore.map(executor, int, "123", name="Cancelled")
        executor.shutdown(wait=False, cancel_futures=True)
        gate.set()
        with pytest.raises(CancelledError):
            next(results)
    (task,) = recorded()
    assert (task.status, task.done, task.failed, task.cancelled) == ("cancelled", 0, 0, 3)


def test_a_killed_worker_breaks_the_pool_and_the_task(recorded: Recorded) -> None:
    """The loop gets what it gets without us; what nobody knows to have been done is not counted as done."""
    fork = get_context("fork")
    with ProcessPoolExecutor(1, mp_context=fork) as executor:
        results = progstore.map(executor, die_of_three, range(9), name="Map")
        with pytest.raises(BrokenProcessPool):
            list(results)
    with ProcessPoolExecutor(1, mp_context=fork) as executor:
        futures = [executor.submit(die_of_three, number) for number in (1, 2, 3, 4)]
        ends = [future.exception() for future in progstore.as_completed(futures, "Loop")]
    assert sum(error is None for error in ends) == 2
    mapped, looped = recorded()
    assert (mapped.status, mapped.error_type) == ("error", "BrokenProcessPool")
    assert (mapped.total, mapped.done, mapped.cancelled, mapped.failed, mapped.active) == (9, 3, 6, 0, 0)
    assert (looped.status, looped.error_type) == ("error", "BrokenProcessPool")
    assert (looped.total, looped.done, looped.cancelled, looped.failed, looped.active) == (4, 2, 2, 0, 0)
