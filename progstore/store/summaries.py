"""Figures over many tasks: how each history went, and how many tasks there are of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, func, select
from sqlalchemy import text as sql

from progstore import clean
from progstore.store.filters import UNUSUAL, check_limit, task_conditions
from progstore.store.lookup import duration_at, rank
from progstore.store.sound import number, text
from progstore.store.tables import newest_first, sessions, tasks
from progstore.values import Filter, HistoryView

COUNTED = 100_000
"""Of the matching tasks, the newest that are counted by kind."""
FACET_VALUES = 1000
"""Different names of one kind that are told; the most frequent."""
DIFFERENT = 5000
"""Histories among which the last started are looked for; where there are more, among those of the newest tasks."""

# From one pair of names to the next by the index, so it costs what there are of pairs, not of tasks.
_PAIRS = """
WITH RECURSIVE s(session_name) AS (
  {first}
), pairs(session_name, name) AS (
  SELECT session_name, (SELECT min(name) FROM tasks WHERE session_name = s.session_name) FROM s
  WHERE session_name IS NOT NULL
  UNION ALL
  SELECT session_name,
    (SELECT min(name) FROM tasks WHERE session_name = pairs.session_name AND name > pairs.name) FROM pairs
  WHERE name IS NOT NULL
)
SELECT session_name, name,
  (SELECT max(started_at) FROM tasks WHERE session_name = pairs.session_name AND name = pairs.name) AS last
