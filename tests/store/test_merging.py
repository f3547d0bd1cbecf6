"""Documents and copies: rows of one store written into another, however often and in whatever order they come."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

import progstore
from progstore import BadValue, Life, Store, StoreError
from progstore.store import documents as documents_module
from progstore.store.batch import Batch
from progstore.store.copying import copy as copy_to
from progstore.store.documents import TooLarge, encode
from tests.store.conftest import Filled


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    """Another store, of which there is nothing yet."""
    with Store(str(tmp_path / "other.db")) as opened:
        yield opened


@pytest.fixture
def documents(filled: Filled, store: Store) -> list[dict[str, Any]]:
    """What a copy sends of a session with a nested task, events and metadata; its process lives elsewhere."""
    owner = filled.process(host="far", machine_id="m", boot_id="b", beats=5)
    session = filled.session(process_id=owner, uid="night-1")
    filled.meta(session, model="all-MiniLM")
    outer = filled.task(session, "Outer", "running", process_id=owner, key="outer", done=7, rev=3)
    filled.task(session, "Inner", process_id=owner, key="inner", parent_id=outer, curve="[[0.5, 10.0]]")
    filled.meta(session, outer, shard=[1, 2])
    filled.event(session, outer, "started")
    filled.event(session, outer, "message", "ü")
    sent: list[dict[str, Any]] = []

    def keep(document: dict[str, Any]) -> progstore.IngestReport:
        sent.append(copy.deepcopy(document))
        return progstore.IngestReport(rows=0)

    copy_to(store._reader, keep)
    return sent


def told(store: Store) -> dict[str, Any]:
    """All that a store tells of its first session, without the ids, which differ from store to store."""
    session = store.session(1).to_dict()
    names = {task.id: task.name for task in store.session(1).tasks}
    tasks = session.pop("tasks")
    assert isinstance(tasks, list)
    for task in tasks:
        assert isinstance(task, dict)
        task["parent"] = names.get(task.pop("parent_id"))  # type: ignore[arg-type]  # an id, or None
        for name in ("id", "session_id", "verdict"):
            del task[name]
    for name in ("id", "verdict"):
        del session[name]
    events = [(event.kind, event.message, event.at) for event in store.events()]
    return {**session, "tasks": tasks, "events": events}


def ingest(store: Store, documents: list[dict[str, Any]]) -> int:
    """How many rows these documents wrote."""
    return sum(store.ingest(document).rows for document in documents)


def test_a_copy_says_all_that_the_store_says(documents: list[dict[str, Any]], store: Store, other: Store) -> None:
    """Sessions, nested tasks, curves, events, metadata and who ran them are the same in both."""
    report = store.copy(other)
    assert (report.sessions, report.refused) == (1, ())
    assert told(other) == told(store)


def test_a_document_is_halved_until_it_may_be_taken(
    documents: list[dict[str, Any]], store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More rows of one kind than a document may hold, as metadata may be, are sent in several."""
    monkeypatch.setattr(documents_module, "MOST_ROWS", 1)
    assert store.copy(other).refused == ()
    assert told(other) == told(store)


def test_what_hangs_on_a_task_is_halved_with_it(
    documents: list[dict[str, Any]], filled: Filled, store: Store, other: Store
) -> None:
    """Else metadata could arrive before its task, and nobody would know where it belongs."""
    for number in range(4):
        task = filled.task(1, f"Task {number}", key=f"t{number}")
    filled.meta(1, task, last=1, of=2, all=3)

    def picky(document: dict[str, Any]) -> progstore.IngestReport:
        if len(document["tasks"]) + len(document["metadata"]) > 2:
            raise TooLarge
        return other.ingest(document)

    assert copy_to(store._reader, picky).refused == ()
    assert told(other) == told(store)


def test_what_comes_twice_is_there_once(documents: list[dict[str, Any]], other: Store) -> None:
    """The second time nothing is written, events included."""
    assert ingest(other, documents) > 0
    before = told(other)
    assert ingest(other, documents) == 0
    assert told(other) == before


