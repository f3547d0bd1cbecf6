"""What a task's page shows: the task, its other attempts, what is nested in it, its events and its curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from progstore import EventView, Filter, NotFound, Store, TaskView
from progstore_web.charts import Axis, count_axis, finite, path, rates, time_axis

EVENTS_LIMIT = 200
"""Newest events that are shown."""
NESTED_LIMIT = 100
"""Nested tasks that are shown; all of them are had from the session's page."""
ATTEMPTS_LIMIT = 50
"""Attempts that are shown, the newest."""
HEIGHT = 100.0
STEPS = 80
"""Pieces of a curve of which each has a rate, at most."""

_ATTEMPTS = "SELECT id FROM v_tasks WHERE session_id = ? AND key = ? AND id <> ? ORDER BY attempt DESC LIMIT ?"
_OLDEST_SHOWN = "SELECT id FROM v_events WHERE task_id = ? ORDER BY id DESC LIMIT 1 OFFSET ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A task's curve as it is drawn: what is done over the seconds it took, and how quick it was."""

    done: str
    rate: str
    across: Axis
    up: Axis
    quickest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPage:
    """A task's page. `attempts` are the others under the same key, newest first; `events` are the newest."""

    task: TaskView
    parent: TaskView | None
    attempts: tuple[TaskView, ...]
    nested: tuple[TaskView, ...]
    more_nested: bool
    events: tuple[EventView, ...]
    earlier_events: bool

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """The curve, up to where the task is now."""
        return points_of(self.task)

    @property
    def curve(self) -> Curve | None:
        """The curve, where there is one to draw."""
        points = self.points
        if len(points) < 2 or points[-1][0] <= 0:
            return None
        pace = rates(_spaced(points))
        across = time_axis(points[-1][0])
        up = count_axis(max(done for _, done in points))
        return Curve(
            done=path(points, right=across.end, top=up.end, height=HEIGHT),
            rate=path(pace, right=across.end, height=HEIGHT),
            across=across,
            up=up,
            quickest=max((rate for _, rate in pace), default=0.0),
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it, as plain JSON."""
        return {
            **self.task.to_dict(),
            "attempts": [_named(task) for task in self.attempts],
            "nested": [_named(task) for task in self.nested],
            "more_nested": self.more_nested,
            "events": [event.to_dict() for event in self.events],
            "earlier_events": self.earlier_events,
        }


def points_of(task: TaskView) -> tuple[tuple[float, float], ...]:
    """A task's curve with where it is now, or was at its end, as the last point; empty where nothing was kept."""
    points = finite(task.curve)
    if not points or task.started_at is None:
        return ()
    seconds = task.duration
    if seconds is None and task.updated_at is not None:
        seconds = task.updated_at - task.started_at
    if seconds is not None and seconds > points[-1][0]:
        points.append((seconds, task.done))
    return tuple(points)


def _spaced(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points without those that come right after another, between which a rate says nothing."""
    least = points[-1][0] / STEPS
    kept = [points[0]]
    for point in points[1:]:
        if point[0] - kept[-1][0] >= least:
            kept.append(point)
    return kept


def read_task(store: Store, session_id: int, task_id: int) -> TaskPage:
    """The task's page as it stands. Raises NotFound where it is not of that session, StoreError."""
    task = store.task(task_id)
    if task.session_id != session_id:
        raise NotFound(f"there is no task {task_id} in session {session_id}; the session's page lists its tasks")
    others = store.query(_ATTEMPTS, (session_id, task.key, task.id, ATTEMPTS_LIMIT)).rows
    nested = store.tasks(Filter(parent_id=task.id), limit=NESTED_LIMIT)
    older = store.query(_OLDEST_SHOWN, (task.id, EVENTS_LIMIT)).rows
    return TaskPage(
        task=task,
        parent=None if task.parent_id is None else find_task(store, task.parent_id),
        attempts=tuple(store.task(int(number)) for (number,) in others),
        nested=tuple(sorted(nested, key=lambda each: each.id)),
        more_nested=nested.next_cursor is not None,
        events=store.events(task_id=task.id, after=int(older[0][0]) if older else 0, limit=EVENTS_LIMIT),
        earlier_events=bool(older),
    )


def find_task(store: Store, task_id: int) -> TaskView | None:
    """The task with that id; None where it is gone, though another one still names it. Raises StoreError."""
    try:
        return store.task(task_id)
    except NotFound:
        return None


def _named(task: TaskView) -> dict[str, Any]:
    """What tells another task apart."""
    whole = task.to_dict()
    return {key: whole[key] for key in ("id", "key", "name", "attempt", "status", "done", "total", "unit")}
