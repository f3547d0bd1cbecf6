"""What is told to who started a job and asks how far it is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from progstore import Life, NotFound, SessionView, Status, TaskView
from progstore.wording import failure
from progstore_web.wording import state

KEY = "job"
"""Among the session's metadata the name of the job; the key of its root task."""
UNKNOWN = "Invalid process key."
ALMOST = 99.9
"""The most that is told of a job that has not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """How a started job stands.

    `percent` has one decimal, rounded down, and is null where nobody knows: of the job's own task, or, where that
    counts nothing, of the only loop in it. `done` says that nothing more will come, `error` what it failed of.
    `stoppable` says that it ends when it is asked to.
    """

    id: int
    name: str
    state: str
    percent: float | None
    done: bool
    message: str
    error: str | None
    stoppable: bool
    stop_requested_at: float | None
    started_at: float | None
    ended_at: float | None


def job_state(session: SessionView) -> JobState:
    """How the job stands that this session is a run of. Raises NotFound where it is none."""
    root = next((task for task in session.tasks if task.key == KEY), None)
    name = session.meta.get(KEY)
    if root is None or not isinstance(name, str):
        raise NotFound(UNKNOWN)
    is_lost = session.verdict is not None and session.verdict.life is Life.LOST
    return JobState(
        id=session.id,
        name=name,
        state=state(session).word,
        percent=_percent(session, root),
        done=is_lost or root.status.is_terminal,
        message=root.message,
        error=(session.verdict.reason if session.verdict and is_lost else failure(root)) or None,
        stoppable=heeds(session, session.tasks),
        stop_requested_at=session.stop_requested_at,
        started_at=session.started_at,
        ended_at=session.ended_at or root.ended_at,
    )


def heeds(session: SessionView, tasks: Iterable[TaskView]) -> bool:
    """Whether being asked to stop ends something that goes on in it, or a job that has not begun yet."""
    waits = session.status is Status.PENDING and KEY in session.meta
    return waits or any(task.stoppable for task in tasks)


def can_stop(session: SessionView, tasks: Iterable[TaskView]) -> bool:
    """Whether there is any use in asking it to stop: that ends something, and it was not asked before."""
    return session.stop_requested_at is None and heeds(session, tasks)


def is_stopping(session: SessionView) -> bool:
    """Whether it was asked to stop, and has not ended yet."""
    return session.stop_requested_at is not None and session.status in (Status.PENDING, Status.RUNNING)


def _percent(session: SessionView, root: TaskView) -> float | None:
    percent = root.percent
    if percent is None:
        inside = [task for task in session.tasks if task.parent_id == root.id]
        percent = inside[0].percent if len(inside) == 1 else None
    if percent is None:
        return None
    tenths = math.floor(percent * 10 + 1e-6) / 10
    return tenths if root.status.is_terminal else min(tenths, ALMOST)
