"""Requests to stop: one is put down on a session, and the processes that heed it ask which of theirs have one."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sqlalchemy import Connection, insert, select, update

from progstore.errors import AlreadyEnded
from progstore.store import spelling
from progstore.store.reader import Reader, faults_explained
from progstore.store.tables import events, sessions
from progstore.values import Life, SessionView

KIND = "stop requested"
"""The kind of the event that stands for a request."""


def request(reader: Reader, session: SessionView) -> None:
    """Note that somebody wants `session` to stop; a second request changes nothing.

    Raises AlreadyEnded where nothing in it goes on, StoreBusy where others hold the store for too long.
    """
    if _is_over(session):
        raise AlreadyEnded(f"session {session.id} has ended already: {_ending(session)}")

    def note(connection: Connection) -> None:
        now = time.time()
        asked = connection.execute(
            update(sessions)
            .where(sessions.c.id == session.id, sessions.c.stop_requested_at.is_(None))
            .values(stop_requested_at=now)
        )
        if asked.rowcount:
            spelling.of(connection.dialect.name).in_order(connection)
            connection.execute(insert(events).values(session_id=session.id, at=now, kind=KIND, message=""))

    location = reader.location
    with reader.asking(), faults_explained(location), location.cleaner().beside_others() as writer:
        writer.transact(note)


def requested(connection: Connection, uids: Iterable[str]) -> frozenset[str]:
    """Those of these sessions that were asked to stop."""
    asked = select(sessions.c.uid).where(sessions.c.uid.in_(list(uids)), sessions.c.stop_requested_at.is_not(None))
    return frozenset(connection.scalars(asked))


def _is_over(session: SessionView) -> bool:
    if session.verdict is not None and session.verdict.life is Life.LOST:
        return True
    return session.is_over


def _ending(session: SessionView) -> str:
    return session.verdict.reason if session.verdict is not None else str(session.status)
