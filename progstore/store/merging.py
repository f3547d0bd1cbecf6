"""Rows that come from another store: written where they are newer than what is here, so that the same document may come
twice, or late, and changes nothing the second time.

A row's revision decides. Events have no identity of their own: one that happened at the same time, of the same kind and
with the same words is the same event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, Executable, insert, select

from progstore.store import merge_statements, spelling
from progstore.store.batch import Batch, EventRow, TaskIdentity, TaskRow
from progstore.store.faults import ROW_FAULTS, is_of_row
from progstore.store.known import Known
from progstore.store.merge_statements import EVENT, PROCESS, SESSION, TASK, given
from progstore.store.settle import mark_lost_tasks
from progstore.store.tables import events, processes, sessions
from progstore.store.writes import chunks, generations

Values = dict[str, Any]
EventKey = tuple[int | None, float, str, str, str | None]
"""Task id (None for a session's own), time, kind, message and data."""


class Arrival(NamedTuple):
    """When rows were received over a network, by this store's clock (seconds UTC), and by how many seconds the clock of
    their sender is ahead of it.
    """

    received_at: float
    clock_offset: float


@dataclass(slots=True)
class Merged:
    """What came of a batch: how many rows were written, why others were refused, and the uids of those sessions of it
    and of its processes that somebody asked to stop.
    """

    written: int = 0
    refused: list[str] = field(default_factory=list)
    stop_requested: list[str] = field(default_factory=list)


def merge(connection: Connection, batch: Batch, arrival: Arrival | None, *, singly: bool = False) -> Merged:
    """Write what is newer in `batch` than in the store, within the open transaction.

    With `singly` each row stands alone, so that one that the store cannot hold is refused and named while the others
    are written; without, such a row raises one of ROW_FAULTS and the transaction must be rolled back.
    """
    return _Merge(connection, batch, singly=singly).done(arrival)


class _Merge:
    """One batch on its way into the store."""

    def __init__(self, connection: Connection, batch: Batch, *, singly: bool) -> None:
        self._connection = connection
        self._batch = batch
        self._run = self._run_singly if singly else self._run_together
        self._merged = Merged()
        self._known = Known(connection)

    def done(self, arrival: Arrival | None) -> Merged:
        """Everything, in the order in which rows refer to each other."""
        self._write_processes(arrival)
        self._write_sessions()
        for generation in generations(self._batch.tasks):
            self._write_tasks(generation)
        self._write_events()
        self._write_metadata()
        self._note_lost()
        self._merged.stop_requested = sorted(self._stop_requested())
        return self._merged

    def _stop_requested(self) -> set[str]:
        """The sessions of this batch, and those of its processes, that somebody asked to stop."""
        asked = select(sessions.c.uid).where(sessions.c.stop_requested_at.is_not(None), sessions.c.ended_at.is_(None))
        found: set[str] = set()
        for column, ids in (
            (sessions.c.id, [held.id for held in self._known.sessions.values()]),
            # Who has nothing new to say of a session is to hear of it all the same.
            (
                sessions.c.process_id,
                [self._known.processes[row.uid] for row in self._batch.processes if row.uid in self._known.processes],
            ),
        ):
            for chunk in chunks(ids):
                found.update(self._connection.execute(asked.where(column.in_(chunk))).scalars())
        return found

    def _write_processes(self, arrival: Arrival | None) -> None:
        rows = self._batch.processes
        mentioned = {row.uid for row in rows}
        mentioned.update(row.process_uid for row in self._batch.sessions if row.process_uid)
        mentioned.update(row.process_uid for row in self._batch.tasks if row.process_uid)
        self._known.find_processes(sorted(mentioned))
        known, fresh = list[Values](), list[Values]()
        for row in rows:
            values = given(row, PROCESS)
            number = self._known.processes.get(row.uid)
            (fresh if number is None else known).append(values if number is None else {**values, "which": number})
        self._run(merge_statements.update_process(), known)
        self._run(merge_statements.insert_process(self._dialect), fresh)
        self._known.find_processes([values["given_uid"] for values in fresh])
        if arrival is not None:
            received = [self._known.processes[row.uid] for row in rows if row.uid in self._known.processes]
            self._run(
                merge_statements.merge_remote(self._dialect),
                [
                    {
                        "given_process_id": each,
                        "given_received_at": arrival.received_at,
                        "given_clock_offset": arrival.clock_offset,
                    }
                    for each in received
                ],
            )

    def _write_sessions(self) -> None:
        mentioned = {row.uid for row in self._batch.sessions}
        mentioned.update(uid for uid, *_ in self._identities())
        self._known.find_sessions(mentioned)
        known, owned, others = list[Values](), list[Values](), list[Values]()
        for row in self._batch.sessions:
            owner = self._known.processes.get(row.process_uid or "")
            held = self._known.sessions.get(row.uid)
            values = {**given(row, SESSION), "given_process_id": owner}
            if held is None:
                (others if owner is None else owned).append(values)
            elif owner is not None:
                known.append({**values, "which": held.id})
        self._run(merge_statements.update_session(), known)
        self._run(merge_statements.insert_session(self._dialect), owned)
        self._run(merge_statements.insert_unowned_session(self._dialect), others)
        self._known.find_sessions({row.uid for row in self._batch.sessions})

    def _identities(self) -> Iterator[TaskIdentity]:
        for row in self._batch.tasks:
            yield row.identity
            if row.parent is not None:
                yield row.parent
        for event in self._batch.events:
            yield event.task or (event.session_uid, "", 0)
        for value in self._batch.metadata:
            yield value.task or (value.session_uid, "", 0)

    def _write_tasks(self, rows: Sequence[TaskRow]) -> None:
        self._known.find_tasks({row.parent for row in rows if row.parent is not None})
        self._known.find_tasks({row.identity for row in rows})
        known, fresh = list[Values](), list[Values]()
        for row in rows:
            session, held = self._known.sessions.get(row.session_uid), self._known.tasks.get(row.identity)
            parent = self._known.tasks.get(row.parent) if row.parent is not None else None
            if session is None:
                self._merged.refused.append(f"task {row.key!r}: its session {row.session_uid} is not known here")
                continue
            values = {
                **given(row, TASK),
                "given_session_id": session.id,
                "given_process_id": self._known.processes.get(row.process_uid),
                "given_parent_id": None if parent is None else parent.id,
            }
            (fresh if held is None else known).append(values if held is None else {**values, "which": held.id})
        self._run(merge_statements.update_task(), known)
        self._run(merge_statements.insert_task(self._dialect), fresh)
        self._known.find_tasks({row.identity for row in rows})

    def _write_events(self) -> None:
        self._known.find_tasks(row.task for row in self._batch.events if row.task is not None)
        placed = [(place, row) for row in self._batch.events if (place := self._known.place(row)) is not None]
        if not placed:
            return
        # Before it is looked what is there: else the same document could come over two connections, and be there twice.
        spelling.of(self._dialect).in_order(self._connection)
        known = self._known_events(placed)
        fresh = []
        for (session_id, task_id), row in placed:
            key = (task_id, row.at, row.kind, row.message, row.data)
            if known[session_id, key] > 0:
                known[session_id, key] -= 1
                continue
            fresh.append({"session_id": session_id, "task_id": task_id, **given(row, EVENT, "")})
        self._run(insert(events), fresh)

    def _known_events(self, placed: Sequence[tuple[tuple[int, int | None], EventRow]]) -> Counter[tuple[int, EventKey]]:
        """How often the store has each event that these tasks and sessions have within the time of these."""
        found: Counter[tuple[int, EventKey]] = Counter()
        first, last = min(row.at for _, row in placed), max(row.at for _, row in placed)
        columns = (events.c.task_id, events.c.at, events.c.kind, events.c.message, events.c.data)
        within = select(events.c.session_id, *columns).where(events.c.at.between(first, last))
        of_tasks = sorted({task_id for (_, task_id), _ in placed if task_id is not None})
        of_sessions = sorted({session_id for (session_id, task_id), _ in placed if task_id is None})
        for chunk in chunks(of_tasks):
            for session_id, *key in self._connection.execute(within.where(events.c.task_id.in_(chunk))):
                found[session_id, tuple(key)] += 1
        for chunk in chunks(of_sessions):
            own = within.where(events.c.session_id.in_(chunk), events.c.task_id.is_(None))
            for session_id, *key in self._connection.execute(own):
                found[session_id, tuple(key)] += 1
        return found

    def _write_metadata(self) -> None:
        """Values go with the row that they belong to: where the store's is newer, so are its values."""
        self._known.find_tasks(row.task for row in self._batch.metadata if row.task is not None)
        revisions: dict[TaskIdentity | str, int] = {row.uid: row.rev for row in self._batch.sessions}
        revisions |= {row.identity: row.rev for row in self._batch.tasks}
        values = []
        for row in self._batch.metadata:
            place = self._known.place(row)
            if place is None:
                continue
            held = self._known.sessions[row.session_uid] if row.task is None else self._known.tasks[row.task]
            if held.rev <= revisions.get(row.task or row.session_uid, held.rev):
                session_id, task_id = place
                values.append(
                    {
                        "given_session_id": session_id,
                        "given_task_id": task_id or 0,
                        "given_key": row.key,
                        "given_value": row.value,
                    }
                )
        self._run(merge_statements.merge_metadata(self._dialect), values)

    def _note_lost(self) -> None:
        """What their own machine knows to be gone, takes its running tasks along, whichever of the two came first."""
        for chunk in chunks(sorted(self._known.processes.values())):
            mark_lost_tasks(self._connection, processes.c.id.in_(chunk))

    # How statements are run

    @property
    def _dialect(self) -> str:
        return self._connection.dialect.name

    def _run_together(self, statement: Executable, rows: Sequence[Values]) -> None:
        if rows:
            self._merged.written += self._changed(statement, rows)

    def _changed(self, statement: Executable, rows: Values | Sequence[Values]) -> int:
        """How many rows it wrote, which SQLAlchemy does not keep of an INSERT unless it is asked to."""
        return self._connection.execute(statement, rows, execution_options={"preserve_rowcount": True}).rowcount

    def _run_singly(self, statement: Executable, rows: Sequence[Values]) -> None:
        for row in rows:
            savepoint = self._connection.begin_nested()
            try:
                self._merged.written += self._changed(statement, row)
            except ROW_FAULTS as error:
                savepoint.rollback()
                if not is_of_row(error):
                    raise
                self._merged.refused.append(f"{getattr(error, 'orig', None) or error}")
            else:
                savepoint.commit()
