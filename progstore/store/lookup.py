"""What a recorder must know of its store before it can put a batch together."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, func, select

from progstore.store import sound, statements
from progstore.store.tables import sessions, tasks

FEWEST_RUNS: Final = 3
"""Successful runs from which the usual duration of a history is told."""


class Lookup:
    """What may be asked of the store inside the transaction that is about to write."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def newest_attempt(self, session_uid: str, key: str) -> int:
        """The number of the newest start under `key`, 0 where there is none."""
        prepared = statements.newest_attempt(self._connection.dialect.name)
        found = self._connection.exec_driver_sql(prepared.sql, prepared.row(session_uid, key)).scalar()
        return found or 0

    def session_name(self, uid: str) -> str | None:
        """What a session that somebody else opened is called, once its row is there."""
        return self._connection.execute(select(sessions.c.name).where(sessions.c.uid == uid)).scalar()

    def usual_durations(self, session: str, name: str) -> tuple[float | None, float | None]:
        """The median and the 95th percentile of the seconds that the successful runs of one history took, nearest
        rank; None where there are fewer than three.
        """
        runs = (tasks.c.session_name == session) & (tasks.c.name == name) & (tasks.c.status == "complete")
        taken = tasks.c.duration
        found = self._connection.execute(select(func.count()).where(runs, taken.is_not(None))).scalar_one()
        if found < FEWEST_RUNS:
            return None, None
        ordered = select(taken).where(runs, taken.is_not(None)).order_by(taken).limit(1)
        middle, slow = ordered.offset((found - 1) // 2), ordered.offset((95 * found + 99) // 100 - 1)
        usual, slowest = (sound.number(self._connection.execute(each).scalar()) for each in (middle, slow))
        return usual, slowest
