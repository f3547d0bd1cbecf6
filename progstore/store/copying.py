"""From one store to another: every session with all that hangs on it, in documents of a bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import select

from progstore.reports import CopyReport, IngestReport
from progstore.store.batch import Batch
from progstore.store.documents import TooLarge, encode, halved, must_fit
from progstore.store.gathering import EVENTS, event_row, gather
from progstore.store.reader import Reader
from progstore.store.tables import events, sessions, tasks

SESSIONS_AT_ONCE: Final = 200
TASKS_AT_ONCE: Final = 1000
EVENTS_AT_ONCE: Final = 5000
"""Rows of one document; a session's rows may be in several."""

Ingest = Callable[[dict[str, Any]], IngestReport]


def copy(reader: Reader, ingest: Ingest) -> CopyReport:
    """Hand every session of the store behind `reader` to `ingest`, in smaller documents where that raises TooLarge.

    What is there already stays as it is. Raises what reading and `ingest` raise; what was handed over until then is
    there, and another copy goes on.
    """
    rows, refused, count = 0, list[str](), 0
    for ids in _session_ids(reader):
        count += len(ids)
        for batch in _batches(reader, ids):
            report = _handed_over(encode(batch), ingest)
            rows += report.rows
            refused += report.refused
    return CopyReport(sessions=count, rows=rows, refused=tuple(refused))


def _handed_over(document: dict[str, Any], ingest: Ingest) -> IngestReport:
    """In halves where it is too large; a row that is too large by itself is left out."""
    try:
        must_fit(document)
        return ingest(document)
    except TooLarge as error:
        parts = [_handed_over(half, ingest) for half in halved(document)]
        if not parts:
            return IngestReport(rows=0, refused=(str(error),))
    return IngestReport(
        rows=sum(each.rows for each in parts), refused=tuple(reason for each in parts for reason in each.refused)
    )


def _session_ids(reader: Reader) -> Iterator[list[int]]:
    after = 0
    while True:
        statement = select(sessions.c.id).where(sessions.c.id > after).order_by(sessions.c.id).limit(SESSIONS_AT_ONCE)
        with reader.connection() as connection:
            ids = list(connection.execute(statement).scalars())
        if not ids:
            return
        yield ids
        after = ids[-1]


def _batches(reader: Reader, session_ids: Sequence[int]) -> Iterator[Batch]:
    """Each is read by itself, so that no reading lasts long."""
    with reader.connection() as connection:
        batch = gather(connection, session_ids, ())
    yield batch
    after = 0
    while True:
        of_sessions = select(tasks.c.id).where(tasks.c.session_id.in_(session_ids), tasks.c.id > after)
        with reader.connection() as connection:
            ids = list(connection.execute(of_sessions.order_by(tasks.c.id).limit(TASKS_AT_ONCE)).scalars())
            batch = gather(connection, (), ids)
        if not ids:
            break
        yield batch
        after = ids[-1]
    after = 0
    while True:
        statement = EVENTS.where(events.c.session_id.in_(session_ids), events.c.id > after).limit(EVENTS_AT_ONCE)
        with reader.connection() as connection:
            found = connection.execute(statement).all()
        if not found:
            return
        yield Batch(events=[event_row(row) for row in found])
        after = found[-1].id
