"""asyncio: what is tracked gives, raises and cancels what asyncio does, and its counts are right."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import progstore
from progstore import aio
from tests.adapters.conftest import Recorded

ASYNC_TOO = sys.version_info >= (3, 13)


async def fail_at_seven(number: int, turns: int = 0) -> int:
    """What is awaited: it takes so many turns of the loop, and goes wrong once."""
    for _ in range(turns):
        await asyncio.sleep(0)
    if number == 7:
        raise ValueError("seven")
    return number


async def track_something(number: int) -> int:
    """What is awaited, and reports progress of its own."""
    for _ in progstore.track(range(number), f"inner {number}"):
        await asyncio.sleep(0)
    return number


async def letters(closed: list[str]) -> AsyncIterator[str]:
    """An async generator that tells when it is closed."""
    try:
        for letter in "abc":
            yield letter
    finally:
        closed.append("closed")


def counts(task: progstore.TaskView) -> tuple[float | None, ...]:
    """Submitted, active, done, failed, cancelled."""
    return (task.total, task.active, task.done, task.failed, task.cancelled)


async def told(awaitable: Any) -> str:
    """What comes of it, as text."""
    try:
        return repr(await awaitable)
    except ValueError as error:
        return repr(error)


def in_turn(of: Callable[..., Any], work: list[tuple[int, int]], **options: Any) -> list[str]:
    """What an `as_completed` gives for coroutines of these numbers, one after the other."""

    async def main() -> list[str]:
        return [await told(each) for each in of([fail_at_seven(*each) for each in work], **options)]

    return asyncio.run(main())


@given(work=st.lists(st.tuples(st.integers(5, 8), st.integers(0, 4)), max_size=8))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_gives_what_asyncios_own_gives(work: list[tuple[int, int]]) -> None:
    """`as_completed` and `gather`, also of none, and of such that fail."""

    async def gathered(of: Callable[..., Any], **options: Any) -> str:
        together = of(*[fail_at_seven(*each) for each in work], **options)
        assert isinstance(together, asyncio.Future)
        return await told(together)

    quiet = {"name": "Fetch", "record": False}
    assert sorted(in_turn(aio.as_completed, work, **quiet)) == sorted(in_turn(asyncio.as_completed, work))
    for either in (False, True):
        ours = asyncio.run(gathered(aio.gather, return_exceptions=either, **quiet))
        assert ours == asyncio.run(gathered(asyncio.gather, return_exceptions=either))


def test_the_first_to_complete_comes_first(recorded: Recorded) -> None:
    """And each is counted, a failed one as failed, too."""
    assert in_turn(aio.as_completed, [(1, 9), (7, 0), (2, 5)], name="Fetch") == ["ValueError('seven')", "2", "1"]
    (task,) = recorded()
    assert (task.name, task.status, counts(task)) == ("Fetch", "complete", (3, 0, 3, 1, 0))


def test_waiting_done_failed_and_cancelled_are_told_apart(recorded: Recorded) -> None:
    """While they go on; to asyncio, all that have begun are active."""

    async def main() -> progstore.TaskView:
        gate = asyncio.Event()
        waiting = [asyncio.create_task(gate.wait()) for _ in range(3)]
        waiting[0].cancel()
        work = [asyncio.create_task(fail_at_seven(number)) for number in (1, 7)]
        loop = iter(aio.as_completed([*waiting, *work], "Fetch"))
        for _ in range(2):
            await asyncio.wait([asyncio.ensure_future(next(loop))])
        await asyncio.wait(work)
        await asyncio.sleep(0)
        now = recorded()[0]
        gate.set()
        for each in loop:
            await asyncio.wait([asyncio.ensure_future(each)])
        return now

    now = asyncio.run(main())
    (task,) = recorded()
    assert counts(now) == (5, 2, 2, 1, 1)
    assert (task.status, counts(task)) == ("complete", (5, 0, 4, 1, 1))
    gc.collect()  # of the failures that nobody asked for, asyncio tells now


def test_a_timeout_is_raised_where_asyncio_raises_it(recorded: Recorded) -> None:
    """By what is awaited, and the loop is left."""

    async def main() -> None:
        for each in aio.as_completed([asyncio.Event().wait()], "Fetch", timeout=0.01):
            await each

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    (task,) = recorded()
    assert (task.status, task.done) == ("cancelled", 0)


@pytest.mark.skipif(not ASYNC_TOO, reason="asyncio has it from Python 3.13 on")
def test_async_for_gives_the_tasks_themselves(recorded: Recorded) -> None:
    """As from Python 3.13 on."""

    async def main() -> None:
        work = [asyncio.create_task(fail_at_seven(number)) for number in range(3)]
        loop: Any = aio.as_completed(work, "Fetch")
        assert {each async for each in loop} == set(work)
        async for each in aio.as_completed([fail_at_seven(1, 5), fail_at_seven(2)], "Left"):  # type: ignore[attr-defined]  # since 3.13
            assert each.result() == 2
            break

    asyncio.run(main())
    whole, left = recorded()
    assert (whole.status, counts(whole)) == ("complete", (3, 0, 3, 0, 0))
    assert (left.status, left.message, left.done) == ("cancelled", "left early", 1)


@pytest.mark.parametrize("of", [asyncio.as_completed, aio.as_completed])
def test_one_awaitable_is_refused(of: Callable[..., Any], recorded: Recorded) -> None:
    """An iterable of them is wanted, as by asyncio."""

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        list(of(future))

    with pytest.raises(TypeError, match=r"iterable|expect"):
        asyncio.run(main())
    assert recorded() == []


def test_gather_ends_as_what_it_raises(recorded: Recorded) -> None:
    """An exception is an error; with `return_exceptions` it is a failed item."""

    async def main() -> None:
        same = asyncio.ensure_future(fail_at_seven(1))
        assert await aio.gather(same, fail_at_seven(2), same, name="Both") == [1, 2, 1]
        with pytest.raises(ValueError, match="seven"):
            await aio.gather(fail_at_seven(1), fail_at_seven(7, 3), fail_at_seven(2, 9), name="Raises")
        await aio.gather(fail_at_seven(1), fail_at_seven(7), name="Returns", return_exceptions=True)
        assert await aio.gather(name="Nothing") == []

    asyncio.run(main())
    assert [(task.name, task.status, counts(task)) for task in recorded()] == [
        ("Both", "complete", (2, 0, 2, 0, 0)),
        ("Raises", "error", (3, 0, 2, 1, 0)),
        ("Returns", "complete", (2, 0, 2, 1, 0)),
        ("Nothing", "complete", (0, 0, 0, 0, 0)),
    ]


def test_a_cancelled_outer_task_cancels_what_it_waits_for(recorded: Recorded) -> None:
    """gather, a group and a loop alike: given up, not failed."""

    async def main() -> None:
        async def endless() -> AsyncIterator[int]:
            yield 1
            await asyncio.Event().wait()

        async def gathering() -> None:
            await aio.gather(fail_at_seven(1), asyncio.Event().wait(), name="gather")

        async def grouping() -> None:
            async with aio.TaskGroup("group") as group:
                group.create_task(fail_at_seven(1))
                group.create_task(asyncio.Event().wait())

        async def looping() -> None:
            async for _ in aio.track(endless(), "loop", total=2):
                pass

        for each in (gathering, grouping, looping):
            task = asyncio.create_task(each())
            for _ in range(5):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert [(task.name, task.status, task.message, counts(task)) for task in recorded()] == [
        ("gather", "cancelled", "cancelled", (2, 0, 1, 0, 1)),
        ("group", "cancelled", "cancelled", (2, 0, 1, 0, 1)),
        ("loop", "cancelled", "cancelled", (2, 0, 1, 0, 0)),
    ]


def test_a_group_counts_the_tasks_that_it_creates(recorded: Recorded) -> None:
    """It is asyncio's own group otherwise: a failure cancels the others and comes out as a group of exceptions."""

    async def failing() -> None:
        async with aio.TaskGroup("Fails", total=9) as group:
            for turns, number in enumerate((1, 7, 2)):
                group.create_task(fail_at_seven(number, turns * 3))

    async def main() -> None:
        async with aio.TaskGroup("Fetch") as group:
            tasks = [group.create_task(fail_at_seven(number), name=f"number {number}") for number in range(3)]
        assert [task.result() for task in tasks] == [0, 1, 2]
        assert tasks[0].get_name() == "number 0"
        with pytest.raises(ExceptionGroup) as caught:
            await failing()
        assert [str(error) for error in caught.value.exceptions] == ["seven"]
        with pytest.raises(ExceptionGroup):
            async with aio.TaskGroup("Raises"):
                raise ValueError("the body's own")

    asyncio.run(main())
    assert [(task.name, task.status, counts(task)) for task in recorded()] == [
        ("Fetch", "complete", (3, 0, 3, 0, 0)),
        ("Fails", "error", (9, 0, 2, 1, 1)),
        ("Raises", "error", (None, 0, 0, 0, 0)),
    ]