def test_a_copy_there_and_back_changes_nothing(documents: list[dict[str, Any]], store: Store, other: Store) -> None:
    """Stores may be merged in any direction, as often as one likes."""
    before = told(store)
    store.copy(other)
    assert other.copy(store).rows == 0
    assert told(store) == before


def test_what_is_older_changes_nothing(documents: list[dict[str, Any]], other: Store) -> None:
    """A row whose revision is not newer is left, and so is the metadata that came with it."""
    ingest(other, documents)
    late = copy.deepcopy(documents)
    for document in late:
        for task in document["tasks"]:
            task |= {"rev": task["rev"] - 1, "done": 1.0, "message": "late"}
        for value in document["metadata"]:
            value["value"] = '"late"'
        for session in document["sessions"]:
            session["rev"] -= 1
    before = told(other)
    assert ingest(other, late) == 0
    assert told(other) == before


def test_what_is_newer_takes_the_place(documents: list[dict[str, Any]], other: Store) -> None:
    """The row, and the values that hang on it; ids stay."""
    ingest(other, documents)
    before = other.session(1).tasks[0].id
    for document in documents:
        for task in document["tasks"]:
            if task["key"] == "outer":
                task |= {"rev": 9, "done": 70.0, "process_uid": ""}
        for value in document["metadata"]:
            if value["task"]:
                value["value"] = "3"
    ingest(other, documents)
    after = other.session(1).tasks[0]
    assert (after.id, after.done, after.meta) == (before, 70.0, {"shard": 3})


def test_children_may_come_before_their_parent_s_session(documents: list[dict[str, Any]], other: Store) -> None:
    """What hangs on a session that is not known here is refused and named; once the session is there, it is taken."""
    tasks_only = {"format": 1, "tasks": [task for document in documents for task in document["tasks"]]}
    report = other.ingest(tasks_only)
    assert report.rows == 0
    assert len(report.refused) == 2
    assert "night-1" in report.refused[0]
    ingest(other, documents)
    assert [task.name for task in other.session(1).tasks] == ["Outer", "Inner"]


def test_tasks_that_are_nested_in_each_other_are_nested_in_neither(
    documents: list[dict[str, Any]], other: Store
) -> None:
    """Somebody else's document may say what cannot be."""
    for document in documents:
        for task in document["tasks"]:
            task["parent"] = ["night-1", "inner" if task["key"] == "outer" else "outer", 1]
    ingest(other, documents)
    assert [task.parent_id for task in other.session(1).tasks] == [None, None]


def test_what_cannot_be_is_refused_by_itself(documents: list[dict[str, Any]], other: Store) -> None:
    """Each bad row is named with its field and the reason; the others are written."""
    good = copy.deepcopy(next(document for document in documents if document["tasks"]))
    bad = {
        "status": "gone",
        "done": float("nan"),
        "total": -1,
        "attempt": 2**63,
        "rev": True,
        "key": "\0",
        "curve": "[[1]]",
        "session_uid": "",
        "started_at": "now",
        "parent": ["night-1", "outer"],
    }
    rows = [{**good["tasks"][0], "key": f"bad {name}", name: value} for name, value in bad.items()]
    report = other.ingest({**good, "tasks": [*rows, "no row", *good["tasks"]]})
    assert len(report.refused) == len(bad) + 1
    for name, reason in zip(bad, report.refused, strict=False):
        assert name in reason
    assert [task.name for task in other.session(1).tasks] == ["Outer", "Inner"]


