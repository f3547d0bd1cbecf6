"""The terminal frontend: `progstore top`, and bars drawn by rich for `track(..., bar="rich")` or PROGSTORE_BAR=rich."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    from progstore_term.display import RichDisplay

__all__ = ["RichDisplay", "frontend"]


class TermFrontend:
    """How the command line finds the board; nothing heavy is imported before the command runs."""

    name = "term"
    summary = "What runs, live in a terminal."

    def commands(self) -> Sequence[click.Command]:
        """The commands that join the command line: `top`."""
        from progstore_term.command import top

        return (top,)


frontend = TermFrontend()


def __getattr__(name: str) -> Any:
    if name != "RichDisplay":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from progstore_term.display import RichDisplay
    except ModuleNotFoundError as error:
        from progstore import MissingExtra

        raise MissingExtra(f'bar="rich" needs {error.name}: pip install "progstore[term]"') from error
    return RichDisplay
