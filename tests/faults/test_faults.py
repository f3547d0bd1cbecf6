"""Whatever is wrong with the store, the job goes on as if nothing were; one warning says it, and it comes back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import progstore
from tests.faults.conftest import STALL, Recorded, StartJob, Until, comes_back, goes_on, the_one_warning


def fill(path: Path) -> None:
    """Take all the space that is left. Raises OSError when there is none."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def test_a_folder_that_cannot_be_made_is_warned_of_and_used_once_it_can(
    start_job: StartJob, tmp_path: Path, until: Until, recorded: Recorded
) -> None:
    """There is a file where the folder should be."""
    obstacle = tmp_path / "obstacle"
    obstacle.write_text("in the way", encoding="utf-8")
    path = obstacle / "progstore.db"
    job = start_job(PROGSTORE_URL=str(path))
    goes_on(job)
    assert the_one_warning(job, until) == (
        f"progstore cannot write to {path}: File exists: {obstacle}; "
        "recording goes on when the file and its directory can be opened and written"
    )
    assert job("flush", 0.1) is False
    obstacle.unlink()
    comes_back(job, path, 100, recorded, until)
    assert len(job.warnings()) == 1


def test_a_store_that_is_a_folder_is_warned_of(start_job: StartJob, tmp_path: Path, until: Until) -> None:
    """SQLite's words say little, so ours name the path."""
    job = start_job(PROGSTORE_URL=str(tmp_path))
    goes_on(job)
    assert the_one_warning(job, until).startswith(
        f"progstore cannot write to {tmp_path}: unable to open database file; "
    )


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://user:secret@host/name", "cannot use mysql:// URLs"),
        ("https://user:secret@board.example", "the address of a server holds no user and no password"),
        ("sqlite://", "a store in memory would be lost"),
        ("sqlite://host/path", "names a host"),
    ],
)
def test_a_url_that_cannot_be_used_is_warned_of_and_nothing_is_recorded(
    url: str, says: str, start_job: StartJob, until: Until
) -> None:
    """Even where it is only mistyped, the loop is not the place to fail; a password in it is not repeated."""
    job = start_job(PROGSTORE_URL=url)
    goes_on(job)
    warning = the_one_warning(job, until)
    assert says in warning
    assert "secret" not in warning
    assert warning.endswith("this process does not record")
    assert job.end() == (0, "")


def test_a_file_that_is_no_database_stays_as_it_is(start_job: StartJob, store_path: Path, until: Until) -> None:
    """It is somebody's; nothing is tried again."""
    somebodys = b"Dear diary, " * 1000
    store_path.write_bytes(somebodys)
    job = start_job()
    goes_on(job)
    assert the_one_warning(job, until) == (
        f"progstore cannot write to {store_path}: file is not a database; it stays as it is and this process does not "
        "record; choose another file with PROGSTORE_URL"
    )
    assert job("flush", 5) is False
    assert job.end() == (0, "")
    assert store_path.read_bytes() == somebodys
    with pytest.raises(progstore.StoreDamaged, match="not a database"), progstore.open_store() as store:
        store.tasks()


def test_a_database_of_another_program_stays_as_it_is(start_job: StartJob, store_path: Path, until: Until) -> None:
    """Its owner finds it unchanged, to the byte."""
    connection = sqlite3.connect(store_path)
    connection.execute("CREATE TABLE somebodys (thing)")
    connection.close()
    before = store_path.read_bytes()
    job = start_job()
    goes_on(job)
    warning = the_one_warning(job, until)
    assert str(store_path) in warning
    assert "belongs to another program; choose a file of its own" in warning
    assert job.end() == (0, "")
    assert store_path.read_bytes() == before
    assert sorted(path.name for path in store_path.parent.glob("progstore.db*")) == ["progstore.db"]
    with pytest.raises(progstore.StoreError, match="belongs to another program"), progstore.open_store() as store:
        store.tasks()


