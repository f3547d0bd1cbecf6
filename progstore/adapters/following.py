"""A bar of tqdm's as the recorder sees it: how it stands is looked up in the bar, so that its user pays nothing."""

from __future__ import annotations

from typing import Protocol
from weakref import ref

from tqdm.utils import RE_ANSI

from progstore import clean
from progstore.errors import BadValue
from progstore.live.state import TaskState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from progstore.displays import Shown


class Bar(Protocol):
    """A bar that can be followed."""

    total: float | None

    def redraw(self) -> None:
        """Draw it, if something has moved."""

    def count(self) -> object:
        """How many are done, as far as the bar knows."""

    def final_count(self, *, exhausted: bool) -> object:
        """How many were done when it ended."""


class Follower:
    """The counter of a task that is a bar.

    The bar may be changed in any way that tqdm allows, also by setting its `n` and `total`; whatever it is set to, no
    error comes of looking.
    """

    def __init__(self, bar: Bar, state: TaskState) -> None:
        self._bar = ref(bar)  # not to keep it alive: letting go of a bar closes it
        self._state = state
        self._last: float = 0
        self._total: object = bar.total
        self._unit: object = getattr(bar, "unit", None)
        self._desc: object = getattr(bar, "desc", None)
        self._postfix: object = None

    def done(self) -> float:
        """What the bar counts; total, unit and message of the task are taken over on the way."""
        bar = self._bar()
        if bar is not None:
            self._look(bar)
            self._last = number(bar.count(), self._last)
        return self._last

    def final(self, exhausted: bool) -> float:
        """What the bar counted when it, or the loop over it, ended."""
        bar = self._bar()
        if bar is None:
            return self._last
        self._look(bar)
        return number(bar.final_count(exhausted=exhausted), self._last)

    def _look(self, bar: Bar) -> None:
        """Take over what was changed in the bar, and only that: the task may have been told other things."""
        state = self._state
        if bar.total is not self._total:
            self._total = bar.total
            state.total, state.total_source = total_of(bar.total), "given"
        unit, desc, postfix = (getattr(bar, name, None) for name in ("unit", "desc", "postfix"))
        if unit is not self._unit:
            self._unit = unit
            state.unit = plain(unit)
        if desc is not self._desc or postfix is not self._postfix:
            self._desc, self._postfix = desc, postfix
            said = [part for part in (plain(desc), plain(postfix)) if part not in ("", state.name)]
            state.message = ", ".join(said)


class Frames:
    """The display of a bar that draws itself: it only tells it when."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar

    def open(self, subject: Shown) -> None:
        """The bar has drawn its first line already."""

    def draw(self, subject: Shown) -> None:  # noqa: ARG002  # it has one subject
        """Let the bar draw itself."""
        self._bar.redraw()

    def close(self, subject: Shown) -> None:
        """The bar draws its last line, too."""


def plain(value: object) -> str:
    """What a description, postfix or unit says, without colours and the colon behind it."""
    text = "" if value is None else RE_ANSI.sub("", str(value)).strip().removesuffix(":").strip()
    return clean.text(text, "text")


def total_of(value: object) -> float | None:
    """A total of tqdm's, which may be anything; None for what cannot be one."""
    try:
        return clean.total(value)
    except (TypeError, BadValue):
        return None


def number(value: object, otherwise: float) -> float:
    """A count of tqdm's, which may be anything; `otherwise` for what cannot be one."""
    try:
        return clean.count(value, "n")
    except (TypeError, BadValue):
        return otherwise
