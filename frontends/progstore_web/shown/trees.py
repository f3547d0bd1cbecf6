"""Tasks in the order in which people read them: each below the task it is nested in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from progstore import Status, TaskView


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


def newest_attempts(tasks: Iterable[TaskView]) -> list[TaskView]:
    """Of each key only the newest attempt, each task once, in order of id."""
    newest: dict[tuple[int, str], TaskView] = {}
    for task in tasks:
        known = newest.get((task.session_id, task.key))
        if known is None or (task.attempt, task.id) > (known.attempt, known.id):
            newest[task.session_id, task.key] = task
    return sorted(newest.values(), key=lambda task: task.id)


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
    below: dict[int | None, list[TaskView]] = {}
    given = {task.id: task for task in sorted(tasks, key=lambda task: task.id)}
    for task in given.values():
        below.setdefault(task.parent_id if task.parent_id in given else None, []).append(task)
    rows: dict[int, Row] = {}
    waiting = [Row(task) for task in reversed(below.get(None, []))]
    while waiting:
        row = waiting.pop()
        rows[row.task.id] = row
        waiting.extend(Row(task, row.depth + 1, row.task.id) for task in reversed(below.get(row.task.id, [])))
    # Rows written by another program may name one another in a circle, which no root leads to.
    circles = (Row(task) for task in given.values() if task.id not in rows)
    return (*rows.values(), *circles)


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
