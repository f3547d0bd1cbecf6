"""From a filter to conditions in SQL, and from a page's end to the cursor that asks for the next one.

SQLite keeps no statistics of ours, so it cannot know whether few or many rows match. Where that decides between two
ways, a count that stops early tells.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    exists,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from progstore import clean
from progstore.errors import BadFilter
from progstore.store import spelling
from progstore.store.tables import meta, sessions, tasks
from progstore.values import Filter, Status

LARGEST_LIMIT = 10_000
"""Rows that one page may hold."""
FEW = 300
"""Matches of a sub-question up to which they lead the way; of more, each row is looked up on the way."""
LONGEST_TEXT = 1000
MOST_IDS = 10_000
_LARGEST_ID = 2**63 - 1

Conditions = list[ColumnElement[bool]]


class Cursor(NamedTuple):
    """Where a page ended: the last row's start (seconds UTC, None for what has not begun) and id."""

    started_at: float | None
    id: int

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(f"{self.started_at!r}:{self.id}".encode()).decode().rstrip("=")


def read_cursor(written: str | None) -> Cursor | None:
    """The cursor that a page gave. Raises BadFilter for any other text."""
    if written is None:
        return None
    try:
        plain = base64.b64decode(written + "=" * (-len(written) % 4), altchars=b"-_", validate=True).decode("ascii")
        started, _, number = plain.partition(":")
        cursor = Cursor(None if started == "None" else float(started), int(number))
    except (AttributeError, TypeError, ValueError, binascii.Error):
        raise bad_cursor(written) from None
    if not 0 < cursor.id <= _LARGEST_ID or not math.isfinite(cursor.started_at or 0.0):
        raise bad_cursor(written)
    return cursor


def check_limit(limit: object, most: int = LARGEST_LIMIT, what: str = "limit") -> int:
    """`limit` itself. Raises BadFilter where it is no number of rows, from 1 to `most`."""
    if not isinstance(limit, int) or not 1 <= limit <= most:
        raise BadFilter(f"{what} is a whole number from 1 to {most:,}, got {clean.shown(limit)}")
    return limit


def is_id(number: object, least: int = 1) -> bool:
    """Whether a row may have that id."""
    return isinstance(number, int) and not isinstance(number, bool) and least <= number <= _LARGEST_ID


def task_conditions(connection: Connection, wanted: Filter) -> Conditions:
    """What a task must fulfil to match. Raises BadFilter."""
    _check(wanted)
    conditions: Conditions = []
    if wanted.name is not None:
        conditions.append(tasks.c.name == clean.printable(wanted.name))
    if wanted.session_name is not None:
        conditions.append(tasks.c.session_name == clean.printable(wanted.session_name))
    if wanted.host is not None:
        at_host = select(sessions.c.id).where(sessions.c.host == clean.printable(wanted.host))
        conditions.append(_within(connection, tasks.c.session_id, sessions.c.id, at_host))
    if wanted.session_ids is not None:
        conditions.append(tasks.c.session_id.in_(wanted.session_ids))
    if wanted.parent_id is not None:
        conditions.append(tasks.c.parent_id == wanted.parent_id)
    if wanted.roots:
        conditions.append(ROOT)
    if wanted.active_since is not None:
        conditions.append(tasks.c.session_id.in_(_active(wanted.active_since, wanted.until)))
        conditions.append(or_(tasks.c.ended_at.is_(None), tasks.c.ended_at >= float(wanted.active_since)))
    if wanted.live:
        # They are few, so they lead; left to choose, a database walks through all that ended.
        conditions.append(tasks.c.id.in_(select(tasks.c.id).where(tasks.c.ended_at.is_(None))))
    if statuses := _statuses(wanted):
        conditions.append(tasks.c.status.in_(statuses))
        if Status.COMPLETE not in statuses:
            conditions.append(UNUSUAL)
    conditions += _bounds(wanted, tasks.c)
    conditions += [_has_meta(connection, key, value) for key, value in wanted.meta.items()]
    if wanted.text:
        conditions.append(_says(connection, wanted.text, tasks.c.name, tasks.c.session_name, tasks.c.message))
    return conditions


