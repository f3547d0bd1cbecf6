"""Filters, pages and cursors: what matches, in which order, and by which index it is found."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from progstore import BadFilter, Filter, Page, Status
from progstore.store import filters, queries
from progstore.store.filters import Cursor, read_cursor
from progstore.store.settle import mark_lost_tasks
from progstore.store.store import Store
from tests.store.conftest import Filled

STATUSES = frozenset


def all_pages(ask: Callable[..., Page[Any]], wanted: Filter | None, limit: int) -> Iterator[Any]:
    """Every item, page after page."""
    page = ask(wanted, limit=limit)
    yield from page
    while page.next_cursor is not None:
        page = ask(wanted, cursor=page.next_cursor, limit=limit)
        yield from page


@pytest.fixture
def many(filled: Filled) -> Filled:
    """40 sessions of two tasks: some at the same moment, some tasks that have not begun."""
    with filled.together():
        for number in range(40):
            started = filled.now - 1000 + number // 3
            status = ("complete", "error", "cancelled", "complete", "complete")[number % 5]
            host = "far" if number % 4 == 0 else "near"
            session = filled.session(f"name {number % 3}", status=status, started_at=started, host=host)
            values = {"session_name": f"name {number % 3}", "started_at": started, "duration": float(number)}
            filled.task(session, f"task {number % 7}", status, message=f"message {number}", **values)
            filled.task(session, "later", "pending", session_name=f"name {number % 3}")
    return filled


@pytest.mark.parametrize("limit", [1, 3, 7, 40, 41, 1000])
def test_pages_hold_every_session_once_newest_first(many: Filled, store: Store, limit: int) -> None:
    """Whatever the page's size, and where several began at the same moment."""
    found = list(all_pages(store.sessions, None, limit))
    assert len(found) == 40
    assert found == sorted(found, key=lambda each: (each.started_at, each.id), reverse=True)


@pytest.mark.parametrize("limit", [1, 7, 40, 79, 80])
def test_pages_hold_every_task_once_and_what_has_not_begun_last(many: Filled, store: Store, limit: int) -> None:
    """A pending task has no start to be ordered by."""
    found = list(all_pages(store.tasks, None, limit))
    assert len({each.id for each in found}) == len(found) == 80
    assert found == sorted(found, key=lambda each: (each.started_at or 0, each.id), reverse=True)


def test_a_page_stays_where_it_is_while_newer_work_begins(many: Filled, store: Store) -> None:
    """A cursor names a place, not a number of rows to skip."""
    first = store.tasks(limit=5)
    expected = store.tasks(cursor=first.next_cursor, limit=5)
    filled_later = many.session(started_at=many.now)
    many.task(filled_later, started_at=many.now)
    assert store.tasks(cursor=first.next_cursor, limit=5) == expected


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (Filter(name="task 3"), lambda task: task.name == "task 3"),
        (Filter(session_name="name 1"), lambda task: task.session_name == "name 1"),
        (Filter(session_name="name 1", name="task 3"), lambda task: task.name == "task 3" and task.session_id % 3 == 2),
        (Filter(host="far"), lambda task: task.host == "far"),
        (Filter(host="nowhere"), lambda _: False),
        (Filter(statuses=STATUSES({Status.ERROR})), lambda task: task.status == "error"),
        (Filter(statuses=STATUSES({Status.ERROR, Status.COMPLETE})), lambda task: task.status in "error complete"),
        (Filter(statuses=STATUSES({Status.PENDING})), lambda task: task.status == "pending"),
        (Filter(live=True), lambda task: task.ended_at is None),
        (Filter(longer_than=30), lambda task: (task.duration or 0) > 30),
        (Filter(shorter_than=3), lambda task: task.duration is not None and task.duration < 3),
        (Filter(session_ids=(3, 5)), lambda task: task.session_id in (3, 5)),
        (Filter(session_ids=()), lambda _: False),
        (Filter(text="message 1"), lambda task: "message 1" in task.message),
        (Filter(text="MESSAGE 39"), lambda task: task.message == "message 39"),
        (Filter(text="later", session_name="name 2"), lambda task: task.name == "later" and task.session_id % 3 == 0),
    ],
)  # fmt: skip
def test_a_filter_of_tasks_finds_what_matches(
    many: Filled, store: Store, wanted: Filter, matches: Callable[[Any], bool]
) -> None:
    """All of it, in pages too, and nothing else."""
    expected = {task.id for task in all_pages(store.tasks, None, 100) if matches(task)}
    found = [task.id for task in all_pages(store.tasks, wanted, 4)]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (Filter(name="name 1"), lambda session: session.name == "name 1"),
        (Filter(session_name="name 1"), lambda session: session.name == "name 1"),
        (Filter(host="far", name="name 0"), lambda session: (session.host, session.name) == ("far", "name 0")),
        (Filter(longer_than=100), lambda _: False),
        (Filter(session_ids=(3, 5)), lambda session: session.id in (3, 5)),
        (Filter(text="AME 2"), lambda session: session.name == "name 2"),
        (Filter(live=True), lambda _: True),
    ],
)
def test_a_filter_of_sessions_finds_what_matches(
    many: Filled, store: Store, wanted: Filter, matches: Callable[[Any], bool]
) -> None:
    """Every one of these has a pending task, so all count as live."""
    expected = {session.id for session in all_pages(store.sessions, None, 100) if matches(session)}
    found = [session.id for session in all_pages(store.sessions, wanted, 4)]
    assert sorted(found) == sorted(expected)


