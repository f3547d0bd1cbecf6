"""Tasks of other processes: found in the store, shown beside one's own, and taken over."""

from __future__ import annotations

import os
import socket
import time

from progstore import config
from progstore.errors import NotFound, StoreError
from progstore.live.state import SessionState, TaskState
from progstore.values import TaskView


def newest_attempts(session: SessionState) -> dict[str, TaskView]:
    """The newest attempt of each root task of the session as the store has it; none where it cannot be read yet."""
    from progstore.store.store import open_store  # which imports SQLAlchemy; a session that is only written need not

    try:
        with open_store(session.store) as opened:
            tasks = opened.session(session.uid).tasks
    except (NotFound, StoreError):
        return {}  # not written yet, or not to be had: what is known in this process is shown
    newest: dict[str, TaskView] = {}
    for task in tasks:
        if task.parent_id is None and (task.key not in newest or task.attempt > newest[task.key].attempt):
            newest[task.key] = task
    return newest


def is_mine(view: TaskView) -> bool:
    """Whether this process owns the task."""
    return view.pid == os.getpid() and view.host == socket.gethostname()


def adopt(session: SessionState, view: TaskView) -> TaskState:
    """A task of another process, as this one goes on with it."""
    task = TaskState(
        session,
        view.name,
        key=view.key,
        unit=view.unit,
        total=view.total,
        total_source=None if view.total is None else "given",
        record=config.setting("record"),
        interval=config.setting("interval"),
    )
    task.attempt, task.attempt_is_known = view.attempt, True
    task.status, task.message = str(view.status), view.message
    task.advanced, task.failed, task.percent = view.done, view.failed, view.percent
    task.started_at, task.ended_at, task.duration = view.started_at, view.ended_at, view.duration
    if view.started_at is not None:
        task.started_clock = time.monotonic() - max(0.0, time.time() - view.started_at)
    task.taken = view.ended_at is None
    if task.taken:
        task.happened("taken over", f"from process {view.pid} on {view.host}", always=True)
    return task
