"""Which rows of a batch from another store are here already: ids and revisions, looked up as they are mentioned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from progstore.store.batch import EventRow, MetaRow, TaskIdentity
from progstore.store.merge_statements import find_tasks
from progstore.store.tables import processes, sessions
from progstore.store.writes import chunks, find_ids

SESSIONS_AT_ONCE: Final = 20
"""Sessions whose tasks are looked for in one question: each of the keys is looked for in each of them."""


class Held(NamedTuple):
    """A row as the store has it: its id and its revision."""

    id: int
    rev: int


class Known:
    """What was found so far, by what identifies it in every store; for one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.processes: dict[str, int] = {}
        self.sessions: dict[str, Held] = {}
        self.tasks: dict[TaskIdentity, Held] = {}

    def find_processes(self, uids: list[str]) -> None:
        """Look for the processes with these uids."""
        find_ids(self._connection, processes, uids, self.processes)

    def find_sessions(self, uids: set[str]) -> None:
        """Look for the sessions with these uids, as they are now."""
        statement = select(sessions.c.uid, sessions.c.id, sessions.c.rev)
        for chunk in chunks(sorted(uids)):
            for uid, number, rev in self._connection.execute(statement.where(sessions.c.uid.in_(chunk))):
                self.sessions[uid] = Held(number, rev)

    def find_tasks(self, identities: Iterable[TaskIdentity]) -> None:
        """Look for those of these tasks that were not found yet, in sessions that were."""
        missing: dict[str, set[str]] = {}
        for uid, key, attempt in identities:
            if (uid, key, attempt) not in self.tasks and uid in self.sessions:
                missing.setdefault(uid, set()).add(key)
        uids = list(missing)
        for start in range(0, len(uids), SESSIONS_AT_ONCE):
            some = {self.sessions[uid].id: uid for uid in uids[start : start + SESSIONS_AT_ONCE]}
            for keys in chunks(sorted(set().union(*(missing[uid] for uid in some.values())))):
                asked = {"which_sessions": list(some), "which_keys": keys}
                for session_id, key, attempt, number, rev in self._connection.execute(find_tasks(), asked):
                    self.tasks[some[session_id], key, attempt] = Held(number, rev)

    def place(self, row: EventRow | MetaRow) -> tuple[int, int | None] | None:
        """Session id and task id (None for a session's own) of what hangs on them; None where they are not here."""
        session = self.sessions.get(row.session_uid)
        task = self.tasks.get(row.task) if row.task is not None else None
        if session is None or (row.task is not None and task is None):
            return None
        return session.id, None if task is None else task.id