def session_conditions(connection: Connection, wanted: Filter) -> Conditions:
    """What a session must fulfil to match; its name is asked for by `name` or `session_name`. Raises BadFilter."""
    _check(wanted)
    if wanted.parent_id is not None or wanted.roots:
        raise BadFilter("parent_id and roots ask for tasks by what they are nested in; sessions are not nested")
    conditions: Conditions = [
        sessions.c.name == clean.printable(name) for name in (wanted.name, wanted.session_name) if name is not None
    ]
    if wanted.host is not None:
        conditions.append(sessions.c.host == clean.printable(wanted.host))
    if wanted.session_ids is not None:
        conditions.append(sessions.c.id.in_(wanted.session_ids))
    if wanted.active_since is not None:
        conditions.append(sessions.c.id.in_(_active(wanted.active_since, wanted.until)))
    if wanted.live:
        conditions.append(sessions.c.id.in_(_candidates((Status.RUNNING, Status.PENDING))))
    if statuses := _statuses(wanted):
        conditions += _session_has_status(connection, statuses)
    conditions += _bounds(wanted, sessions.c)
    for key, value in wanted.meta.items():
        having = _meta_equals(key, value).with_only_columns(meta.c.session_id).where(meta.c.task_id == 0)
        conditions.append(_within(connection, sessions.c.id, meta.c.session_id, having))
    if wanted.text:
        conditions.append(_says(connection, wanted.text, sessions.c.name, sessions.c.message))
    return conditions


def _check(wanted: Filter) -> None:
    if not isinstance(wanted, Filter):
        raise TypeError(f"filter must be a Filter, got {type(wanted).__name__}; parse_filter() makes one of text")
    for name in ("since", "until", "active_since", "longer_than", "shorter_than"):
        value = getattr(wanted, name)
        if value is not None and not -clean.LARGEST <= value <= clean.LARGEST:
            raise BadFilter(f"{name} is a number of seconds, got {clean.shown(value)}")
    if len(wanted.text) > LONGEST_TEXT:
        raise BadFilter(f"a search text has at most {LONGEST_TEXT:,} characters, got {len(wanted.text):,}")
    ids = (*(wanted.session_ids or ()), *(() if wanted.parent_id is None else (wanted.parent_id,)))
    if len(ids) > MOST_IDS:
        raise BadFilter(f"at most {MOST_IDS:,} ids can be asked for at once, got {len(ids):,}")
    for number in ids:
        if not is_id(number):
            raise BadFilter(f"an id is a whole number from 1, got {clean.shown(number)}")


def _statuses(wanted: Filter) -> list[Status]:
    try:
        return sorted(Status(each) for each in wanted.statuses)
    except ValueError as error:
        raise BadFilter(f"{error}; use {', '.join(Status)}") from None


def _bounds(wanted: Filter, columns: Any) -> Conditions:
    bounds: list[tuple[float | None, Callable[[float], ColumnElement[bool]]]] = [
        (wanted.since, lambda value: columns.started_at >= value),
        (wanted.until, lambda value: columns.started_at < value),
        (wanted.longer_than, lambda value: columns.duration > value),
        (wanted.shorter_than, lambda value: columns.duration < value),
    ]
    return [condition(float(value)) for value, condition in bounds if value is not None]


def _active(since: float, until: float | None) -> CompoundSelect[Any]:
    """Sessions that ended after the one time or have not ended, of those that started before the other: each found by
    its index.
    """
    since, until = float(since), None if until is None else float(until)
    open_then = (select(sessions.c.id).where(sessions.c.ended_at >= since), _OPEN_SESSIONS)
    if until is None:
        return union_all(select(sessions.c.id).where(sessions.c.started_at >= since), *open_then)
    started = select(sessions.c.id).where(sessions.c.started_at >= since, sessions.c.started_at < until)
    return union_all(started, *(each.where(sessions.c.started_at < until) for each in open_then))


def _says(connection: Connection, wanted: str, *columns: Column[str]) -> ColumnElement[bool]:
    words, wanted = spelling.of(connection.dialect.name), clean.printable(wanted)
    return or_(*(words.says(column, wanted) for column in columns))


def _within(connection: Connection, column: Column[Any], key: Column[Any], rows: Select[Any]) -> ColumnElement[bool]:
    """`column` is among the `key`s of `rows`."""
    if _are_few(connection, rows):
        return column.in_(rows)
    return exists(rows.where(key == column).correlate(column.table))


