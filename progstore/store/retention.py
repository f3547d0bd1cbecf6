"""Which sessions and tasks may be removed, and which a rule removes.

What runs is never touched unless it is forced: that is what has not ended and whose owner is not gone.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Table, case, exists, func, or_, select

from progstore import clean
from progstore.errors import BadValue
from progstore.store import queries
from progstore.store.filters import is_id
from progstore.store.rows import NO_FIGURES, clock_offset_of, session_status
from progstore.store.settle import IS_GONE
from progstore.store.sound import number, sound
from progstore.store.tables import TERMINAL, events, newest_first, processes, sessions, tasks
from progstore.store.writes import chunks
from progstore.values import Status

SESSIONS_AT_ONCE = 500
"""Sessions that are looked at in one question."""
RECENT = 3600.0
"""Seconds for which what has ended is spared by a rule of size that names no age."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which ended sessions shall go; what is None does not restrict. Ages are seconds, sizes bytes."""

    older_than: float | None = None
    statuses: frozenset[Status] = frozenset()
    name: str | None = None
    keep_last: int | None = None
    max_size: int | None = None

    def check(self) -> None:
        """Raises BadValue where nothing is given, or something that cannot be, TypeError for a name that is no text."""
        if self == Rule():
            raise BadValue("say what to remove: older_than, statuses, name, keep_last or max_size")
        if self.older_than is not None and not 0 <= self.older_than <= clean.LARGEST:
            raise BadValue(f"older_than is an age in seconds, got {clean.shown(self.older_than)}")
        if self.keep_last is not None and self.keep_last != 0 and not is_id(self.keep_last):
            raise BadValue(f"keep_last is a count, got {clean.shown(self.keep_last)}")
        if self.max_size is not None and not 0 <= self.max_size <= clean.LARGEST:
            raise BadValue(f"max_size is a number of bytes, got {clean.shown(self.max_size)}")
        if not isinstance(self.name, str | None):
            raise TypeError(f"name must be a string, got {type(self.name).__name__}")
        if not self.statuses <= {Status(word) for word in TERMINAL}:
            raise BadValue(f"only what has ended is removed; statuses can be {', '.join(TERMINAL)}")

    @property
    def least_age(self) -> float | None:
        """Seconds since it ended for which everything is spared; None where age does not matter."""
        return RECENT if self.older_than is None and self.max_size is not None else self.older_than


class Removed(NamedTuple):
    """How many rows went."""

    sessions: int = 0
    tasks: int = 0
    events: int = 0

    def __add__(self, other: object) -> Removed:
        if not isinstance(other, Removed):
            return NotImplemented
        return Removed(self.sessions + other.sessions, self.tasks + other.tasks, self.events + other.events)


class _Stand(NamedTuple):
    """A session as retention sees it: whether any of it may still go on, and when it last changed (seconds UTC)."""

    row: Row[Any]
    is_open: bool
    changed_at: float


# What may still go on


def task_is_open(newly_lost: Collection[int] = ()) -> ColumnElement[bool]:
    """The task has not ended and its owner is not gone. What is pending without an owner is not waited for."""
    unowned = tasks.c.process_id.is_(None) & (tasks.c.status == "running") & tasks.c.lost_at.is_(None)
    return tasks.c.ended_at.is_(None) & or_(_lives(tasks, newly_lost), unowned)


def session_is_open() -> ColumnElement[bool]:
    """The session itself waits for its end, and its owner is not gone; its tasks are not looked at."""
    return sessions.c.ended_at.is_(None) & (sessions.c.kind != "declared") & _lives(sessions, ())


# Which sessions


def chosen(connection: Connection, rule: Rule, now: float, newly_lost: Collection[int]) -> list[int]:
    """The sessions that `rule` removes, or may remove to reach a size, from the one that ended first to the last.

    `newly_lost` are processes that are gone and not yet noted as such.
    """
    rule.check()
    age = rule.least_age
    spared: dict[str, tuple[float, int]] = {}
    found: list[tuple[float, int]] = []
    for page in _session_pages(connection, rule.name):
        stands = [each for each in _stands(connection, page, newly_lost) if not each.is_open]
        if age is not None:
            stands = [each for each in stands if now - each.changed_at > age]
        if rule.keep_last is not None:
            stands = [each for each in stands if _is_beyond(connection, each.row, rule.keep_last, spared)]
        if rule.statuses:
            stands = _of_status(connection, stands, rule.statuses, now)
        found += [(each.changed_at, each.row.id) for each in stands]
    return [number for _, number in sorted(found)]


def open_among(connection: Connection, session_ids: Collection[int], newly_lost: Collection[int]) -> list[int]:
    """Those of these sessions of which something may still go on."""
    rows = [row for chunk in chunks(list(session_ids)) for row in queries.by_id(connection, sessions, chunk).values()]
    return [each.row.id for chunk in chunks(rows) for each in _stands(connection, chunk, newly_lost) if each.is_open]


def open_tasks_among(connection: Connection, task_ids: Collection[int], newly_lost: Collection[int]) -> list[int]:
    """Those of these tasks that may still go on."""
    is_open = task_is_open(newly_lost)
    found: list[int] = []
    for chunk in chunks(list(task_ids)):
        found += connection.execute(select(tasks.c.id).where(tasks.c.id.in_(chunk), is_open)).scalars()
    return found


