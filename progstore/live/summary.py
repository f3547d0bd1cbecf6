"""What a progress dialog shows of a session: four words of status, whole percents, a message for each task."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from progstore.insight.easing import completing_percent
from progstore.values import Json, Life, Status, TaskView

WAITING = "Waiting..."
COMPLETING = "Completing..."


class Shown(NamedTuple):
    """One task as it is shown; `status` is pending, running, complete or error."""

    name: str
    percent: float
    message: str
    status: Status

    def to_dict(self) -> dict[str, Json]:
        """The task with its percent as a whole number."""
        return {
            "message": self.message,
            "name": self.name,
            "percent": math.floor(self.percent),
            "status": str(self.status),
        }


def shown(task: TaskView, now: float) -> Shown:
    """The task at `now` (seconds UTC): a completed one runs up to 100 first, one that was cancelled or lost is an
    error.
    """
    percent = task.percent or 0.0
    if task.status is Status.PENDING:
        return Shown(task.name, percent, task.message or WAITING, Status.PENDING)
    if task.status is Status.COMPLETE:
        reached = completing_percent(_percent_at_end(task), now - (task.ended_at or now))
        if reached < 100:
            return Shown(task.name, reached, COMPLETING, Status.RUNNING)
        return Shown(task.name, 100.0, task.message or f"{task.name} complete", Status.COMPLETE)
    if task.status is Status.RUNNING and (task.verdict is None or task.verdict.life is not Life.LOST):
        return Shown(task.name, percent, task.message, Status.RUNNING)
    reason = str(task.verdict) if task.verdict is not None else f"{task.name} failed"
    return Shown(task.name, percent, task.error or task.message or reason, Status.ERROR)


class Summary(NamedTuple):
    """A session as it is shown."""

    uid: str
    status: Status
    tasks: dict[str, Shown]

    @property
    def overall_percent(self) -> int:
        """The mean of the tasks' percents, floored; 0 without tasks."""
        return overall_percent(self.tasks.values())

    def to_dict(self) -> dict[str, Json]:
        """As `Session.to_dict` tells it."""
        return {
            "overall_percent": self.overall_percent,
            "session_id": self.uid,
            "status": str(self.status),
            "tasks": {key: task.to_dict() for key, task in self.tasks.items()},
        }


def overall_percent(tasks: Iterable[Shown]) -> int:
    """The mean of the tasks' percents, floored; 0 without tasks."""
    percents = [task.percent for task in tasks]
    return math.floor(sum(percents) / len(percents)) if percents else 0


def overall_status(tasks: Iterable[Shown]) -> Status:
    """Error if any is, complete if all are, running if any is, else pending, as without tasks."""
    found = {task.status for task in tasks}
    if Status.ERROR in found:
        return Status.ERROR
    if found == {Status.COMPLETE}:
        return Status.COMPLETE
    return Status.RUNNING if Status.RUNNING in found else Status.PENDING


def _percent_at_end(task: TaskView) -> float:
    """How far it had come when it completed; what counted to its total had come all the way."""
    if task.reported_percent is not None:
        return task.reported_percent
    return 100.0 if task.done > 0 else 0.0
