"""The views inside the file: useful alone, and what they mean is written in them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import progstore
from progstore.store import tables
from progstore.store.store import Store
from progstore.store.views import documented
from tests.store.conftest import Filled


def test_a_shell_sees_what_runs_with_no_program_of_ours(store_path: Path) -> None:
    """`sqlite3 progstore.db "select * from v_running"`."""
    shell = shutil.which("sqlite3")
    if shell is None:
        pytest.skip("the sqlite3 shell is not installed")
    with progstore.track(name="Ingest", total=200, unit="file", meta={"model": "x"}) as task:
        task.update(91)
        assert progstore.flush(10)
        columns = "name, percent, done, total, unit, meta"
        done = subprocess.run(
            [shell, "-readonly", str(store_path), f"select {columns} from v_running"],
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout == 'Ingest|45.5|91.0|200.0|file|{"model":"x"}\n'


@pytest.mark.sqlite
@pytest.mark.parametrize("name", documented())
def test_every_column_is_documented_in_the_file_itself(filled: Filled, store: Store, name: str) -> None:
    """`.schema v_tasks` explains itself, and names the columns that are there."""
    found = store.query(f"SELECT * FROM {name}")
    assert found.columns == tuple(column.name for column in documented()[name].columns)
    ((sql,),) = store.query("SELECT sql FROM sqlite_master WHERE name = ?", [name]).rows
    assert documented()[name].purpose in sql
    for column in documented()[name].columns:
        assert f"AS {column.name}" in sql
        assert f"-- {column.meaning}" in sql


def test_times_are_readable_and_in_utc(filled: Filled, store: Store) -> None:
    """Beside them stand the seconds, for whoever reckons."""
    session = filled.session(started_at=1_700_000_000.75)
    filled.task(session, started_at=1_700_000_000.75, ended_at=1_700_000_060.0)
    filled.event(session, at=0.0)
    assert store.query("SELECT started, started_at FROM v_sessions").rows == (
        ("2023-11-14 22:13:20", 1_700_000_000.75),
    )
    assert store.query("SELECT ended FROM v_tasks").rows == (("2023-11-14 22:14:20",),)
    assert store.query("SELECT time FROM v_events").rows == (("1970-01-01 00:00:00",),)


def test_a_percent_is_rounded_down(filled: Filled, store: Store) -> None:
    """A hundred means that everything is done."""
    session = filled.session()
    for done, total in ((9999, 10_000), (2, 3), (459, 1000)):
        filled.task(session, status="running", done=done, total=total)
    assert store.query("SELECT percent FROM v_tasks ORDER BY id").rows == ((99.9,), (66.6,), (45.9,))


def test_running_leaves_out_what_is_not(filled: Filled, store: Store) -> None:
    """Ended, not begun, or lost as of the last settlement."""
    session = filled.session(status=None)
    for status in tables.STATUSES:
        filled.task(session, status, status)
    filled.task(session, "lost", "running", lost_at=5.0)
    assert store.query("SELECT name FROM v_running").rows == (("running",),)


def test_history_has_a_row_for_each_ended_run(filled: Filled, store: Store) -> None:
    """With what it took and how fast it went."""
    session = filled.session()
    filled.task(session, done=100, duration=4.0, resumed_from=20)
    filled.task(session, status="error", duration=0.0, error_type="OSError")
    filled.task(session, status="running")
    assert store.query("SELECT status, seconds, rate, error_type FROM v_history ORDER BY task_id").rows == (
        ("complete", 4.0, 20.0, None),
        ("error", 0.0, None, "OSError"),
    )


@pytest.mark.sqlite
def test_names_are_asked_for_by_session_without_reading_the_others(filled: Filled, store: Store) -> None:
    """The condition reaches the index."""
    plan = store.query("EXPLAIN QUERY PLAN SELECT * FROM v_names WHERE session = 'nightly'").rows
    assert any("(session_name=?" in row[3] for row in plan)
    assert not any(row[3].startswith("SCAN tasks") for row in plan)


def test_events_tell_what_they_belong_to(filled: Filled, store: Store) -> None:
    """The session's name, and the task's where there is one."""
    session = filled.session("weekly")
    filled.event(session, filled.task(session, "Load"), "failed item", "row 7")
    filled.event(session, None, "complete")
    rows = store.query("SELECT session, task, kind, message FROM v_events ORDER BY id").rows
    assert rows == (("weekly", "Load", "failed item", "row 7"), ("weekly", None, "complete", ""))


def test_curves_have_a_row_for_each_point(filled: Filled, store: Store) -> None:
    """What stands on the task as JSON; a task without a curve has none."""
    task = filled.task(filled.session(), curve="[[0,0],[1.5,30]]")
    filled.task(filled.session())
    assert store.query("SELECT * FROM v_curves").rows == ((task, 0, 0), (task, 1.5, 30))


def test_a_clock_that_was_set_back_makes_no_negative_seconds(filled: Filled, store: Store) -> None:
    """What runs has taken no time, rather than less than none."""
    filled.task(filled.session(), status="running", started_at=5000.0, updated_at=1400.0)
    assert store.query("SELECT seconds FROM v_tasks").rows == ((0.0,),)