def test_a_time_range_has_its_beginning_and_not_its_end(filled: Filled, store: Store) -> None:
    """So that two ranges side by side share nothing."""
    for second in (100, 200, 300):
        filled.task(filled.session(started_at=float(second)), started_at=float(second))
    wanted = Filter(since=100, until=300)
    assert [task.started_at for task in store.tasks(wanted)] == [200, 100]
    assert [session.started_at for session in store.sessions(wanted)] == [200, 100]


def test_nested_tasks_are_found_by_their_parent(filled: Filled, store: Store) -> None:
    """And sessions are nobody's children."""
    session = filled.session()
    parent = filled.task(session)
    child = filled.task(session, parent_id=parent)
    assert [task.id for task in store.tasks(Filter(parent_id=parent))] == [child]
    with pytest.raises(BadFilter, match="nested"):
        store.sessions(Filter(parent_id=parent))


def test_signs_that_mean_something_to_like_are_looked_for_as_they_are(filled: Filled, store: Store) -> None:
    """A percent sign is a percent sign."""
    session = filled.session()
    for message in ("100% done", "1000 done", "a_b", "aXb", "c/d", "lone \ufffd"):
        filled.task(session, message=message)
    for text, found in (("0% d", 1), ("a_b", 1), ("c/d", 1), ("'; DROP TABLE tasks", 0), ("lone \ud800", 1)):
        assert len(store.tasks(Filter(text=text))) == found, text


