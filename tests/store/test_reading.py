"""Sessions, tasks and events as readers get them: what is derived, and from what."""

from __future__ import annotations

import itertools
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

import progstore
from progstore import Filter, Life, NotFound, Status
from progstore.store import tables
from progstore.store.rows import session_status
from progstore.store.store import Store
from tests.store.conftest import Filled


def test_a_tracked_loop_reads_back_as_it_ran(store_path: Path) -> None:
    """What ran, how far, in which unit, with which metadata, by whom."""
    with progstore.session("nightly", meta={"branch": "main"}):
        for _ in progstore.track(range(7), "Ingest", unit="file", meta={"model": "all-MiniLM"}):
            pass
    assert progstore.flush(10)
    with progstore.open_store(str(store_path)) as store:
        (session,) = store.sessions()
        (task,) = store.session(session.uid).tasks
    assert (session.name, session.status, session.meta) == ("nightly", Status.COMPLETE, {"branch": "main"})
    assert (session.overall_percent, session.counts, session.pid) == (100, {"complete": 1}, os.getpid())
    assert (task.name, task.session_name, task.unit, task.status) == ("Ingest", "nightly", "file", Status.COMPLETE)
    assert (task.done, task.total, task.percent, task.meta) == (7, 7, 100, {"model": "all-MiniLM"})
    assert task.rate is not None
    assert task.curve[-1][1] == 7


def test_an_error_reads_back_with_type_text_and_traceback(store_path: Path) -> None:
    """All three are there for whoever looks later."""

    def load() -> None:
        task: progstore.Task[int]
        with progstore.track(name="Load", total=10) as task:
            task.update(5)
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        load()
    assert progstore.flush(10)
    with progstore.open_store(str(store_path)) as store:
        (view,) = store.tasks()
    assert (view.status, view.error_type, view.error, view.done) == (Status.ERROR, "ValueError", "boom", 5)
    assert view.traceback is not None
    assert "raise ValueError" in view.traceback


def test_a_session_is_found_by_number_and_by_uid(filled: Filled, store: Store) -> None:
    """Both name the same one."""
    number = filled.session(uid="0191-abc")
    assert store.session(number) == store.session("0191-abc")


@pytest.mark.parametrize("unknown", [99, 0, -1, 10**30, "no such uid", "lone \ud800 surrogate"])
def test_an_unknown_session_is_not_found(filled: Filled, store: Store, unknown: Any) -> None:
    """Whatever is asked for, the answer says how to list what there is."""
    with pytest.raises(NotFound, match="progstore ls"):
        store.session(unknown)


@pytest.mark.parametrize("unknown", [99, 0, -1, 10**30])
def test_an_unknown_task_is_not_found(filled: Filled, store: Store, unknown: int) -> None:
    """The same for tasks."""
    with pytest.raises(NotFound, match="progstore show"):
        store.task(unknown)


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (("declared", None, ["error", "running"]), "error"),
        (("declared", None, ["complete", "running"]), "running"),
        (("declared", None, ["complete", "pending"]), "pending"),
        (("declared", None, ["pending", "pending"]), "pending"),
        (("declared", None, ["complete", "complete"]), "complete"),
        (("declared", None, ["complete", "cancelled"]), "cancelled"),
        (("declared", None, []), "pending"),
        (("ambient", None, ["complete"]), "running"),
        (("ambient", None, []), "running"),
        (("ambient", "complete", ["complete", "cancelled"]), "complete"),
        (("ambient", "complete", ["error"]), "error"),
        (("ambient", "error", ["complete"]), "error"),
        (("ambient", "cancelled", ["complete"]), "cancelled"),
        (("ambient", "complete", ["running"]), "running"),
        (("block", "complete", ["pending"]), "pending"),
        (("block", "complete", []), "complete"),
        (("block", "error", ["running"]), "error"),
    ],
)
def test_a_sessions_status_is_derived_the_same_everywhere(
    filled: Filled, store: Store, told: tuple[str, str | None, list[str]], status: str
) -> None:
    """In a list, alone, in SQL, and as a filter."""
    kind, end, tasks = told
    number = filled.session(kind=kind, status=end, process_id=filled.process())
    for each in tasks:
        filled.task(number, status=each, process_id=1)
    assert store.sessions().items[0].status == status
    assert store.session(number).status == status
    assert store.query("SELECT status FROM v_sessions").rows == ((status,),)
    for asked in Status:
        assert len(store.sessions(Filter(statuses=frozenset({asked})))) == (asked == status)


