"""Batches in: one executemany per table, in the order in which rows refer to each other.

Every row has one writer, and the statements say so: a row changes only for the process that owns it, and only to a
newer revision. Ids belong to one store and are found by identity, then remembered as long as the connection lives.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from sqlalchemy import Connection, Table, select, update

from progstore.store import spelling, statements
from progstore.store.batch import Applied, Batch, EventRow, MetaRow, ProcessRow, SessionRow, TaskIdentity, TaskRow
from progstore.store.faults import ROW_FAULTS, is_of_row
from progstore.store.statements import Prepared, Row
from progstore.store.tables import processes, sessions, tasks

CHUNK = 500
"""Keys asked for in one SELECT."""

_process_values = operator.attrgetter(*statements.PROCESS_FIXED, *statements.PROCESS_CHANGING)
_process_signs = operator.attrgetter(*statements.PROCESS_SIGNS)
_process_changing = operator.attrgetter(*statements.PROCESS_CHANGING)
_session_owned = operator.attrgetter("kind", "parent_uid", "started_at", *statements.SESSION_CHANGING)
_session_values = operator.attrgetter(*statements.SESSION_FIXED, *statements.SESSION_CHANGING)
_task_fixed = operator.attrgetter(*statements.TASK_FIXED)
_task_changing = operator.attrgetter(*statements.TASK_CHANGING)
_event_values = operator.attrgetter("at", "kind", "message", "data")


Named = TypeVar("Named", ProcessRow, SessionRow)
Item = TypeVar("Item")


class Ids:
    """The ids that this store gave to rows written over one connection."""

    def __init__(self) -> None:
        self.processes: dict[str, int] = {}
        self.sessions: dict[str, int] = {}
        self.tasks: dict[TaskIdentity, int] = {}

    def copy(self) -> Ids:
        """The same ids, for a transaction that may be rolled back and give them to others."""
        copy = Ids()
        copy.processes, copy.sessions, copy.tasks = dict(self.processes), dict(self.sessions), dict(self.tasks)
        return copy


def apply(connection: Connection, batch: Batch, ids: Ids, *, singly: bool = False) -> Applied:
    """Write `batch` within the open transaction.

    With `singly` each row stands alone, so that one that no store could hold is refused and named while the others are
    written; without, such a row raises one of ROW_FAULTS and the transaction must be rolled back.
    """
    run = _run_singly if singly else _run_together
    applied = Applied()
    _write_processes(connection, batch, ids, run, applied)
    deleted = _deleted_sessions(connection, batch.sessions, ids)
    _write_sessions(connection, [row for row in batch.sessions if row.uid not in deleted], ids, run, applied)
    for identity in batch.taken:
        _take(connection, identity, ids, batch, applied)
    known: list[tuple[int, TaskRow]] = []
    fresh: list[TaskRow] = []
    for row in batch.tasks:
        number = ids.tasks.get(row.identity)
        if number is None:
            fresh.append(row)
        else:
            known.append((number, row))
    _update_tasks(connection, known, ids, run, applied)
    _insert_tasks(connection, fresh, ids, run, applied)
    _write_events(connection, [row for row in batch.events if row.session_uid not in deleted], ids, run, applied)
    _write_metadata(connection, [row for row in batch.metadata if row.session_uid not in deleted], ids, run, applied)
    return applied


def beat(connection: Connection, process_id: int, process: ProcessRow) -> None:
    """A sign of life, written with every transaction; it also takes back that the process was held for lost."""
    prepared = statements.beat(connection.dialect.name)
    connection.exec_driver_sql(prepared.sql, prepared.row(*_process_signs(process), process_id))


def min_writer(connection: Connection) -> object:
    """What the store says is the least format that a writer must know; None where it does not say so."""
    return connection.exec_driver_sql("SELECT value FROM store_info WHERE key = 'min_writer'").scalar()


Statement = Callable[[str], Prepared]
"""One of `statements`, to be had in the words of a dialect."""
Run = Callable[[Connection, Statement, Sequence[Row], Applied], int]


def _run_together(connection: Connection, statement: Statement, rows: Sequence[Row], _: Applied) -> int:
    if not rows:
        return 0
    prepared = statement(connection.dialect.name)
    return connection.exec_driver_sql(prepared.sql, prepared.rows(rows)).rowcount


def _run_singly(connection: Connection, statement: Statement, rows: Sequence[Row], applied: Applied) -> int:
    prepared = statement(connection.dialect.name)
    changed = 0
    for row in rows:
        savepoint = connection.begin_nested()
        try:
            changed += connection.exec_driver_sql(prepared.sql, prepared.row(*row)).rowcount
        except ROW_FAULTS as error:
            if not is_of_row(error):
                raise
            savepoint.rollback()
            applied.refused.append(f"{getattr(error, 'orig', None) or error}")
        else:
            savepoint.commit()
    return changed


def _write_processes(connection: Connection, batch: Batch, ids: Ids, run: Run, applied: Applied) -> None:
    known, fresh = _split(connection, processes, batch.processes, ids.processes)
    run(connection, statements.update_process, [(*_process_changing(row), row.uid) for row in known], applied)
    run(connection, statements.upsert_process, [_process_values(row) for row in fresh], applied)
    find_ids(connection, processes, [row.uid for row in fresh], ids.processes)


def _write_sessions(connection: Connection, rows: list[SessionRow], ids: Ids, run: Run, applied: Applied) -> None:
    known, fresh = _split(connection, sessions, rows, ids.sessions)
    mine = [(row, ids.processes[row.process_uid]) for row in known if row.process_uid in ids.processes]
    changed = [(*_session_owned(row), owner, row.uid, owner) for row, owner in mine]
    run(connection, statements.update_session, changed, applied)
    own = [(*_session_values(row), ids.processes[row.process_uid]) for row in fresh if row.process_uid in ids.processes]
    others = [(*_session_values(row), None) for row in fresh if row.process_uid not in ids.processes]
    run(connection, statements.upsert_session, own, applied)
    run(connection, statements.insert_session, others, applied)
    find_ids(connection, sessions, [row.uid for row in fresh], ids.sessions)


def _deleted_sessions(connection: Connection, rows: list[SessionRow], ids: Ids) -> set[str]:
    """Of these sessions those that were written and then deleted by somebody. They stay deleted, and their ids are kept
    to tell them by, unless a task begins in one: see `Lookup.must_hand_in`.
    """
    written = [row.uid for row in rows if row.uid in ids.sessions]
    there: dict[str, int] = {}
    find_ids(connection, sessions, written, there)
    return {uid for uid in written if uid not in there}


def _split(
    connection: Connection, table: Table, rows: list[Named], known: dict[str, int]
) -> tuple[list[Named], list[Named]]:
    """The rows that this store has, and those that it has not. SQLite would spend a number on each that it has."""
    find_ids(connection, table, [row.uid for row in rows if row.uid not in known], known)
    return [row for row in rows if row.uid in known], [row for row in rows if row.uid not in known]


def find_ids(connection: Connection, table: Table, uids: list[str], found: dict[str, int]) -> None:
    """Add the ids of these uids to `found`, as far as the store knows them."""
    for chunk in chunks(uids):
        statement = select(table.c.uid, table.c.id).where(table.c.uid.in_(chunk))
        found.update((uid, number) for uid, number in connection.execute(statement))


def _take(connection: Connection, identity: TaskIdentity, ids: Ids, batch: Batch, applied: Applied) -> None:
    """One conditional UPDATE moves a task that has not ended to the sender; whoever comes second changes nothing."""
    session_uid, key, attempt = identity
    row = next(row for row in batch.tasks if row.identity == identity)
    taken = connection.execute(
        update(tasks)
        .where(tasks.c.session_id == select(sessions.c.id).where(sessions.c.uid == session_uid).scalar_subquery())
        .where(tasks.c.key == key, tasks.c.attempt == attempt, tasks.c.ended_at.is_(None))
        .values(process_id=ids.processes[row.process_uid], lost_at=None)
        .returning(tasks.c.id, tasks.c.session_id, tasks.c.rev)
    ).one_or_none()
    if taken is None:
        applied.not_ours.append(identity)
    else:
        ids.tasks[identity] = taken.id
        ids.sessions[session_uid] = taken.session_id
        row.rev = max(row.rev, taken.rev + 1)


def _update_tasks(
    connection: Connection, rows: list[tuple[int, TaskRow]], ids: Ids, run: Run, applied: Applied
) -> None:
    if not rows:
        return
    values = [(*_task_changing(row), number, ids.processes[row.process_uid], row.rev) for number, row in rows]
    if run(connection, statements.update_task, values, applied) == len(rows):
        return
    owners: dict[int, int | None] = {}
    for chunk in chunks([number for number, _ in rows]):
        statement = select(tasks.c.id, tasks.c.process_id).where(tasks.c.id.in_(chunk))
        owners.update((number, owner) for number, owner in connection.execute(statement))
    for number, row in rows:
        # Deleted by somebody, or taken over: either way it is no longer this process's to write.
        if owners.get(number) != ids.processes[row.process_uid]:
            applied.not_ours.append(row.identity)
            del ids.tasks[row.identity]


def _insert_tasks(connection: Connection, rows: list[TaskRow], ids: Ids, run: Run, applied: Applied) -> None:
    parents = _parents(connection, rows, ids)
    for generation in generations(rows):
        writable = [row for row in generation if row.session_uid in ids.sessions]
        values = [
            (
                *_task_fixed(row),
                *_task_changing(row),
                ids.sessions[row.session_uid],
                ids.processes[row.process_uid],
                parents.get(row.parent) if row.parent else None,
            )
            for row in writable
        ]
        run(connection, statements.upsert_task, values, applied)
        _find_tasks(connection, writable, ids, applied)
        parents.update((row.identity, ids.tasks[row.identity]) for row in writable if row.identity in ids.tasks)


def _parents(connection: Connection, rows: list[TaskRow], ids: Ids) -> dict[TaskIdentity, int]:
    """The ids of those parents that are there already: one may have ended, and been forgotten, before its children in
    other threads could be written, and one may have been deleted.
    """
    wanted = {row.parent for row in rows if row.parent} - {row.identity for row in rows}
    remembered = {ids.tasks[parent]: parent for parent in wanted if parent in ids.tasks}
    found: dict[TaskIdentity, int] = {}
    for chunk in chunks(list(remembered)):
        there = connection.execute(select(tasks.c.id).where(tasks.c.id.in_(chunk))).scalars()
        found.update((remembered[number], number) for number in there)
    for parent in wanted - ids.tasks.keys():
        uid, key, attempt = parent
        statement = select(tasks.c.id).join(sessions, sessions.c.id == tasks.c.session_id)
        of_parent = statement.where(sessions.c.uid == uid, tasks.c.key == key, tasks.c.attempt == attempt)
        number = connection.execute(of_parent).scalar()
        if number is not None:
            found[parent] = number
    return found


def generations(rows: list[TaskRow]) -> Iterator[list[TaskRow]]:
    """Parents before their children, for a child's row needs its parent's id."""
    waiting = {row.identity: row for row in rows}
    while waiting:
        # Rows from elsewhere may say that each is nested in the other; then neither is.
        ready = [row for row in waiting.values() if row.parent not in waiting] or list(waiting.values())
        for row in ready:
            del waiting[row.identity]
        yield ready


def _find_tasks(connection: Connection, rows: list[TaskRow], ids: Ids, applied: Applied) -> None:
    uids = {ids.sessions[row.session_uid]: row.session_uid for row in rows}
    for session_id, uid in uids.items():
        wanted = {row.identity: row.process_uid for row in rows if row.session_uid == uid}
        for chunk in chunks([key for _, key, _ in wanted]):
            statement = select(tasks.c.key, tasks.c.attempt, tasks.c.id, tasks.c.process_id)
            for key, attempt, number, process_id in connection.execute(
                statement.where(tasks.c.session_id == session_id, tasks.c.key.in_(chunk))
            ):
                identity = (uid, key, attempt)
                if identity not in wanted:
                    continue
                if process_id == ids.processes[wanted[identity]]:
                    ids.tasks[identity] = number
                else:
                    applied.not_ours.append(identity)


def _write_events(connection: Connection, rows: list[EventRow], ids: Ids, run: Run, applied: Applied) -> None:
    values = [
        (*_event_values(row), ids.sessions[row.session_uid], ids.tasks[row.task] if row.task else None)
        for row in rows
        if row.session_uid in ids.sessions and (row.task is None or row.task in ids.tasks)
    ]
    if values:
        spelling.of(connection.dialect.name).in_order(connection)
    run(connection, statements.insert_event, values, applied)


def _write_metadata(connection: Connection, rows: list[MetaRow], ids: Ids, run: Run, applied: Applied) -> None:
    values = [
        (ids.sessions[row.session_uid], ids.tasks[row.task] if row.task else 0, row.key, row.value)
        for row in rows
        if row.session_uid in ids.sessions and (row.task is None or row.task in ids.tasks)
    ]
    run(connection, statements.upsert_metadata, values, applied)


def chunks(keys: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """`keys` in pieces that fit into one question."""
    return (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))