@pytest.mark.parametrize("few", [filters.FEW, 0], ids=["few", "many"])
def test_metadata_is_found_by_key_and_value(
    filled: Filled, store: Store, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """A string as it is, or the JSON that it spells; a task also by its session's; the same whichever way leads."""
    monkeypatch.setattr(filters, "FEW", few)
    first, second = filled.session(), filled.session()
    one, two, three = filled.task(first), filled.task(first), filled.task(second)
    filled.meta(first, branch="main", rate=0.5)
    filled.meta(first, one, model="all-MiniLM", long="x" * 500)
    filled.meta(second, three, model="other", long="x" * 499 + "y")
    asked: list[tuple[dict[str, str], set[int]]] = [
        ({"branch": "main"}, {one, two}),
        ({"rate": "0.5"}, {one, two}),
        ({"model": "all-MiniLM"}, {one}),
        ({"model": "all-MiniLM", "branch": "main"}, {one}),
        ({"model": "other", "branch": "main"}, set()),
        ({"long": "x" * 500}, {one}),
        ({"model": "%"}, set()),
    ]
    for pairs, found in asked:
        assert {task.id for task in store.tasks(Filter(meta=pairs))} == found, pairs
    assert [session.id for session in store.sessions(Filter(meta={"branch": "main"}))] == [first]
    assert len(store.sessions(Filter(meta={"model": "other"}))) == 0


@pytest.mark.parametrize("few", [filters.FEW, 1], ids=["few", "many"])
def test_few_and_many_matches_are_found_alike(
    many: Filled, store: Store, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """Which way leads is a matter of speed only."""
    monkeypatch.setattr(filters, "FEW", few)
    assert len(list(all_pages(store.tasks, Filter(host="far"), 3))) == 20
    assert len(list(all_pages(store.sessions, Filter(statuses=STATUSES({Status.ERROR})), 3))) == 8


def test_a_text_search_goes_on_among_older_rows(filled: Filled, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page looks among so many rows only; a short page with a cursor says that there is more to look through."""
    monkeypatch.setattr(queries, "NEWEST", 10)
    session = filled.session()
    with filled.together():
        for number in range(25):
            filled.task(session, message="needle" if number in (0, 12, 13) else "hay")
    first = store.tasks(Filter(text="needle"), limit=50)
    assert (len(first), first.next_cursor is not None) == (0, True)
    found = [task.id for task in all_pages(store.tasks, Filter(text="needle"), 50)]
    assert found == [14, 13, 1]
    assert [task.id for task in all_pages(store.tasks, Filter(text="needle"), 1)] == found


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(since=math.nan),
        Filter(until=math.inf),
        Filter(session_ids=(0,)),
        Filter(session_ids=(10**30,)),
        Filter(session_ids=tuple(range(1, 10_002))),
        Filter(parent_id=-1),
        Filter(statuses=frozenset({"finished"})),  # type: ignore[arg-type]  # the same
        Filter(text="x" * 1001),
    ],
)
def test_a_filter_that_cannot_be_is_refused(filled: Filled, store: Store, wanted: Filter) -> None:
    """With a word about what would be right."""
    with pytest.raises(BadFilter):
        store.tasks(wanted)
    with pytest.raises(BadFilter):
        store.sessions(wanted)


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_a_page_has_a_size(filled: Filled, store: Store, limit: int) -> None:
    """From 1 to 10,000."""
    for ask in (store.tasks, store.sessions, store.events):
        with pytest.raises(BadFilter, match="10,000"):
            ask(limit=limit)


@pytest.mark.parametrize(
    "written", ["", "x", "17", "1795256066.1:17", "Tm9uZQ", "bmFuOjE", "MS4wOi0x", "aW5mOjE", "\ud800", "MS4wOjE=="]
)
def test_a_cursor_that_no_page_gave_is_refused(filled: Filled, store: Store, written: str) -> None:
    """The message says to pass next_cursor as it is."""
    with pytest.raises(BadFilter, match="next_cursor"):
        store.tasks(cursor=written)
    with pytest.raises(BadFilter, match="next_cursor"):
        store.sessions(cursor=written)


@given(started=st.none() | st.floats(allow_nan=False, allow_infinity=False), number=st.integers(1, 2**63 - 1))
def test_a_cursor_comes_back_as_it_was(started: float | None, number: int) -> None:
    """Exact to the last bit, and fit for a URL."""
    cursor = Cursor(started, number)
    assert read_cursor(str(cursor)) == cursor
    assert str(cursor).replace("-", "").replace("_", "").isalnum()


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Filter(), "INDEX ix_tasks_history"),
        (Filter(since=5.0), "INDEX ix_tasks_history (started_at>?"),
        (Filter(statuses=STATUSES({Status.ERROR})), "INDEX ix_tasks_unusual (status=?"),
        (Filter(statuses=STATUSES({Status.ERROR, Status.CANCELLED})), "INDEX ix_tasks_unusual (status=?"),
        (Filter(statuses=STATUSES({Status.COMPLETE})), "INDEX ix_tasks_history"),
        (Filter(session_name="a"), "(session_name=?"),
        (Filter(session_name="a", name="b"), "(session_name=? AND name=?"),
        (Filter(live=True), "INDEX ix_tasks_live"),
        (Filter(host="a"), "INDEX ix_sessions_host (host=?"),
        (Filter(parent_id=1), "INDEX ix_tasks_parent (parent_id=?"),
        (Filter(session_ids=(1, 2)), "(session_id=?"),
        (Filter(meta={"a": "b"}), "INDEX ix_metadata_search (key=? AND <expr>=?"),
        (Filter(text="a"), "INTEGER PRIMARY KEY (rowid>? AND rowid<?"),
    ],
)
def test_tasks_are_found_by_an_index(filled: Filled, wanted: Filter, index: str) -> None:
    """No page of tasks reads the whole table, first page or later."""
    for cursor in (None, Cursor(filled.now, 5)):
        plans = plans_of(filled, partial(queries.task_page, wanted=wanted, cursor=cursor, limit=50))
        assert index in plans
        assert "SCAN tasks\n" not in plans


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Filter(), "INDEX ix_sessions_history"),
        (Filter(name="a"), "INDEX ix_sessions_name (name=?"),
        (Filter(host="a"), "INDEX ix_sessions_host (host=?"),
        (Filter(since=5.0), "INDEX ix_sessions_history (started_at>?"),
        (Filter(live=True), "INDEX ix_sessions_ended"),
        (Filter(statuses=STATUSES({Status.RUNNING})), "INDEX ix_sessions_ended"),
        (Filter(statuses=STATUSES({Status.ERROR})), "INDEX ix_tasks_unusual (status=?"),
        (Filter(statuses=STATUSES({Status.CANCELLED})), "INDEX ix_tasks_unusual (status=?"),
        (Filter(meta={"a": "b"}), "INDEX ix_metadata_search (key=? AND <expr>=?"),
        (Filter(text="a"), "INTEGER PRIMARY KEY (rowid>? AND rowid<?"),
    ],
)
def test_sessions_are_found_by_an_index(filled: Filled, wanted: Filter, index: str) -> None:
    """Neither of the two tables is read as a whole."""
    for cursor in (None, Cursor(filled.now, 5)):
        plans = plans_of(filled, partial(queries.session_page, wanted=wanted, cursor=cursor, limit=50))
        assert index in plans
        assert "SCAN tasks\n" not in plans


@pytest.mark.sqlite
def test_what_belongs_to_a_page_is_found_by_its_keys(filled: Filled) -> None:
    """Figures, metadata, owners and events of a session cost what it holds, not what the store holds."""
    asked: list[Callable[[Any], object]] = [
        lambda connection: queries.figures(connection, [1, 2], 0.0),
        lambda connection: queries.metadata_of(connection, [1], [2, 3]),
        lambda connection: queries.open_owners(connection, [1]),
        lambda connection: queries.tasks_of(connection, 1),
        lambda connection: queries.event_rows(connection, 1, None, 5, 10),
        lambda connection: queries.event_rows(connection, None, 1, 5, 10),
        lambda connection: queries.session_row(connection, "uid"),
    ]
    for ask in asked:
        plans = plans_of(filled, ask)
        assert "SCAN" not in plans, plans


@pytest.mark.sqlite
def test_a_writer_that_arrives_does_not_walk_through_all_processes(filled: Filled) -> None:
    """They are kept as long as their sessions; what it settles it finds by what goes on, while others wait for it."""
    plans = plans_of(filled, mark_lost_tasks, filled.location.writer_engine())
    assert "ix_tasks_live" in plans
    assert "SCAN processes" not in plans


def plans_of(filled: Filled, ask: Callable[[Any], object], engine: Engine | None = None) -> str:
    """SQLite's plans for every statement that `ask` runs, a line a step."""
    engine = engine or filled.location.reader_engine()
    ran: list[tuple[str, Any]] = []
    with engine.connect() as connection:

        def keep(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            ran.append((statement, parameters))

        event.listen(engine, "before_cursor_execute", keep)
        ask(connection)
        event.remove(engine, "before_cursor_execute", keep)
        lines = [
            row[3]
            for statement, parameters in ran
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    engine.dispose()
    return "\n".join([*lines, ""])
