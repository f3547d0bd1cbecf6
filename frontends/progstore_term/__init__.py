"""The terminal frontend: bars drawn by rich, for `track(..., bar="rich")` or PROGSTORE_BAR=rich."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from progstore_term.display import RichDisplay

__all__ = ["RichDisplay"]


def __getattr__(name: str) -> Any:
    if name != "RichDisplay":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from progstore_term.display import RichDisplay
    except ModuleNotFoundError as error:
        from progstore import MissingExtra

        raise MissingExtra(f'bar="rich" needs {error.name}: pip install "progstore[term]"') from error
    return RichDisplay
