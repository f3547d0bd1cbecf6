"""Who wrote, and is gone for good: rows of processes that nothing refers to any more go after what they wrote."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection, delete, exists, func, or_, select
from sqlalchemy.exc import IntegrityError

from progstore.store.cleaner import DELETE_SECONDS, Cleaner
from progstore.store.reader import Reader
from progstore.store.removal import in_steps
from progstore.store.retention import Removed
from progstore.store.tables import processes, remotes, senders, sessions, tasks

TASKS_AT_ONCE = 50_000
"""Tasks whose owners are read in one question."""
LOST_FOR_GOOD = 86_400.0
"""Seconds after which a lost process is not expected back."""


def forget_processes(cleaner: Cleaner, reader: Reader, now: float) -> None:
    """Remove the rows of processes that are gone for good and that nothing refers to any more."""
    ahead = select(remotes.c.clock_offset).where(remotes.c.process_id == processes.c.id).scalar_subquery()
    silent = processes.c.heartbeat_at < now - LOST_FOR_GOOD + func.coalesce(ahead, 0.0)
    gone = processes.c.ended_at.is_not(None) | (processes.c.lost_at.is_not(None) & silent)
    owns_a_session = exists(select(sessions.c.id).where(sessions.c.process_id == processes.c.id))
    with reader.connection() as connection:
        candidates = set(connection.execute(select(processes.c.id).where(gone, ~owns_a_session)).scalars())
    if not candidates:
        return
    owners, newest = _owners_of_tasks(reader)
    # What it was given since then: a new task, or one that another process had begun.
    its_own = tasks.c.process_id == processes.c.id
    owns_a_task = exists(select(tasks.c.id).where(its_own, or_(tasks.c.id > newest, tasks.c.ended_at.is_(None))))

    def step(chunk: Sequence[int]) -> tuple[Removed, float]:
        statement = delete(processes).where(processes.c.id.in_(chunk), gone, ~owns_a_session, ~owns_a_task)
        try:
            _, seconds = cleaner.without_references(lambda connection: connection.execute(statement).rowcount)
        except IntegrityError:  # a server found another task at this moment; the next clean-up tries these again
            return Removed(), DELETE_SECONDS
        _, further = cleaner.transact(partial(_forget_told, chunk))
        return Removed(), seconds + further

    in_steps(cleaner, sorted(candidates - owners), step)


def _forget_told(chunk: Sequence[int], connection: Connection) -> None:
    """What is known of processes on other machines, and who is to hear of them, goes with their rows."""
    is_there = select(processes.c.id).where(processes.c.id.in_(chunk))
    for table in (remotes, senders):
        which = table.c.process_id.in_(chunk) & table.c.process_id.not_in(is_there)
        connection.execute(delete(table).where(which))


def _owners_of_tasks(reader: Reader) -> tuple[set[int], int]:
    """Every process that a task refers to, and the newest task, read in steps that hold the log only briefly."""
    found: set[int] = set()
    after, newest = 0, 1
    while after < newest:
        with reader.connection() as connection:
            newest = connection.execute(select(func.max(tasks.c.id))).scalar() or 0
            owners = select(tasks.c.process_id).where(tasks.c.id > after, tasks.c.id <= after + TASKS_AT_ONCE)
            found.update(each for each in connection.execute(owners.distinct()).scalars() if each is not None)
        after += TASKS_AT_ONCE
    return found, newest