def test_what_is_tracked_within_is_nested(recorded: Recorded) -> None:
    """In each of the tasks that are awaited, and beside one another."""

    async def main() -> None:
        for each in aio.as_completed([track_something(1), track_something(2)], "as_completed"):
            await each
        await aio.gather(track_something(3), name="gather")
        async with aio.TaskGroup("group") as group:
            group.create_task(track_something(4))
        async for _ in aio.track(letters([]), "track"):
            await track_something(5)
            break

    asyncio.run(main())
    tasks = recorded()
    names = {task.id: task.name for task in tasks}
    assert {task.name: names.get(task.parent_id or 0) for task in tasks} == {
        **dict.fromkeys(("as_completed", "gather", "group", "track")),
        **dict.fromkeys(("inner 1", "inner 2"), "as_completed"),
        "inner 3": "gather",
        "inner 4": "group",
        "inner 5": "track",
    }


@pytest.mark.parametrize("of", [lambda items: items, lambda items: aio.track(items, "Letters")], ids=["bare", "ours"])
def test_an_async_loop_is_left_as_a_bare_one(of: Callable[[Any], Any]) -> None:
    """Looped through, left early, and raised out of: the generator is closed when it is closed without us."""
    closed: list[str] = []

    async def main() -> list[Any]:
        seen: list[Any] = [letter async for letter in of(letters(closed))]
        seen.append(list(closed))
        async for letter in of(letters(closed)):
            seen.append(letter)
            break
        seen.append(list(closed))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return [*seen, list(closed)]

    assert asyncio.run(main()) == ["a", "b", "c", ["closed"], "a", ["closed"], ["closed", "closed"]]


