"""Tasks in the order in which they are read."""

from __future__ import annotations

from typing import Any

from progstore import Status, TaskView
from progstore.wording import newest_attempts
from progstore_web.shown.trees import Fold, Row, folded, rows_of, some_of


def task(id: int, **fields: Any) -> TaskView:
    """A task with that id; what is not given does not matter to its place."""
    given: dict[str, Any] = {
        "key": f"k{id}", "name": f"task {id}", "session_id": 1, "session_name": "s", "parent_id": None,
        "status": Status.COMPLETE, "verdict": None, "done": 0.0, "total": None, "failed": 0.0, "active": 0.0,
        "cancelled": 0.0, "unit": "", "percent": None, "simulated": False, "rate": None, "eta": None, "message": "",
        "error_type": None, "error": None, "traceback": None, "attempt": 1, "started_at": float(id), "updated_at": None,
        "ended_at": None, "duration": None, "host": "", "pid": None,
    }  # fmt: skip
    return TaskView(id=id, **{**given, **fields})


def places(rows: tuple[Row, ...]) -> list[tuple[int, int]]:
    """The ids with how deep they are nested."""
    return [(row.task.id, row.depth) for row in rows]


def test_a_task_stands_below_the_one_it_is_nested_in() -> None:
    """In order of id among its own, whatever the order they came in."""
    given = [task(5, parent_id=2), task(1), task(3), task(2, parent_id=1), task(4, parent_id=1)]
    assert places(rows_of(given)) == [(1, 0), (2, 1), (5, 2), (4, 1), (3, 0)]


def test_a_task_whose_parent_is_not_shown_stands_at_the_root() -> None:
    """It is not lost with it."""
    assert places(rows_of([task(7, parent_id=3)])) == [(7, 0)]


def test_tasks_that_name_one_another_as_parents_are_shown() -> None:
    """Another program may have written such rows; each stands there once."""
    given = [task(1, parent_id=2), task(2, parent_id=1), task(3, parent_id=3), task(4)]
    assert sorted(row.task.id for row in rows_of(given)) == [1, 2, 3, 4]


def test_nesting_may_be_deep() -> None:
    """Deeper than Python's own calls go."""
    given = [task(each, parent_id=each - 1 or None) for each in range(1, 3001)]
    assert places(rows_of(given))[-1] == (3000, 2999)


def test_only_the_newest_attempt_of_a_key_counts() -> None:
    """Also where the older one has the higher id."""
    given = [task(1, key="a", attempt=2), task(2, key="a", attempt=1), task(3, key="b")]
    assert [each.id for each in newest_attempts(given)] == [1, 3]


def test_what_runs_comes_before_what_failed_before_what_is_newest() -> None:
    """Where not all fit."""
    given = [task(1, status=Status.RUNNING), task(2, status=Status.ERROR), task(3), task(4), task(5)]
    assert [each.id for each in some_of(given, 3, complete=3)] == [1, 2, 5]
    assert [each.id for each in some_of(given, 5, complete=2)] == [1, 2, 4, 5]


def test_of_many_siblings_the_oldest_that_ended_well_are_folded() -> None:
    """What failed, and what has tasks below it, stays."""
    given = [
        task(1),
        *(task(each, parent_id=1) for each in range(2, 12)),
        task(12, parent_id=1, status=Status.ERROR),
        task(13, parent_id=3),
    ]
    kept = folded(rows_of(given), siblings=5)
    shown = [each.task.id if isinstance(each, Row) else each for each in kept]
    assert shown == [1, Fold(1, 1), 3, 13, Fold(5, 1), 9, 10, 11, 12]
