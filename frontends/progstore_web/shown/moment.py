"""What ran at one moment, and how far each task was then: from its curve, or unknown where that cannot tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from progstore import Filter, Life, Store, TaskView
from progstore_web.charts import reached
from progstore_web.shown.task import points_of

TASKS_LIMIT = 300
"""Tasks that are listed."""
SESSIONS_LIMIT = 1000
"""Sessions whose tasks are looked through."""
INSTANT = 0.001
DRIFT = 2.0
"""Seconds by which a task's own clock may differ from the calendar's before its curve no longer tells the hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """A task and how much of it was done at that moment; None where nobody can know."""

    task: TaskView
    done: float | None

    @property
    def percent(self) -> float | None:
        """The same in percent of its total, where that is known."""
        if self.done is None or not self.task.total or self.task.total <= 0:
            return None
        return min(100.0, max(0.0, 100 * self.done / self.task.total))

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        task = self.task
        return {
            "session_id": task.session_id,
            "session_name": task.session_name,
            "task_id": task.id,
            "name": task.name,
            "host": task.host,
            "done_then": self.done,
            "percent_then": self.percent,
            "total": task.total,
            "unit": task.unit,
            "started_at": task.started_at,
            "ended_at": task.ended_at,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What ran then, the earliest start first; `more` where it is not all."""

    tasks: tuple[Then, ...]
    more: bool

    def to_dict(self) -> list[dict[str, Any]]:
        """As plain JSON."""
        return [each.to_dict() for each in self.tasks]


def read_moment(store: Store, at: float, now: float) -> Moment:
    """What ran at `at` (seconds UTC). Raises StoreError."""
    sessions = store.sessions(Filter(active_since=at, until=at + INSTANT), limit=SESSIONS_LIMIT)
    ids = tuple(session.id for session in sessions)
    if not ids or at > now:
        return Moment(tasks=(), more=False)
    found = store.tasks(Filter(session_ids=ids, active_since=at, until=at + INSTANT), limit=TASKS_LIMIT)
    ran = [Then(task=task, done=done_at(task, at)) for task in found if _ran(task, at)]
    return Moment(
        tasks=tuple(sorted(ran, key=lambda each: (each.task.started_at or 0.0, each.task.id))),
        more=found.next_cursor is not None or sessions.next_cursor is not None,
    )


def done_at(task: TaskView, at: float) -> float | None:
    """How much of the task was done at that moment, never more than its curve supports; None where it cannot tell."""
    if task.started_at is None or task.updated_at is None or task.simulated:
        return None
    if task.ended_at is None and at >= task.updated_at:
        return task.done
    # A machine that slept, or a clock that was set, leaves the two apart.
    if (
        task.ended_at is not None
        and task.duration is not None
        and abs(task.ended_at - task.started_at - task.duration) > max(DRIFT, 0.02 * task.duration)
    ):
        return None
    points = points_of(task)
    if points and points[0][0] > 0 and points[0][1] >= 0:
        points = ((0.0, 0.0), *points)
    done = reached(points, at - task.started_at)
    counts_whole = all(each == int(each) for _, each in points)
    return done if done is None or not counts_whole else float(int(done))


def _ran(task: TaskView, at: float) -> bool:
    """Whether it had not ended by then; what was lost ended with its last sign."""
    if task.verdict is not None and task.verdict.life is Life.LOST:
        return task.updated_at is not None and at <= task.updated_at
    return task.started_at is not None