def _are_few(connection: Connection, rows: Any) -> bool:
    found = connection.execute(select(func.count()).select_from(rows.limit(FEW + 1).subquery())).scalar_one()
    return bool(found <= FEW)


def _has_meta(connection: Connection, key: str, value: str) -> ColumnElement[bool]:
    """The task has the pair itself, or its session has it."""
    pairs = _meta_equals(key, value)
    if _are_few(connection, pairs):
        own = pairs.with_only_columns(meta.c.task_id).where(meta.c.task_id != 0)
        of_session = pairs.with_only_columns(meta.c.session_id).where(meta.c.task_id == 0)
        return or_(tasks.c.id.in_(own), tasks.c.session_id.in_(of_session))
    having = pairs.where(meta.c.session_id == tasks.c.session_id, meta.c.task_id.in_((tasks.c.id, 0)))
    return exists(having.correlate(tasks))


def _meta_equals(key: str, value: str) -> Select[Any]:
    """Metadata under `key` that is the string `value`, or the JSON that `value` spells, such as 0.5 or true."""
    value = clean.printable(value)
    spellings = {value, json.dumps(value, ensure_ascii=False)}
    return select(meta.c.session_id, meta.c.task_id).where(
        meta.c.key == clean.printable(key),
        # The index holds the first hundred characters.
        func.substr(meta.c.value, literal_column("1"), literal_column("100")).in_({each[:100] for each in spellings}),
        meta.c.value.in_(spellings),
    )


UNUSUAL: ColumnElement[bool] = literal_column("tasks.status <> 'complete'")
"""Opens the partial index on tasks that did not end well, or have not ended."""
ROOT: ColumnElement[bool] = literal_column("tasks.parent_id IS NULL")
"""Opens the partial index on tasks that are not nested in another."""
_UNUSUAL_END: ColumnElement[bool] = literal_column("sessions.end_status <> 'complete'")

_OPEN_TASKS = select(tasks.c.session_id).where(tasks.c.ended_at.is_(None))
_OPEN_SESSIONS = select(sessions.c.id).where(sessions.c.ended_at.is_(None))
_CANDIDATES: dict[Status, tuple[Select[Any], ...]] = {
    Status.RUNNING: (_OPEN_TASKS, _OPEN_SESSIONS.where(sessions.c.kind != "declared")),
    Status.PENDING: (
        _OPEN_TASKS,
        _OPEN_SESSIONS.where(
            sessions.c.kind == "declared",
            ~exists(select(tasks.c.id).where(tasks.c.session_id == sessions.c.id).correlate(sessions)),
        ),
    ),
    Status.ERROR: (
        select(tasks.c.session_id).where(tasks.c.status == "error", UNUSUAL),
        select(sessions.c.id).where(sessions.c.end_status == "error", _UNUSUAL_END),
    ),
    Status.CANCELLED: (
        select(tasks.c.session_id)
        .join(sessions, sessions.c.id == tasks.c.session_id)
        .where(tasks.c.status == "cancelled", UNUSUAL, sessions.c.kind == "declared"),
        select(sessions.c.id).where(sessions.c.end_status == "cancelled", _UNUSUAL_END),
    ),
}
"""Sessions that may have a status, found by the indexes; the view then says exactly."""


def _candidates(statuses: Iterable[Status]) -> CompoundSelect[Any]:
    return union_all(*dict.fromkeys(each for status in statuses for each in _CANDIDATES[status]))


def _session_has_status(connection: Connection, statuses: list[Status]) -> Conditions:
    words = ", ".join(repr(str(status)) for status in statuses)
    exact: ColumnElement[bool] = literal_column(
        f"EXISTS (SELECT 1 FROM v_sessions AS v WHERE v.id = sessions.id AND v.status IN ({words}))"
    )
    if Status.COMPLETE in statuses:
        return [exact]
    candidates = _candidates(statuses)
    return [sessions.c.id.in_(candidates), exact] if _are_few(connection, candidates) else [exact]


def bad_cursor(written: object) -> BadFilter:
    """What is said of a text that is no cursor."""
    return BadFilter(
        f"{clean.shown(written)} is no cursor; pass a page's next_cursor as it is, or none for the first page"
    )
