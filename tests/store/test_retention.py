"""Pruning and deleting: what goes, what stays, and what the report says."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from progstore import BadValue, NotFound, PruneReport, Status, StillRunning, StoreBusy, StoreNotFound, VacuumReport
from progstore.store import forgetting, removal, tables
from progstore.store.reader import Reader
from progstore.store.sqlite.lockfile import MAINTENANCE, LockFile
from progstore.store.store import Store
from tests.store.conftest import Filled

DAY = 86_400.0
COUNTS = "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM tasks), (SELECT count(*) FROM events)"


def ids(store: Store) -> list[int]:
    """The sessions that are there."""
    return [row[0] for row in store.query("SELECT id FROM sessions ORDER BY id").rows]


def numbers(report: PruneReport) -> tuple[int, int, int]:
    """How many sessions, tasks and events the report names."""
    return report.sessions, report.tasks, report.events


def prune_twice(store: Store, **rule: Any) -> PruneReport:
    """Prune after a dry run, which must foretell it and change nothing."""
    before = store.query(COUNTS).rows
    forecast = store.prune(**rule, dry_run=True)
    assert forecast.dry_run
    assert store.query(COUNTS).rows == before
    report = store.prune(**rule)
    assert not report.dry_run
    assert numbers(forecast) == numbers(report)
    after = store.query(COUNTS).rows
    assert tuple(was - now for was, now in zip(before[0], after[0], strict=True)) == numbers(report)
    return report


def aged(filled: Filled, days: float, name: str = "nightly", status: str = "complete") -> int:
    """A session with a task, events and metadata that ended so many days ago."""
    ended = filled.now - days * DAY
    session = filled.session(name, status=status, started_at=ended - 10, process_id=filled.ended_process())
    task = filled.task(session, status=status, started_at=ended - 10, process_id=1, session_name=name)
    child = filled.task(session, parent_id=task, started_at=ended - 10, process_id=1)
    filled.meta(session, branch="main")
    filled.meta(session, child, model="x")
    filled.event(session)
    filled.event(session, task)
    return session


def test_what_is_old_goes_with_all_that_hangs_on_it(filled: Filled, store: Store) -> None:
    """Tasks, nested ones, events, metadata, and the processes that nothing refers to any more."""
    old, new = aged(filled, 40), aged(filled, 20)
    alive = filled.process()
    assert numbers(prune_twice(store, older_than=30 * DAY)) == (1, 2, 2)
    assert ids(store) == [new]
    for table in ("tasks", "events", "metadata"):
        assert store.query(f"SELECT DISTINCT session_id FROM {table}").rows == ((new,),)
    # Process 1 still owns the newer session's tasks.
    assert [row[0] for row in store.query("SELECT id FROM processes").rows] == [1, 2, alive]
    assert old not in ids(store)
    assert store.check()["integrity"] == "ok"
    assert store.query("SELECT * FROM metadata WHERE task_id NOT IN (SELECT id FROM tasks) AND task_id > 0").rows == ()


def test_processes_that_nothing_refers_to_are_forgotten(filled: Filled, store: Store) -> None:
    """Once they ended, or were lost for more than a day; what may come back stays."""
    aged(filled, 40)
    lost = {"lost_at": filled.now - 2 * DAY}
    filled.dead_process(**lost, heartbeat_at=filled.now - 2 * DAY)
    recent = filled.dead_process(lost_at=filled.now, heartbeat_at=filled.now - 5)
    alive = filled.process()
    store.prune(older_than=30 * DAY)
    assert [row[0] for row in store.query("SELECT id FROM processes").rows] == [recent, alive]


def test_what_runs_is_never_touched(filled: Filled, store: Store) -> None:
    """However old, by whatever rule: a session that waits for its end, or one with a running or pending task."""
    alive = filled.process(started_at=5.0)
    old: dict[str, Any] = {"started_at": 5.0, "process_id": alive}
    without_end = filled.session(status=None, **old)
    with_task = filled.session(**old, ended_at=6.0)
    filled.task(with_task, status="running", **old)
    with_pending = filled.session(kind="declared", status=None, **old)
    filled.task(with_pending, status="pending", process_id=alive)
    unowned = filled.session(started_at=5.0, ended_at=6.0)
    filled.task(unowned, status="running", started_at=5.0, process_id=None)
    gone = aged(filled, 40)
    for rule in ({"older_than": 0.0}, {"name": "nightly"}, {"keep_last": 0}, {"statuses": frozenset(Status) - OPEN}):
        prune_twice(store, **rule)
        assert ids(store) == [without_end, with_task, with_pending, unowned]
    assert gone not in ids(store)


OPEN = frozenset({Status.PENDING, Status.RUNNING})


def test_what_was_lost_counts_as_ended_when_it_last_changed(filled: Filled, store: Store) -> None:
    """And as an error: its owner is dead, whatever the row says."""
    dead = filled.dead_process(heartbeat_at=filled.now - 20 * DAY)
    session = filled.session(status=None, process_id=dead, started_at=filled.now - 40 * DAY)
    filled.task(session, status="running", process_id=dead, updated_at=filled.now - 20 * DAY)
    assert prune_twice(store, older_than=30 * DAY).sessions == 0
    assert prune_twice(store, statuses=frozenset({Status.COMPLETE, Status.CANCELLED})).sessions == 0
    assert prune_twice(store, older_than=10 * DAY, statuses=frozenset({Status.ERROR})).sessions == 1


def test_a_declared_session_that_nobody_can_carry_on_ages(filled: Filled, store: Store) -> None:
    """Its tasks are pending, and who declared them is gone."""
    session = filled.session(kind="declared", status=None, process_id=filled.ended_process(), started_at=5.0)
    filled.task(session, status="pending", process_id=1, updated_at=6.0)
    assert prune_twice(store, older_than=DAY).sessions == 1


def test_a_status_is_that_of_the_session(filled: Filled, store: Store) -> None:
    """Derived from its tasks, as everywhere."""
    complete, failed, cancelled = (aged(filled, 1, status=status) for status in ("complete", "error", "cancelled"))
    assert prune_twice(store, statuses=frozenset({Status.ERROR})).sessions == 1
    assert ids(store) == [complete, cancelled]
    assert failed not in ids(store)


def test_the_newest_of_each_name_are_spared(filled: Filled, store: Store) -> None:
    """Counted over all sessions of the name, those that run too."""
    for name, days in (("a", 5), ("a", 4), ("a", 3), ("b", 9)):
        aged(filled, days, name)
    filled.session("a", status=None, process_id=filled.process())
    assert prune_twice(store, keep_last=2).sessions == 2
    assert ids(store) == [3, 4, 5]


def test_all_that_is_given_must_hold(filled: Filled, store: Store) -> None:
    """Age, name and the spared ones together."""
    for name, days in (("a", 40), ("a", 35), ("a", 5), ("b", 40)):
        aged(filled, days, name)
    assert prune_twice(store, older_than=30 * DAY, name="a", keep_last=2).sessions == 1
    assert ids(store) == [2, 3, 4]


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"older_than": -1.0},
        {"older_than": float("nan")},
        {"keep_last": -1},
        {"statuses": frozenset({Status.RUNNING})},
    ],
)
def test_a_rule_that_says_nothing_or_nonsense_is_refused(filled: Filled, store: Store, rule: dict[str, Any]) -> None:
    """Nothing is removed by mistake."""
    aged(filled, 40)
    for dry_run in (True, False):
        with pytest.raises(BadValue):
            store.prune(**rule, dry_run=dry_run)
    assert ids(store) == [1]


@pytest.mark.sqlite
def test_many_sessions_go_in_many_steps(filled: Filled, store: Store) -> None:
    """More than fit into one question or one transaction; the space is given back."""
    with filled.together():
        process = filled.ended_process()
        for number in range(1300):
            session = filled.session(started_at=float(number), process_id=process)
            filled.task(session, started_at=float(number), process_id=process, message="x" * 2000)
    filled.checkpoint()
    size = os.stat(filled.file.path).st_size
    report = prune_twice(store, keep_last=3)
    assert numbers(report) == (1297, 1297, 0)
    assert ids(store) == [1298, 1299, 1300]
    assert report.bytes_freed > 0.8 * size
    assert os.stat(filled.file.path).st_size < 0.3 * size


def test_a_session_of_very_many_tasks_goes_in_many_steps_too(
    filled: Filled, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One session must not make writers wait for as long as all of its tasks take."""
    monkeypatch.setattr(removal, "AT_ONCE", (5, 50))
    with filled.together():
        session = filled.session()
        parent = filled.task(session)
        for _ in range(300):
            filled.event(session, filled.task(session, parent_id=parent))
    assert numbers(store.delete(sessions=[session])) == (1, 301, 300)
    assert store.check()["rows"] == {"processes": 0, "sessions": 0, "tasks": 0, "events": 0, "metadata": 0}


