"""How long the parts of a bar are, and how it is said to who cannot see it."""

from __future__ import annotations

from typing import NamedTuple

from progstore import SessionView, TaskView
from progstore.wording import number
from progstore_web.wording import counted, percent, state


class Bar(NamedTuple):
    """A bar: how much of it is done well and how much failed (0 to 100); `known` is False where nobody can know."""

    done: float
    failed: float
    known: bool
    simulated: bool
    label: str

    @property
    def value(self) -> float:
        """How far it is in all."""
        return round(self.done + self.failed, 2)


def task_bar(task: TaskView) -> Bar:
    """The bar of a task."""
    said = [counted(task)] if task.done or task.total else []
    if task.percent is not None:
        said.append(percent(task.percent, simulated=task.simulated))
    if task.failed:
        said.append(f"{number(task.failed)} failed")
    said.append(state(task).word)
    known = task.percent is not None
    value = min(max(task.percent or 0.0, 0.0), 100.0)
    failed = value * min(task.failed / task.done, 1.0) if task.done > 0 else 0.0
    return Bar(round(value - failed, 2), round(failed, 2), known, task.simulated, ", ".join(said))


def session_bar(session: SessionView) -> Bar:
    """The bar of a session: the mean of its tasks."""
    value = float(min(max(session.overall_percent, 0), 100))
    return Bar(value, 0.0, known=True, simulated=False, label=f"{percent(value)}, {state(session).word}")
