"""Bars for `async for`: what was fetched last is not done yet, and how the loop ends is told as far as it is known."""

from __future__ import annotations

import asyncio
import gc
import io
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
from tqdm import asyncio as original

import progstore
from progstore.adapters.tqdm import recorded as counterpart
from progstore.adapters.tqdm.asyncio import tarange, tqdm
from progstore.adapters.tqdm.auto import tqdm as auto_tqdm
from tests.adapters.conftest import Recorded

KINDS = [tqdm, auto_tqdm, counterpart(original.tqdm)]


async def _numbers(count: int, failing_at: int | None = None) -> AsyncIterator[int]:
    for number in range(count):
        if number == failing_at:
            raise OSError("source")
        await asyncio.sleep(0)
        yield number


async def _one(value: int, *, fails: bool = False) -> int:
    await asyncio.sleep(0)
    if fails:
        raise OSError(f"number {value}")
    return value


def _bar(kind: Callable[..., Any], name: str) -> Any:
    return partial(kind, desc=name, file=io.StringIO())


async def _walk(bar: Any, stop_at: int | None = None, error: Exception | None = None) -> list[int]:
    seen = []
    async for item in bar:
        if item == stop_at:
            if error is not None:
                raise error
            break
        seen.append(item)
    return seen


async def _cancelled(bar: Any, waiting: asyncio.Event) -> None:
    task = asyncio.create_task(_walk(bar))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _stuck(count: int, waiting: asyncio.Event) -> AsyncIterator[int]:
    for number in range(count):
        yield number
    waiting.set()
    await asyncio.Event().wait()


async def _in_a_block(bar: Any) -> None:
    with bar:
        await _walk(bar, 2, KeyError("body"))


@pytest.mark.parametrize("kind", KINDS)
def test_each_end_of_an_asynchronous_loop_is_told(kind: Any, recorded: Recorded) -> None:
    """As with loops: exhausted, left, failed in the source or in the body, cancelled; drawn or not."""

    async def all_of_them() -> None:
        make = partial(_bar, kind)
        assert await _walk(make("exhausted")(_numbers(4), total=4)) == [0, 1, 2, 3]
        assert await _walk(make("plain iterable")([1, 2, 3])) == [1, 2, 3]
        assert await _walk(make("disabled")(_numbers(3), disable=True)) == [0, 1, 2]
        assert await _walk(make("left")(_numbers(4)), 2) == [0, 1]
        assert await _walk(make("left while disabled")(_numbers(4), disable=True), 2) == [0, 1]
        with pytest.raises(OSError, match="source"):
            await _walk(make("source")(_numbers(4, failing_at=3)))
        with pytest.raises(KeyError):
            await _walk(make("body")(_numbers(4)), 2, KeyError("body"))
        with pytest.raises(KeyError):
            await _in_a_block(make("block")(_numbers(4)))
        waiting = asyncio.Event()
        await _cancelled(make("cancelled")(_stuck(2, waiting)), waiting)

    asyncio.run(all_of_them())
    gc.collect()  # an exception may hold its bar in a cycle
    found = {task.name: (str(task.status), task.done, task.total, task.error) for task in recorded()}
    assert found == {
        "exhausted": ("complete", 4, 4, None),
        "plain iterable": ("complete", 3, 3, None),
        "disabled": ("complete", 3, None, None),
        "left": ("cancelled", 2, None, None),
        "left while disabled": ("cancelled", 2, None, None),
        "source": ("error", 3, None, "source"),
        "body": ("cancelled", 2, None, None),
        "block": ("error", 2, None, "'body'"),
        "cancelled": ("cancelled", 2, None, None),
    }


@pytest.mark.parametrize("settings", [{}, {"disable": True}, {"mininterval": 0}])
def test_the_item_that_is_worked_on_is_not_done(settings: dict[str, Any], recorded: Recorded) -> None:
    """Though the bar shows it, as tqdm has it; and what is tracked within is nested."""

    async def work() -> list[float]:
        done = []
        async for _ in tqdm(_numbers(3), desc="Outer", file=io.StringIO(), **settings):
            done.append(progstore.current().done)  # noqa: PERF401  # a body is what this is about
        return done

    assert asyncio.run(work()) == [0, 1, 2]
    assert [(task.name, task.done) for task in recorded()] == [("Outer", 3)]


@pytest.mark.parametrize("kind", KINDS)
def test_helpers_for_many_awaitables_make_recorded_bars(kind: Any, recorded: Recorded) -> None:
    """`gather` gives results in order, `as_completed` whatever is there; one that fails is raised."""

    async def work() -> None:
        paper = io.StringIO()
        assert await kind.gather(*map(_one, range(4)), desc="gather", file=paper) == [0, 1, 2, 3]
        found = [await each for each in kind.as_completed([_one(1), _one(2)], desc="as they come", file=paper)]
        assert sorted(found) == [1, 2]
        with pytest.raises(OSError, match="number 1"):
            await kind.gather(_one(0), _one(1, fails=True), _one(2), desc="failing", file=paper)
        gc.collect()  # what tqdm makes of a failure is in a cycle; that must not be held by us
        assert recorded()[-1].status == "cancelled"
        results = await kind.gather(_one(0), _one(1, fails=True), return_exceptions=True, desc="kept", file=paper)
        assert isinstance(results[1], OSError)

    asyncio.run(work())
    found = {task.name: (str(task.status), task.total) for task in recorded()}
    assert found == {
        "gather": ("complete", 4),
        "as they come": ("complete", 2),
        "failing": ("cancelled", 3),
        "kept": ("complete", 2),
    }


def test_an_exception_that_ends_the_program_is_the_loops(
    run_program: Callable[..., str], ask: Any, program: Any
) -> None:
    """Out of a bare `async for`, as out of a bare `for`."""
    process = program("""
        import asyncio
        from progstore.adapters.tqdm.asyncio import tqdm

        async def numbers():
            for number in range(10):
                yield number

        async def main():
            async for number in tqdm(numbers(), desc="Load", total=10):
                if number == 5:
                    raise ValueError("x")

        asyncio.run(main())
    """)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert ask("SELECT status, error_type, error, done FROM v_tasks") == [("error", "ValueError", "x", 5)]


def test_a_class_for_async_loops_takes_plain_ones_too(recorded: Recorded) -> None:
    """As tqdm's does."""
    assert list(tarange(3, desc="Plain", file=io.StringIO())) == [0, 1, 2]
    bar = tqdm(range(5), desc="Left", file=io.StringIO())
    for item in bar:
        if item == 2:
            break
    assert [(task.name, task.status, task.done) for task in recorded()] == [
        ("Plain", "complete", 3),
        ("Left", "cancelled", 2),
    ]