FROM pairs WHERE name IS NOT NULL
LIMIT :most
"""
_ALL_PAIRS = sql(
    _PAIRS.format(
        first="SELECT min(session_name) FROM tasks UNION ALL SELECT (SELECT min(session_name) FROM tasks"
        " WHERE session_name > s.session_name) FROM s WHERE s.session_name IS NOT NULL"
    )
)
_PAIRS_OF_ONE = sql(_PAIRS.format(first="SELECT min(session_name) FROM tasks WHERE session_name = :session_name"))


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


def names(connection: Connection, session_name: str | None, sizes: tuple[int, int] | None) -> tuple[HistoryView, ...]:
    """The histories of all or of one session name, last started first; with `sizes` so many of them, with the figures
    of that many newest runs of each.
    """
    if sizes is None:
        found = histories(connection, session_name)
        return tuple(sorted(found, key=lambda each: -(each.last_started_at or 0.0)))
    wanted = None if session_name is None else clean.printable(session_name)
    return tuple(_recent(connection, *pair, sizes[1]) for pair in _last_started(connection, wanted, sizes[0]))


def _recent(connection: Connection, session_name: str, name: str, newest: int) -> HistoryView:
    """The figures of the `newest` runs of one history."""
    runs = connection.execute(
        select(tasks.c.status, tasks.c.duration, tasks.c.started_at)
        .where(tasks.c.session_name == session_name, tasks.c.name == name)
        .order_by(*newest_first(tasks))
        .limit(newest)
    ).all()
    ended = Counter(run.status for run in runs)
    taken = (number(run.duration) for run in runs if run.status == "complete")
    seconds = sorted(each for each in taken if each is not None)
    over = ended["complete"] + ended["error"] + ended["cancelled"]
    return HistoryView(
        session_name=text(session_name),
        name=text(name),
        runs=len(runs),
        complete=ended["complete"],
        errors=ended["error"],
        cancelled=ended["cancelled"],
        success_rate=ended["complete"] / over if over else None,
        median=seconds[rank(len(seconds), 50)] if seconds else None,
        p90=seconds[rank(len(seconds), 90)] if seconds else None,
        last_started_at=number(runs[0].started_at) if runs else None,
    )


def _last_started(connection: Connection, session_name: str | None, limit: int) -> list[tuple[str, str]]:
    """The pairs of session name and task name that started last, newest first."""
    asked = {"most": DIFFERENT + 1}
    if session_name is None:
        pairs = connection.execute(_ALL_PAIRS, asked)
    else:
        pairs = connection.execute(_PAIRS_OF_ONE, {**asked, "session_name": session_name})
    found = [tuple(row) for row in pairs]
    if len(found) > DIFFERENT:
        newest = (
            select(tasks.c.session_name, tasks.c.name, tasks.c.started_at)
            .where(*([] if session_name is None else [tasks.c.session_name == session_name]))
            .order_by(*newest_first(tasks))
            .limit(COUNTED)
            .subquery()
        )
        last = func.max(newest.c.started_at)
        grouped = select(newest.c.session_name, newest.c.name, last).group_by(newest.c.session_name, newest.c.name)
        found = [tuple(row) for row in connection.execute(grouped.order_by(last.desc().nulls_last()).limit(limit))]
    found.sort(key=lambda each: (-(number(each[2]) or 0.0), text(each[0]), text(each[1])))
    return [(session_name, name) for session_name, name, _ in found[:limit]]


def facets(connection: Connection, wanted: Filter, newest: int | None = None) -> dict[str, dict[str, int]]:
    """How many of the `newest` matching tasks, by default COUNTED, there are by status, session name and host; without
    both the statuses are counted over all. Raises BadFilter.
    """
    if newest is not None:
        check_limit(newest, COUNTED, "newest")
    conditions = task_conditions(connection, wanted)
    order: tuple[ColumnElement[Any], ...] = newest_first(tasks)
    if wanted.text:
        # As for a page of a text search: by id, among so many rows.
        last = connection.execute(select(func.max(tasks.c.id))).scalar() or 0
        conditions.append(tasks.c.id > last - COUNTED)
        order = (tasks.c.id.desc(),)
    asked = select(tasks.c.status, tasks.c.session_name, tasks.c.session_id).where(*conditions)
    matching = asked.order_by(*order).limit(newest or COUNTED).subquery()
    columns = {"status": matching.c.status, "session_name": matching.c.session_name, "host": sessions.c.host}
    grouped = (
        select(*columns.values(), func.count().label("number"))
        .join(sessions, sessions.c.id == matching.c.session_id)
        .group_by(*columns.values())
    )
    counted: dict[str, dict[str, int]] = {facet: {} for facet in columns}
    for *words, matches in connection.execute(grouped):
        for facet, word in zip(columns, words, strict=True):
            said = text(word)
            counted[facet][said] = counted[facet].get(said, 0) + matches
    if wanted == Filter() and newest is None:
        counted["status"] = statuses(connection)
    return {facet: _most_frequent(words) for facet, words in counted.items()}


def _history(connection: Connection, row: Row[Any]) -> HistoryView:
    ended = row.complete + row.error + row.cancelled
    last = select(func.max(tasks.c.started_at))
    return HistoryView(
        session_name=text(row.session_name),
        name=text(row.name),
        runs=row.runs,
        complete=row.complete,
        errors=row.error,
        cancelled=row.cancelled,
        success_rate=row.complete / ended if ended else None,
        median=duration_at(connection, row.session_name, row.name, row.timed, 50),
        p90=duration_at(connection, row.session_name, row.name, row.timed, 90),
        last_started_at=number(
            connection.execute(last.where(tasks.c.session_name == row.session_name, tasks.c.name == row.name)).scalar()
        ),
    )


def statuses(connection: Connection) -> dict[str, int]:
    """How many tasks there are of each: the unusual ones by their index, the rest by subtraction."""
    unusual = select(tasks.c.status, func.count()).where(UNUSUAL).group_by(tasks.c.status)
    counted: dict[str, int] = dict(connection.execute(unusual).all())
    complete = connection.execute(select(func.count()).select_from(tasks)).scalar_one() - sum(counted.values())
    return {**({"complete": complete} if complete else {}), **counted}


def _most_frequent(words: Mapping[str, int]) -> dict[str, int]:
    ordered = sorted(words.items(), key=lambda each: (-each[1], each[0]))
    return dict(ordered[:FACET_VALUES])
