"""A row that no store can hold is refused and named; the rows beside it, and what is written later, are not touched."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from progstore import open_store
from progstore.live.process import process_row
from progstore.store.batch import Batch, EventRow, MetaRow, SessionRow, TaskRow
from progstore.store.engine import locate
from progstore.store.postgres import locks
from progstore.store.writer import StoreWriter

Ask = Callable[..., list[Any]]

PROCESS = process_row(0.5)
SESSION = SessionRow(
    uid="session",
    name="session",
    kind="block",
    process_uid=PROCESS.uid,
    parent_uid=None,
    host="host",
    message="",
    started_at=1.0,
    ended_at=None,
    end_status=None,
    duration=None,
    rev=1,
)
TASK = TaskRow(
    session_uid="session",
    key="good",
    attempt=1,
    process_uid=PROCESS.uid,
    parent=None,
    session_name="session",
    name="task",
    unit="it",
    status="running",
    done=1.0,
    total=None,
    total_source=None,
    failed=0.0,
    active=0.0,
    cancelled=0.0,
    percent=None,
    message="",
    error_type=None,
    error=None,
    traceback=None,
    simulate_from=None,
    simulate_until=None,
    simulate_since=None,
    simulate_expected=None,
    resumed_from=None,
    rev=1,
    started_at=1.0,
    updated_at=1.0,
    ended_at=None,
    duration=None,
    curve=None,
)
BAD = dataclasses.replace(TASK, key="bad", status="no such status")


@pytest.fixture
def writer(store_path: Path) -> Iterator[StoreWriter]:
    """An open connection for writing."""
    writer = StoreWriter(str(store_path))
    writer.open(PROCESS)
    yield writer
    writer.release()


def test_a_bad_row_is_refused_and_named_and_the_rest_of_its_batch_is_written(writer: StoreWriter, ask: Ask) -> None:
    """With the events of the good row, and not those of the bad one."""
    events = [
        EventRow(session_uid="session", task=row.identity, at=time.time(), kind="started", message=row.key)
        for row in (BAD, TASK)
    ]
    batch = Batch(sessions=[SESSION], tasks=[BAD, TASK], events=events)
    applied = writer.commit(PROCESS, lambda _: batch, durable=True)
    assert applied.not_ours == []
    (reason,) = applied.refused
    assert "CHECK constraint failed" in reason
    assert ask("SELECT key, done FROM tasks") == [("good", 1.0)]
    assert ask("SELECT message FROM events") == ["good"]


def test_what_was_written_before_the_bad_row_is_written_again_after_the_rollback(writer: StoreWriter, ask: Ask) -> None:
    """The ids that the store gave in the transaction that was rolled back are forgotten with it."""
    values = [
        MetaRow(session_uid="session", task=TASK.identity, key=key, value=value)
        for key, value in (("bad", "\ud800"), ("good", "1"))
    ]
    applied = writer.commit(PROCESS, lambda _: Batch(sessions=[SESSION], tasks=[TASK], metadata=values), durable=True)
    assert (applied.not_ours, len(applied.refused)) == ([], 1)
    later = dataclasses.replace(TASK, done=2.0, rev=2)
    assert writer.commit(PROCESS, lambda _: Batch(tasks=[later]), durable=True).not_ours == []
    assert ask("SELECT t.done, s.name FROM tasks t JOIN sessions s ON s.id = t.session_id") == [(2.0, "session")]
    assert ask("SELECT key, value FROM metadata") == [("good", "1")]


def test_what_a_busy_server_rolled_back_is_written_with_the_next_try(postgres_store: str) -> None:
    """The rows had been given ids when others held up the events; they are not taken for written, nor for deleted."""
    writer = StoreWriter(f"{postgres_store}?options=-clock_timeout%3D50")
    writer.open(PROCESS)
    event = EventRow(session_uid="session", task=TASK.identity, at=1.0, kind="started", message="")
    batch = Batch(sessions=[SESSION], tasks=[TASK], events=[event])
    with closing(locate(postgres_store).writer_engine().connect()) as other:
        locks.wait_in_transaction(other, locks.ORDER)
        with pytest.raises(OperationalError, match="lock timeout"):
            writer.commit(PROCESS, lambda _: batch, durable=True)
    applied = writer.commit(PROCESS, lambda _: batch, durable=True)
    writer.release()
    assert (applied.not_ours, applied.refused) == ([], [])
    with open_store(postgres_store) as store:
        assert [task.key for task in store.session("session").tasks] == ["good"]
        assert [event.kind for event in store.events()] == ["started"]