def test_an_async_loop_counts_what_it_has_worked_through(recorded: Recorded) -> None:
    """Not what it has in hand; the task is there to be told things."""

    async def main() -> list[float]:
        seen = []
        async for letter in aio.track(letters([]), "Letters", unit="letter", total=3):
            progstore.current().message(f"at {letter}")
            seen.append(progstore.current().done)
        async for _ in aio.track(letters([]), "Left"):
            break
        return seen

    assert asyncio.run(main()) == [0, 1, 2]
    whole, left = recorded()
    assert (whole.status, whole.done, whole.unit, whole.message) == ("complete", 3, "letter", "at c")
    assert (left.status, left.message, left.done) == ("cancelled", "left early", 0)


def test_an_async_iterable_that_raises_midway_is_an_error(recorded: Recorded) -> None:
    """The loop gets the exception; what it had worked through is counted."""

    async def broken() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise ValueError("midway")

    async def main() -> None:
        async for _ in aio.track(broken()):
            pass

    with pytest.raises(ValueError, match="midway"):
        asyncio.run(main())
    (task,) = recorded()
    assert task.name.startswith("test_an_async_iterable_that_raises_midway")
    assert (task.status, task.error, task.done) == ("error", "midway", 2)


def test_what_is_no_async_iterable_is_refused(recorded: Recorded) -> None:
    """At once, and without a task."""
    with pytest.raises(TypeError, match="async iterable"):
        aio.track([1, 2], "List")  # type: ignore[arg-type]  # that is what is tested
    assert recorded() == []


def test_a_failure_that_nobody_asked_for_is_still_told(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged when the task is thrown away; counting it is not asking for it."""

    async def main() -> None:
        loop: Any = aio.as_completed([fail_at_seven(7), fail_at_seven(1, 3)], "Fetch")
        await asyncio.sleep(0)
        first: Coroutine[Any, Any, int] = next(loop)
        await asyncio.sleep(0.01)
        first.close()
        for _ in range(3):
            await asyncio.sleep(0)

    asyncio.run(main())
    gc.collect()
    assert "Task exception was never retrieved" in caplog.text
