"""How rows go: in transactions so short that no writer waits long, and never what came to life meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate, takewhile

from sqlalchemy import Connection, bindparam, delete, exists, func, select

from progstore.store.cleaner import DELETE_SECONDS, Cleaner, Pace
from progstore.store.reader import Reader
from progstore.store.retention import Removed, chunks, session_is_open, task_is_open
from progstore.store.tables import events, meta, processes, sessions, tasks

AT_ONCE = (5, 5000)
"""The fewest and the most rows that are removed in one transaction."""
TASKS_AT_ONCE = 50_000
"""Tasks whose owners are read in one question."""
LOST_FOR_GOOD = 86_400.0
"""Seconds after which a lost process is not expected back."""

Chunk = list[dict[str, int]]


def remove(
    cleaner: Cleaner, reader: Reader, session_ids: Sequence[int], task_ids: Sequence[int], *, force: bool = False
) -> Removed:
    """Remove these with all that hangs on them, in transactions so short that no writer waits long.

    What came to life since it was chosen stays, unless `force`.
    """
    # Nested tasks have higher ids than what they are nested in, so they go first.
    removed = _remove_tasks(cleaner, sorted(task_ids, reverse=True), Pace(DELETE_SECONDS, *AT_ONCE), force=force)
    pace = Pace(DELETE_SECONDS, *AT_ONCE)
    for chunk in chunks(session_ids):
        with reader.connection() as connection:
            inside = select(tasks.c.session_id, func.count()).where(tasks.c.session_id.in_(chunk))
            sizes: dict[int, int] = dict(connection.execute(inside.group_by(tasks.c.session_id)).all())
            large = [number for number, size in sizes.items() if size > AT_ONCE[1]]
            statement = select(tasks.c.id).where(tasks.c.session_id.in_(large)).order_by(tasks.c.id.desc())
            ids = connection.execute(statement).scalars().all() if large else []
        removed += _remove_tasks(cleaner, ids, Pace(DELETE_SECONDS, *AT_ONCE), force=force)
        removed += _remove_sessions(cleaner, [(number, sizes.get(number, 0)) for number in chunk], pace, force=force)
    return removed


def forget_processes(cleaner: Cleaner, reader: Reader, now: float) -> int:
    """Remove the rows of processes that are gone for good and that nothing refers to any more; returns how many."""
    lost_for_good = processes.c.lost_at.is_not(None) & (processes.c.heartbeat_at < now - LOST_FOR_GOOD)
    gone = processes.c.ended_at.is_not(None) | lost_for_good
    owns_a_session = exists(select(sessions.c.id).where(sessions.c.process_id == processes.c.id))
    with reader.connection() as connection:
        candidates = set(connection.execute(select(processes.c.id).where(gone, ~owns_a_session)).scalars())
    if candidates:
        candidates -= _owners_of_tasks(reader)
    forgotten = 0
    for chunk in chunks(sorted(candidates)):
        statement = delete(processes).where(processes.c.id.in_(chunk), gone, ~owns_a_session)
        # Looking for tasks that refer to them was done above.
        forgotten += cleaner.without_references(lambda connection: connection.execute(statement).rowcount)  # noqa: B023
    return forgotten


def _owners_of_tasks(reader: Reader) -> set[int]:
    """Every process that a task refers to, read in steps that hold the log only briefly."""
    found: set[int] = set()
    after, newest = 0, 1
    while after < newest:
        with reader.connection() as connection:
            newest = connection.execute(select(func.max(tasks.c.id))).scalar() or 0
            owners = select(tasks.c.process_id).where(tasks.c.id > after, tasks.c.id <= after + TASKS_AT_ONCE)
            found.update(each for each in connection.execute(owners.distinct()).scalars() if each is not None)
        after += TASKS_AT_ONCE
    return found


def _remove_tasks(cleaner: Cleaner, task_ids: Sequence[int], pace: Pace, *, force: bool) -> Removed:
    which = tasks.c.id == bindparam("which")
    if not force:
        which &= ~task_is_open()
    it_may_go = exists(select(tasks.c.id).where(which))
    its_session = select(tasks.c.session_id).where(tasks.c.id == bindparam("which")).scalar_subquery()
    of_events = delete(events).where(events.c.task_id == bindparam("which"), it_may_go)
    of_meta = delete(meta).where(meta.c.session_id == its_session, meta.c.task_id == bindparam("which"), it_may_go)

    def step(chunk: Chunk, connection: Connection) -> Removed:
        events_gone = connection.execute(of_events, chunk).rowcount
        connection.execute(of_meta, chunk)
        return Removed(tasks=connection.execute(delete(tasks).where(which), chunk).rowcount, events=events_gone)

    removed, start = Removed(), 0
    while start < len(task_ids):
        chunk = [{"which": number} for number in task_ids[start : start + pace.size]]
        start += len(chunk)
        gone, seconds = cleaner.transact(partial(step, chunk))
        pace.took(seconds)
        removed += gone
    return removed


def _remove_sessions(cleaner: Cleaner, sizes: Sequence[tuple[int, int]], pace: Pace, *, force: bool) -> Removed:
    """Sessions, given with how many tasks they have, as many at once as the pace allows."""
    of_events, of_meta, of_tasks, of_sessions = (
        delete(table).where(column == bindparam("which"))
        for table, column in (
            (events, events.c.session_id),
            (meta, meta.c.session_id),
            (tasks, tasks.c.session_id),
            (sessions, sessions.c.id),
        )
    )

    def step(ids: list[int], connection: Connection) -> Removed:
        if not force:
            ids = _still_closed(connection, ids)
        chunk = [{"which": number} for number in ids]
        if not chunk:
            return Removed()
        events_gone = connection.execute(of_events, chunk).rowcount
        connection.execute(of_meta, chunk)
        tasks_gone = connection.execute(of_tasks, chunk).rowcount
        return Removed(connection.execute(of_sessions, chunk).rowcount, tasks_gone, events_gone)

    removed, waiting = Removed(), list(sizes)
    while waiting:
        taken = _as_many(waiting, pace.size)
        gone, seconds = cleaner.transact(partial(step, [number for number, _ in waiting[:taken]]))
        del waiting[:taken]
        pace.took(seconds)
        removed += gone
    return removed


def _still_closed(connection: Connection, ids: list[int]) -> list[int]:
    has_open_tasks = exists(
        select(tasks.c.id).where(tasks.c.session_id == sessions.c.id, task_is_open()).correlate(sessions)
    )
    closed = select(sessions.c.id).where(sessions.c.id.in_(ids), ~session_is_open(), ~has_open_tasks)
    return list(connection.execute(closed).scalars())


def _as_many(sizes: Sequence[tuple[int, int]], rows: int) -> int:
    """How many of these sessions have about so many rows together; at least one."""
    sums = accumulate(1 + size for _, size in sizes)
    return max(1, sum(1 for _ in takewhile(lambda reached: reached <= rows, sums)))
