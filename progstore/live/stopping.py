"""Being asked to stop: the sign that a session's loops look at.

The recorder's thread sets the sign (see `listener`); the job only ever looks at it.
"""

from __future__ import annotations

from operator import itemgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Final

STOPPABLE: Final = "stoppable"
"""Metadata key of a task: it ends when it is asked to."""

_SET: Final = 2


class StopSign:
    """Whether a session was asked to stop."""

    __slots__ = ("_signs",)

    def __init__(self) -> None:
        # As the length of a list, for that is something that an iterator of C can wait for.
        self._signs = [None]

    @property
    def is_set(self) -> bool:
        """Whether it was."""
        return len(self._signs) >= _SET

    def set(self) -> None:
        """It was; that is not taken back."""
        if not self.is_set:
            self._signs.append(None)

    def until(self, items: Iterable[Any]) -> Iterator[Any]:
        """The items until the sign is set; it is looked at before each one is fetched, so that none is lost.

        All of it is C: it costs a loop some 50 ns an item. Raises whatever `iter(items)` raises.
        """
        return map(itemgetter(1), zip(iter(self._signs.__len__, _SET), items))  # noqa: B905  # the sign ends it
