"""What a worker process runs for several items at once; imports nothing, for each worker imports this."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, TypeVar

    Result = TypeVar("Result")


def run_chunk(fn: Callable[..., Result], chunk: Iterable[Sequence[Any]]) -> list[Result]:
    """`fn` of each tuple of arguments. Raises what it raises; the other results are lost then."""
    return [fn(*arguments) for arguments in chunk]