def test_python_and_sql_never_disagree_on_a_sessions_status(filled: Filled, store: Store) -> None:
    """Every combination of kind, end and up to three tasks of each status."""
    expected = {}
    ends = itertools.product(tables.KINDS, (None, *tables.TERMINAL))
    with filled.together():
        for (kind, end), there in itertools.product(ends, itertools.product((0, 1), repeat=len(tables.STATUSES))):
            number = filled.session(kind=kind, status=end, process_id=None)
            counts = dict(zip(tables.STATUSES, there, strict=True))
            for word in (word for word, count in counts.items() if count):
                filled.task(number, status=word)
            expected[number] = session_status(kind, end, counts)
    assert dict(store.query("SELECT id, status FROM v_sessions").rows) == expected


def test_only_the_newest_attempt_of_a_key_counts(filled: Filled, store: Store) -> None:
    """What failed and was started again is no error any more."""
    number = filled.session(kind="declared", status=None)
    filled.task(number, status="error", key="a", attempt=1)
    filled.task(number, status="complete", key="a", attempt=2)
    for session in (store.sessions().items[0], store.session(number)):
        assert (session.status, session.counts, session.overall_percent) == ("complete", {"complete": 1}, 100)
    assert store.query("SELECT status, percent, tasks FROM v_sessions").rows == (("complete", 100, 2),)


@pytest.mark.parametrize(
    ("percents", "overall"), [([45.9, 0], 22), ([100 / 3, 200 / 3], 50), ([99.99], 99), ([150, -3], 50), ([None], 0)]
)
def test_a_sessions_percent_is_the_mean_rounded_down(
    filled: Filled, store: Store, percents: list[float | None], overall: int
) -> None:
    """Unknown counts as nothing, and what is out of bounds is brought back into them."""
    number = filled.session(kind="declared", status=None)
    for percent in percents:
        filled.task(number, status="running", percent=percent, total=None)
    assert store.sessions().items[0].overall_percent == overall
    assert store.session(number).overall_percent == overall
    assert store.query("SELECT percent FROM v_sessions").rows == ((overall,),)


def test_only_root_tasks_make_a_sessions_percent(filled: Filled, store: Store) -> None:
    """A nested task is part of its parent."""
    number = filled.session(kind="declared", status=None)
    root = filled.task(number, status="running", done=50)
    filled.task(number, status="running", done=0, parent_id=root)
    assert store.session(number).overall_percent == store.sessions().items[0].overall_percent == 50


@pytest.mark.parametrize(
    ("values", "percent"),
    [
        ({"done": 25, "total": 200}, 12.5),
        ({"done": 300, "total": 200}, 100),
        ({"done": -3, "total": 200}, 0),
        ({"done": 5, "total": None}, None),
        ({"done": 0, "total": 0}, None),
        ({"percent": 45.0, "done": 1, "total": 2}, 45),
        ({"percent": 1e9}, 100),
        ({"status": "complete", "done": 3, "total": 9}, 100),
        ({"status": "pending", "total": None}, 0),
        ({"status": "error", "done": 5, "total": 10}, 50),
    ],
)
def test_a_tasks_percent(filled: Filled, store: Store, values: dict[str, Any], percent: float | None) -> None:
    """Said directly, else counted, capped; known of what is complete and of what has not begun; the view agrees."""
    number = filled.task(filled.session(), **{"status": "running", **values})
    assert store.task(number).percent == percent
    assert store.query("SELECT percent FROM v_tasks").rows == ((percent,),)


