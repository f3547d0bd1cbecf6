"""What a worker process runs in place of a function; imports next to nothing, for each worker imports this."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, TypeVar

    from progstore.live.context import Place
    from progstore.live.state import TaskState

    Result = TypeVar("Result")


def run_chunk(fn: Callable[..., Result], chunk: Iterable[Sequence[Any]]) -> list[Result]:
    """`fn` of each tuple of arguments. Raises what it raises; the other results are lost then."""
    return [fn(*arguments) for arguments in chunk]


def carried(fn: Callable[..., Any], task: TaskState) -> Callable[..., Any]:
    """`fn` such that what it tracks in another process joins the session of `task`, if that is recorded."""
    session = task.session
    return _Carried((session.uid, session.name, session.store), fn) if task.record else fn


class _Carried:
    """A function, pickled together with the session that it was sent from."""

    def __init__(self, place: Place, fn: Callable[..., Any]) -> None:
        self._place = place
        self._fn = fn

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from progstore.live import context

        before = context.sent_from.set(self._place)
        try:
            return self._fn(*args, **kwargs)
        finally:
            context.sent_from.reset(before)
