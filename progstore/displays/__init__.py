"""Displays: what draws live tasks in their own process: bars on terminals and in notebooks, log lines, or a package's.

Jobs' threads only begin and finish here. One thread per process draws all that is shown every 0.1 s.

A package adds a display by an entry point of the group `progstore.displays` that names a class, made without arguments
in the first drawing, which keeps the `Display` protocol. It is loaded only when somebody names it: `bar="rich"`.
"""

from __future__ import annotations

from progstore.displays.choice import bar
from progstore.displays.stage import stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Shown(Protocol):
        """What a display may read of a live task, at any time and from any thread; it changes meanwhile."""

        display: Any
        """Where the stage keeps how it is drawn; a display leaves it alone."""

        @property
        def name(self) -> str:
            """What it is called."""

        @property
        def unit(self) -> str:
            """What `done` and `total` count."""

        @property
        def parent(self) -> Shown | None:
            """The task it is nested in."""

        @property
        def done(self) -> float:
            """How many are done, never more than truly are."""

        @property
        def total(self) -> float | None:
            """How many there are to do, None where it is not known."""

        @property
        def failed(self) -> float:
            """How many of those done have failed."""

        @property
        def active(self) -> float:
            """How many are being worked on, where that is known."""

        @property
        def cancelled(self) -> float:
            """How many were given up."""

        @property
        def percent(self) -> float | None:
            """A percent that the job said directly, None where it said none."""

        @property
        def simulate_from(self) -> float | None:
            """The percent at which a simulation set out."""

        @property
        def simulate_until(self) -> float | None:
            """The percent that a simulation does not pass."""

        @property
        def simulate_since(self) -> float | None:
            """When it set out, seconds UTC; None where nothing is simulated."""

        @property
        def simulate_expected(self) -> float | None:
            """How long it is expected to take, in seconds."""

        @property
        def message(self) -> str:
            """What goes on, or why it was cancelled."""

        @property
        def status(self) -> str:
            """`running`, or how it ended: `complete`, `error`, `cancelled`."""

        @property
        def error_type(self) -> str | None:
            """The class of the exception that ended it."""

        @property
        def error(self) -> str | None:
            """What that exception said."""

        @property
        def elapsed(self) -> float:
            """Seconds since the start, or from start to end."""

        @property
        def is_live(self) -> bool:
            """Whether it has begun and not ended."""

    class Display(Protocol):
        """What draws tasks. One instance serves a process; its methods are never called at the same time.

        `open` and `draw` are called in the drawing thread, `close` in the job's thread or at the end of the process. A
        nested task that ends before it was ever drawn is not shown at all. A display that raises is warned of and not
        called again.
        """

        def open(self, subject: Shown) -> None:
            """Begin to show it. What ended very soon may be opened and closed in one go."""

        def draw(self, subject: Shown) -> None:
            """Show how it stands now; called every 0.1 s from its opening to its end. Must not wait for anything."""

        def close(self, subject: Shown) -> None:
            """It has ended, or the process ends: show the final state, before this returns."""


def begin(subject: Shown, choice: bool | str | Display) -> None:
    """Show a task from now on; costs microseconds, for a thread draws it.

    `choice` is False for not at all, True for a bar, "auto" for one in notebooks and on terminals and for log lines
    elsewhere, a display's name, or a display that draws this task alone. A name that nobody knows is warned of, and
    "auto" taken.
    """
    if choice is False:
        return
    if choice is True:
        stage.show(subject, bar())
    elif isinstance(choice, str):
        stage.show(subject, choice)
    else:
        stage.show(subject, type(choice).__name__, choice)


def finish(subject: Shown) -> None:
    """It has ended: draw the final state before what is printed next. Log lines come a moment later."""
    if subject.display is not None:
        stage.finish(subject)


def is_drawing() -> bool:
    """Whether a display is at work in this very thread: the bars that it makes are drawings, not work of their own."""
    return stage.is_drawing()