def test_deleting_names_what_it_removes(filled: Filled, store: Store) -> None:
    """Sessions with all of theirs, tasks with what is nested in them; twice named is once removed."""
    first, second = aged(filled, 1), aged(filled, 1)
    parent, child = store.session(second).tasks
    forecast = store.delete(sessions=[first, first], tasks=[parent.id], dry_run=True)
    report = store.delete(sessions=[first, first], tasks=[parent.id])
    assert numbers(forecast) == numbers(report) == (1, 4, 3)
    assert ids(store) == [second]
    assert store.session(second).tasks == ()
    assert child.id not in [task.id for task in store.tasks()]


def test_a_deleted_number_never_comes_back(filled: Filled, store: Store) -> None:
    """A link to 17 never leads to another session later."""
    session = aged(filled, 1)
    store.delete(sessions=[session])
    assert aged(filled, 1) == session + 1


@pytest.mark.parametrize(("sessions", "tasks"), [([99], []), ([], [99]), ([1, 10**30], []), ([1], [99])])
def test_deleting_what_is_not_there_is_an_error_and_deletes_nothing(
    filled: Filled, store: Store, sessions: list[int], tasks: list[int]
) -> None:
    """All or nothing."""
    aged(filled, 1)
    with pytest.raises(NotFound, match="there is no"):
        store.delete(sessions=sessions, tasks=tasks)
    assert ids(store) == [1]


