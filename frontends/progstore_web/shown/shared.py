"""What a share link shows of a session: how far it is, and nothing that tells about the machine or the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from progstore import SessionView, Status, TaskView
from progstore_web.shown.trees import rows_of, some_of
from progstore_web.wording import counted, percent, state

TASKS_SHOWN = 30
"""Tasks of a session that are shared: first what runs, then what failed, then what started last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A session as strangers may see it.

    Names, units and messages are what the job says to whoever watches it. Host, process, command line and metadata are
    the owner's, and so is the text of an error, with its traceback: it quotes paths, addresses and values of the data.
    Its type says enough to those who only wait. A failed task's message is left out too, for it often repeats the text.
    """

    session: SessionView

    @property
    def tasks(self) -> tuple[TaskView, ...]:
        """Those that are shared, in the order of the tree."""
        return tuple(row.task for row in rows_of(some_of(self.session.tasks, TASKS_SHOWN, TASKS_SHOWN)))

    @property
    def message(self) -> str:
        """What the newest running task says."""
        running = (task for task in reversed(self.tasks) if task.status is Status.RUNNING)
        return next((task.message for task in running if task.message), "")

    def to_dict(self) -> dict[str, Any]:
        """It all as plain JSON.

        `state` is one word for how it stands, the verdict where the job's owner may be gone; `text` says it to people,
        with how far it is.
        """
        session = self.session
        return {
            "name": session.name,
            "text": f"{percent(session.overall_percent)} · {state(session).word}",
            "status": session.status,
            "life": session.verdict.life if session.verdict else None,
            "state": state(session).word,
            "ended": session.status.is_terminal,
            "percent": session.overall_percent,
            "message": self.message,
            "started_at": session.started_at,
            "ended_at": session.ended_at,
            "tasks": [_task(task) for task in self.tasks],
        }


def _task(task: TaskView) -> dict[str, Any]:
    count = counted(task) if task.done or task.total is not None else ""
    word = f"{state(task).word}: {task.error_type}" if task.error_type else state(task).word
    said = (count, percent(task.percent, simulated=task.simulated), word)
    return {
        "name": task.name,
        "text": " · ".join(part for part in said if part),
        "status": task.status,
        "life": task.verdict.life if task.verdict else None,
        "state": state(task).word,
        "percent": None if task.percent is None else math.floor(task.percent + 1e-6),
        "simulated": task.simulated,
        "done": task.done,
        "total": task.total,
        "failed": task.failed,
        "unit": task.unit,
        "message": "" if task.status is Status.ERROR else task.message,
        "error_type": task.error_type,
        "started_at": task.started_at,
        "ended_at": task.ended_at,
    }
