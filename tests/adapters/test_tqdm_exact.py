"""A recorded loop gives exactly what the bare one gives: items, order, exceptions, and each at its time."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import Any

import pytest
import tqdm as original
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from progstore.adapters.tqdm import recorded as counterpart
from progstore.adapters.tqdm import tqdm
from progstore.adapters.tqdm.asyncio import tqdm as tqdm_asyncio

Trace = list[tuple[str, object]]
"""What happened, in order."""

EXCEPTIONS = [ValueError, KeyError, StopIteration, KeyboardInterrupt, SystemExit, MemoryError]
thorough = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Numbered:
    """Is iterated by index, as old classes are."""

    def __init__(self, items: list[int]) -> None:
        self.items = items

    def __getitem__(self, index: int) -> int:
        return self.items[index]


class LyingAboutItsLength(Numbered):
    """Has a length that is none."""

    def __len__(self) -> int:
        raise RuntimeError("not now")

    def __iter__(self) -> Iterator[int]:
        return iter(self.items)


class Observed:
    """An iterator that keeps what is asked of it, and may raise at some item."""

    def __init__(self, items: list[int], raising_at: int, error: type[BaseException], trace: Trace) -> None:
        self._items = iter(items)
        self._countdown = raising_at
        self._error = error
        self._trace = trace

    def __iter__(self) -> Observed:
        self._trace.append(("begun", None))
        return self

    def __next__(self) -> int:
        self._countdown -= 1
        if self._countdown == -1:
            raise self._error("source")
        item = next(self._items)
        self._trace.append(("fetched", item))
        return item


def _observed(items: list[int], raising_at: int, error: type[BaseException], trace: Trace) -> Iterator[int]:
    """The same as a generator, which also tells when it is closed."""
    try:
        for index, item in enumerate(items):
            if index == raising_at:
                raise error("source")
            trace.append(("fetched", item))
            yield item
    finally:
        trace.append(("closed", None))


SOURCES: dict[str, Callable[[list[int]], Any]] = {
    "list": list,
    "tuple": tuple,
    "str": lambda items: "".join(map(chr, items)),
    "range": lambda items: range(len(items)),
    "dict": dict.fromkeys,
    "set": set,
    "by index": Numbered,
    "lying": LyingAboutItsLength,
    "zip": lambda items: zip(items, items, strict=True),
    "no iterable": len,
}
LOOKS = [{}, {"mininterval": 0}, {"miniters": 1}, {"disable": True}, {"total": 2}, {"leave": False, "initial": 3}]
KINDS = [tqdm, counterpart(original.tqdm), tqdm_asyncio]


def _walk(make: Callable[[], Iterable[object]], leave_at: int, trace: Trace) -> None:
    """Loop, and keep what comes; leave at some item."""
    try:
        for index, item in enumerate(make()):
            trace.append(("item", item))
            if index == leave_at:
                break
    except BaseException as error:  # noqa: BLE001  # whatever it is, it is part of what happened
        trace.append((type(error).__name__, str(error)))
    trace.append(("after", None))


@pytest.mark.parametrize("source", SOURCES)
@thorough
@given(
    items=st.lists(st.integers(33, 126), max_size=6),
    leave_at=st.integers(0, 7),
    look=st.sampled_from(LOOKS),
    kind=st.sampled_from(KINDS),
)
def test_any_iterable_is_handed_out_as_it_is(
    source: str, items: list[int], leave_at: int, look: dict[str, Any], kind: type[tqdm[Any]]
) -> None:
    """Whatever it is, and whatever the bar looks like; what cannot be looped over is the same error."""
    bare: Trace = []
    ours: Trace = []
    make = SOURCES[source]
    if source == "no iterable" and issubclass(kind, tqdm_asyncio):
        kind = tqdm  # the other one looks at its iterable when it is made
    if source == "lying":
        with pytest.raises(RuntimeError, match="not now"):
            original.tqdm(make(items), disable=True)  # so that no drop-in needs to take it
        look = {**look, "total": 3}
    _walk(lambda: make(items), leave_at, bare)
    _walk(lambda: kind(make(items), file=io.StringIO(), **look), leave_at, ours)
    assert ours == bare


@pytest.mark.parametrize("observed", [Observed, _observed])
@thorough
@given(
    items=st.lists(st.integers(), max_size=6),
    raising_at=st.integers(0, 8),
    error=st.sampled_from(EXCEPTIONS),
    leave_at=st.integers(0, 8),
    look=st.sampled_from(LOOKS),
    kind=st.sampled_from(KINDS),
)
def test_each_item_is_fetched_when_it_is_wanted(
    observed: Callable[..., Any],
    items: list[int],
    raising_at: int,
    error: type[BaseException],
    leave_at: int,
    look: dict[str, Any],
    kind: type[tqdm[Any]],
) -> None:
    """None ahead; what the source raises arrives; a generator that is left is closed at once."""
    bare: Trace = []
    ours: Trace = []
    _walk(partial(observed, items, raising_at, error, bare), leave_at, bare)
    _walk(lambda: kind(observed(items, raising_at, error, ours), file=io.StringIO(), **look), leave_at, ours)
    begun = ("begun", None)
    assert [each for each in ours if each != begun] == [each for each in bare if each != begun]


@thorough
@given(
    items=st.lists(st.integers(), max_size=6),
    raising_at=st.integers(0, 8),
    leave_at=st.integers(0, 8),
    disable=st.booleans(),
)
def test_an_asynchronous_iterable_is_handed_out_as_it_is(
    items: list[int], raising_at: int, leave_at: int, disable: bool
) -> None:
    """As with tqdm's own class, which leaves a generator that was left to the loop, too."""

    async def source(trace: Trace) -> AsyncIterator[int]:
        for index, item in enumerate(items):
            if index == raising_at:
                raise OSError("source")
            trace.append(("fetched", item))
            yield item

    async def walk(wrap: Callable[[AsyncIterator[int]], Any]) -> Trace:
        trace: Trace = []
        try:
            async for item in wrap(source(trace)):
                trace.append(("item", item))
                if len(trace) > 2 * leave_at:
                    break
        except OSError as error:
            trace.append(("OSError", str(error)))
        return trace

    bar = partial(tqdm_asyncio, file=io.StringIO(), disable=disable)
    assert asyncio.run(walk(bar)) == asyncio.run(walk(lambda bare: bare))
