"""Tasks in another order than that of their start, how many there are of each kind, and which index leads the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from progstore import BadFilter, Filter, Status
from progstore.store import sorting, summaries
from progstore.store.queries import task_page
from progstore.store.store import Store
from progstore.values import TaskView
from tests.store.conftest import Filled
from tests.store.test_filters import plans_of


@pytest.fixture
def many(filled: Filled) -> Filled:
    """20 sessions of a root and a nested task each, some alike in what they took, some that have not begun."""
    with filled.together():
        for number in range(20):
            started = filled.now - 1000 + number
            session = filled.session("even" if number % 2 == 0 else "odd", started_at=started)
            status = "error" if number % 5 == 0 else "complete"
            name = {"session_name": "even" if number % 2 == 0 else "odd"}
            took = {"duration": float(number // 3), "done": 10.0 * (number % 4), "failed": float(number % 7)}
            root = filled.task(session, f"task {number % 6}", status, started_at=started, **name, **took)
            if number == 3:
                filled.task(session, "nested", "pending", parent_id=root, **name)
            else:
                filled.task(session, "nested", parent_id=root, started_at=started, **name)
    return filled


def seconds(task: TaskView) -> float:
    """What a task is sorted by its time by."""
    return task.duration or 0.0


def rate(task: TaskView) -> float:
    """Items a second, 0 where it took no time."""
    return task.done / seconds(task) if seconds(task) else 0.0


ORDERS: dict[str, Callable[[TaskView], Any]] = {
    "took": seconds,
    "items": lambda task: task.done,
    "failed": lambda task: task.failed,
    "rate": rate,
    "name": lambda task: task.name,
    "started": lambda task: task.started_at or 0.0,
}


def pages(store: Store, wanted: Filter, sort: str, limit: int) -> Iterator[TaskView]:
    """Every task, page after page."""
    page = store.tasks(wanted, sort=sort, limit=limit)
    yield from page
    while page.next_cursor is not None:
        page = store.tasks(wanted, sort=sort, limit=limit, cursor=page.next_cursor)
        yield from page


@pytest.mark.parametrize("sort", ORDERS)
def test_sorted_pages_hold_every_task_once_in_order(many: Filled, store: Store, sort: str) -> None:
    """Up and down, among equal ones by id, whatever the page's size."""
    for falls in (False, True):
        for wanted, limit in ((Filter(), 3), (Filter(session_name="odd", roots=True), 4)):
            found = list(pages(store, wanted, f"-{sort}" if falls else sort, limit))
            expected = sorted(store.tasks(wanted, limit=100), key=lambda task: (ORDERS[sort](task), task.id))
            assert [task.id for task in found] == [task.id for task in (expected[::-1] if falls else expected)]


def test_only_the_newest_that_match_are_sorted(many: Filled, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a page costs the same in a store of any size."""
    monkeypatch.setattr(sorting, "SORTED", 5)
    newest = store.tasks(Filter(roots=True), limit=5)
    found = list(pages(store, Filter(roots=True), "took", 2))
    assert {task.id for task in found} == {task.id for task in newest}
    assert [seconds(task) for task in found] == sorted(map(seconds, newest))


def test_a_bad_order_or_the_cursor_of_another_one_is_refused(many: Filled, store: Store) -> None:
    """The message says what there is."""
    with pytest.raises(BadFilter, match="started, took, items, failed, rate, name"):
        store.tasks(sort="size")
    other = store.tasks(sort="-took", limit=2).next_cursor
    plain = store.tasks(limit=2).next_cursor
    for sort, cursor in (("took", other), ("-name", other), ("-took", plain), ("-took", "%"), ("-started", other)):
        with pytest.raises(BadFilter, match="cursor"):
            store.tasks(sort=sort, cursor=cursor)


def test_kinds_are_counted_among_so_many_as_one_asks(many: Filled, store: Store) -> None:
    """The newest that match; of a text search too."""
    assert store.facets(Filter(roots=True), newest=4) == {
        "status": {"complete": 4},
        "session_name": {"even": 2, "odd": 2},
        "host": {store.tasks(limit=1).items[0].host: 4},
    }
    assert store.facets(Filter(text="task", session_name="odd"))["session_name"] == {"odd": 10}
    assert store.facets(newest=5)["status"] == {"complete": 5}
    assert store.facets()["status"] == {"complete": 35, "error": 4, "pending": 1}
    for bad in (0, -1, summaries.COUNTED + 1):
        with pytest.raises(BadFilter, match="newest"):
            store.facets(newest=bad)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Filter(roots=True), "ix_tasks_roots"),
        (Filter(), "ix_tasks_history"),
        (Filter(roots=True, session_name="odd"), "ix_tasks_session_name"),
        (Filter(roots=True, name="task 1"), "ix_tasks_name"),
        (Filter(roots=True, session_name="odd", name="task 1"), "ix_tasks_runs"),
        (Filter(roots=True, statuses=frozenset({Status.ERROR})), "ix_tasks_unusual"),
        (Filter(roots=True, statuses=frozenset({Status.COMPLETE})), "ix_tasks_roots"),
    ],
)
def test_a_page_of_roots_goes_by_the_index_that_fits_best(many: Filled, wanted: Filter, index: str) -> None:
    """That of the roots leads by default, and gives way where a name or a status says more; nothing is sorted."""
    plans = plans_of(many, partial(task_page, wanted=wanted, cursor=None, limit=5))
    assert f"INDEX {index} " in plans, plans
    assert "TEMP B-TREE" not in plans, plans