def test_nothing_hangs_on_a_task_of_another_session(documents: list[dict[str, Any]], other: Store) -> None:
    """Such an event, or value, is refused by itself; else the one session could not be removed without the other."""
    ingest(other, documents)
    document = next(document for document in documents if document["events"])
    second = {**documents[0]["sessions"][0], "uid": "night-2", "process_uid": None}
    event = {**document["events"][0], "session_uid": "night-2"}
    value = {"session_uid": "night-2", "task": event["task"], "key": "shard", "value": "1"}
    report = other.ingest({"format": 1, "sessions": [second], "events": [event], "metadata": [value]})
    assert report.refused == tuple(
        f"{name}[0]: task: it is one of session night-1, and not of night-2" for name in ("events", "metadata")
    )
    other.delete(sessions=[1], force=True)
    assert [session.uid for session in other.sessions()] == ["night-2"]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "object"),
        ({}, "format"),
        ({"format": 2}, "format 1"),
        ({"format": 1, "jobs": []}, "jobs"),
        ({"format": 1, "tasks": {}}, "tasks"),
        ({"format": 1, "sent_at": "now"}, "sent_at"),
    ],
)
def test_what_is_no_document_is_an_error(document: Any, said: str, other: Store) -> None:
    """Nothing is written, and the message says what a document is."""
    with pytest.raises(BadValue, match=said):
        other.ingest(document)


def test_text_is_cleaned_as_everywhere(documents: list[dict[str, Any]], other: Store) -> None:
    """What is too long is cut and says so, what no store can hold is replaced."""
    for document in documents:
        for task in document["tasks"]:
            task |= {"message": "\ud800", "error": "x" * 20_000}
    ingest(other, documents)
    task = other.session(1).tasks[0]
    assert task.message == "\ufffd"
    assert task.error is not None
    assert "20,000 characters" in task.error


def test_what_was_received_is_judged_by_when_it_came(documents: list[dict[str, Any]], other: Store) -> None:
    """A sender's clock may be wrong by an hour: the time here counts, and how far the other is ahead is known."""
    document = {**documents[0], "sent_at": time.time() + 3600}
    for process in document["processes"]:
        process["heartbeat_at"] += 3600
    other.ingest(document)
    ingest(other, documents[1:])
    session = other.session(1)
    assert session.verdict is None or session.verdict.life is Life.ALIVE
    assert session.received_at == pytest.approx(time.time(), abs=60)
    assert session.clock_offset == pytest.approx(3600, abs=60)
    verdict = session.tasks[0].verdict
    assert verdict is not None
    assert verdict.life is Life.ALIVE
    assert verdict.reason.startswith("far gave a sign of life")


def test_a_process_that_its_own_machine_found_dead_is_lost_here(documents: list[dict[str, Any]], other: Store) -> None:
    """The one machine knows it for a fact; the other need not wait for an hour without a sign of life."""
    sent = [{**document, "sent_at": time.time()} for document in documents]
    ingest(other, sent)
    died = time.time() - 5
    for document in sent:
        for process in document["processes"]:
            process |= {"lost_at": died, "beats": process["beats"] + 1}
    ingest(other, sent)
    verdict = other.session(1).tasks[0].verdict
    assert verdict is not None
    assert verdict.life is Life.LOST
    assert verdict.since == pytest.approx(died, abs=1)
    assert "far says" in verdict.reason
    assert other.query("SELECT count(*) FROM v_running").rows == ((0,),)


def test_an_empty_document_writes_nothing(other: Store) -> None:
    """It makes the store, which is where it shall be."""
    assert other.ingest(encode(Batch())).rows == 0
    assert len(other.sessions()) == 0


def test_a_place_where_no_store_can_be_made_is_told(tmp_path: Path) -> None:
    """As any other trouble with a store: a file stands where its directory would be."""
    (tmp_path / "file").touch()
    with Store(str(tmp_path / "file" / "progstore.db")) as nowhere, pytest.raises(StoreError, match="cannot be opened"):
        nowhere.ingest(encode(Batch()))


def test_a_store_that_is_deleted_again_and_again_is_told(other: Store) -> None:
    """Each time before what was written is on disk; once that is over, documents are taken again."""

    def lose(_: Connection) -> None:
        Path(other.name).unlink(missing_ok=True)

    event.listen(Engine, "commit", lose)
    try:
        with pytest.raises(StoreError, match="was deleted, moved or replaced"):
            other.ingest(encode(Batch()))
    finally:
        event.remove(Engine, "commit", lose)
    other.ingest(encode(Batch()))
    assert len(other.sessions()) == 0
