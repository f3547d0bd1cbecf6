"""How rows go: in transactions so short that no writer waits long, and never what came to life meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, takewhile

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    bindparam,
    case,
    delete,
    exists,
    func,
    select,
    update,
)

from progstore.store import retention
from progstore.store.cleaner import DELETE_SECONDS, Cleaner, Pace
from progstore.store.reader import Reader
from progstore.store.retention import Removed, session_is_open, task_is_open
from progstore.store.tables import events, meta, outgoing, processes, sessions, tasks
from progstore.store.writes import chunks
from progstore.values import Status

AT_ONCE = (5, 5000)
"""The fewest and the most rows that are removed in one transaction."""
LARGE = 200
"""Tasks and events together above which a session or a task goes piece by piece."""

Check = Callable[[Connection], bool]
"""Whether what goes piece by piece may still go, asked in each of the transactions."""

_RANK = case(
    {Status.COMPLETE: 0, Status.CANCELLED: 1, Status.PENDING: 2, Status.RUNNING: 3, Status.ERROR: 4},
    value=tasks.c.status,
)
"""Of two tasks the one with the higher rank decides the status of their session."""


def remove(
    cleaner: Cleaner, reader: Reader, session_ids: Sequence[int], task_ids: Sequence[int], *, force: bool = False
) -> Removed:
    """Remove these with all that hangs on them, in transactions so short that no writer waits long.

    What came to life since it was chosen stays, unless `force`. Ends early where the cleaner is held up.
    """
    removed = _remove_named_tasks(cleaner, reader, task_ids, force=force)
    pace = _delete_pace()
    for chunk in chunks(session_ids):
        if cleaner.is_held_up:
            break
        with reader.connection() as connection:
            sizes = _sizes(connection, chunk)
            large = {number for number in chunk if sizes[number] > LARGE}
            if not force:
                large.difference_update(retention.open_among(connection, large, ()))
            inside = {number: _tasks_in_order(connection, number) for number in large}
        for number, ids in inside.items():
            may_go = _always if force else _unless_alive(number)
            removed += _remove_events(cleaner, events.c.session_id == number, may_go)
            # With the last one the session goes, whose status was the same until then: a clean-up that was killed
            # finds it again.
            removed += _remove_tasks(cleaner, ids[:-1], may_go, force=force)
            sizes[number] = 1
        removed += _remove_sessions(cleaner, [(number, sizes[number]) for number in chunk], pace, force=force)
    return removed


def _sizes(connection: Connection, session_ids: Sequence[int]) -> dict[int, int]:
    """How many tasks and events each of these sessions has."""
    sizes = dict.fromkeys(session_ids, 0)
    for column in (tasks.c.session_id, events.c.session_id):
        counted = select(column, func.count()).where(column.in_(session_ids)).group_by(column)
        for number, size in connection.execute(counted):
            sizes[number] += size
    return sizes


def _tasks_in_order(connection: Connection, session_id: int) -> list[int]:
    """A session's tasks, those first without which its status is the same, and nested ones before the others."""
    order = _RANK, tasks.c.id.desc()
    return list(
        connection.execute(select(tasks.c.id).where(tasks.c.session_id == session_id).order_by(*order)).scalars()
    )


def _remove_named_tasks(cleaner: Cleaner, reader: Reader, task_ids: Sequence[int], *, force: bool) -> Removed:
    # Nested tasks have higher ids than what they are nested in, so they go first.
    ids = sorted(task_ids, reverse=True)
    large: list[int] = []
    with reader.connection() as connection:
        for chunk in chunks(ids):
            counted = select(events.c.task_id).where(events.c.task_id.in_(chunk)).group_by(events.c.task_id)
            large += connection.execute(counted.having(func.count() > LARGE)).scalars()
    removed = Removed()
    for number in large:
        may_go = exists(select(tasks.c.id).where(_may_go(tasks.c.id == number, force=force)))
        removed += _remove_events(cleaner, (events.c.task_id == number) & may_go, _always)
    return removed + _remove_tasks(cleaner, ids, _always, force=force)


def _remove_events(cleaner: Cleaner, which: ColumnElement[bool], may_go: Check) -> Removed:
    def step(statement: Delete, connection: Connection) -> int:
        return connection.execute(statement).rowcount if may_go(connection) else 0

    removed, pace = Removed(), _delete_pace()
    gone = pace.size
    while gone and not cleaner.is_held_up:
        oldest = select(events.c.id).where(which).order_by(events.c.id).limit(pace.size)
        gone, seconds = cleaner.transact(partial(step, delete(events).where(events.c.id.in_(oldest))))
        pace.took(seconds)
        cleaner.let_others(seconds)
        removed += Removed(events=gone)
    return removed


def _remove_tasks(cleaner: Cleaner, task_ids: Sequence[int], may_go: Check, *, force: bool) -> Removed:
    which = _may_go(tasks.c.id == bindparam("which"), force=force)
    it_may_go = exists(select(tasks.c.id).where(which))
    its_session = select(tasks.c.session_id).where(tasks.c.id == bindparam("which")).scalar_subquery()
    of_events = delete(events).where(events.c.task_id == bindparam("which"), it_may_go)
    of_meta, of_marks = (
        delete(table).where(table.c.session_id == its_session, table.c.task_id == bindparam("which"), it_may_go)
        for table in (meta, outgoing)
    )

    def work(chunk: list[dict[str, int]], connection: Connection) -> Removed:
        if not may_go(connection):
            return Removed()
        events_gone = connection.execute(of_events, chunk).rowcount
        connection.execute(of_meta, chunk)
        connection.execute(of_marks, chunk)
        return Removed(tasks=connection.execute(delete(tasks).where(which), chunk).rowcount, events=events_gone)

    def step(chunk: Sequence[int]) -> tuple[Removed, float]:
        return cleaner.transact(partial(work, [{"which": number} for number in chunk]))

    return in_steps(cleaner, task_ids, step)


