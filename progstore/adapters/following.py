"""A bar of tqdm's as the recorder sees it: how it stands is looked up in the bar, so that its user pays nothing."""

from __future__ import annotations

from typing import Protocol
from weakref import ref

from tqdm.utils import RE_ANSI

from progstore import clean
from progstore.live.state import TaskState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from progstore.displays import Shown


class Bar(Protocol):
    """A bar that can be followed."""

    def progstore_redraw(self) -> None:
        """Draw it, if something has moved."""

    def progstore_count(self) -> object:
        """How many are done, as far as the bar knows."""

    def progstore_final_count(self, *, exhausted: bool) -> object:
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
        self._total: object = getattr(bar, "total", None)
        self._unit: object = getattr(bar, "unit", None)
        self._desc: object = getattr(bar, "desc", None)
        self._postfix: object = None

    def is_ending(self, bar: Bar) -> None:
        """Look once more at the bar: where the garbage collector ends it, it has taken our reference away before."""
        self._bar = ref(bar)

    def done(self) -> float:
        """What the bar counts; total, unit and message of the task are taken over on the way."""
        bar = self._bar()
        if bar is not None:
            self._look(bar)
            self._last = number(bar.progstore_count(), self._last)
        return self._last

    def final(self, exhausted: bool) -> float:
        """What the bar counted when it, or the loop over it, ended."""
        bar = self._bar()
        if bar is None:
            return self._last
        self._look(bar)
        return number(bar.progstore_final_count(exhausted=exhausted), self._last)

    def _look(self, bar: Bar) -> None:
        """Take over what was changed in the bar, and only that: the task may have been told other things."""
        state = self._state
        total, unit, desc, postfix = (getattr(bar, name, None) for name in ("total", "unit", "desc", "postfix"))
        if total is not self._total:
            self._total = total
            state.total, state.total_source = total_of(total), "given"
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
        self._bar = ref(bar)  # its loop keeps it alive; where that is let go of in a cycle, we are not to hold it

    def open(self, subject: Shown) -> None:
        """The bar has drawn its first line already."""

    def draw(self, subject: Shown) -> None:  # noqa: ARG002  # it has one subject
        """Let the bar draw itself."""
        bar = self._bar()
        if bar is not None:
            bar.progstore_redraw()

    def close(self, subject: Shown) -> None:
        """The bar draws its last line, too."""


# What a bar is given may be anything, and what it raises when it is looked at belongs to the program, not to us.


def plain(value: object) -> str:
    """What a description, postfix or unit says, without colours and the colon behind it; nothing for what says none."""
    try:
        text = "" if value is None else RE_ANSI.sub("", str(value)).strip().removesuffix(":").strip()
    except Exception:  # noqa: BLE001  # see above
        return ""
    return clean.text(text, "text")


def total_of(value: object) -> float | None:
    """A total of tqdm's; None for what cannot be one."""
    try:
        return clean.total(value)
    except Exception:  # noqa: BLE001  # see above
        return None


def number(value: object, otherwise: float) -> float:
    """A count of tqdm's; `otherwise` for what cannot be one."""
    try:
        return clean.count(value, "n")
    except Exception:  # noqa: BLE001  # see above
        return otherwise
