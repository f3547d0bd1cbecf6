"""Somebody lays hands on the file of a store: it is emptied, overwritten, given other tables or other rights."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import progstore
from tests.faults.conftest import Recorded, StartJob, Until, comes_back, goes_on, the_one_warning

Program = Callable[..., Any]
RunProgram = Callable[..., str]


@pytest.fixture
def powerless(tmp_path: Path) -> str:
    """A Python that may not do more than the rights of files say, for root too."""
    path = tmp_path / "python"
    drop = "setpriv --inh-caps=-dac_override,-dac_read_search --bounding-set=-dac_override,-dac_read_search"
    path.write_text(f'#!/bin/sh\nexec {drop if os.geteuid() == 0 else ""} {sys.executable} "$@"\n', "utf-8")
    path.chmod(0o700)
    return str(path)


def move_the_log(path: Path) -> None:
    """Bring all that is recorded from the log into the database itself."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)


def test_a_file_that_is_emptied_while_a_job_runs_is_filled_again_with_what_is_live(
    start_job: StartJob, store_path: Path, until: Until, recorded: Recorded
) -> None:
    """As by somebody who takes it for a log of the other kind; SQLite alone would notice nothing."""
    job = start_job()
    job("short_loops", 5, 0)
    assert job("flush", 30)
    move_the_log(store_path)
    os.truncate(store_path, 0)
    goes_on(job)
    assert the_one_warning(job, until) == (
        f"progstore cannot write to {store_path}: the file was emptied; what is live is written again"
    )
    comes_back(job, store_path, 100, recorded, until)
    assert job.end() == (0, "")
    with progstore.open_store() as store:
        assert store.check()["integrity"] == "ok"
    assert recorded(store_path) == ("cancelled", 100)


@pytest.mark.parametrize("damage", ["overwritten", "cut short"])
def test_a_file_that_is_damaged_in_the_middle_is_left_alone_until_somebody_saves_it(
    damage: str,
    start_job: StartJob,
    run_program: RunProgram,
    store_path: Path,
    tmp_path: Path,
    until: Until,
    recorded: Recorded,
) -> None:
    """What can be read is saved into another file; that is put in its place, and the job goes on recording there."""
    run_program("import progstore\nfor _ in range(400):\n    for _ in progstore.track([1], 'short'): pass")
    # In its last part, for the first pages say which tables there are, and where.
    pages = store_path.stat().st_size // 4096
    with store_path.open("r+b") as file:
        if damage == "overwritten":
            file.seek(pages * 2 // 3 * 4096)
            file.write(os.urandom(pages // 4 * 4096))
        else:
            file.truncate(pages * 2 // 3 * 4096)
    job = start_job()
    goes_on(job)
    assert the_one_warning(job, until) == (
        f"progstore cannot write to {store_path}: database disk image is malformed; `progstore db check` tells more, "
        "`progstore db recover` saves what it can"
    )
    saved = tmp_path / "saved.db"
    command = [sys.executable, "-m", "progstore", "db", "recover", str(store_path), str(saved)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    saved.replace(store_path)
    comes_back(job, store_path, 100, recorded, until)
    with progstore.open_store() as store:
        assert store.check()["integrity"] == "ok"
        assert store.query("SELECT count(*) FROM v_tasks WHERE name = 'short'").rows[0][0] > 50


def test_tables_that_are_not_as_they_should_be_are_warned_of_and_used_once_they_are(
    start_job: StartJob, store_path: Path, until: Until, recorded: Recorded
) -> None:
    """Somebody renames one, and gives it its name back."""
    job = start_job()
    assert job("flush", 30)

    def rename(before: str, after: str) -> None:
        with closing(sqlite3.connect(store_path, isolation_level=None, timeout=10)) as connection:
            connection.execute("PRAGMA legacy_alter_table=ON")
            connection.execute(f"ALTER TABLE {before} RENAME TO {after}")

    rename("tasks", "jobs")
    goes_on(job)
    assert the_one_warning(job, until) == (
        f"progstore cannot write to {store_path}: no such table: tasks; recording is tried again"
    )
    rename("jobs", "tasks")
    comes_back(job, store_path, 100, recorded, until)


def test_a_store_that_does_not_say_what_it_is_is_warned_of_and_used_once_it_does(
    start_job: StartJob, store_path: Path, until: Until, recorded: Recorded
) -> None:
    """A number that is none ends the recording neither for good, nor of what goes to other stores."""
    job = start_job()
    assert job("flush", 30)

    def say(least: str) -> None:
        with closing(sqlite3.connect(store_path, isolation_level=None, timeout=10)) as connection:
            connection.execute("UPDATE store_info SET value = ? WHERE key = 'min_writer'", (least,))

    say("many")
    goes_on(job)
    assert "the table store_info lacks what it must say" in the_one_warning(job, until)
    say("1")
    comes_back(job, store_path, 100, recorded, until)


def test_a_file_that_one_may_not_write_is_warned_of_and_used_once_one_may(
    start_job: StartJob,
    store_path: Path,
    powerless: str,
    run_program: RunProgram,
    until: Until,
    recorded: Recorded,
) -> None:
    """Also for root, where it has lost the right to write everywhere; readers read on meanwhile."""
    run_program("import progstore\nfor _ in progstore.track([1], 'before'): pass")
    store_path.chmod(0o400)
    job = start_job(executable=powerless)
    goes_on(job)
    assert the_one_warning(job, until) == (
        f"progstore cannot write to {store_path}: attempt to write a readonly database; "
        "recording goes on when it can be written"
    )
    with progstore.open_store() as store:
        assert [task.name for task in store.tasks()] == ["before"]
    for path in store_path.parent.glob("progstore.db*"):  # what SQLite puts beside it has its rights
        path.chmod(0o600)
    comes_back(job, store_path, 100, recorded, until)


def test_a_reader_that_may_not_write_beside_the_file_sees_what_begins_later(
    tmp_path: Path, powerless: str, program: Program, run_program: RunProgram
) -> None:
    """While nothing is written it reads the file as it stands; once a job begins, its rows as they come."""
    path = tmp_path / "shared" / "progstore.db"
    path.parent.mkdir()
    record = "import sys, progstore; list(progstore.track([1], sys.argv[1]))"
    run_program(record, "before", PROGSTORE_URL=str(path))
    path.parent.chmod(0o500)
    reader = program(
        """
        import sys, progstore

        store = progstore.open_store()
        for line in sys.stdin:
            print(store.data_version(), *sorted(task.name for task in store.tasks()), flush=True)
        """,
        executable=powerless,
        PROGSTORE_URL=str(path),
    )

    def told() -> list[str]:
        reader.stdin.write("\n")
        reader.stdin.flush()
        return str(reader.stdout.readline()).split()

    version, *names = told()
    assert (names, told()) == (["before"], [version, "before"])
    path.parent.chmod(0o700)
    job = program(
        record + "; progstore.flush(10); print(flush=True); sys.stdin.read()", "later", PROGSTORE_URL=str(path)
    )
    job.stdout.readline()
    path.parent.chmod(0o500)
    moved, *names = told()
    assert (moved != version, names) == (True, ["before", "later"])
    path.parent.chmod(0o700)