def test_a_simulated_percent_comes_from_the_clock(filled: Filled, store: Store) -> None:
    """Drawn when read, marked as such, with a message of its own; the SQL views say that it is not known."""
    drawn: dict[str, Any] = {
        "simulate_from": 0.0,
        "simulate_until": 80.0,
        "simulate_since": filled.now - 3600,
        "total": None,
    }
    number = filled.task(filled.session(status=None), status="running", process_id=filled.process(), **drawn)
    task = store.task(number)
    assert (task.percent, task.simulated, task.message) == (80, True, "Finalizing...")
    assert store.query("SELECT percent FROM v_tasks").rows == ((None,),)
    assert store.query("SELECT percent FROM v_sessions").rows == ((None,),)
    assert store.sessions().items[0].overall_percent == store.session(1).overall_percent == 80


def test_a_simulated_percent_stops_with_its_owner_and_with_its_end(filled: Filled, store: Store) -> None:
    """Nothing is drawn for what is dead, nor beyond the end of what failed."""
    drawn: dict[str, Any] = {"simulate_from": 0.0, "simulate_until": 90.0, "simulate_expected": 100.0, "total": None}
    session = filled.session(status=None)
    dead = filled.dead_process(heartbeat_at=filled.now - 90)
    lost = filled.task(session, status="running", process_id=dead, simulate_since=filled.now - 100, **drawn)
    failed = filled.task(session, status="error", simulate_since=filled.now - 100, ended_at=filled.now - 80, **drawn)
    assert store.task(lost).percent == pytest.approx(9)
    assert store.task(failed).percent == pytest.approx(18)


def test_what_takes_longer_than_nearly_all_past_runs_is_late(filled: Filled, store: Store) -> None:
    """It parks below its end and says so; the median was expected, the slowest usual run has passed."""
    session = filled.session(status=None)
    for duration in (8.0, 10.0, 12.0):
        filled.task(session, "Report", duration=duration)
    drawn: dict[str, Any] = {
        "simulate_from": 0.0,
        "simulate_until": 90.0,
        "simulate_expected": 10.0,
        "total": None,
        "message": "busy",
    }
    for seconds, message in ((11.0, "busy"), (13.0, "busy (late)")):
        number = filled.task(session, "Report", "running", simulate_since=filled.now - seconds, **drawn)
        assert store.task(number).message == message


def test_rate_and_finish_time_come_from_the_curve(filled: Filled, store: Store) -> None:
    """Ten a second so far, fifty left: five seconds from the last change."""
    curve = json.dumps([[0, 0], [1, 10], [4, 40]])
    values: dict[str, Any] = {"done": 50, "started_at": filled.now - 5, "updated_at": filled.now, "curve": curve}
    number = filled.task(filled.session(status=None), status="running", process_id=filled.process(), **values)
    task = store.task(number)
    assert task.rate == pytest.approx(10)
    assert task.eta == pytest.approx(filled.now + 5)


def test_what_other_programs_wrote_wrongly_does_not_break_reading(filled: Filled, store: Store) -> None:
    """A curve, metadata and event data that are no JSON."""
    session = filled.session()
    for curve in ("not json", '{"a": 1}', '[[1], ["x", 2], [1, 2, 3], 5, [3, 4]]'):
        filled.task(session, curve=curve)
    filled.event(session, data="{broken")
    filled.run("INSERT INTO metadata VALUES (1, 0, 'k', '{broken')")
    assert [task.curve for task in store.session(session).tasks] == [(), (), ()]
    assert store.session(session).meta == {"k": "{broken"}
    assert store.events()[0].data == "{broken"
    assert "broken" in store.query("SELECT meta FROM v_sessions").rows[0][0]


def test_events_come_in_order_of_id_after_any_place(filled: Filled, store: Store) -> None:
    """Of all, of a session, of a task; time does not order them."""
    first, second = filled.session(), filled.session()
    task = filled.task(second)
    filled.event(first, None, "started", at=filled.now + 100)
    filled.event(second, task, "failed item", "row 7", data='{"row": 7}')
    filled.event(second, None, "complete")
    assert [event.id for event in store.events()] == [1, 2, 3]
    assert [event.id for event in store.events(session_id=second)] == [2, 3]
    (event,) = store.events(task_id=task)
    assert (event.kind, event.message, event.data, event.task_id) == ("failed item", "row 7", {"row": 7}, task)
    assert [event.id for event in store.events(after=1, limit=1)] == [2]
    assert store.events(session_id=99) == ()


