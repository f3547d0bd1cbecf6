"""Tasks as Progressista's server tells them: by id, with its words for how they stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final

from progstore import Filter, Life, Status, Store, StoreNotFound, TaskView
from progstore_web.wire.memory import Memory
from progstore_web.wire.posts import CLOSE, ERROR, START, UPDATE
from progstore_web.wire.rows import MARK
from progstore_web.wire.state import LEFT_EARLY

STALE, RECOVERED = "stale", "recovered"
RUNNING: Final = (START, UPDATE, RECOVERED)
"""Words for what may still run."""
SHOWN_LIMIT: Final = 1000
"""Tasks that are told: what runs first, then what ended last."""
SHOWN_SECONDS: Final = 24 * 3600.0
"""How long a task is told after its end."""
OURS: Final = {MARK[0]: MARK[1]}

Told = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tasks:
    """What a watcher sees."""

    by_id: dict[str, Told]

    @property
    def is_live(self) -> bool:
        """Whether one may become stale though nothing is written."""
        return any(told["status"] in RUNNING for told in self.by_id.values())

    def to_dict(self) -> dict[str, Any]:
        """It as Progressista sends it."""
        return {"tasks": self.by_id}


class TaskReader:
    """Reads clients' tasks from one store. `began` is when this server did, seconds UTC."""

    def __init__(self, store: Store, memory: Memory, *, began: float) -> None:
        self._store = store
        self._memory = memory
        self._began = began

    def read(self, now: float) -> Tasks:
        """What is told at `now` (seconds UTC). Raises StoreError."""
        found: dict[str, TaskView] = {}
        for wanted in (Filter(meta=OURS, live=True), Filter(meta=OURS, active_since=now - SHOWN_SECONDS)):
            # The second asks for those that run once more.
            _newest(found, takewhile(lambda _: len(found) < SHOWN_LIMIT, self._pages(wanted)))
        return Tasks({key: self.told(task, now) for key, task in found.items()})

    def all(self, status: str | None) -> dict[str, TaskView]:
        """Every task in its newest attempt, or those that may stand so, by id. Raises StoreError."""
        # An attempt that goes on is the newest; of what has ended, one cannot know without having read all.
        found: dict[str, TaskView] = {}
        _newest(found, self._pages(Filter(meta=OURS, live=status in (*RUNNING, STALE))))
        return found

    def told(self, task: TaskView, now: float) -> Told:
        """That task as Progressista tells it."""
        word = self._word(task, now)
        said = self._memory.said(task.key)
        desc = task.message if task.message and task.message != LEFT_EARLY else task.name
        told: Told = {
            "task_id": task.key,
            "created_at": task.started_at,
            "n": task.done,
            "total": task.total,
            "status": word,
            "updated_at": task.updated_at,
            "timestamp": said[1] if said else task.updated_at,
        }
        optional = {
            "desc": desc if desc != task.key else "",
            "unit": task.unit,
            "meta": dict(task.meta),
            "done_at": task.ended_at if word == CLOSE else None,
            "stale_at": task.updated_at if word == STALE else None,
            "recovered_at": self._began if word == RECOVERED else None,
        }
        return told | {name: value for name, value in optional.items() if value}

    def _word(self, task: TaskView, now: float) -> str:
        if task.status is Status.ERROR:
            return ERROR
        if task.status.is_terminal:
            return CLOSE
        # A client's sign of life is its post, so the time of the last one is all there is to know.
        reported_at = task.updated_at or 0.0
        if task.verdict is not None and task.verdict.life is Life.LOST:
            return STALE
        if 0 < self._store.stale_after < now - reported_at:
            return STALE
        if reported_at < self._began:
            return RECOVERED
        said = self._memory.said(task.key)
        return said[0] if said else UPDATE

    def _pages(self, wanted: Filter) -> Iterator[TaskView]:
        cursor: str | None = None
        while True:
            try:
                page = self._store.tasks(wanted, cursor=cursor, limit=SHOWN_LIMIT)
            except StoreNotFound:  # nobody has posted yet
                return
            yield from page
            cursor = page.next_cursor
            if cursor is None:
                return


def _newest(found: dict[str, TaskView], tasks: Iterable[TaskView]) -> None:
    """Add these, each in its newest attempt."""
    for task in tasks:
        if task.key not in found or found[task.key].attempt < task.attempt:
            found[task.key] = task