def test_a_damaged_file_is_left_to_those_who_can_save_it(start_job: StartJob, store_path: Path, until: Until) -> None:
    """The way to check and to recover it stands in the warning."""
    connection = sqlite3.connect(store_path)
    connection.execute("CREATE TABLE store_info (key, value)")
    connection.close()
    with store_path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(4000))
    before = store_path.read_bytes()
    job = start_job()
    goes_on(job)
    assert the_one_warning(job, until) == (
        f"progstore cannot write to {store_path}: database disk image is malformed; `progstore db check` tells more, "
        "`progstore db recover` saves what it can"
    )
    assert job.end() == (0, "")
    assert store_path.read_bytes() == before


@pytest.mark.parametrize("running", [False, True], ids=["from the start", "while running"])
def test_a_store_that_a_newer_program_has_changed_is_left_alone(
    running: bool, start_job: StartJob, store_path: Path, run_program: Callable[..., str], until: Until
) -> None:
    """Both versions are named, and how to go on; this process writes no more."""
    run_program("import progstore\nfor _ in progstore.track([1], 'before'): pass")

    def upgrade() -> None:
        connection = sqlite3.connect(store_path, timeout=10)
        connection.execute("UPDATE store_info SET value = '2' WHERE key = 'min_writer'")
        connection.commit()
        connection.close()

    if not running:
        upgrade()
    job = start_job()
    if running:
        assert job("flush", 30)
        upgrade()
    goes_on(job)
    warning = the_one_warning(job, until)
    assert f"{store_path} needs store format 2 to write to it, and progstore" in warning
    assert "knows format 1; upgrade with `pip install --upgrade progstore`" in warning
    assert job("flush", 5) is False
    goes_on(job)
    assert job.end() == (0, "")
    connection = sqlite3.connect(store_path)
    written = connection.execute("SELECT done FROM tasks WHERE name = 'job'").fetchall()
    assert written == ([(0.0,)] if running else [])
    connection.close()


