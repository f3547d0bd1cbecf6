"""What a recorder must know of its store before it can put a batch together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select

from progstore.store import sound, statements
from progstore.store.tables import tasks
from progstore.store.writes import Ids

FEWEST_RUNS: Final = 3
"""Successful runs from which the usual duration of a history is told."""


class Lookup:
    """What may be asked of the store inside the transaction that is about to write."""

    def __init__(self, connection: Connection, ids: Ids) -> None:
        self._connection = connection
        self._ids = ids

    def newest_attempt(self, session_uid: str, key: str) -> int:
        """The number of the newest start under `key`, 0 where there is none."""
        prepared = statements.newest_attempt(self._connection.dialect.name)
        found = self._connection.exec_driver_sql(prepared.sql, prepared.row(session_uid, key)).scalar()
        return found or 0

    def session_name(self, uid: str) -> str | None:
        """What a session that somebody else opened is called, once its row is there."""
        prepared = statements.session_name(self._connection.dialect.name)
        return self._connection.exec_driver_sql(prepared.sql, prepared.row(uid)).scalar()

    def must_hand_in(self, session_uid: str) -> bool:
        """Whether a new task needs the row of its session handed in, for there is none: not yet, or somebody deleted
        it.
        """
        if self.session_name(session_uid) is not None:
            return False
        self._ids.sessions.pop(session_uid, None)
        return True

    def usual_durations(self, session: str, name: str) -> tuple[float | None, float | None]:
        """The median and the 95th percentile of the seconds that the successful runs of one history took, nearest
        rank; None where there are fewer than three.
        """
        usual, slowest = usual_durations(self._connection, session, name, (50, 95))
        return usual, slowest


def usual_durations(
    connection: Connection, session_name: str, name: str, percentiles: Sequence[int]
) -> list[float | None]:
    """The seconds that the successful runs of one history took, at these percentiles by nearest rank; None where there
    are fewer than FEWEST_RUNS.
    """
    runs = connection.execute(select(func.count()).select_from(_timed(session_name, name).subquery())).scalar_one()
    if runs < FEWEST_RUNS:
        return [None for _ in percentiles]
    return [duration_at(connection, session_name, name, runs, each) for each in percentiles]


def duration_at(connection: Connection, session_name: str, name: str, runs: int, percentile: int) -> float | None:
    """The duration at that percentile of so many runs; the covering index hands them out in order."""
    if not runs:
        return None
    ordered = _timed(session_name, name).order_by(tasks.c.duration).limit(1).offset(rank(runs, percentile))
    return sound.number(connection.execute(ordered).scalar())


def rank(runs: int, percentile: int) -> int:
    """Which of so many in order it is by nearest rank, the first being 0."""
    return (percentile * runs + 99) // 100 - 1


def _timed(session_name: str, name: str) -> Select[Any]:
    return select(tasks.c.duration).where(
        tasks.c.session_name == session_name,
        tasks.c.name == name,
        tasks.c.status == "complete",
        tasks.c.duration.is_not(None),
    )