def test_deleting_what_runs_must_be_forced(filled: Filled, store: Store) -> None:
    """A session that goes on, a task that runs, one nested in what was named."""
    alive = filled.process()
    session = filled.session(process_id=alive)
    parent = filled.task(session, process_id=alive)
    filled.task(session, status="running", parent_id=parent, process_id=alive)
    for sessions, tasks in (([session], []), ([], [parent])):
        for dry_run in (True, False):
            with pytest.raises(StillRunning, match="force=True"):
                store.delete(sessions=sessions, tasks=tasks, dry_run=dry_run)
    assert numbers(store.delete(tasks=[parent], force=True)) == (0, 2, 0)
    waiting = filled.session(status=None, process_id=alive)
    with pytest.raises(StillRunning):
        store.delete(sessions=[waiting])
    assert numbers(store.delete(sessions=[waiting], force=True)) == (1, 0, 0)


def test_what_was_lost_needs_no_force(filled: Filled, store: Store) -> None:
    """Nobody works on it."""
    dead = filled.dead_process()
    session = filled.session(status=None, process_id=dead)
    filled.task(session, status="running", process_id=dead)
    assert numbers(store.delete(sessions=[session])) == (1, 1, 0)


def test_a_child_in_another_session_outlives_its_parent(filled: Filled, store: Store) -> None:
    """Its parent is gone, it becomes a root; only what is named by task takes its children along."""
    first, second = filled.session(), filled.session()
    child = filled.task(second, parent_id=filled.task(first))
    store.delete(sessions=[first])
    assert store.task(child).parent_id is None


