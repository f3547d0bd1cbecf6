"""Figures over many tasks: how each history went, and how many tasks there are of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, case, func, select

from progstore import clean
from progstore.store.filters import UNUSUAL, task_conditions
from progstore.store.tables import sessions, tasks
from progstore.values import Filter, HistoryView

COUNTED = 100_000
"""Of the matching tasks, the newest that are counted by kind."""
FACET_VALUES = 1000
"""Different names of one kind that are told; the most frequent."""
FEWEST_RUNS = 3
"""Past runs from which it can be said how long something usually takes."""


def histories(connection: Connection, session_name: str | None = None, name: str | None = None) -> list[HistoryView]:
    """The figures of every history, or of one."""
    grouped = select(
        tasks.c.session_name,
        tasks.c.name,
        func.count().label("runs"),
        *(
            func.sum(case((tasks.c.status == word, 1), else_=0)).label(word)
            for word in ("complete", "error", "cancelled")
        ),
        func.sum(case(((tasks.c.status == "complete") & tasks.c.duration.is_not(None), 1), else_=0)).label("timed"),
    ).group_by(tasks.c.session_name, tasks.c.name)
    if session_name is not None:
        grouped = grouped.where(tasks.c.session_name == clean.printable(session_name))
    if name is not None:
        grouped = grouped.where(tasks.c.name == clean.printable(name))
    return [_history(connection, row) for row in connection.execute(grouped).all()]


def slowest_usual(connection: Connection, session_name: str, name: str) -> float | None:
    """The seconds (95th percentile, nearest rank) of the complete runs; None where there are fewer than three."""
    timed = _timed(session_name, name)
    runs = connection.execute(select(func.count()).select_from(timed.subquery())).scalar_one()
    return _ranked(connection, session_name, name, runs, 95) if runs >= FEWEST_RUNS else None


def facets(connection: Connection, wanted: Filter) -> dict[str, dict[str, int]]:
    """How many of the newest matching tasks there are by status, session name and host; without a filter the statuses
    are counted over all.
    """
    matching = (
        select(tasks.c.status, tasks.c.session_name, tasks.c.session_id)
        .where(*task_conditions(connection, wanted))
        .order_by(tasks.c.started_at.desc(), tasks.c.id.desc())
        .limit(COUNTED)
        .subquery()
    )
    columns = {"status": matching.c.status, "session_name": matching.c.session_name, "host": sessions.c.host}
    grouped = (
        select(*columns.values(), func.count().label("number"))
        .join(sessions, sessions.c.id == matching.c.session_id)
        .group_by(*columns.values())
    )
    counted: dict[str, dict[str, int]] = {facet: {} for facet in columns}
    for *words, number in connection.execute(grouped):
        for facet, word in zip(columns, words, strict=True):
            counted[facet][word] = counted[facet].get(word, 0) + number
    if wanted == Filter():
        counted["status"] = _statuses(connection)
    return {facet: _most_frequent(words) for facet, words in counted.items()}


def _timed(session_name: str, name: str) -> Select[Any]:
    return select(tasks.c.duration).where(
        tasks.c.session_name == session_name,
        tasks.c.name == name,
        tasks.c.status == "complete",
        tasks.c.duration.is_not(None),
    )


def _ranked(connection: Connection, session_name: str, name: str, runs: int, percentile: int) -> float | None:
    """The duration at that percentile by nearest rank; the covering index hands them out in order."""
    if not runs:
        return None
    place = (percentile * runs + 99) // 100
    ordered = _timed(session_name, name).order_by(tasks.c.duration).limit(1).offset(place - 1)
    return connection.execute(ordered).scalar()


def _history(connection: Connection, row: Row[Any]) -> HistoryView:
    ended = row.complete + row.error + row.cancelled
    last = select(func.max(tasks.c.started_at))
    return HistoryView(
        session_name=row.session_name,
        name=row.name,
        runs=row.runs,
        complete=row.complete,
        errors=row.error,
        cancelled=row.cancelled,
        success_rate=row.complete / ended if ended else None,
        median=_ranked(connection, row.session_name, row.name, row.timed, 50),
        p90=_ranked(connection, row.session_name, row.name, row.timed, 90),
        last_started_at=connection.execute(
            last.where(tasks.c.session_name == row.session_name, tasks.c.name == row.name)
        ).scalar(),
    )


def _statuses(connection: Connection) -> dict[str, int]:
    """The unusual ones by their index, the rest by subtraction."""
    unusual = select(tasks.c.status, func.count()).where(UNUSUAL).group_by(tasks.c.status)
    counted: dict[str, int] = dict(connection.execute(unusual).all())
    complete = connection.execute(select(func.count()).select_from(tasks)).scalar_one() - sum(counted.values())
    return {**({"complete": complete} if complete else {}), **counted}


def _most_frequent(words: Mapping[str, int]) -> dict[str, int]:
    ordered = sorted(words.items(), key=lambda each: (-each[1], each[0]))
    return dict(ordered[:FACET_VALUES])
