"""Every question that readers ask, each one function: rows in pages by key, newest first."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, bindparam, case, exists, func, select, tuple_

from progstore import clean
from progstore.store.filters import Conditions, Cursor, bad_cursor, session_conditions, task_conditions
from progstore.store.rows import Figures, from_json, percent_of
from progstore.store.sound import number, sound
from progstore.store.tables import events, meta, newest_first, processes, remotes, sessions, tasks
from progstore.store.watch import OWNERS
from progstore.values import Filter

NEWEST = 100_000
"""Rows among which one page of a text search looks; the next page looks among those before them."""

Key = tuple[int, int]
"""Session id and task id; the task id is 0 for what belongs to the session itself."""


class Rows(NamedTuple):
    """One page of rows, and the cursor that asks for the next."""

    rows: list[Row[Any]]
    next_cursor: str | None


def task_page(connection: Connection, wanted: Filter, cursor: Cursor | None, limit: int) -> Rows:
    """Tasks that match, newest first; what has not begun comes last."""
    conditions = task_conditions(connection, wanted)
    if wanted.text:
        return _search(connection, tasks, conditions, cursor, limit)
    rows: list[Row[Any]] = []
    if cursor is None or cursor.started_at is not None:
        rows = _keyset(connection, tasks, [*conditions, tasks.c.started_at.is_not(None)], cursor, limit + 1)
    if len(rows) <= limit:
        waiting = select(tasks).where(*conditions, tasks.c.started_at.is_(None))
        if cursor is not None and cursor.started_at is None:
            waiting = waiting.where(tasks.c.id < cursor.id)
        rows += connection.execute(waiting.order_by(tasks.c.id.desc()).limit(limit + 1 - len(rows)))
    return _page(tasks, rows, limit)


def session_page(connection: Connection, wanted: Filter, cursor: Cursor | None, limit: int) -> Rows:
    """Sessions that match, newest first. Raises BadFilter."""
    conditions = session_conditions(connection, wanted)
    if wanted.text:
        return _search(connection, sessions, conditions, cursor, limit)
    if cursor is not None and cursor.started_at is None:
        raise bad_cursor(str(cursor))  # a text search's, or that of tasks which have not begun
    return _page(sessions, _keyset(connection, sessions, conditions, cursor, limit + 1), limit)


def tasks_after(connection: Connection, wanted: Filter, after: int, limit: int) -> list[Row[Any]]:
    """Tasks that match with an id above `after`, in the order in which they were first written."""
    conditions = task_conditions(connection, wanted)
    statement = select(tasks).where(*conditions, tasks.c.id > after).order_by(tasks.c.id).limit(limit)
    return sound(tasks, connection.execute(statement))


def session_row(connection: Connection, session_id: int | str) -> Row[Any] | None:
    """One session, by integer id or uid."""
    if isinstance(session_id, str):
        condition = sessions.c.uid == clean.printable(session_id)
    else:
        condition = sessions.c.id == session_id
    return next(iter(sound(sessions, connection.execute(select(sessions).where(condition)))), None)


def task_row(connection: Connection, task_id: int) -> Row[Any] | None:
    """One task."""
    return next(iter(sound(tasks, connection.execute(select(tasks).where(tasks.c.id == task_id)))), None)


def tasks_of(connection: Connection, session_id: int) -> list[Row[Any]]:
    """All tasks of one session, every attempt, in order of id."""
    statement = select(tasks).where(tasks.c.session_id == session_id).order_by(tasks.c.id)
    return sound(tasks, connection.execute(statement))


def by_id(connection: Connection, table: Table, ids: Iterable[int | None]) -> dict[int, Row[Any]]:
    """The rows of `table` with these ids, by id; None among them means nothing."""
    known = sorted({number for number in ids if number is not None})
    if not known:
        return {}
    return {row.id: row for row in sound(table, connection.execute(select(table).where(table.c.id.in_(known))))}


def owners_by_id(connection: Connection, ids: Iterable[int | None]) -> dict[int, Row[Any]]:
    """The rows of `OWNERS` with these ids, by id; None among them means nothing."""
    known = sorted({number for number in ids if number is not None})
    if not known:
        return {}
    return {row.id: row for row in sound(OWNERS, connection.execute(OWNERS.where(processes.c.id.in_(known))))}


def metadata_of(
    connection: Connection, session_ids: Collection[int], task_ids: Collection[int] | None = None
) -> dict[Key, dict[str, Any]]:
    """Metadata of these sessions and of these tasks; None means all tasks of the sessions."""
    statements = []
    if session_ids:
        of_sessions = select(meta).where(meta.c.session_id.in_(session_ids))
        statements.append(of_sessions if task_ids is None else of_sessions.where(meta.c.task_id == 0))
    if task_ids:
        # From each task to its own: ids of both kinds side by side would be looked up each with each.
        own = (meta.c.session_id == tasks.c.session_id) & (meta.c.task_id == tasks.c.id)
        statements.append(select(meta).join(tasks, own).where(tasks.c.id.in_(task_ids)))
    found: dict[Key, dict[str, Any]] = {}
    for statement in statements:
        ordered = statement.order_by(meta.c.session_id, meta.c.task_id, meta.c.key)
        for row in sound(meta, connection.execute(ordered)):
            found.setdefault((row.session_id, row.task_id), {})[row.key] = from_json(row.value)
    return found


def figures(connection: Connection, session_ids: Collection[int], now: float) -> dict[int, Figures]:
    """What status and percent of these sessions are derived from; a session without tasks is left out."""
    if not session_ids:
        return {}
    asked = {"session_ids": list(session_ids)}
    found: dict[int, Figures] = {}
    for row in connection.execute(_COUNTED, asked):
        before = found.get(row.session_id, Figures({}, 0, 0.0))
        found[row.session_id] = Figures(
            {**before.counts, row.status: row.number},
            before.roots + row.roots,
            before.percents + (number(row.percents) or 0.0),
        )
    for row in sound(_DRAWN, connection.execute(_DRAWN, asked)):
        before = found[row.session_id]
        percent, _, _ = percent_of(row, now + (row.clock_offset or 0.0))
        found[row.session_id] = before._replace(percents=before.percents + (percent or 0.0))
    return found


def open_owners(connection: Connection, session_ids: Collection[int]) -> dict[int, dict[int | None, float]]:
    """The processes whose running tasks each of these sessions has, and when one of them last moved (seconds UTC)."""
    if not session_ids:
        return {}
    statement = select(tasks.c.session_id, tasks.c.process_id, func.max(tasks.c.updated_at))
    running = statement.where(
        tasks.c.session_id.in_(session_ids), tasks.c.ended_at.is_(None), tasks.c.status == "running"
    ).group_by(tasks.c.session_id, tasks.c.process_id)
    found: dict[int, dict[int | None, float]] = {}
    for session_id, process_id, moved_at in connection.execute(running):
        found.setdefault(session_id, {})[process_id] = number(moved_at) or 0.0
    return found


def event_rows(
    connection: Connection, session_id: int | None, task_id: int | None, after: int, limit: int
) -> list[Row[Any]]:
    """Events with an id above `after`, in order of id, of all or of one session or task."""
    statement = select(events).where(events.c.id > after)
    if session_id is not None:
        statement = statement.where(events.c.session_id == session_id)
    if task_id is not None:
        statement = statement.where(events.c.task_id == task_id)
    return sound(events, connection.execute(statement.order_by(events.c.id).limit(limit)))


def _keyset(
    connection: Connection, table: Table, conditions: Conditions, cursor: Cursor | None, limit: int
) -> list[Row[Any]]:
    statement: Select[Any] = select(table).where(*conditions)
    if cursor is not None:
        place = tuple_(table.c.started_at, table.c.id)
        statement = statement.where(place < tuple_(cursor.started_at, cursor.id))
    return list(connection.execute(statement.order_by(*newest_first(table)).limit(limit)))


def _page(table: Table, rows: list[Row[Any]], limit: int) -> Rows:
    page = sound(table, rows[:limit])
    return Rows(page, str(Cursor(page[-1].started_at, page[-1].id)) if len(rows) > limit else None)


def _search(connection: Connection, table: Table, conditions: Conditions, cursor: Cursor | None, limit: int) -> Rows:
    """A page of a text search goes by id, for a table is read twice as fast in its own order, and looks among NEWEST
    rows; where it finds few, its cursor goes on among the rows before them.
    """
    top = connection.execute(select(func.max(table.c.id))).scalar() or 0 if cursor is None else cursor.id - 1
    is_large = connection.execute(select(table.c.id).limit(1).offset(NEWEST)).first() is not None
    bottom = top - NEWEST if is_large else 0
    statement = select(table).where(*conditions, table.c.id <= top, table.c.id > bottom)
    rows = list(connection.execute(statement.order_by(table.c.id.desc()).limit(limit + 1)))
    if len(rows) > limit:
        return Rows(sound(table, rows[:limit]), str(Cursor(None, rows[limit - 1].id)))
    has_older = connection.execute(select(table.c.id).where(table.c.id <= bottom).limit(1)).first() is not None
    return Rows(sound(table, rows), str(Cursor(None, bottom + 1)) if has_older else None)


def _said_percent() -> ColumnElement[float]:
    """The percent of what is not drawn from the clock, as `rows.percent_of` has it; 0 where it is unknown."""
    counted = 100.0 * tasks.c.done / tasks.c.total
    return case(
        (tasks.c.status == "complete", 100.0),
        (tasks.c.percent.is_not(None), _capped(tasks.c.percent)),
        (tasks.c.total > 0, _capped(counted)),
        else_=0.0,
    )


def _capped(percent: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((percent > 100.0, 100.0), (percent < 0.0, 0.0), else_=percent)


# The figures of many sessions are read at each look, so these two are put together once.

_later = tasks.alias("later")
_NEWEST_ATTEMPTS = (
    select()
    .select_from(tasks)
    .where(
        tasks.c.session_id.in_(bindparam("session_ids", expanding=True)),
        ~exists(
            select(_later.c.id)
            .where(
                _later.c.session_id == tasks.c.session_id,
                _later.c.key == tasks.c.key,
                _later.c.attempt > tasks.c.attempt,
            )
            .correlate(tasks)
        ),
    )
)
_IS_ROOT = tasks.c.parent_id.is_(None)
_IS_DRAWN = tasks.c.simulate_since.is_not(None) & (tasks.c.status != "complete")
_COUNTED = _NEWEST_ATTEMPTS.add_columns(
    tasks.c.session_id,
    tasks.c.status,
    func.count().label("number"),
    func.sum(case((_IS_ROOT, 1), else_=0)).label("roots"),
    func.sum(case((_IS_ROOT & ~_IS_DRAWN, _said_percent()), else_=0.0)).label("percents"),
).group_by(tasks.c.session_id, tasks.c.status)
_DRAWN = (
    _NEWEST_ATTEMPTS.outerjoin_from(tasks, remotes, remotes.c.process_id == tasks.c.process_id)
    .add_columns(*tasks.c, remotes.c.clock_offset)
    .where(_IS_ROOT, _IS_DRAWN)
)