def test_what_came_to_life_since_it_was_chosen_stays(filled: Filled) -> None:
    """Each transaction looks again: a task may have been taken over, and then all of its session stays."""
    dead = filled.dead_process(lost_at=5.0)
    session = filled.session(status=None, process_id=dead)
    taken = filled.task(session, status="running", process_id=dead)
    ended = filled.task(session, process_id=dead)
    filled.event(session, taken)
    filled.event(session, ended)
    filled.meta(session, taken, a=1)
    closed = filled.session(status=None, process_id=dead)
    filled.change(tables.tasks, taken, process_id=filled.process())
    with filled.location.cleaner() as cleaner:
        reader = Reader(filled.location)
        assert removal.remove(cleaner, reader, [session, closed], []) == (1, 0, 0)
        assert removal.remove(cleaner, reader, [], [taken, ended]) == (0, 1, 1)
        reader.close()
    with Store(filled.url) as store:
        (task,) = store.session(session).tasks
        assert (task.id, task.meta, len(store.events())) == (taken, {"a": 1}, 1)


def test_a_large_session_that_comes_to_life_while_another_goes_keeps_all_of_it(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each piece it is looked again, for the pieces of those before it may take long."""
    monkeypatch.setattr(removal, "LARGE", 10)
    owner, worker = filled.dead_process(lost_at=5.0), filled.process()
    with filled.together():
        first, second = (filled.session(kind="declared", status=None, process_id=owner) for _ in range(2))
        for session in (first, second):
            filled.event(session, filled.task(session))
            for _ in range(10):
                filled.task(session)
        declared = filled.task(second, status="pending")

    def begin(_: float) -> None:
        filled.change(tables.tasks, declared, status="running", process_id=worker)

    reader = Reader(filled.location)
    with filled.location.cleaner() as cleaner:
        monkeypatch.setattr(cleaner, "let_others", begin)
        assert removal.remove(cleaner, reader, [first, second], []) == (1, 11, 1)
        assert removal.remove(cleaner, reader, [second], [], force=True) == (1, 12, 1)
    reader.close()


def test_a_process_that_is_given_a_task_while_others_are_forgotten_stays(
    filled: Filled, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new one, or one that another had begun: no task is left without its owner."""
    with filled.together():
        gone = [filled.ended_process() for _ in range(9)]
        session = filled.session()
        begun = filled.task(session, status="running", process_id=filled.process())

    def give(_: float) -> None:
        filled.change(tables.tasks, begun, process_id=gone[7])
        filled.task(session, process_id=gone[8])

    reader = Reader(filled.location)
    with filled.location.cleaner() as cleaner:
        monkeypatch.setattr(cleaner, "let_others", give)
        forgetting.forget_processes(cleaner, reader, filled.now)
    reader.close()
    owned = store.query("SELECT DISTINCT process_id FROM tasks ORDER BY process_id").rows
    assert owned == ((gone[7],), (gone[8],))
    assert store.query("SELECT id FROM processes WHERE ended_at IS NOT NULL ORDER BY id").rows == owned


def test_what_another_session_tells_of_a_task_outlives_the_task(filled: Filled, store: Store) -> None:
    """Older versions took such an event from other stores; it keeps neither of the two sessions from going."""
    first, second = aged(filled, 40), aged(filled, 1)
    stray = filled.event(second, store.session(first).tasks[0].id)
    assert numbers(prune_twice(store, older_than=30 * DAY)) == (1, 2, 2)
    assert [(event.id, event.task_id) for event in store.events() if event.id == stray] == [(stray, None)]
    assert numbers(prune_twice(store, older_than=0.0)) == (1, 2, 3)


def test_ages_are_by_the_clock_of_the_store(filled: Filled, store: Store) -> None:
    """Those of what a machine with a wrong clock told are corrected by what is known of it."""

    def behind(days: float) -> int:
        """A process on such a machine."""
        number = filled.ended_process()
        filled.run(f"INSERT INTO remotes (process_id, clock_offset) VALUES ({number}, {-days * DAY})")
        return number

    new = filled.session(started_at=filled.now - 60 * DAY - 10, process_id=behind(60))
    shared = filled.session(kind="declared", status=None, started_at=filled.now - 70 * DAY, process_id=behind(0))
    filled.task(shared, started_at=filled.now - 70 * DAY, process_id=behind(0))
    filled.task(shared, started_at=filled.now - 60 * DAY - 10, process_id=behind(60))
    old = filled.session(started_at=filled.now - 10, process_id=behind(-40))
    assert ids(store) == [new, shared, old]
    assert prune_twice(store, older_than=30 * DAY).sessions == 1
    assert ids(store) == [new, shared]


@pytest.mark.sqlite
def test_only_one_clean_up_goes_on_at_a_time(filled: Filled, store: Store) -> None:
    """The second is told so at once; a dry run needs no lock."""
    aged(filled, 40)
    lock = LockFile(filled.file.lock, create=True)
    assert lock.try_lock(MAINTENANCE)
    asked: list[Callable[[], object]] = [
        lambda: store.prune(older_than=0.0),
        lambda: store.delete(sessions=[1]),
        store.vacuum,
        store.settle,
    ]
    for ask in asked:
        with pytest.raises(StoreBusy, match="another process"):
            ask()
    assert store.prune(older_than=0.0, dry_run=True).sessions == 1
    lock.unlock(MAINTENANCE)
    lock.close()
    assert store.prune(older_than=0.0).sessions == 1


@pytest.mark.sqlite
def test_nothing_is_created_by_cleaning_up_what_is_not_there(filled: Filled) -> None:
    """A mistyped path stays what it is."""
    path = filled.file.path + ".typo"
    with Store(path) as store:
        for ask in (store.vacuum, store.settle):
            with pytest.raises(StoreNotFound):
                ask()
        with pytest.raises(StoreNotFound):
            store.prune(older_than=0.0)
    assert not os.path.exists(path)
    assert not os.path.exists(path + ".lock")


@pytest.mark.sqlite
def test_writers_go_on_while_a_store_is_pruned(filled: Filled, store: Store) -> None:
    """None of them fails, and none of what they write meanwhile is touched."""
    with filled.together():
        process = filled.ended_process()
        for number in range(1, 2001):
            session = filled.session("old", started_at=float(number), process_id=process)
            filled.task(session, started_at=float(number), process_id=process, curve="[" + "0," * 300 + "0]")
    written: list[int] = []
    over = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(filled.file.path, timeout=0.25, isolation_level=None)) as raw:
            raw.execute("PRAGMA wal_autocheckpoint=0")
            while not over.wait(0.005):
                raw.execute("BEGIN IMMEDIATE")
                raw.execute("UPDATE sessions SET message = message || 'x' WHERE id = 2001")
                raw.execute("COMMIT")
                written.append(1)

    kept = filled.session("new", status=None, process_id=filled.process())
    writer = threading.Thread(target=write)
    writer.start()
    try:
        report = store.prune(older_than=DAY)
    finally:
        over.set()
        writer.join()
    assert report.sessions == 2000
    assert ids(store) == [kept]
    assert len(store.session(kept).message) == len(written) > 10
    assert store.check()["integrity"] == "ok"


