"""Counting a loop without slowing it: iterators made of C parts, whose count is read from outside.

What was fetched is one ahead of what is done, for the body still works on the last item: done is fetched - 1 until the
end. Mutable containers lie about their length while they change, so a hint is trusted only for ranges and strings.
"""

from __future__ import annotations

from itertools import chain, compress, repeat
from operator import length_hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Protocol

    class Counter(Protocol):
        """Reads how far a loop has come."""

        def done(self) -> float:
            """Items whose body has ended, as far as can be told from outside."""

        def final(self, exhausted: bool) -> float:
            """Items that the loop worked through, asked when it was `exhausted` or left before."""


MOST = 2**62
"""Items that can be counted of one loop; no loop gets there."""


def counted(
    iterable: Iterable[Any], on_end: Callable[[], None], on_left: Callable[[], None]
) -> tuple[Iterator[Any], Counter]:
    """An iterator over `iterable` that is counted. `on_end` is called when it is exhausted, `on_left` when it is let
    go before.

    Raises whatever `iter(iterable)` raises.
    """
    end = _End(on_end, on_left)
    kind = type(iterable)
    # Exactly these types: a subclass may iterate in its own way.
    if kind is list or kind is tuple:
        items = iter(iterable)
        return chain(items, end), _IndexCounter(items, iterable)
    if kind is str or (kind is range and _fits(iterable)):
        items = iter(iterable)
        return chain(items, end), _HintCounter(items)
    # Handing out one and the same True is cheaper than counting upwards, which makes a new int per item.
    ticks = repeat(True, MOST)
    return compress(chain(iterable, end), ticks), _HintCounter(ticks)


class _End:
    """Stands behind the last item: asked for the next one, the loop is exhausted; let go unasked, it was left early."""

    __slots__ = ("_on_end", "_on_left")

    def __init__(self, on_end: Callable[[], None], on_left: Callable[[], None]) -> None:
        self._on_end: Callable[[], None] | None = on_end
        self._on_left = on_left

    def __iter__(self) -> _End:
        return self

    def __next__(self) -> Any:
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end()
        raise StopIteration

    def __del__(self) -> None:
        if self._on_end is not None:
            self._on_left()


class _IndexCounter:
    """Lists and tuples: their iterator knows its index, whatever happens to the list."""

    def __init__(self, items: Any, container: Any) -> None:
        self._items = items
        self._container = container
        self._fetched = 0

    def done(self) -> float:
        return max(0, self._seen() - 1)

    def final(self, exhausted: bool) -> float:
        if exhausted:
            # The index is gone with the end; the loop got at least as far as the list is long now.
            return max(self._fetched, len(self._container))
        return self.done()

    def _seen(self) -> int:
        state = self._items.__reduce__()
        if len(state) == 3:
            self._fetched = state[2]
        return self._fetched


class _HintCounter:
    """What takes from a supply that tells how much is left: a range, a string, or ticks."""

    def __init__(self, supply: Any) -> None:
        self._supply = supply
        self._length = length_hint(supply)

    def done(self) -> float:
        return max(0, self._length - length_hint(self._supply) - 1)

    def final(self, exhausted: bool) -> float:
        return self._length - length_hint(self._supply) if exhausted else self.done()


def _fits(items: Any) -> bool:
    """Whether a range's length fits a machine word; beyond, its iterator gives no hint."""
    try:
        len(items)
    except OverflowError:
        return False
    return True
