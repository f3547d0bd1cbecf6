"""From the store's tables back to a batch: rows named by what identifies them in every store, ready to be sent on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, select

from progstore.store.batch import Batch, EventRow, MetaRow, ProcessRow, SessionRow, TaskIdentity, TaskRow
from progstore.store.tables import events, meta, processes, sessions, tasks
from progstore.store.writes import chunks

_PROCESS = tuple(each.name for each in fields(ProcessRow))
_SESSION = tuple(each.name for each in fields(SessionRow) if each.name != "process_uid")
_TASK = tuple(each.name for each in fields(TaskRow) if each.name not in {"session_uid", "process_uid", "parent"})

_owner = processes.alias("owner")
_parent = tasks.alias("parent")
_parents_session = sessions.alias("parents_session")
_SESSIONS: Select[Any] = (
    select(*(sessions.c[name] for name in _SESSION), _owner.c.uid.label("process_uid"))
    .outerjoin(_owner, _owner.c.id == sessions.c.process_id)
    .order_by(sessions.c.id)
)
_TASKS: Select[Any] = (
    select(
        *(tasks.c[name] for name in _TASK),
        sessions.c.uid.label("session_uid"),
        _owner.c.uid.label("process_uid"),
        _parents_session.c.uid.label("parents_session_uid"),
        _parent.c.key.label("parents_key"),
        _parent.c.attempt.label("parents_attempt"),
    )
    .select_from(tasks)
    .join(sessions, sessions.c.id == tasks.c.session_id)
    .outerjoin(_owner, _owner.c.id == tasks.c.process_id)
    .outerjoin(_parent, _parent.c.id == tasks.c.parent_id)
    .outerjoin(_parents_session, _parents_session.c.id == _parent.c.session_id)
    # What a task is nested in comes before it, also where these are sent in several documents.
    .order_by(tasks.c.id)
)
_PLACED = (sessions.c.uid.label("session_uid"), tasks.c.key.label("task_key"), tasks.c.attempt.label("task_attempt"))
EVENTS: Select[Any] = (
    select(events.c.id, events.c.task_id, events.c.at, events.c.kind, events.c.message, events.c.data, *_PLACED)
    .select_from(events)
    .join(sessions, sessions.c.id == events.c.session_id)
    .outerjoin(tasks, tasks.c.id == events.c.task_id)
    .order_by(events.c.id)
)
"""Events with what they happened to; to be restricted by whoever asks."""
_METADATA: Select[Any] = (
    select(meta.c.key, meta.c.value, meta.c.task_id, *_PLACED)
    .select_from(meta)
    .join(sessions, sessions.c.id == meta.c.session_id)
    .outerjoin(tasks, (tasks.c.id == meta.c.task_id) & (tasks.c.session_id == meta.c.session_id))
)


def gather(connection: Connection, session_ids: Iterable[int], task_ids: Iterable[int]) -> Batch:
    """These sessions and tasks with their metadata, the sessions around the tasks, and the processes behind them;
    without events.
    """
    batch = Batch()
    own = set(session_ids)
    around: set[int] = set()
    for chunk in chunks(sorted(set(task_ids))):
        batch.tasks += [_task_row(row) for row in connection.execute(_TASKS.where(tasks.c.id.in_(chunk)))]
        theirs = select(tasks.c.session_id).where(tasks.c.id.in_(chunk)).distinct()
        inside = list(connection.execute(theirs).scalars())
        of_tasks = _METADATA.where(meta.c.session_id.in_(inside), meta.c.task_id.in_(chunk))
        batch.metadata += [_meta_row(row) for row in connection.execute(of_tasks)]
        around.update(inside)
    for chunk in chunks(sorted(own | around)):
        batch.sessions += [_session_row(row) for row in connection.execute(_SESSIONS.where(sessions.c.id.in_(chunk)))]
    for chunk in chunks(sorted(own)):
        of_sessions = _METADATA.where(meta.c.session_id.in_(chunk), meta.c.task_id == 0)
        batch.metadata += [_meta_row(row) for row in connection.execute(of_sessions)]
    uids = {row.process_uid for row in batch.sessions if row.process_uid}
    uids.update(row.process_uid for row in batch.tasks if row.process_uid)
    # By their text, for what another program wrote need not be one.
    in_order = sorted(uids, key=str)
    batch.processes = processes_where(connection, [processes.c.uid.in_(chunk) for chunk in chunks(in_order)])
    return batch


def processes_where(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> list[ProcessRow]:
    """The processes that fulfil any of `conditions`, each asked for by itself."""
    statement = select(*(processes.c[name] for name in _PROCESS))
    return [
        ProcessRow(**row._mapping)  # noqa: SLF001  # SQLAlchemy's public way to a row's names
        for condition in conditions
        for row in connection.execute(statement.where(condition))
    ]


def event_row(row: Row[Any]) -> EventRow:
    """A row of `EVENTS` as it is sent on."""
    return EventRow(
        session_uid=row.session_uid, task=_place(row), at=row.at, kind=row.kind, message=row.message, data=row.data
    )


def _session_row(row: Row[Any]) -> SessionRow:
    return SessionRow(**row._mapping)  # noqa: SLF001  # as above


def _task_row(row: Row[Any]) -> TaskRow:
    values = dict(row._mapping)  # noqa: SLF001  # as above
    above = (values.pop("parents_session_uid"), values.pop("parents_key"), values.pop("parents_attempt"))
    values["process_uid"] = values["process_uid"] or ""
    return TaskRow(**values, parent=None if above[0] is None else above)


def _meta_row(row: Row[Any]) -> MetaRow:
    return MetaRow(session_uid=row.session_uid, task=_place(row), key=row.key, value=row.value)


def _place(row: Row[Any]) -> TaskIdentity | None:
    return (row.session_uid, row.task_key, row.task_attempt) if row.task_id else None