def _may_go(which: ColumnElement[bool], *, force: bool) -> ColumnElement[bool]:
    return which if force else which & ~task_is_open()


def in_steps(cleaner: Cleaner, ids: Sequence[int], step: Callable[[Sequence[int]], tuple[Removed, float]]) -> Removed:
    """Do `step` with as many of `ids` at once as the pace allows, until they are done or the cleaner is held up.

    It returns what went, and the seconds that others were kept waiting.
    """
    removed, start, pace = Removed(), 0, _delete_pace()
    while start < len(ids) and not cleaner.is_held_up:
        chunk = ids[start : start + pace.size]
        start += len(chunk)
        gone, seconds = step(chunk)
        pace.took(seconds)
        cleaner.let_others(seconds)
        removed += gone
    return removed


def _delete_pace() -> Pace:
    return Pace(DELETE_SECONDS, *AT_ONCE)


def _remove_sessions(cleaner: Cleaner, sizes: Sequence[tuple[int, int]], pace: Pace, *, force: bool) -> Removed:
    """Sessions, given with how many rows they have, as many at once as the pace allows."""
    of_events, of_meta, of_marks, of_tasks, of_sessions = (
        delete(table).where(column == bindparam("which"))
        for table, column in (
            (events, events.c.session_id),
            (meta, meta.c.session_id),
            (outgoing, outgoing.c.session_id),
            (tasks, tasks.c.session_id),
            (sessions, sessions.c.id),
        )
    )

    # What another session tells of a task of this one stays with that session.
    its_tasks = select(tasks.c.id).where(tasks.c.session_id == bindparam("which"))
    of_strays = update(events).where(events.c.task_id.in_(its_tasks)).values(task_id=None)

    def step(ids: list[int], connection: Connection) -> Removed:
        if not force:
            ids = _still_closed(connection, ids)
        chunk = [{"which": number} for number in ids]
        if not chunk:
            return Removed()
        events_gone = connection.execute(of_events, chunk).rowcount
        connection.execute(of_strays, chunk)
        connection.execute(of_meta, chunk)
        connection.execute(of_marks, chunk)
        tasks_gone = connection.execute(of_tasks, chunk).rowcount
        return Removed(connection.execute(of_sessions, chunk).rowcount, tasks_gone, events_gone)

    removed, waiting = Removed(), list(sizes)
    while waiting and not cleaner.is_held_up:
        taken = _as_many(waiting, pace.size)
        gone, seconds = cleaner.transact(partial(step, [number for number, _ in waiting[:taken]]))
        del waiting[:taken]
        pace.took(seconds)
        cleaner.let_others(seconds)
        removed += gone
    return removed


def _still_closed(connection: Connection, ids: Sequence[int]) -> list[int]:
    """Those of these sessions of which nothing has come to life. Where others write beside this transaction they stay
    so until its end; what others are at is left out.
    """
    closed = select(sessions.c.id).where(sessions.c.id.in_(ids), ~session_is_open())
    found = set(connection.execute(closed.with_for_update(skip_locked=True)).scalars())
    unended = select(tasks.c.session_id).where(tasks.c.session_id.in_(found), tasks.c.ended_at.is_(None))
    if waiting := set(connection.execute(unended.with_for_update()).scalars()):
        came_to_life = select(tasks.c.session_id).where(tasks.c.session_id.in_(waiting), task_is_open())
        found.difference_update(connection.execute(came_to_life).scalars())
    return sorted(found)


def _unless_alive(session_id: int) -> Check:
    """The same for one session, in so little time that it may be asked for each piece of a very large one."""
    closed = select(sessions.c.id).where(sessions.c.id == session_id, ~session_is_open())
    # From who lives to what they do, which is little; the sum keeps SQLite from reading all of the session instead.
    its_own = tasks.c.session_id + 0 == session_id
    living = select(processes.c.id).where(processes.c.ended_at.is_(None), processes.c.lost_at.is_(None))
    of_living = select(tasks.c.id).where(its_own, tasks.c.process_id.in_(living), tasks.c.ended_at.is_(None))
    of_nobody = select(tasks.c.id).where(its_own, tasks.c.process_id.is_(None), task_is_open())
    locked = closed.with_for_update(skip_locked=True)
    came_to_life = select(exists(of_living) | exists(of_nobody))

    def check(connection: Connection) -> bool:
        return connection.execute(locked).first() is not None and not connection.execute(came_to_life).scalar()

    return check


def _always(_: Connection) -> bool:
    return True


def _as_many(sizes: Sequence[tuple[int, int]], rows: int) -> int:
    """How many of these sessions have about so many rows together; at least one."""
    sums = accumulate(1 + size for _, size in sizes)
    return max(1, sum(1 for _ in takewhile(lambda reached: reached <= rows, sums)))
