"""Which display draws: one of ours or of a package, by its name, or what suits where nobody chose."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from progstore.displays import Display, Shown

GROUP: Final = "progstore.displays"
"""The entry-point group of displays."""
BAR: Final = "tqdm"
LINES: Final = "log"
NOTEBOOK: Final = "notebook"
AUTO: Final = "auto"


def is_nested(subject: Shown) -> bool:
    """Whether a task around it is shown too."""
    around = subject.parent
    while around is not None:
        if around.display is not None:
            return True
        around = around.parent
    return False


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel, which shows HTML; nothing is imported to find out."""
    shells = sys.modules.get("IPython.core.interactiveshell")
    if shells is None:
        return False
    try:
        shell = shells.InteractiveShell._instance  # noqa: SLF001  # `instance()` would make one
        # Only a kernel's shell has one. What a forked child of it sends does not reach the notebook.
        is_kernel = getattr(shell, "kernel", None) is not None
        return is_kernel and getattr(getattr(shell.display_pub, "session", None), "pid", None) in (None, os.getpid())
    except Exception:  # noqa: BLE001  # half imported, or another package of that name
        return False


def bar() -> str:
    """The display that draws bars here: as HTML in a notebook, else on the terminal."""
    return NOTEBOOK if in_notebook() else BAR


def automatic() -> str:
    """The display where nobody chose one: bars in a notebook and on a terminal, log lines elsewhere."""
    if in_notebook():
        return NOTEBOOK
    try:
        return BAR if sys.stderr.isatty() else LINES
    except Exception:  # noqa: BLE001  # what stands in for stderr may be None, closed, or have no such method
        return LINES


def load(name: str) -> Display | None:
    """A new display of that name; None, with a warning, where there is none."""
    if name == BAR:
        from progstore.displays.bars import Bars

        return Bars()
    if name == LINES:
        from progstore.displays.lines import Lines

        return Lines()
    if name == NOTEBOOK:
        from progstore.displays.notebook import NotebookBars

        return NotebookBars()
    from importlib.metadata import entry_points

    points = {point.name: point for point in entry_points(group=GROUP)}
    if name in points:
        made: Display = points[name].load()()
        return made
    known = ", ".join(sorted({BAR, LINES, NOTEBOOK, *points}))
    warn("no display %r is installed, going on with 'auto'; there are: %s", name, known)
    return None


def warn(message: str, *details: object) -> None:
    """Say what went wrong with a display. Where not even stderr can be written, there is no place to say it."""
    from contextlib import suppress  # only trouble pays for it

    from progstore import trouble

    with suppress(Exception):
        trouble.warn(message, *details)
