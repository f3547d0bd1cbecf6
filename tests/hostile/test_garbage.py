"""What another program wrote wrongly into the tables: every reader, page and command answers, and says what it can."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Table
from sqlalchemy.exc import IntegrityError

import progstore
from progstore.cli import main
from progstore.store.tables import events, meta, processes, sessions, tasks
from tests.hostile.hostility import addresses, site_of
from tests.store.conftest import Filled

VALUES = {
    "text": "'abc'",
    "bytes": "x'00ff80'",
    "no UTF-8": "CAST(x'61ff62' AS TEXT)",
    "infinity": "9e999",
    "large": "1e300",
    "small": "-1e300",
    "negative": "-5",
    "integer": "9223372036854775807",
    "nothing": "NULL",
    "open": "'[['",
    "beyond JSON": """'{"a": NaN, "b": "\\ud800", "c": 1e999, "\\udfff": [-Infinity]}'""",
    "curve": "'[[1e999, 1], [2, 1e308], [NaN, 3]]'",
    "nested": "replace(hex(zeroblob(3000)), '00', '[')",
    "NUL": "char(0)",
}
"""What is put into every column that takes it, in SQLite's words."""
CONTRADICTIONS = (
    "UPDATE tasks SET parent_id = id",
    "UPDATE tasks SET parent_id = CASE id % 3 WHEN 0 THEN id - 2 ELSE id + 1 END",
    "UPDATE tasks SET parent_id = 999",
    "UPDATE tasks SET session_id = 999 WHERE id % 3 = 2",
    "UPDATE tasks SET process_id = 999",
    "UPDATE events SET task_id = 999",
    "UPDATE tasks SET done = -5, total = -10, failed = -3, duration = -7, active = -1, percent = -400",
    "UPDATE tasks SET status = 'complete', started_at = NULL, ended_at = NULL, duration = NULL",
    "UPDATE tasks SET status = 'running', ended_at = 5",
    "UPDATE tasks SET status = 'running', simulate_from = 1e300, simulate_until = -1e300, simulate_since = -1e300",
    "UPDATE tasks SET status = 'running', simulate_from = 5, simulate_since = 1e300, simulate_expected = 1e-300",
    "UPDATE tasks SET status = 'running', simulate_since = 0",
    "UPDATE tasks SET started_at = -62135596801.0, ended_at = 253402300800.0",
    "UPDATE sessions SET started_at = 253402300799.9, ended_at = -62135596799.9",
    "UPDATE tasks SET total = 5e-324, done = 1e300, duration = 5e-324",
    "UPDATE tasks SET total = 1, done = 1e-310",
    "UPDATE tasks SET total = 1, done = 5e-324, curve = '[[0, 0], [1, 5e-324]]'",
    "UPDATE tasks SET name = replace(hex(zeroblob(5000)), '0', 'n'), message = name",
    "UPDATE tasks SET name = '', session_name = '', unit = '', key = id",
)
"""What cannot be, each of it true of one session and its three tasks."""
COMMANDS = (
    ("show", "1"), ("show", "1/1", "--json"), ("export", "--format", "csv"),
    ("prune", "--older-than", "1d", "--dry-run"),
    ("ls",), ("ls", "--json"), ("ls", "--csv"), ("export",), ("sql", "SELECT id, done, total, percent FROM v_tasks"),
    ("db", "check"), ("check", "nightly", "--max-age", "1h"), ("top", "--once"),
)  # fmt: skip
PLACES = (
    "/", "/history", "/sessions/1", "/sessions/1/tasks/1", "/sessions/1/tasks/3", "/timeline", "/names", "/export",
    "/compare?task=1&task=3", "/delete?session=1", "/api/v1/sessions/1", "/api/v1/tasks/2", "/api/v1/tasks?sort=took",
)  # fmt: skip
ROWS = len(VALUES)


@pytest.fixture
def usual(filled: Filled) -> Filled:
    """A store as recorders leave it: two sessions, one of which runs, tasks of each kind, events, metadata."""
    process = filled.process()
    session = filled.session(status=None, process_id=process)
    filled.task(session, status="running", process_id=process)
    filled.task(session, "Parse", "error", error_type="ValueError", error="row 7", curve="[[0,0],[1,5]]")
    filled.task(session, "Ingest", curve="[[0,0],[5,50],[10,100]]")
    filled.task(filled.session(), "Ingest")
    filled.event(session, 1, message="hi", data="[1]")
    filled.meta(session, 0, model="tiny")
    filled.meta(session, 1, a=1)
    return filled


def test_no_value_of_a_wrong_kind_stops_a_reader(tmp_path: Path, soak: bool) -> None:
    """Every column holds every such value in some row; the long form has them meet one another in every way."""
    for shift in range(ROWS if soak else 1):
        filled = Filled(tmp_path / f"{shift}.db")
        for number in range(ROWS):
            process = filled.process()
            session = filled.session(status=("complete", None, "error")[number % 3], process_id=process)
            task = filled.task(session, status=("complete", "running", "error")[number % 3], process_id=process)
            filled.event(session, task)
            filled.meta(session, task, key=1)
        for table in (tasks, sessions, events, processes, meta):
            spoil(filled, table, shift)
        details = [
            f"{start}/{number}"
            for number in range(1, ROWS + 1)
            for start in ("/sessions", "/api/v1/sessions", "/api/v1/tasks")
        ]
        assert_all_answer(filled, (*PLACES, *details), COMMANDS)
        filled.close()


