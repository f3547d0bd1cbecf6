"""Tables of sessions and of tasks: which columns, in what words."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from progstore.cli.look import Look
from progstore.cli.table import Column
from progstore.cli.text import duration, items, local_time, one_line, utc_time
from progstore.values import Filter, SessionView, Status, TaskView
from progstore.wording import SIGNS, state

if TYPE_CHECKING:
    from progstore.store.store import Store

CHUNK = 1000
"""Sessions, and tasks, that are asked for at a time."""
CSV_TITLES = (
    "id",
    "uid",
    "name",
    "status",
    "percent",
    "tasks",
    "started_at",
    "ended_at",
    "seconds",
    "host",
    "pid",
    "message",
)


def csv_row(view: SessionView) -> tuple[Any, ...]:
    """A session as a row under `CSV_TITLES`; times are UTC."""
    return (
        view.id,
        view.uid,
        view.name,
        str(state(view)),
        view.overall_percent,
        sum(view.counts.values()),
        utc_time(view.started_at),
        utc_time(view.ended_at),
        view.duration,
        view.host,
        view.pid,
        view.message,
    )


def single_tasks(store: Store, sessions: Sequence[SessionView]) -> Mapping[int, TaskView]:
    """The task of each session that has only one, by session id: its items say more than a count of tasks."""
    alone = [view.id for view in sessions if sum(view.counts.values()) == 1]
    found: dict[int, TaskView] = {}
    for start in range(0, len(alone), CHUNK):
        for task in _tasks_of(store, tuple(alone[start : start + CHUNK])):
            if task.session_id not in found or found[task.session_id].attempt < task.attempt:
                found[task.session_id] = task
    return found


def session_columns(sessions: Sequence[SessionView], tasks: Mapping[int, TaskView], look: Look) -> list[Column]:
    """The table of `ls`."""
    percents = [_session_percent(view, tasks.get(view.id)) for view in sessions]
    return [
        Column(title="id", cells=[str(view.id) for view in sessions], right=True),
        _status_column(sessions, look),
        Column(title="name", cells=[one_line(view.name) for view in sessions], least=12),
        *_progress_columns(percents, look),
        Column(
            title="items", cells=[_session_items(view, tasks.get(view.id)) for view in sessions], right=True, drop=3
        ),
        Column(title="took", cells=[took(view) for view in sessions], right=True, drop=1),
        Column(
            title="started", cells=[local_time(view.started_at, full=not look.terminal) for view in sessions], drop=2
        ),
        Column(title="host", cells=[one_line(view.host) for view in sessions], least=8, drop=5),
    ]


def task_columns(tasks: Sequence[tuple[str, TaskView]], look: Look) -> list[Column]:
    """The table of tasks in `show`; each comes with what stands before its name, the branches of the tree."""
    views = [task for _, task in tasks]
    return [
        Column(title="id", cells=[f"{task.session_id}/{task.id}" for task in views], right=True),
        _status_column(views, look),
        Column(title="task", cells=[branch + one_line(task.name) for branch, task in tasks], least=12),
        *_progress_columns([percent(task) for task in views], look),
        Column(title="items", cells=[items(task.done, task.total, task.unit) for task in views], right=True, drop=2),
        Column(title="failed", cells=[items(task.failed, None) if task.failed else "" for task in views], right=True),
        Column(title="took", cells=[took(task) for task in views], right=True, drop=1),
        Column(title="message", cells=[one_line(task.error or task.message) for task in views], least=12, drop=5),
    ]


def took(view: SessionView | TaskView) -> str:
    """How long it took, or has taken by now."""
    if view.duration is not None:
        return duration(view.duration)
    if view.status is Status.RUNNING and view.started_at is not None:
        end = view.verdict.since if view.verdict and view.verdict.since else time.time()
        return duration(max(end - view.started_at, 0.0))
    return ""


def percent(task: TaskView) -> str:
    """`38%`, `~38%` where it is drawn from the clock, nothing where nobody knows."""
    if task.percent is None:
        return ""
    return f"{'~' if task.simulated else ''}{int(task.percent)}%"


def _tasks_of(store: Store, session_ids: tuple[int, ...]) -> Iterator[TaskView]:
    cursor: str | None = None
    while True:
        page = store.tasks(Filter(session_ids=session_ids), cursor=cursor, limit=CHUNK)
        yield from page
        cursor = page.next_cursor
        if cursor is None:
            return


def _status_column(views: Sequence[SessionView] | Sequence[TaskView], look: Look) -> Column:
    return Column(
        title="status",
        cells=[look.status(view) for view in views],
        colours=[SIGNS[state(view)].colour for view in views],
    )


def _progress_columns(percents: Sequence[str], look: Look) -> list[Column]:
    """The percent, and on a terminal a bar before it."""
    number = Column(title="done", cells=percents, right=True)
    if not look.terminal:
        return [number]
    values = [float(each.strip("~%")) if each else None for each in percents]
    bar = Column(title="progress", cells=[look.bar(each) if each is not None else "" for each in values], drop=4)
    return [bar, number]


def _session_percent(view: SessionView, task: TaskView | None) -> str:
    if task is not None:
        return percent(task)
    return f"{view.overall_percent}%" if view.counts else ""


def _session_items(view: SessionView, task: TaskView | None) -> str:
    if task is not None and (task.done or task.total is not None):
        return items(task.done, task.total, task.unit)
    number = sum(view.counts.values())
    ended = sum(count for status, count in view.counts.items() if Status(status).is_terminal)
    return f"{ended}/{number} task{'s' if number != 1 else ''}" if number else ""
