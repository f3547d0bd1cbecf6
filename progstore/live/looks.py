"""How sessions and tasks stand at one moment, so that only what has changed since is written."""

from __future__ import annotations

from typing import NamedTuple

from progstore.live.state import SessionState, TaskState


class SessionLook(NamedTuple):
    """What may change of a session, as it was at one moment."""

    ended_at: float | None
    end_status: str | None
    name: str
    message: str


class TaskLook(NamedTuple):
    """What may change of a task, as it was at one moment."""

    ended_at: float | None
    status: str
    done: float
    total: float | None
    failed: float
    active: float
    cancelled: float
    percent: float | None
    message: str
    simulate_since: float | None
    simulate_until: float | None

    @property
    def rests(self) -> bool:
        """Whether it has ended, or waits to be begun."""
        return self.ended_at is not None or self.status == "pending"


def look_at_session(session: SessionState) -> SessionLook:
    """How the session stands now."""
    return SessionLook(session.ended_at, session.end_status, session.name, session.message)


def look_at_task(task: TaskState) -> TaskLook:
    """How the task stands now; one that has ended with all that was counted until then."""
    # The end first: whatever is read after an end was seen is final.
    ended_at = task.ended_at
    return TaskLook(
        ended_at,
        task.status if ended_at is not None else "running" if task.started_at is not None else "pending",
        task.done,
        task.total,
        task.failed,
        task.active,
        task.cancelled,
        task.percent,
        task.message,
        task.simulate_since,
        task.simulate_until,
    )
