"""Loops are counted from outside, and give exactly what they give uncounted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progstore.live.counting import counted

if TYPE_CHECKING:
    from progstore.live.counting import Counter


class Ends:
    """Notes how a counted loop ended."""

    def __init__(self) -> None:
        self.how: list[str] = []

    def count(self, iterable: Iterable[Any]) -> tuple[Iterator[Any], Counter]:
        """The counted iterator, and what reads its count."""
        return counted(iterable, lambda: self.how.append("exhausted"), lambda: self.how.append("left"))


def letters() -> Iterator[str]:
    """A generator: it has no length, and must be closed."""
    yield from "abcde"


EVERY_KIND: list[Callable[[], Iterable[Any]]] = [
    lambda: list("abcde"),
    lambda: tuple("abcde"),
    lambda: "abcde",
    lambda: range(5),
    lambda: range(10, 0, -2),
    lambda: dict.fromkeys("abcde"),
    lambda: dict.fromkeys("abcde").items(),
    lambda: set("abcde"),
    lambda: deque("abcde"),
    lambda: enumerate("abcde"),
    lambda: zip("abcde", "abcde", strict=True),
    lambda: map(str.upper, "abcde"),
    lambda: iter(list("abcde")),
    letters,
    lambda: type("MyList", (list,), {})("abcde"),
    lambda: b"abcde",
]


@pytest.mark.parametrize("make", EVERY_KIND)
def test_while_the_body_works_on_an_item_it_is_not_yet_done(make: Callable[[], Iterable[Any]]) -> None:
    """In the body of the n-th item n - 1 are done; after the end all are."""
    ends = Ends()
    iterator, counter = ends.count(make())
    assert [counter.done() for _ in iterator] == [0, 1, 2, 3, 4]
    assert ends.how == ["exhausted"]
    assert counter.final(exhausted=True) == 5


@pytest.mark.parametrize("make", EVERY_KIND)
def test_a_loop_that_is_left_counts_the_items_whose_body_ended(make: Callable[[], Iterable[Any]]) -> None:
    """Leaving in the body of the third item leaves two done, and is told at once."""
    ends = Ends()
    iterator, counter = ends.count(make())
    for _ in range(3):
        next(iterator)
    del iterator
    assert ends.how == ["left"]
    assert counter.final(exhausted=False) == 2


@given(st.lists(st.integers()))
def test_a_counted_loop_gives_what_the_bare_one_gives(items: list[int]) -> None:
    """Values and order are the iterable's own, for lists and for generators."""
    for iterable in (items, tuple(items), (item for item in items)):
        ends = Ends()
        iterator, counter = ends.count(iterable)
        assert list(iterator) == items
        assert counter.final(exhausted=True) == len(items)


def test_nothing_is_fetched_before_it_is_asked_for() -> None:
    """A generator runs exactly as far as the loop does."""
    fetched = []

    def numbers() -> Iterator[int]:
        for number in range(10):
            fetched.append(number)
            yield number

    iterator, _ = Ends().count(numbers())
    assert fetched == []
    next(iterator)
    assert fetched == [0]


def test_an_exception_of_the_iterable_comes_through_unchanged() -> None:
    """The very same exception arrives in the loop, and the loop counts as left."""
    trouble = ValueError("row 3")

    def failing() -> Iterator[int]:
        yield 1
        raise trouble

    ends = Ends()
    iterator, _ = ends.count(failing())
    next(iterator)
    with pytest.raises(ValueError, match="row 3") as caught:
        next(iterator)
    assert caught.value is trouble
    del iterator, caught
    assert ends.how == ["left"]


def test_leaving_the_loop_closes_a_generator_as_a_bare_for_does() -> None:
    """Its `finally` has run when the next statement runs."""
    closed = []

    def careful() -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            closed.append(True)

    iterator, _ = Ends().count(careful())
    next(iterator)
    del iterator
    assert closed == [True]


def test_a_list_that_grows_in_the_body_is_counted_as_far_as_the_loop_went() -> None:
    """Items that the body appends are walked and counted."""
    items = [1, 2, 3]
    ends = Ends()
    iterator, counter = ends.count(items)
    for item in iterator:
        items += [item + 2] if item < 3 else []
    assert counter.final(exhausted=True) == len(items) == 5


def test_a_list_that_shrinks_in_the_body_is_never_counted_above_the_truth() -> None:
    """What is recorded is at most what the loop truly did."""
    items = list(range(10))
    ends = Ends()
    iterator, counter = ends.count(items)
    truly = 0
    for _ in iterator:
        assert counter.done() <= truly
        truly += 1
        items.pop()
    assert counter.final(exhausted=True) <= truly


def test_a_range_longer_than_a_machine_word_is_counted_too() -> None:
    """Its iterator gives no length hint, so it is counted item by item."""
    iterator, counter = Ends().count(range(2**70))
    for _ in range(4):
        next(iterator)
    assert counter.done() == 3
