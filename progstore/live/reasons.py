"""Why work ended that was not done: words for it, and what an exception means."""

from __future__ import annotations

from progstore import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from progstore.live.state import TaskState

LEFT_EARLY: Final = "left early"
"""Why a loop is cancelled that was left without an explanation."""
STOP_REQUESTED: Final = "stop requested"
"""Why a task is cancelled that ended because its session was asked to stop."""


def is_stopped(task: TaskState) -> bool:
    """Whether the task, which ends now by itself, ends because it was asked to: it saw that, and had more to do."""
    return task.saw_stop and (task.total is None or task.done < task.total)


def why_left(task: TaskState) -> str:
    """Why a loop is cancelled that was left before its end."""
    return STOP_REQUESTED if is_stopped(task) else LEFT_EARLY


def interruption(error: BaseException) -> str | None:
    """Why work was given up, where `error` is no failure but a request to stop; None where it is a failure."""
    if isinstance(error, Exception):
        return None
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, GeneratorExit):
        return LEFT_EARLY
    return failure_text(error)


def failure_text(error: BaseException) -> str:
    """An exception in one line, as the interpreter says it, fit to be stored."""
    said = clean.shorten(clean.printable(text_of(error)), clean.MESSAGE_LIMIT)
    return f"{type(error).__qualname__}: {said}" if said else type(error).__qualname__


def text_of(error: BaseException) -> str:
    """What the exception says of itself."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # a user's __str__ may raise anything, and must not replace the user's error
        return f"<{type(error).__qualname__} whose text cannot be had>"