def test_a_short_lock_is_nothing_to_speak_of(
    start_job: StartJob, store_path: Path, until: Until, recorded: Recorded
) -> None:
    """Another program holds the store for a second; progress is late."""
    job = start_job()
    assert job("flush", 30)
    holder = sqlite3.connect(store_path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    goes_on(job)
    assert job("flush", 1.0) is False
    holder.execute("ROLLBACK")
    holder.close()
    until(lambda: job("flush", 5))
    assert recorded(store_path) == ("running", 100)
    assert job("heard") == []


def test_a_long_lock_is_warned_of_and_loses_nothing(
    start_job: StartJob, store_path: Path, until: Until, soak: bool
) -> None:
    """Also where a job begins while it is held, and so has not even opened the store."""
    job = start_job()
    assert job("flush", 30)
    holder = sqlite3.connect(store_path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    late = start_job()
    goes_on(job)
    goes_on(late, 7)
    for each in (job, late):
        assert the_one_warning(each, until) == (
            f"progstore cannot write to {store_path}: database is locked; another process holds it; progress is late, "
            "nothing is lost"
        )
    time.sleep(60 if soak else 0)
    assert [len(each.warnings()) for each in (job, late)] == [1, 1]
    holder.execute("ROLLBACK")
    holder.close()
    for each in (job, late):
        until(lambda each=each: each("flush", 5))
    connection = sqlite3.connect(store_path)
    assert connection.execute("SELECT done FROM tasks WHERE name = 'job' ORDER BY done").fetchall() == [(7,), (100,)]
    connection.close()


def test_what_a_lock_keeps_from_being_written_until_the_program_ends_is_admitted(
    program: Callable[..., Any], run_program: Callable[..., str], store_path: Path
) -> None:
    """The end waits for a moment, and not for ever."""
    run_program("import progstore\nfor _ in progstore.track([1], 'before'): pass")
    holder = sqlite3.connect(store_path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    process = program("import progstore\nfor _ in progstore.track([1]): pass")
    _, errors = process.communicate(timeout=30)
    holder.close()
    assert process.returncode == 0
    assert errors == (
        f"progstore could not write to {store_path} before this process ended: another process holds it; what was done "
        "last is not recorded\n"
    )


def test_a_full_disk_is_warned_of_and_forgotten_when_there_is_space(
    start_job: StartJob, small_disk: Path, until: Until, recorded: Recorded
) -> None:
    """What could not be written in between is there afterwards."""
    path = small_disk / "progstore.db"
    job = start_job(PROGSTORE_URL=str(path))
    assert job("flush", 30)
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        fill(ballast)
    job("big_message", 50_000)
    goes_on(job)
    assert the_one_warning(job, until) == (
        f"progstore cannot write to {path}: database or disk is full; recording goes on when there is space"
    )
    assert job("flush", 0.5) is False
    ballast.unlink()
    comes_back(job, path, 100, recorded, until)
    with progstore.open_store(str(path)) as store:
        facts = store.check()
    assert (facts["faults"], facts["last_fault"]) == (1, job.warnings()[0])


def test_a_disk_that_reports_errors_is_warned_of_and_tried_again(
    start_job: StartJob, store_path: Path, until: Until, recorded: Recorded
) -> None:
    """Here the process may write no further than to a certain size of file."""
    job = start_job()
    assert job("flush", 30)
    size = Path(f"{store_path}-wal").stat().st_size
    job("limit_file_size", size)
    job("big_message", 50_000)
    goes_on(job)
    assert the_one_warning(job, until) == (
        f"progstore cannot write to {store_path}: disk I/O error; recording is tried again"
    )
    job("limit_file_size", 2**40)
    comes_back(job, store_path, 100, recorded, until)


def test_a_file_system_made_read_only_is_warned_of_and_used_once_it_can_be_written(
    start_job: StartJob, small_disk: Path, until: Until, recorded: Recorded
) -> None:
    """Here from before the job began."""
    subprocess.run(["/bin/mount", "-o", "remount,ro", str(small_disk)], check=True)
    path = small_disk / "progstore.db"
    job = start_job(PROGSTORE_URL=str(path))
    goes_on(job)
    assert the_one_warning(job, until) == (
        f"progstore cannot write to {path}: Read-only file system: {path}; "
        "recording goes on when the file and its directory can be opened and written"
    )
    subprocess.run(["/bin/mount", "-o", "remount,rw", str(small_disk)], check=True)
    comes_back(job, path, 100, recorded, until)


def test_a_file_made_read_only_is_warned_of_and_used_once_it_can_be_written(
    start_job: StartJob, small_disk: Path, run_program: Callable[..., str], until: Until, recorded: Recorded
) -> None:
    """Here the store was there before."""
    path = small_disk / "progstore.db"
    run_program("import progstore\nfor _ in progstore.track([1], 'before'): pass", PROGSTORE_URL=str(path))
    subprocess.run(["/bin/mount", "-o", "remount,ro", str(small_disk)], check=True)
    job = start_job(PROGSTORE_URL=str(path))
    goes_on(job)
    assert str(path) in the_one_warning(job, until)
    subprocess.run(["/bin/mount", "-o", "remount,rw", str(small_disk)], check=True)
    comes_back(job, path, 100, recorded, until)


def test_a_store_that_is_deleted_while_a_job_runs_is_made_anew(
    start_job: StartJob, store_path: Path, until: Until, recorded: Recorded
) -> None:
    """What is live stands in it whole; what had ended is gone with the old file."""
    job = start_job()
    job("big_message", 100)
    job("begin_inner")
    job("short_loops", 1, 0)
    assert job("flush", 30)
    for path in store_path.parent.glob("progstore.db*"):
        path.unlink()
    goes_on(job)
    assert the_one_warning(job, until) == (
        f"progstore cannot write to {store_path}: the file, or the log beside it, was deleted, moved or replaced; what "
        "is live is written again"
    )
    comes_back(job, store_path, 100, recorded, until)
    connection = sqlite3.connect(store_path)
    assert connection.execute("SELECT length(value) FROM metadata").fetchall() == [(102,)]
    assert connection.execute("SELECT name, end_status FROM sessions").fetchall() == [("program0", None)]
    nested = "SELECT i.done, o.name FROM tasks i JOIN tasks o ON o.id = i.parent_id WHERE i.name = 'inner'"
    assert connection.execute(nested).fetchall() == [(1, "job")]
    connection.close()
    assert job.end() == (0, "")
    assert recorded(store_path) == ("cancelled", 100)


def test_a_store_that_is_replaced_while_a_job_runs_gets_what_is_live(
    start_job: StartJob,
    store_path: Path,
    tmp_path: Path,
    run_program: Callable[..., str],
    until: Until,
    recorded: Recorded,
) -> None:
    """As by somebody who restores a backup; what the backup holds is kept."""
    backup = tmp_path / "backup.db"
    run_program("import progstore\nfor _ in progstore.track('ab', 'from the backup'): pass", PROGSTORE_URL=str(backup))
    job = start_job()
    assert job("flush", 30)
    backup.replace(store_path)
    goes_on(job)
    assert "was deleted, moved or replaced" in the_one_warning(job, until)
    comes_back(job, store_path, 100, recorded, until)
    assert job.end() == (0, "")
    connection = sqlite3.connect(store_path)
    told = connection.execute("SELECT name, status, done FROM tasks WHERE name <> 'short' ORDER BY id").fetchall()
    assert told == [("from the backup", "complete", 2.0), ("job", "cancelled", 100.0)]
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_a_log_that_is_deleted_while_a_job_runs_loses_nothing_that_is_live(
    start_job: StartJob, store_path: Path, until: Until, recorded: Recorded
) -> None:
    """SQLite would go on writing into the deleted file."""
    job = start_job()
    assert job("flush", 30)
    Path(f"{store_path}-wal").unlink()
    goes_on(job)
    assert "the log beside it, was deleted" in the_one_warning(job, until)
    comes_back(job, store_path, 100, recorded, until)
    assert job.end() == (0, "")
    assert recorded(store_path) == ("cancelled", 100)
    connection = sqlite3.connect(store_path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_a_folder_that_is_moved_away_and_back_is_found_again(
    start_job: StartJob, tmp_path: Path, until: Until, recorded: Recorded
) -> None:
    """In between a new store is written at the old place; whoever moves has the last word."""
    folder = tmp_path / "folder"
    folder.mkdir()
    job = start_job(PROGSTORE_URL=str(folder / "progstore.db"))
    assert job("flush", 30)
    folder.rename(tmp_path / "away")
    goes_on(job)
    the_one_warning(job, until)
    comes_back(job, folder / "progstore.db", 100, recorded, until)
    shutil.rmtree(folder)
    (tmp_path / "away").rename(folder)
    goes_on(job)
    until(lambda: len(job.warnings()) == 2)
    until(lambda: job("flush", 5))
    assert recorded(folder / "progstore.db") == ("running", 200)


def test_memory_stays_bounded_however_long_the_store_is_away(start_job: StartJob, tmp_path: Path, until: Until) -> None:
    """Of 15,000 ended tasks the newest are kept; what was dropped is counted."""
    obstacle = tmp_path / "obstacle"
    obstacle.touch()
    path = obstacle / "progstore.db"
    job = start_job(PROGSTORE_URL=str(path))
    for _ in range(15):
        job("short_loops", 1000, 0)
        until(lambda: not job("flush", 0.01))
    assert len(job.warnings()) == 1
    obstacle.unlink()
    until(lambda: job("flush", 30))
    connection = sqlite3.connect(path)
    (kept,) = connection.execute("SELECT count(*) FROM tasks WHERE name = 'short'").fetchone()
    assert 5_000 < kept <= 10_000
    assert connection.execute("SELECT dropped_events FROM processes").fetchone()[0] > 0
    assert connection.execute("SELECT count(*) FROM tasks WHERE name = 'job'").fetchone() == (1,)
    connection.close()


def test_a_loop_without_a_store_is_as_quick_as_ever(run_program: Callable[..., str]) -> None:
    """Three steps of a loop whose store cannot be reached, from the first to the last."""
    took = run_program(
        """
        import time, progstore
        progstore.track  # what it takes to import is no matter of the store
        began = time.perf_counter()
        for _ in progstore.track([1, 2, 3]):
            pass
        print(time.perf_counter() - began)
        """,
        PROGSTORE_URL="/proc/no/progstore.db",
    )
    assert float(took) < STALL
