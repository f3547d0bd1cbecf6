"""A clean-up that has a size to reach: what goes, what stays, and what keeps a file from becoming smaller."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from progstore import BadValue, PruneReport, Status
from progstore.store import removal
from progstore.store.cleaner import Cleaner
from progstore.store.sqlite import checkpoint, cleaning
from progstore.store.store import Store
from tests.store.conftest import Filled

pytestmark = pytest.mark.sqlite  # all but the last word on size is about files

HOUR = 3600.0
DAY = 24 * HOUR
LARGE = 40_000
"""Bytes of a task's traceback."""


def finished(filled: Filled, ended: list[float], name: str = "nightly", size: int = LARGE) -> list[int]:
    """Sessions that ended so many seconds ago, each with a task and an event, that take about so many bytes each."""
    with filled.together():
        process = filled.ended_process()
        made = []
        for ago in ended:
            begun = filled.now - ago - 10
            session = filled.session(name, started_at=begun, process_id=process)
            task = filled.task(session, started_at=begun, process_id=process, traceback="x" * size)
            filled.event(session, task)
            made.append(session)
    filled.checkpoint()
    return made


def left(store: Store) -> list[int]:
    """The sessions that are left."""
    return [row[0] for row in store.query("SELECT id FROM sessions ORDER BY id").rows]


def prune(store: Store, **rule: Any) -> PruneReport:
    """Prune after a dry run, which must foretell all but the bytes, and those nearly."""
    forecast, report = store.prune(**rule, dry_run=True), store.prune(**rule)
    assert (forecast.sessions, forecast.tasks, forecast.events) == (report.sessions, report.tasks, report.events)
    assert report.bytes_used <= forecast.bytes_used
    return report


