"""What the pages about names show: all histories by session name, and one history with its runs and curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from progstore import Filter, HistoryView, NotFound, SessionView, Store, StoreNotFound, TaskView, write_filter
from progstore_web.charts import Axis, count_axis, path, time_axis
from progstore_web.shown.task import HEIGHT, points_of
from progstore_web.wording import State, state

HISTORIES_LIMIT = 200
"""Histories that one page lists, those that started last."""
NEWEST = 200
"""Runs over which the list's figures are."""
STRIP = 60
"""Runs in the strip, the newest."""
TABLE = 20
"""Runs in the table."""
PAST = 20
"""Curves that are drawn faint below the newest one."""
LOWEST = 4.0
"""Percent of the strip's height that the shortest run has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Histories, grouped by session name, last started first; `more` where there are others besides."""

    histories: tuple[HistoryView, ...]
    session_name: str | None
    more: bool

    @property
    def groups(self) -> list[tuple[str, list[HistoryView]]]:
        """The histories of each session name; the name that started last comes first."""
        order = {name: place for place, name in reversed(list(enumerate(each.session_name for each in self.histories)))}
        ordered = sorted(self.histories, key=lambda each: order[each.session_name])
        return [(name, list(found)) for name, found in groupby(ordered, lambda each: each.session_name)]

    def to_dict(self) -> dict[str, Any]:
        """All of it, as plain JSON."""
        return {"items": [each.to_dict() for each in self.histories], "newest": NEWEST, "more": self.more}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One run in the strip: how high its column is, in percent of the highest."""

    task: TaskView
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCurves:
    """Curves of one history over one another: the newest on top of those before it."""

    newest: str
    of: TaskView
    past: tuple[str, ...]
    across: Axis
    up: Axis
    unit: str
    """What is counted; "%" where the runs had different amounts to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamePage:
    """One history: its figures over all runs, and its newest runs, newest first."""

    history: HistoryView
    runs: tuple[TaskView, ...]

    @property
    def query(self) -> str:
        """What History is asked for to list all its runs."""
        return write_filter(Filter(session_name=self.history.session_name, name=self.history.name))

    @property
    def table(self) -> tuple[TaskView, ...]:
        """The runs in the table."""
        return self.runs[:TABLE]

    @property
    def strip(self) -> list[Column]:
        """The runs as columns, oldest first."""
        seconds = {task.id: _seconds(task) for task in self.runs}
        longest = max(seconds.values(), default=0.0) or 1.0
        return [
            Column(task=task, height=round(LOWEST + (100 - LOWEST) * seconds[task.id] / longest, 1))
            for task in reversed(self.runs)
        ]

    @property
    def longest(self) -> float:
        """Seconds that the highest column stands for."""
        return max((_seconds(task) for task in self.runs), default=0.0)

    @property
    def curves(self) -> PastCurves | None:
        """The curves, where there is one to draw."""
        drawn = [(task, points) for task in self.runs if len(points := points_of(task)) > 1][: PAST + 1]
        if not drawn:
            return None
        unit = drawn[0][0].unit
        if len({task.total for task, _ in drawn}) > 1 and all(task.total and task.total > 0 for task, _ in drawn):
            drawn = [(task, _in_percent(points, task.total or 1.0)) for task, points in drawn]
            unit = "%"
        across = time_axis(max(points[-1][0] for _, points in drawn))
        up = Axis(100.0, 4) if unit == "%" else count_axis(max(done for _, points in drawn for _, done in points))
        lines = [path(points, right=across.end, top=up.end, height=HEIGHT) for _, points in drawn]
        return PastCurves(newest=lines[0], of=drawn[0][0], past=tuple(lines[1:]), across=across, up=up, unit=unit)

    def to_dict(self) -> dict[str, Any]:
        """All of it, as plain JSON."""
        return {**self.history.to_dict(), "newest_runs": [task.to_dict() for task in self.runs]}


def read_names(store: Store, session_name: str | None = None) -> Names:
    """The histories of all or of one session name. Raises StoreError, NotFound where a session name has none."""
    try:
        found = store.names(session_name, limit=HISTORIES_LIMIT + 1, newest=NEWEST)
    except StoreNotFound:
        found = ()
    if not found and session_name is not None:
        raise NotFound(
            f"no session is named {session_name!r}, or no task has started in one; /names lists what there is"
        )
    return Names(histories=found[:HISTORIES_LIMIT], session_name=session_name, more=len(found) > HISTORIES_LIMIT)


def read_name(store: Store, session_name: str, task_name: str) -> NamePage:
    """One history. Raises NotFound, StoreError."""
    return NamePage(
        history=store.history(session_name, task_name),
        runs=store.tasks(Filter(session_name=session_name, name=task_name), limit=STRIP).items,
    )


def newest_of(store: Store, session_name: str, task_name: str | None) -> SessionView | TaskView | None:
    """The run of a session name, or of one history, that started last; None where there is none."""
    asked = Filter(session_name=session_name, name=task_name)
    try:
        if task_name is not None:
            return next(iter(store.tasks(asked, limit=1)), None)
        return next(iter(store.sessions(asked, limit=1)), None)
    except StoreNotFound:
        return None


_STANDING: Mapping[str, str] = {"complete": "passing", "error": "failing"}


def standing(view: SessionView | TaskView) -> State:
    """How a run stands, in the words of a badge."""
    now = state(view)
    return State(_STANDING.get(now.word, now.word), now.tone)


def _seconds(task: TaskView) -> float:
    if task.duration is not None:
        return task.duration
    if task.started_at is None or task.updated_at is None:
        return 0.0
    return max(0.0, task.updated_at - task.started_at)


def _in_percent(points: tuple[tuple[float, float], ...], total: float) -> tuple[tuple[float, float], ...]:
    return tuple((seconds, 100 * done / total) for seconds, done in points)