def test_a_history_has_counts_success_and_times(filled: Filled, store: Store) -> None:
    """Median and 90th percentile by nearest rank over the complete runs only."""
    session = filled.session()
    for duration in range(1, 11):
        filled.task(session, "Ingest", duration=float(duration), started_at=filled.now - duration)
    filled.task(session, "Ingest", "error", duration=1000.0)
    filled.task(session, "Ingest", "running")
    history = store.history("nightly", "Ingest")
    assert (history.runs, history.complete, history.errors, history.cancelled) == (12, 10, 1, 0)
    assert (history.success_rate, history.median, history.p90) == (10 / 11, 5, 9)
    assert history.last_started_at == filled.now - 1
    (row,) = store.query("SELECT runs, complete, success_rate, median_seconds, p90_seconds FROM v_names").rows
    assert row == (12, 10, 10 / 11, 5, 9)


def test_histories_are_listed_last_started_first(filled: Filled, store: Store) -> None:
    """One that never began comes last, and has no times."""
    session = filled.session()
    filled.task(session, "Old", started_at=filled.now - 1000)
    filled.task(session, "New", started_at=filled.now - 1)
    filled.task(session, "Waiting", "pending")
    names = store.names()
    assert [history.name for history in names] == ["New", "Old", "Waiting"]
    assert (names[2].median, names[2].success_rate, names[2].last_started_at) == (None, None, None)
    with pytest.raises(NotFound, match="Nope"):
        store.history("nightly", "Nope")


def test_facets_count_what_matches(filled: Filled, store: Store) -> None:
    """By status, session name and host, the most frequent first; a filter narrows all three."""
    here, there = filled.session("nightly"), filled.session("weekly", host="far")
    for status in ("complete", "complete", "error"):
        filled.task(here, status=status)
    filled.task(there, session_name="weekly", status="complete")
    host = store.session(here).host
    assert store.facets() == {
        "status": {"complete": 3, "error": 1},
        "session_name": {"nightly": 3, "weekly": 1},
        "host": {host: 3, "far": 1},
    }
    assert list(store.facets()["host"]) == [host, "far"]
    assert store.facets(Filter(statuses=frozenset({Status.ERROR})))["session_name"] == {"nightly": 1}
    assert store.facets(Filter(name="no such")) == {"status": {}, "session_name": {}, "host": {}}


def test_the_data_version_changes_with_each_commit_of_others(filled: Filled, store: Store) -> None:
    """And only then, so a poller that sees the same number need not read."""
    first = store.data_version()
    assert store.data_version() == first
    filled.session()
    second = store.data_version()
    assert second != first
    assert store.data_version() == second


def test_several_threads_may_ask_one_store(filled: Filled, store: Store) -> None:
    """Each gets its own answer."""
    number = filled.session()
    for _ in range(20):
        filled.task(number)
    seen: list[int] = []

    def ask() -> None:
        for _ in range(5):
            seen.append(len(store.session(number).tasks))
            seen.append(len(store.tasks(limit=20)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {20}
    assert len(seen) == 8 * 10


def test_a_closed_store_opens_again_when_asked(filled: Filled, store: Store) -> None:
    """Closing gives the connections back, no more."""
    number = filled.session()
    store.session(number)
    store.close()
    store.close()
    assert store.session(number).id == number


def test_a_running_task_of_nobody_is_unknown(filled: Filled, store: Store) -> None:
    """A copied row may not say whose it is."""
    number = filled.task(filled.session(status=None), status="running", process_id=None)
    verdict = store.task(number).verdict
    assert verdict is not None
    assert verdict.life is Life.UNKNOWN


def test_views_are_plain_json(filled: Filled, store: Store) -> None:
    """to_dict() survives json.dumps, with a verdict in it."""
    number = filled.session(status=None, process_id=filled.dead_process())
    filled.task(number, status="running", process_id=1)
    told = json.loads(json.dumps(store.session(number).to_dict(), allow_nan=False))
    assert told["verdict"]["life"] == told["tasks"][0]["verdict"]["life"] == "lost"