@pytest.mark.sqlite
def test_vacuum_gives_every_free_page_back(filled: Filled, store: Store) -> None:
    """And says how many bytes that are; a second one finds nothing."""
    with filled.together():
        session = filled.session()
        for _ in range(500):
            filled.task(session, message="x" * 4000)
    filled.checkpoint()
    store.delete(sessions=[session])
    before = os.stat(filled.file.path).st_size
    freed = store.vacuum().bytes_given_back
    assert freed > 500 * 4000
    assert os.stat(filled.file.path).st_size == before - freed
    assert store.vacuum() == VacuumReport(bytes_given_back=0)


@pytest.mark.sqlite
def test_a_busy_store_is_waited_for(filled: Filled) -> None:
    """A writer that holds it for longer than SQLite waits only delays a step."""
    holding, held = threading.Event(), threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(filled.file.path, isolation_level=None)) as raw:
            raw.execute("BEGIN IMMEDIATE")
            held.set()
            holding.wait(0.6)
            raw.execute("COMMIT")

    holder = threading.Thread(target=hold)

    def put(connection: Connection) -> None:
        connection.execute(insert(tables.store_info).values(key="a", value="b"))

    with filled.location.cleaner() as cleaner:
        holder.start()
        held.wait()
        cleaner.transact(put)
    holder.join()
    with Store(filled.url) as store:
        assert store.query("SELECT value FROM store_info WHERE key = 'a'").rows == (("b",),)
