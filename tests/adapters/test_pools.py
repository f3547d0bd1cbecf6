"""Pools of multiprocessing, and children of all kinds: same results, right counts, one session."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.pool import Pool, ThreadPool
from typing import Any

import pytest

import progstore
from progstore.adapters import pools
from tests.adapters.conftest import Recorded

WAYS = [pools.imap, pools.imap_unordered]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """Two forked workers, which began before anything was tracked."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        yield pool


def fail_at_seven(number: int) -> int:
    """What is computed: it goes wrong once."""
    if number == 7:
        raise ValueError("seven")
    return number


def die(_: int) -> None:
    """What is computed: it takes its worker with it."""
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("chunksize", [1, 4])
def test_results_are_those_of_the_pool(way: Callable[..., Any], chunksize: int, pool: Pool, recorded: Recorded) -> None:
    """Of an input with and without a length, and of none."""
    for items in (range(10), iter(range(10)), ()):
        got = list(way(pool, fail_at_seven, (each for each in items if each != 7), chunksize, name="Count"))
        assert sorted(got) == [each for each in range(10) if each != 7] or (items == () and got == [])
    assert list(pools.imap(pool, fail_at_seven, range(7), chunksize)) == list(range(7))
    *counted, last = recorded()
    assert [(task.status, task.done, task.total) for task in counted] == [
        ("complete", 9, 9),
        ("complete", 9, 9),
        ("complete", 0, 0),
    ]
    assert (last.name, last.status, last.done, last.total) == ("test_results_are_those_of_the_pool", "complete", 7, 7)


def test_what_was_worked_through_is_counted(pool: Pool, recorded: Recorded) -> None:
    """Not the result in hand; and leaving the loop leaves the pool alone."""
    results = pools.imap(pool, fail_at_seven, range(5), name="Count", unit="number")
    assert [next(results), next(results)] == [0, 1]
    (task,) = recorded()
    assert (task.status, task.done, task.total, task.unit) == ("running", 1, 5, "number")
    del results
    assert (recorded()[0].status, recorded()[0].message, recorded()[0].done) == ("cancelled", "left early", 1)
    assert pool.map(fail_at_seven, [1]) == [1]


@pytest.mark.parametrize("way", WAYS)
def test_an_item_that_fails_is_raised_where_the_pool_raises_it(
    way: Callable[..., Any], pool: Pool, recorded: Recorded
) -> None:
    """And may be passed over, as with the pool's own iterator; the task has ended by then."""
    results = way(pool, fail_at_seven, [6, 7, 8], name="Count")
    got: list[Any] = []
    for _ in range(3):
        try:
            got.append(next(results))
        except ValueError as error:
            got.append(str(error))
    assert sorted(map(str, got)) == ["6", "8", "seven"]
    with pytest.raises(StopIteration):
        next(results)
    (task,) = recorded()
    assert (task.status, task.error, task.failed) == ("error", "seven", 1)
    assert task.done == 1 + got.index("seven")


def test_an_input_that_raises_is_an_error(pool: Pool, recorded: Recorded) -> None:
    """The pool takes it in a thread of its own, and raises it where the item would have been."""
    with pytest.raises(ZeroDivisionError):
        list(pools.imap(pool, fail_at_seven, (1 // number for number in (1, 0)), name="Count"))
    assert (recorded()[0].status, recorded()[0].error_type) == ("error", "ZeroDivisionError")


def test_a_pool_that_is_closed_is_an_error_of_the_task(recorded: Recorded) -> None:
    """The caller gets the pool's own exception."""
    with ThreadPool(1) as closed:
        closed.close()
        with pytest.raises(ValueError, match="not running"):
            pools.imap(closed, fail_at_seven, [1], name="Count")
    assert (recorded()[0].status, recorded()[0].error_type) == ("error", "ValueError")


def test_a_worker_that_dies_is_never_counted(recorded: Recorded) -> None:
    """A pool loses its work without a word; the loop waits, and whoever leaves it has not got all."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        results: Any = pools.imap(pool, die, [1], name="Count")
        bare = pool.imap(die, [1])
        with pytest.raises(multiprocessing.TimeoutError):
            bare.next(timeout=0.2)
        (task,) = recorded()
        assert (task.status, task.done, task.total) == ("running", 0, 1)
        del results
    assert (recorded()[0].status, recorded()[0].done) == ("cancelled", 0)


def test_what_workers_track_joins_the_session_that_the_work_came_from(
    run_program: Callable[..., str], ask: Callable[..., list[Any]]
) -> None:
    """Though they began before it, in another one, or in none; and the task's own one, where it has its own."""
    run_program(
        """
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        import progstore
        from progstore.adapters import pools

        def work(name):
            for _ in progstore.track(range(3), name):
                pass
            with progstore.session("of the worker's own"):
                progstore.track(name=f"{name} apart").complete()

        if __name__ == "__main__":
            context = multiprocessing.get_context("fork")
            with context.Pool(1) as pool, ProcessPoolExecutor(1, mp_context=context) as executor:
                pool.apply(int)
                executor.submit(int).result()
                with progstore.session("first"):
                    list(pools.imap(pool, work, ["first in pool"], name="pool"))
                    list(progstore.map(executor, work, ["first in executor"], name="executor"))
                with progstore.session("second"):
                    list(pools.imap_unordered(pool, work, ["second in pool"], name="pool"))
                    list(progstore.map(executor, work, ["a second", "b second"], name="executor", chunksize=2))
                list(progstore.map(executor, work, ["named in executor"], name="executor", session="named"))
        """
    )
    rows = ask(
        "SELECT t.name, s.name, t.session_name FROM tasks t JOIN sessions s ON s.id = t.session_id"
        " WHERE t.name NOT IN ('pool', 'executor') ORDER BY t.name"
    )
    names = ["a second", "b second", "first in executor", "first in pool", "named in executor", "second in pool"]
    assert [name for name, _, _ in rows] == sorted([*names, *(f"{name} apart" for name in names)])
    for name, session, session_name in rows:
        expected = "of the worker's own" if name.endswith("apart") else next(s for s in SESSIONS if s in name)
        assert (session, session_name) == (expected, expected)
    assert ask("SELECT count(*) FROM sessions WHERE name IN ('first', 'second', 'named') AND process_id IS NULL") == [0]


SESSIONS = ("first", "second", "named")


def test_what_is_not_recorded_sends_nothing_along(pool: Pool, recorded: Recorded) -> None:
    """The functions go as they are; and a store that was chosen goes along."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as executor:
        assert list(progstore.map(executor, fail_at_seven, [1, 2], name="Quiet", record=False)) == [1, 2]
    assert list(pools.imap(pool, fail_at_seven, [1, 2], name="Quiet", record=False)) == [1, 2]
    assert recorded() == []
