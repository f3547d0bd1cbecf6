"""A store that is missing, locked, full, foreign or gone: the loop goes on, and one warning tells why."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import progstore
from progstore.live.exits import leave_store
from progstore.live.outbox import MOST_WAITING, Outbox
from progstore.live.state import SessionState, TaskState

Until = Callable[..., Any]
Ask = Callable[..., list[Any]]


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was warned of so far."""

    def so_far() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]

    return so_far


@pytest.fixture
def held(store_path: Path) -> Iterator[sqlite3.Connection]:
    """A store in which another connection can hold the lock."""
    list(progstore.track([1], "first"))
    assert progstore.flush(10)
    with closing(sqlite3.connect(store_path, isolation_level=None)) as connection:
        yield connection


def no_database(path: Path) -> None:
    """A file of something else."""
    path.write_text("just a note")


def foreign(path: Path) -> None:
    """Another program's database."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")


def newer(path: Path) -> None:
    """A store that a newer progstore has written."""
    subprocess.run(
        [sys.executable, "-c", "import progstore; list(progstore.track([1]))"],
        check=True,
        env={**os.environ, "PROGSTORE_URL": str(path)},
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE store_info SET value = '9' WHERE key IN ('min_reader', 'min_writer')")


@pytest.mark.parametrize(
    ("make", "says", "error"),
    [
        (no_database, "file is not a database", progstore.StoreDamaged),
        (foreign, "belongs to another program", progstore.StoreError),
        (newer, "needs store format 9", progstore.StoreTooNew),
    ],
)
def test_a_file_that_is_not_ours_stays_as_it_is(
    make: Callable[[Path], None],
    says: str,
    error: type[Exception],
    store_path: Path,
    warnings: Callable[[], list[str]],
) -> None:
    """The loop is not disturbed, one warning names cause and way out, flush says False, and a reader gets an error."""
    make(store_path)
    before = store_path.read_bytes()
    assert list(progstore.track(range(3), "job")) == [0, 1, 2]
    assert list(progstore.track(range(3), "again")) == [0, 1, 2]
    assert not progstore.flush(5)
    (warning,) = warnings()
    assert says in warning
    assert store_path.read_bytes() == before
    with pytest.raises(error, match=says), progstore.open_store(str(store_path)) as store:
        store.tasks()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://db1/runs", "cannot use postgresql:// URLs"),
        ("https://board.example", "cannot use https:// URLs"),
        ("sqlite://", "a store in memory would be lost"),
        ("/dev/null/progstore.db", "/dev/null"),
    ],
)
def test_a_place_that_cannot_be_used_is_warned_of_once(url: str, says: str, warnings: Callable[[], list[str]]) -> None:
    """Also where it is only a mistyped URL, the job's loop is not the place to fail."""
    assert list(progstore.track(range(3), "job", store=url)) == [0, 1, 2]
    assert list(progstore.track(range(3), "job", store=url)) == [0, 1, 2]
    assert not progstore.flush(1)
    (warning,) = warnings()
    assert says in warning


def test_a_loop_whose_store_cannot_be_reached_is_not_held_up() -> None:
    """Three steps take well under a second, though nothing can be written."""
    started = time.monotonic()
    assert list(progstore.track(range(3), "job", store="/dev/null/no/where.db")) == [0, 1, 2]
    assert time.monotonic() - started < 1


def test_a_locked_store_makes_progress_late_and_loses_nothing(
    held: sqlite3.Connection, ask: Ask, until: Until, warnings: Callable[[], list[str]]
) -> None:
    """While another connection holds the lock the loop ends; once it is free all of it is there."""
    held.execute("BEGIN IMMEDIATE")
    list(progstore.track(range(100), "late"))
    assert not progstore.flush(1)
    assert ask("SELECT count(*) FROM tasks WHERE name = 'late'") == [0]
    until(lambda: any("locked" in warning for warning in warnings()))
    held.execute("COMMIT")
    assert progstore.flush(10)
    assert ask("SELECT status, done FROM tasks WHERE name = 'late'") == [("complete", 100)]
    assert len(warnings()) == 1


def test_a_store_that_is_deleted_while_a_job_runs_is_written_again(
    store_path: Path, ask: Ask, until: Until, warnings: Callable[[], list[str]]
) -> None:
    """What is live stands in the new file, with its session, its parent and its metadata."""
    with progstore.track(name="outer", total=2, interval=0.05) as outer:
        outer["model"] = "x"
        outer.update()
        assert progstore.flush(10)
        for name in ("", "-wal", "-shm"):
            store_path.with_name(store_path.name + name).unlink(missing_ok=True)
        outer.update()
        until(lambda: ask("SELECT done FROM tasks WHERE name = 'outer'") == [2])
        list(progstore.track("ab", "inner"))
    assert progstore.flush(10)
    found = ask("SELECT t.name, t.status, p.name FROM tasks t LEFT JOIN tasks p ON p.id = t.parent_id ORDER BY t.id")
    assert found == [("outer", "complete", None), ("inner", "complete", "outer")]
    assert ask("SELECT value FROM metadata") == ['"x"']
    assert len(warnings()) == 1
    assert "deleted, moved or replaced" in warnings()[0]


def test_a_newer_schema_that_appears_while_a_job_runs_ends_its_recording(
    held: sqlite3.Connection, until: Until, warnings: Callable[[], list[str]]
) -> None:
    """The old program stops writing, says so with both versions, and its loop goes on."""
    held.execute("UPDATE store_info SET value = '9' WHERE key = 'min_writer'")
    with progstore.track(name="old", total=10, interval=0.05) as task:
        task.update()
        until(lambda: any("needs store format 9" in warning for warning in warnings()))
        task.update()
    assert not progstore.flush(5)
    assert len(warnings()) == 1
    assert "knows format 1" in warnings()[0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 600 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("only root can make a small disk")
    yield disk
    leave_store(str(disk / "progstore.db"))
    subprocess.run(["/bin/umount", "--lazy", str(disk)], check=True)


def fill(path: Path) -> None:
    """Take all the space there is."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def test_a_full_disk_is_waited_out(small_disk: Path, until: Until, warnings: Callable[[], list[str]]) -> None:
    """The job goes on; when there is space again the record is exact."""
    store, filler = str(small_disk / "progstore.db"), small_disk / "filler"
    with progstore.track(name="job", total=400, store=store, interval=0.05) as task:
        assert progstore.flush(10)
        with pytest.raises(OSError, match="No space left"):
            fill(filler)
        for step in range(400):
            task.update()
            task.message(f"{step} " + "m" * 5000)
            if step == 300:
                until(lambda: any("full" in warning for warning in warnings()))
                filler.unlink()
            threading.Event().wait(0.002)
    assert progstore.flush(40)
    with progstore.open_store(store) as opened:
        (view,) = opened.tasks()
    assert (view.status, view.done) == (progstore.Status.COMPLETE, 400)
    assert len(warnings()) == 1


def test_ended_tasks_that_cannot_be_written_take_bounded_memory() -> None:
    """Of very many the oldest are dropped, and what is dropped is counted."""
    outbox = Outbox("/dev/null/no/where.db")
    session = SessionState("s", "ambient", store="/dev/null/no/where.db")
    for _ in range(MOST_WAITING + 500):
        task = TaskState(session, "t", record=True, interval=0.5)
        task.begin()
        task.end("complete")
        outbox.add_task(task)
    assert len(outbox.watched()) <= MOST_WAITING
