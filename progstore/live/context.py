"""Where the running code stands: the innermost live task and the session of this thread or asyncio task."""

from __future__ import annotations

from _contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from progstore.live.state import SessionState, TaskState

    Stack = tuple[TaskState, "Stack"] | None
    Place = tuple[str, str, str | None]
    """A session as it is told to another process: uid, name and store."""

_tasks: ContextVar[Stack] = ContextVar("progstore_tasks", default=None)
session: ContextVar[SessionState | None] = ContextVar("progstore_session", default=None)
sent_from: ContextVar[Place | None] = ContextVar("progstore_sent_from", default=None)
"""Where the work comes from that this worker process has in hand, as far as it was told."""


def enter(task: TaskState) -> None:
    """From here on `task` is the innermost one; it ceases to be when it ends, wherever that happens."""
    _tasks.set((task, _live(_tasks.get())))


def innermost() -> TaskState | None:
    """The innermost live task, or None."""
    stack = _live(_tasks.get())
    return stack[0] if stack else None


def _live(stack: Stack) -> Stack:
    # Ended tasks are passed over rather than taken out: a loop may end in another thread than it began in.
    while stack is not None and (stack[0].ended_at is not None or stack[0].inert):
        stack = stack[1]
    return stack