def with_nested(connection: Connection, task_ids: Collection[int]) -> list[int]:
    """These tasks and all that is nested in them."""
    found = dict.fromkeys(task_ids)
    layer = list(found)
    while layer:
        below: list[int] = []
        for chunk in chunks(layer):
            below += connection.execute(select(tasks.c.id).where(tasks.c.parent_id.in_(chunk))).scalars()
        layer = [number for number in below if number not in found]
        found.update(dict.fromkeys(layer))
    return list(found)


def counted(connection: Connection, session_ids: Collection[int], task_ids: Collection[int]) -> Removed:
    """What removing these would remove."""
    total = Removed(sessions=len(session_ids), tasks=len(task_ids))
    for chunk in chunks(list(session_ids)):
        total += Removed(
            tasks=count(connection, tasks.c.session_id.in_(chunk)),
            events=count(connection, events.c.session_id.in_(chunk)),
        )
    for chunk in chunks(list(task_ids)):
        total += Removed(events=count(connection, events.c.task_id.in_(chunk)))
    return total


def _session_pages(connection: Connection, name: str | None) -> Iterator[list[Row[Any]]]:
    after = 0
    statement = select(sessions).order_by(sessions.c.id).limit(SESSIONS_AT_ONCE)
    if name is not None:
        statement = statement.where(sessions.c.name == clean.printable(name))
    while page := connection.execute(statement.where(sessions.c.id > after)).all():
        yield sound(sessions, page)
        after = page[-1].id


def _stands(connection: Connection, rows: Sequence[Row[Any]], newly_lost: Collection[int]) -> list[_Stand]:
    gone = set(newly_lost)
    grouped = (
        select(
            tasks.c.session_id,
            tasks.c.process_id,
            func.max(func.coalesce(tasks.c.ended_at, tasks.c.updated_at)).label("changed_at"),
            func.sum(case((task_is_open(newly_lost), 1), else_=0)).label("open"),
        )
        .where(tasks.c.session_id.in_([row.id for row in rows]))
        .group_by(tasks.c.session_id, tasks.c.process_id)
    )
    work: dict[int, list[Any]] = {}
    for done in connection.execute(grouped):
        work.setdefault(done.session_id, []).append(done)
    at_work = (done.process_id for parts in work.values() for done in parts)
    owners = _owners(connection, {*(row.process_id for row in rows), *at_work})
    stands = []
    for row in rows:
        process, parts = owners.get(row.process_id), work.get(row.id, [])
        is_gone = process is None or process.id in gone or process.ended_at is not None or process.lost_at is not None
        has_no_end = row.ended_at is None and row.kind != "declared"
        heartbeat = process.heartbeat_at if process is not None and has_no_end else None
        # Each of them by the clock of the machine that it came from.
        signs = [(sign, process) for sign in (row.started_at, row.ended_at, heartbeat)]
        signs += [(done.changed_at, owners.get(done.process_id)) for done in parts]
        stands.append(
            _Stand(
                row,
                is_open=any(done.open for done in parts) or (has_no_end and not is_gone),
                changed_at=max((_moment(sign, owner) for sign, owner in signs if sign), default=math.inf),
            )
        )
    return stands


def _owners(connection: Connection, ids: Collection[Any]) -> dict[Any, Row[Any]]:
    known = [each for each in ids if is_id(each)]
    return {key: row for chunk in chunks(known) for key, row in queries.owners_by_id(connection, chunk).items()}


def _lives(table: Table, newly_lost: Collection[int]) -> ColumnElement[bool]:
    living = select(processes.c.id).where(processes.c.id == table.c.process_id, ~IS_GONE)
    if newly_lost:
        living = living.where(processes.c.id.not_in(newly_lost))
    return exists(living.correlate(table))


def _moment(stored: object, process: Row[Any] | None) -> float:
    """A time as that process has stored it, by the store's clock; what is none may be any, and nothing goes for its age
    that may be young.
    """
    at = number(stored)
    return math.inf if at is None else at - clock_offset_of(process)


def _is_beyond(connection: Connection, row: Row[Any], keep_last: int, spared: dict[str, tuple[float, int]]) -> bool:
    """Whether the session is older than the newest `keep_last` of its name; `spared` remembers where these begin."""
    if keep_last == 0:
        return True
    if row.name not in spared:
        of_name = (
            select(sessions.c.started_at, sessions.c.id)
            .where(sessions.c.name == row.name)
            .order_by(*newest_first(sessions))
        )
        last = connection.execute(of_name.limit(1).offset(keep_last - 1)).one_or_none()
        spared[row.name] = (-math.inf, 0) if last is None else (number(last.started_at) or 0.0, last.id)
    return (row.started_at, row.id) < spared[row.name]


def _of_status(
    connection: Connection, stands: Sequence[_Stand], statuses: Collection[Status], now: float
) -> list[_Stand]:
    """What is still stored as running here was lost, and counts as an error."""
    figures = queries.figures(connection, [each.row.id for each in stands], now)
    kept = []
    for each in stands:
        counts = figures.get(each.row.id, NO_FIGURES).counts
        status = session_status(each.row.kind, each.row.end_status, counts)
        if (Status.ERROR if status is Status.RUNNING else status) in statuses:
            kept.append(each)
    return kept


def count(connection: Connection, condition: ColumnElement[bool]) -> int:
    """How many rows fulfil `condition`, which names their table."""
    return connection.execute(select(func.count()).where(condition)).scalar_one()


def number_of_rows(connection: Connection) -> int:
    """How many tasks and events there are: nearly all that takes space."""
    return count(connection, tasks.c.id > 0) + count(connection, events.c.id > 0)