def test_no_row_that_contradicts_another_stops_a_reader(filled: Filled) -> None:
    """Circles, what is missing, what ended before it began, times of no calendar."""
    process = filled.process()
    for number, statement in enumerate(CONTRADICTIONS, start=1):
        session = filled.session(status=None, process_id=process)
        for status in ("running", "error", "complete"):
            task = filled.task(session, status=status, process_id=process, curve="[[0,0],[1,5]]")
        filled.event(session, task)
        where = f"{'id' if 'UPDATE sessions' in statement else 'session_id'} = {number}"
        without_checks(filled, f"{statement} {'AND' if 'WHERE' in statement else 'WHERE'} {where}")
    numbers = range(1, len(CONTRADICTIONS) + 1)
    details = [
        place
        for number in numbers
        for place in (
            f"/sessions/{number}",
            f"/api/v1/sessions/{number}",
            f"/delete?session={number}",
        )
    ]
    assert_all_answer(filled, (*PLACES, *details), (*COMMANDS, *(("show", str(number)) for number in numbers)))


def test_what_is_wrong_in_one_column_takes_nothing_from_the_others(usual: Filled) -> None:
    """A number that is text counts as nothing, text that is bytes is read; everything beside it is as it was."""
    without_checks(
        usual, "UPDATE tasks SET done = 'many', name = CAST('Ingest' AS BLOB), duration = 9e999 WHERE id = 3"
    )
    with progstore.open_store(usual.location.url) as store:
        assert store.task(2).done == 0.0
        without_checks(usual, "UPDATE tasks SET done = 9e999 WHERE id = 2")
        task = store.task(3)
        assert (task.done, task.name, task.duration) == (0.0, "Ingest", 1e300)
        assert store.task(2).done == 1e300
        assert (task.status, task.total, task.curve) == ("complete", 100.0, ((0.0, 0.0), (5.0, 50.0), (10.0, 100.0)))


def test_metadata_beyond_json_is_read_as_metadata_keeps_it(usual: Filled) -> None:
    """So that whoever is given it can make JSON of it again."""
    without_checks(usual, f"UPDATE metadata SET value = {VALUES['beyond JSON']}")
    with progstore.open_store(usual.location.url) as store:
        found = dict(store.session(1).meta)["model"]
    assert found == {"a": "NaN", "b": "\ufffd", "c": "1e999", "\ufffd": ["-Infinity"]}


def test_tasks_in_a_circle_are_listed_on_the_terminal(usual: Filled) -> None:
    """Each once, though no root leads to them."""
    without_checks(usual, "UPDATE tasks SET parent_id = id % 3 + 1")
    shown = CliRunner().invoke(main, ("show", "1"), prog_name="progstore", catch_exceptions=False).output
    assert sorted(re.findall(r"^ *1/(\d) ", shown, re.MULTILINE)) == ["1", "2", "3"]


def test_nothing_goes_for_its_age_whose_age_cannot_be_told(usual: Filled) -> None:
    """A clean-up spares what may be young."""
    with progstore.open_store(usual.location.url) as store:
        assert store.prune(older_than=1.0, dry_run=True).sessions == 1
        without_checks(usual, "UPDATE tasks SET updated_at = 'lately', ended_at = 'lately' WHERE session_id = 2")
        assert store.prune(older_than=1.0, dry_run=True).sessions == 0


def test_a_job_records_beside_what_is_wrong(usual: Filled, store_path: Path) -> None:
    """Its own rows are written, though it asks for past durations and settles what others left."""
    for table in (tasks, sessions, processes):
        spoil(usual, table, 0)
    usual.run("UPDATE tasks SET session_name = 'nightly', name = 'Ingest', status = 'complete', duration = 'long'")
    with progstore.session("nightly"), progstore.track(name="Ingest", key="mine") as task:
        task.simulate(until=50)
    assert progstore.flush(10)
    with progstore.open_store(str(store_path)) as store:
        (mine,) = [each for each in store.tasks(limit=100) if each.key == "mine"]
    assert mine.status == "complete"


def spoil(filled: Filled, table: Table, shift: int) -> None:
    """Put one of the wrong values into each cell whose table lets it in: another in each column of a row."""
    spoilt = 0
    for place, column in enumerate(table.columns):
        if column.name == "id" or column.name.endswith("_id"):
            continue
        row = "session_id" if table is meta else "id"
        for number, value in enumerate(VALUES.values()):
            where = f"WHERE {row} = {(number + place + shift) % ROWS + 1}"
            try:
                filled.run(f"UPDATE {table.name} SET {column.name} = {value} {where}")
            except IntegrityError:
                continue
            spoilt += 1
    assert spoilt > ROWS


def without_checks(filled: Filled, statement: str) -> None:
    """Run a statement as the sqlite3 shell does, which does not look after references."""
    raw = sqlite3.connect(filled.location.name, isolation_level=None)
    raw.execute(statement)
    raw.close()


def assert_all_answer(filled: Filled, places: Sequence[str], commands: Sequence[tuple[str, ...]]) -> None:
    """No page has a mistake of the server's, every task has its own, no command has a traceback; the values can be made
    JSON of.
    """
    with site_of(filled) as (store, site):
        failed = [place for place in (*places, *addresses(store)) if site.get(place).status_code >= 500]
        assert failed == []
        own = [f"/sessions/{task.session_id}/tasks/{task.id}" for task in store.tasks(limit=1000)]
        assert [place for place in own if site.get(place).status_code != 200] == []
        views = [*store.sessions(), *store.tasks(), *store.events(), *store.names(), store.session(1)]
        for view in views:
            json.dumps(view.to_dict(), allow_nan=False).encode()
            if hasattr(view, "_repr_html_"):
                view._repr_html_()
    for command in commands:
        here = {"PROGSTORE_URL": filled.location.url}
        done = CliRunner().invoke(main, command, prog_name="progstore", env=here, catch_exceptions=False)
        assert done.exit_code in (0, 1, 2, 4), (command, done.output)
