"""Export: all matching tasks as ndjson or CSV, in chunks."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from progstore import BadFilter, Filter
from progstore.store import export
from progstore.store.store import Store
from tests.store.conftest import Filled


def read_csv(store: Store, wanted: Filter | None = None) -> list[dict[str, str]]:
    """The rows of a CSV export."""
    text = "".join(store.export(wanted, format="csv"))
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_ndjson_has_one_task_a_line(filled: Filled, store: Store) -> None:
    """The very dict that to_dict() gives, with its session's name and host, oldest first."""
    session = filled.session("nightly")
    for number in range(3):
        filled.task(session, f"task {number}", message="line\nbreak \u2028 ü")
    lines = "".join(store.export()).split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == [store.task(number).to_dict() for number in (1, 2, 3)]
    assert json.loads(lines[0])["host"] == store.task(1).host


def test_csv_has_readable_times_and_metadata(filled: Filled, store: Store) -> None:
    """Counts without a decimal point, times in ISO 8601, what is not known left empty."""
    session = filled.session("nightly")
    task = filled.task(session, started_at=1_700_000_000.5, message='say "hi",\nnow', total=None)
    filled.meta(session, task, model="all-MiniLM")
    (row,) = read_csv(store)
    assert tuple(row) == export.COLUMNS
    assert (row["started_at"], row["done"], row["total"]) == ("2023-11-14T22:13:20.500Z", "100", "")
    assert (row["message"], row["meta"], row["verdict"]) == ('say "hi",\nnow', '{"model":"all-MiniLM"}', "")


@pytest.mark.parametrize("evil", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_text_is_no_formula(filled: Filled, store: Store, evil: str) -> None:
    """A spreadsheet shows it as it is; numbers stay numbers."""
    filled.task(filled.session(), evil, message=evil, done=-5, duration=-1.5)
    (row,) = read_csv(store)
    assert (row["name"], row["message"]) == ("'" + evil, "'" + evil)
    assert (row["done"], row["duration"]) == ("-5", "-1.5")


def test_a_time_beyond_all_calendars_is_still_exported(filled: Filled, store: Store) -> None:
    """As the number that it is."""
    filled.task(filled.session(), started_at=1e18)
    (row,) = read_csv(store)
    assert row["started_at"] == "1e+18"


def test_an_export_comes_in_chunks_of_whole_lines(filled: Filled, store: Store) -> None:
    """So a server can send it while it is read; together they are all."""
    session = filled.session()
    with filled.together():
        for _ in range(1200):
            filled.task(session, message="x" * 200)
    chunks = list(store.export())
    assert len(chunks) > 5
    assert all(chunk.endswith("\n") for chunk in chunks)
    assert max(map(len, chunks)) < 2 * export.CHUNK
    ids = [json.loads(line)["id"] for chunk in chunks for line in chunk.splitlines()]
    assert ids == list(range(1, 1201))


@pytest.mark.sqlite
def test_an_export_holds_nothing_between_two_chunks(filled: Filled, store: Store, store_path: Path) -> None:
    """Whoever reads slowly does not keep the log from being moved into the file."""
    session = filled.session()
    with filled.together():
        for _ in range(1200):
            filled.task(session, message="x" * 200)
    chunks = store.export()
    next(chunks)
    filled.run("UPDATE tasks SET message = ''")
    busy, log, moved = filled.checkpoint()
    assert (busy, log) == (0, moved)
    assert "".join(chunks).count("\n") > 0


def test_a_filter_narrows_an_export(filled: Filled, store: Store) -> None:
    """The same filter as for pages."""
    session = filled.session()
    filled.task(session, "A")
    filled.task(session, "B")
    assert [row["name"] for row in read_csv(store, Filter(name="B"))] == ["B"]
    assert read_csv(store, Filter(name="C")) == []
    assert list(store.export(Filter(name="C"))) == []


def test_another_format_is_refused_at_once(filled: Filled, store: Store) -> None:
    """Not only when the first chunk is asked for."""
    with pytest.raises(BadFilter, match="ndjson or csv"):
        store.export(format="xml")  # type: ignore[arg-type]  # what a caller may get wrong