@contextmanager
def reading(filled: Filled) -> Iterator[None]:
    """While another program reads the store as it is now, and does not come to an end."""
    with closing(sqlite3.connect(f"file:{filled.file.path}?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sessions").fetchone()
        yield


def test_the_oldest_go_until_the_store_is_so_small(filled: Filled, store: Store) -> None:
    """By when they ended, not when they were written; no more than must, and the file itself is no larger."""
    made = finished(filled, [DAY * (1 + number) for number in range(60)])
    most = 1_500_000
    report = prune(store, max_size=most)
    assert 0.85 * most < report.bytes_used <= most
    assert os.stat(filled.file.path).st_size <= most
    assert report.bytes_given_back > 0.3 * 60 * LARGE
    assert left(store) == made[: 60 - report.sessions]
    assert report.warnings == ()
    assert prune(store, max_size=most).sessions == 0


def test_a_store_that_is_small_enough_loses_nothing(filled: Filled, store: Store) -> None:
    """However old; but a file with free pages becomes as small as it may be."""
    made = finished(filled, [DAY] * 30)
    assert prune(store, max_size=10**9).sessions == 0
    store.delete(sessions=made[:20])
    filled.checkpoint()
    assert os.stat(filled.file.path).st_size > 1_000_000
    assert prune(store, max_size=1_000_000).sessions == 0
    assert os.stat(filled.file.path).st_size <= 1_000_000
    assert left(store) == made[20:]


def test_recent_and_running_work_is_spared_and_the_report_says_so(filled: Filled, store: Store) -> None:
    """What ended within the last hour goes only where an age says so; what runs never does."""
    old, recent = finished(filled, [2 * HOUR]), finished(filled, [0.9 * HOUR] * 20)
    running = filled.session(status=None, process_id=filled.process(), started_at=5.0)
    filled.task(running, status="running", process_id=2, traceback="x" * LARGE, started_at=5.0)
    report = prune(store, max_size=300_000)
    assert left(store) == [*recent, running]
    assert "more than the 300,000 asked for: what is left runs, " in report.warnings[0]
    assert "ended within the last hour" in report.warnings[0]
    assert store.prune(max_size=300_000, dry_run=True).warnings[0].startswith("the store takes about ")
    report = prune(store, max_size=0, older_than=0.5 * HOUR)
    assert left(store) == [running]
    assert report.warnings[0].endswith("what is left runs or is spared by the rule")
    assert old[0] not in left(store)


def test_a_size_restricts_what_other_rules_say(filled: Filled, store: Store) -> None:
    """Only what matches goes, and only as much of it as must."""
    first = finished(filled, [40 * DAY] * 20, "a")
    other = finished(filled, [50 * DAY] * 20, "b")
    report = prune(store, max_size=1_400_000, name="a", keep_last=3)
    assert 0 < report.sessions < 17
    assert left(store) == [*first[report.sessions :], *other]
    report = prune(store, max_size=0, name="a", keep_last=3)
    assert left(store) == [*first[-3:], *other]
    assert "is spared by the rule" in report.warnings[0]


@pytest.mark.parametrize("size", [-1, -(10**20)])
def test_what_is_no_size_is_refused(filled: Filled, store: Store, size: int) -> None:
    """And nothing goes."""
    finished(filled, [DAY])
    with pytest.raises(BadValue, match="max_size is a number of bytes"):
        store.prune(max_size=size)
    assert len(left(store)) == 1


def test_a_file_that_cannot_shrink_is_told_of_with_the_way_out(filled: Filled, store: Store) -> None:
    """Its rows go all the same; the command that is named mends it."""
    path = filled.file.path
    finished(filled, [DAY] * 30)
    filled.close()
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA auto_vacuum=NONE")
        raw.execute("VACUUM")
    report = store.prune(older_than=HOUR)
    assert (report.sessions, report.bytes_given_back) == (30, 0)
    assert "without incremental vacuum" in report.warnings[0]
    assert store.vacuum().warnings == report.warnings
    _, command, _ = report.warnings[0].split("`")
    store.close()
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(command.split("'")[1])
    assert os.stat(path).st_size < 300_000
    assert store.vacuum().warnings == ()


def test_a_reader_that_does_not_end_is_named_where_the_file_stays_large(
    filled: Filled, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is said to have been given back before it was; the next clean-up does it."""
    monkeypatch.setattr(cleaning, "MOVE_SECONDS", 0.1)
    finished(filled, [DAY] * 60)
    size = os.stat(filled.file.path).st_size
    with reading(filled):
        report = store.prune(older_than=HOUR)
        assert (report.sessions, report.bytes_given_back) == (60, 0)
        assert "when a program that has been reading it for long comes to an end" in report.warnings[0]
        assert os.stat(filled.file.path).st_size >= size
    report = store.prune(older_than=HOUR)
    assert (report.sessions, report.warnings) == (0, ())
    assert os.stat(filled.file.path).st_size == size - report.bytes_given_back < 300_000


def test_beside_a_reader_that_does_not_end_the_log_stays_bounded(
    filled: Filled, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clean-up stops where the log is very large, says why, and can be done again later."""
    for module in (cleaning, checkpoint):
        monkeypatch.setattr(module, "PASSIVE_AT", 500_000)
        monkeypatch.setattr(module, "TRUNCATE_AT", 1_000_000)
        monkeypatch.setattr(module, "WARN_AT", 2_000_000)
    finished(filled, [DAY] * 400, size=2000)
    with reading(filled):
        filled.run(f"UPDATE tasks SET message = '{'x' * 1000}'")
        report = store.prune(older_than=HOUR)
        assert report.sessions < 400
        assert report.warnings[0].startswith("stopped early: ")
        assert os.stat(filled.file.wal).st_size < 4_000_000
        assert len(left(store)) == 400 - report.sessions
        some = left(store)[:20]
        assert store.delete(sessions=some).warnings == report.warnings[:1]
    assert store.prune(older_than=HOUR).warnings == ()
    assert left(store) == []


def test_a_session_of_very_many_events_goes_in_many_steps(
    filled: Filled, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does a task of very many; and no transaction removes more rows than it may."""
    with filled.together():
        session = filled.session()
        task = filled.task(session)
        for _ in range(300):
            filled.event(session, task)
            filled.event(session)
    monkeypatch.setattr(removal, "DELETE_SECONDS", 0.0)
    steps: list[int] = []
    filled.run("CREATE TABLE gone (id INTEGER)")
    filled.run("CREATE TRIGGER counted AFTER DELETE ON events BEGIN INSERT INTO gone VALUES (old.id); END")
    transact = Cleaner.transact

    def gone() -> int:
        return int(store.query("SELECT count(*) FROM gone").rows[0][0])

    def counted(self: Cleaner, work: Any) -> Any:
        before = gone()
        done = transact(self, work)
        steps.append(gone() - before)
        return done

    monkeypatch.setattr(Cleaner, "transact", counted)
    assert store.delete(tasks=[task]).events == 300
    assert store.delete(sessions=[session]).events == 300
    assert sum(steps) == 600
    assert max(steps) < 200


def test_a_large_session_that_was_half_removed_is_found_again(
    filled: Filled, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last task is the one that says how it ended."""
    with filled.together():
        session = filled.session(kind="declared", status=None)
        for _ in range(300):
            filled.task(session)
        filled.task(session, status="error")
    calls: list[int] = []
    transact = Cleaner.transact

    def killed(self: Cleaner, work: Any) -> Any:
        calls.append(1)
        if store.query("SELECT count(*) FROM tasks").rows[0][0] < 150:
            raise KeyboardInterrupt
        return transact(self, work)

    monkeypatch.setattr(Cleaner, "transact", killed)
    with pytest.raises(KeyboardInterrupt):
        store.prune(statuses=frozenset({Status.ERROR}))
    assert 0 < store.query("SELECT count(*) FROM tasks").rows[0][0] < 150
    monkeypatch.setattr(Cleaner, "transact", transact)
    assert store.prune(statuses=frozenset({Status.ERROR})).sessions == 1
