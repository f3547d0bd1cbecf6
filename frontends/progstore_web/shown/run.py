"""What a session's page shows: the session with its tasks, its newest events, and the facts about its process."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from progstore import EventView, SessionView, Store, TaskView
from progstore.wording import failure, number
from progstore_web.charts import Place, place
from progstore_web.shown.job_run import can_stop
from progstore_web.shown.trees import rows_of
from progstore_web.wording import state

EVENTS_LIMIT = 200
"""Newest events that are shown; all of them are had from the JSON."""
LANES_LIMIT = 40
"""Tasks on the timeline of a session, those that started last."""

_OLDEST_SHOWN = "SELECT id FROM v_events WHERE session_id = ? ORDER BY id DESC LIMIT 1 OFFSET ?"
_PROCESS = (
    "SELECT argv, cwd, username, python, progstore, end_reason, dropped_events"
    " FROM v_sessions WHERE id = ? AND argv IS NOT NULL"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLane:
    """One task on the timeline of its session, how deep it is nested, and from where to where it ran."""

    task: TaskView
    depth: int
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A session's page. `events` are the newest, in order of id; `earlier_events` says whether there are more.

    `process` has the facts about the process that made the session, empty where none is known.
    """

    session: SessionView
    events: tuple[EventView, ...]
    earlier_events: bool
    process: Mapping[str, str]

    @property
    def is_live(self) -> bool:
        """Whether verdicts or percents can change without a write."""
        return not self.session.status.is_terminal or any(not task.status.is_terminal for task in self.session.tasks)

    @property
    def can_stop(self) -> bool:
        """Whether there is any use in asking it to stop."""
        return can_stop(self.session, self.session.tasks)

    @property
    def message(self) -> str:
        """The session's message, where that does not only repeat an error that is shown."""
        said = self.session.message
        return "" if said in {failure(task) for task in self.session.tasks} else said

    @property
    def task_names(self) -> Mapping[int, str]:
        """The tasks' names by id, for events tell only the id."""
        return {task.id: task.name for task in self.session.tasks}

    @property
    def lanes(self) -> list[TaskLane]:
        """When each task ran, as a tree; what runs goes up to the newest sign of any."""
        begun = [(row, row.task.started_at) for row in rows_of(self.session.tasks) if row.task.started_at is not None]
        newest = {row.task.id for row, _ in sorted(begun, key=lambda each: (each[1], each[0].task.id))[-LANES_LIMIT:]}
        ends = {row.task.id: row.task.ended_at or row.task.updated_at or start for row, start in begun}
        first = min((start for row, start in begun if row.task.id in newest), default=0.0)
        last = max(ends.values(), default=0.0)
        return [
            TaskLane(
                task=row.task,
                depth=row.depth,
                place=place(start, last if state(row.task).word == "running" else ends[row.task.id], first, last),
            )
            for row, start in begun
            if row.task.id in newest
        ]

    @property
    def more_lanes(self) -> int:
        """Tasks that have begun and are not on the timeline."""
        return max(0, sum(task.started_at is not None for task in self.session.tasks) - LANES_LIMIT)

    def to_dict(self) -> dict[str, Any]:
        """The session with its tasks, events and process, as plain JSON."""
        return {
            **self.session.to_dict(),
            "events": [event.to_dict() for event in self.events],
            "earlier_events": self.earlier_events,
            "process": dict(self.process),
        }


def read_run(store: Store, session_id: int) -> Run:
    """The session's page as it stands. Raises NotFound, StoreError."""
    session = store.session(session_id)
    rows = store.query(_OLDEST_SHOWN, (session.id, EVENTS_LIMIT)).rows
    after = int(rows[0][0]) if rows else 0
    return Run(
        session=session,
        events=store.events(session_id=session.id, after=after, limit=EVENTS_LIMIT),
        earlier_events=bool(rows),
        process=_process(store, session),
    )


def _process(store: Store, session: SessionView) -> dict[str, str]:
    rows = store.query(_PROCESS, (session.id,)).rows
    if not rows:
        return {}
    argv, cwd, user, python, version, end_reason, dropped = rows[0]
    facts = {
        "command": _command(str(argv)),
        "cwd": str(cwd),
        "user": str(user),
        "python": str(python),
        "progstore": str(version),
        "end_reason": str(end_reason or ""),
        "dropped_events": number(dropped) if dropped and isinstance(dropped, int | float) else "",
    }
    return {name: fact for name, fact in facts.items() if fact}


def _command(argv: str) -> str:
    """The command line as one would type it; it is stored as a JSON list."""
    try:
        return shlex.join(msgspec.json.decode(argv, type=list[str]))
    except msgspec.DecodeError:
        return argv
