"""Tasks in the order in which people read them: each below the task it is nested in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from progstore import Status, TaskView
from progstore.wording import newest_attempts, tree


@dataclass(frozen=True, slots=True)
class Row:
    """One task, how deep it is nested, and the id of the task above it."""

    task: TaskView
    depth: int = 0
    under: int | None = None


@dataclass(frozen=True, slots=True)
class Fold:
    """Stands for `count` complete tasks that are left out here."""

    count: int
    depth: int


def some_of(tasks: Iterable[TaskView], limit: int, complete: int) -> list[TaskView]:
    """At most `limit` of the tasks, in order of id: first what runs, then what failed, then what started last; of those
    that are complete at most the newest `complete`.
    """

    def urgency(task: TaskView) -> tuple[bool, bool, float, int]:
        return task.status is Status.RUNNING, task.status is Status.ERROR, task.started_at or 0.0, task.id

    chosen: list[TaskView] = []
    for task in sorted(newest_attempts(tasks), key=urgency, reverse=True):
        complete -= task.status is Status.COMPLETE
        if complete >= 0 or task.status is not Status.COMPLETE:
            chosen.append(task)
    return sorted(chosen[:limit], key=lambda task: task.id)


def rows_of(tasks: Iterable[TaskView]) -> tuple[Row, ...]:
    """The tasks as a tree, in order of id below each parent; one whose parent is not among them stands at the root."""
    return tuple(Row(task, depth, task.parent_id if depth else None) for task, depth in tree(tasks))


def folded(rows: Sequence[Row], siblings: int) -> tuple[Row | Fold, ...]:
    """The rows, where of more than `siblings` tasks below one parent the oldest that ended well are left out."""
    surplus = Counter(row.under for row in rows)
    parents = surplus.keys()
    kept: list[Row | Fold] = []
    for row in rows:
        if surplus[row.under] <= siblings or row.task.status is not Status.COMPLETE or row.task.id in parents:
            kept.append(row)
            continue
        surplus[row.under] -= 1
        last = kept[-1] if kept else None
        if isinstance(last, Fold) and last.depth == row.depth:
            kept[-1] = Fold(last.count + 1, row.depth)
        else:
            kept.append(Fold(1, row.depth))
    return tuple(kept)
