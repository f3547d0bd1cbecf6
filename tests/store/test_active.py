"""What was active in a time, which tasks are roots, and the figures of the names that started last."""

from __future__ import annotations

from functools import partial

import pytest

from progstore import BadFilter, Filter
from progstore.store import queries, summaries
from progstore.store.store import Store
from tests.store.conftest import Filled
from tests.store.test_filters import plans_of


@pytest.fixture
def spread(filled: Filled) -> dict[str, int]:
    """Sessions with a task each, around the time from 100 to 200; two have no end."""
    times = {"before": (10, 90), "into": (50, 150), "within": (110, 120), "out of": (150, 300), "after": (250, 260)}
    ids = {}
    for name, (start, end) in times.items():
        ids[name] = filled.session(name, started_at=float(start), ended_at=float(end))
        filled.task(ids[name], name, started_at=float(start), ended_at=float(end))
    for name, began in (("open", 20.0), ("open later", 240.0)):
        ids[name] = filled.session(name, status=None, started_at=began)
        filled.task(ids[name], name, "running", started_at=began)
    return ids


@pytest.mark.parametrize(
    ("since", "until", "names"),
    [
        (100, 200, {"into", "within", "out of", "open"}),
        (115, 115.001, {"into", "within", "open"}),
        (90, 100, {"before", "into", "open"}),
        (100, None, {"into", "within", "out of", "after", "open", "open later"}),
        (400, None, {"open", "open later"}),
        (0, 5, set()),
    ],
)
def test_what_was_active_had_begun_and_not_ended(
    spread: dict[str, int], store: Store, since: float, until: float | None, names: set[str]
) -> None:
    """Sessions and tasks alike, in pages too."""
    wanted = Filter(active_since=since, until=until)
    assert {session.name for session in store.sessions(wanted)} == names
    assert {task.name for task in store.tasks(wanted)} == names
    page = store.sessions(wanted, limit=1)
    found: set[str] = set()
    while True:
        found |= {session.name for session in page}
        if page.next_cursor is None:
            break
        page = store.sessions(wanted, limit=1, cursor=page.next_cursor)
    assert found == names


def test_a_task_that_had_ended_is_not_active_because_its_session_is(filled: Filled, store: Store) -> None:
    """And one of a session with others that go on is."""
    session = filled.session(status=None, started_at=10.0)
    filled.task(session, "early", started_at=10.0, ended_at=20.0)
    filled.task(session, "late", started_at=30.0, ended_at=60.0)
    assert [task.name for task in store.tasks(Filter(active_since=40, until=50))] == ["late"]


@pytest.mark.sqlite
def test_what_was_active_is_found_by_indexes(filled: Filled) -> None:
    """However many sessions there were before and after."""
    wanted = Filter(active_since=5.0, until=9.0)
    for ask in (queries.session_page, queries.task_page):
        plans = plans_of(filled, partial(ask, wanted=wanted, cursor=None, limit=50))
        assert "ix_sessions_history (started_at>? AND started_at<?)" in plans
        assert "ix_sessions_ended (ended_at>?)" in plans
        assert "SCAN sessions" not in plans
        assert "SCAN tasks" not in plans


def test_roots_leave_out_what_is_nested(filled: Filled, store: Store) -> None:
    """Whatever else is asked for; sessions are not nested."""
    session = filled.session()
    root = filled.task(session, "Outer")
    filled.task(session, "Inner", parent_id=root)
    assert [task.id for task in store.tasks(Filter(roots=True))] == [root]
    assert [task.id for task in store.tasks(Filter(roots=True, name="Inner"))] == []
    with pytest.raises(BadFilter, match="nested"):
        store.sessions(Filter(roots=True))


def many_names(filled: Filled) -> None:
    """Four histories in two session names, with runs that ended in each way."""
    with filled.together():
        for number in range(40):
            name = ("etl", "etl", "backup", "")[number % 4]
            status = ("complete", "complete", "error", "cancelled", "running")[number % 5]
            session = filled.session(name, started_at=1000.0 + number)
            filled.task(
                session,
                ("load", "parse", "copy", "")[number % 4],
                status,
                session_name=name,
                started_at=1000.0 + number,
                duration=None if status == "running" else float(number),
            )


def test_the_names_that_started_last_have_the_figures_of_all_their_runs(filled: Filled, store: Store) -> None:
    """Where there are not more runs than are looked at; and of one session name its own."""
    many_names(filled)
    everything = store.names()
    assert store.names(limit=100) == everything
    assert store.names(limit=2) == everything[:2]
    assert [each.name for each in store.names("etl", limit=100)] == ["parse", "load"]
    assert store.names("etl", limit=100) == store.names("etl")
    assert [each.session_name for each in store.names("", limit=100)] == [""]
    assert store.names("nobody", limit=100) == ()


def test_figures_over_the_newest_runs(filled: Filled, store: Store) -> None:
    """Older ones count no more."""
    session = filled.session()
    for number in range(10):
        status = "error" if number < 5 else "complete"
        filled.task(session, status=status, started_at=float(number), duration=float(number))
    (history,) = store.names(limit=1, newest=5)
    assert (history.runs, history.errors, history.success_rate) == (5, 0, 1.0)
    assert (history.median, history.p90, history.last_started_at) == (7.0, 9.0, 9.0)


def test_among_very_many_names_the_newest_are_found(
    filled: Filled, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the newest tasks then, for going through the names would take too long."""
    many_names(filled)
    expected = store.names(limit=3)
    monkeypatch.setattr(summaries, "DIFFERENT", 2)
    assert store.names(limit=3) == expected
    assert [each.name for each in store.names("etl", limit=1)] == ["parse"]


@pytest.mark.sqlite
def test_the_names_that_started_last_are_found_by_indexes(filled: Filled) -> None:
    """No step reads the whole table."""
    plans = plans_of(filled, lambda connection: summaries.names(connection, None, (10, 10)))
    assert "SCAN tasks\n" not in plans
    assert "ix_tasks_runs" in plans


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_a_list_of_names_has_a_size(filled: Filled, store: Store, limit: int) -> None:
    """From 1 to 10,000."""
    with pytest.raises(BadFilter, match="10,000"):
        store.names(limit=limit)
    with pytest.raises(BadFilter, match="10,000"):
        store.names(limit=1, newest=limit)
