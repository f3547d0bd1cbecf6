"""Live tasks as the same frozen values that readers of a store get, so that a callback or a dict needs no database."""

from __future__ import annotations

import json
import os
import socket
import time

from progstore.insight.easing import drawn_message, percent_now
from progstore.live.state import TaskState
from progstore.values import Life, Status, TaskView, Verdict


def view_of(task: TaskState) -> TaskView:
    """The task as it is now; ids of the store are 0, for it need not be stored."""
    status = Status(task.status)
    percent, simulated = percent_of(task)
    message = task.message
    if simulated and percent is not None:
        message = drawn_message(message, percent, late=_drawn(task)[1] and task.ended_at is None)
    rate = task.done / task.elapsed if task.elapsed > 0 and task.done > 0 else None
    total = task.total  # once, for the job may change it meanwhile
    left = None if total is None else max(0.0, total - task.done)
    return TaskView(
        id=0,
        key=task.key,
        name=task.name,
        session_id=0,
        session_name=task.session.name,
        parent_id=None,
        status=status,
        verdict=Verdict(life=Life.ALIVE, reason="it is this process") if status is Status.RUNNING else None,
        done=task.done,
        total=total,
        failed=task.failed,
        active=task.active,
        cancelled=task.cancelled,
        unit=task.unit,
        percent=percent,
        simulated=simulated,
        rate=rate,
        eta=time.time() + left / rate if rate and left is not None and status is Status.RUNNING else None,
        message=message,
        error_type=task.error_type,
        error=task.error,
        traceback=task.traceback,
        attempt=task.attempt,
        started_at=task.started_at,
        updated_at=time.time(),
        ended_at=task.ended_at,
        duration=task.duration,
        host=socket.gethostname(),
        pid=os.getpid(),
        reported_percent=task.percent,
        meta={key: json.loads(value) for key, value in list(task.meta.items())},
    )


def percent_of(task: TaskState) -> tuple[float | None, bool]:
    """The percent of a live task, and whether it is drawn from the clock."""
    if task.status == "complete":
        return 100.0, False
    if task.simulate_since is not None:
        return _drawn(task)[0], True
    if task.percent is not None:
        return task.percent, False
    if total := task.total:  # once, for the job may change it meanwhile
        return min(100.0, max(0.0, 100.0 * task.done / total)), False
    return (0.0, False) if task.status == "pending" else (None, False)


def _drawn(task: TaskState) -> tuple[float, bool]:
    """The percent by the clock, which stops with the task, and whether the task is late."""
    return percent_now(
        start=task.simulate_from or 0.0,
        until=task.simulate_until or 0.0,
        since=task.simulate_since or 0.0,
        expected=task.simulate_expected,
        now=task.ended_at or time.time(),
        late_after=task.simulate_late_after,
    )
