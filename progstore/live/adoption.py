"""Tasks of other processes: found in the store, shown beside one's own, and taken over."""

from __future__ import annotations

import os
import socket
import time

from progstore import clean, config
from progstore.errors import NotFound
from progstore.live.state import SessionState, TaskState
from progstore.live.stored import Stored
from progstore.live.views import view_of
from progstore.values import Status, TaskView


def views(session: SessionState, stored_session: Stored) -> dict[str, TaskView]:
    """The newest attempt of each root task: this process's own from memory, the others' from the store.

    Raises StoreError where another process's session cannot be read.
    """
    mine = {task.key: task for task in session.tasks.values() if not task.inert}
    stored = stored_session.newest_attempts(is_needed=session.joined)
    for key, view in stored.items():
        # Somebody else's by now; a task that this process is about to take over is still shown as theirs.
        if key in mine and not mine[key].taken and not _is_mine(view):
            mine.pop(key).give_away()
    return stored | {key: view_of(task) for key, task in mine.items()}


def own(session: SessionState, key: str) -> TaskState:
    """The task as one of this process; another process's is taken over with the next write.

    Raises NotFound, TypeError for a key that is no string, StoreError where the store cannot tell whose it is.
    """
    key = clean.text(key, "a task's key", clean.NAME_LIMIT)
    task = session.tasks.get(key)
    if task is not None and not task.inert:
        return task
    with Stored(session) as stored_session:
        stored = stored_session.newest_attempts(is_needed=session.joined or task is not None)
    if key not in stored:
        known = ", ".join(stored | session.tasks) or "none"
        raise NotFound(f"session {session.name!r} has no task {key!r}; it has {known}")
    task = session.tasks[key] = _adopt(session, stored[key])
    return task


def _is_mine(view: TaskView) -> bool:
    """Whether this process owns the task."""
    return view.pid == os.getpid() and view.host == socket.gethostname()


def _adopt(session: SessionState, view: TaskView) -> TaskState:
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
    task.status, task.message, task.message_kept = str(view.status), view.message, view.message
    task.advanced, task.failed = view.done, view.failed
    if view.status is not Status.PENDING:  # then it is none that anybody has said
        task.percent = view.percent
    task.started_at, task.ended_at, task.duration = view.started_at, view.ended_at, view.duration
    if view.started_at is not None:
        task.started_clock = time.monotonic() - max(0.0, time.time() - view.started_at)
    task.taken = view.ended_at is None
    if task.taken:
        task.happened("taken over", f"from process {view.pid} on {view.host}", always=True)
    return task
