"""What the store's owner orders: delete these, prune by a rule, give space back, settle; each from choice to report."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from progstore.errors import NotFound, StillRunning
from progstore.store import queries, removal, retention
from progstore.store.filters import is_id
from progstore.store.reader import Reader
from progstore.store.retention import Removed, Rule, chunks
from progstore.store.settle import newly_lost, settle
from progstore.store.tables import sessions, tasks
from progstore.store.watch import Watch
from progstore.values import PruneReport


def prune(reader: Reader, watch: Watch, rule: Rule, *, dry_run: bool) -> PruneReport:
    """Remove what `rule` says, and give the space back. Raises BadValue, StoreBusy."""
    rule.check()
    began = time.monotonic()
    if dry_run:
        with reader.connection() as connection:
            now = watch.now(connection)
            doomed = retention.chosen(connection, rule, now, newly_lost(connection, watch, now))
            return _forecast(connection, reader, doomed, [], began)
    with reader.asking(), reader.location.cleaner() as cleaner:
        cleaner.transact(lambda connection: settle(connection, watch))
        with reader.connection() as connection:
            now = watch.now(connection)
            doomed = retention.chosen(connection, rule, now, ())
        removed = removal.remove(cleaner, reader, doomed, [])
        if removed.sessions:
            removal.forget_processes(cleaner, reader, now)
        freed = cleaner.freed_bytes()
        cleaner.give_back()
    return _report(removed, freed, began)


def delete(
    reader: Reader,
    watch: Watch,
    session_ids: Sequence[int],
    task_ids: Sequence[int],
    *,
    force: bool,
    dry_run: bool,
) -> PruneReport:
    """Remove these with all that hangs on them. Raises NotFound, StillRunning, StoreBusy."""
    began = time.monotonic()
    with reader.connection() as connection:
        _must_be_there(connection, session_ids, task_ids)
        session_ids = list(dict.fromkeys(session_ids))
        inside = set(session_ids)
        task_ids = [
            row.id
            for chunk in chunks(retention.with_nested(connection, task_ids))
            for row in queries.by_id(connection, tasks, chunk).values()
            if row.session_id not in inside
        ]
        if not force:
            _must_not_run(connection, session_ids, task_ids, newly_lost(connection, watch))
        if dry_run:
            return _forecast(connection, reader, session_ids, task_ids, began)
    with reader.asking(), reader.location.cleaner() as cleaner:
        cleaner.transact(lambda connection: settle(connection, watch))
        removed = removal.remove(cleaner, reader, session_ids, task_ids, force=force)
        freed = cleaner.freed_bytes()
    return _report(removed, freed, began)


def vacuum(reader: Reader) -> int:
    """Give every free page back to the disk; returns bytes. Raises StoreBusy."""
    with reader.asking(), reader.location.cleaner() as cleaner:
        return cleaner.give_back(free_part=0.0)


def settle_now(reader: Reader, watch: Watch) -> int:
    """Mark what lost its owner; returns how many tasks. Raises StoreBusy."""
    with reader.asking(), reader.location.cleaner() as cleaner:
        return cleaner.transact(lambda connection: settle(connection, watch))[0]


def _must_be_there(connection: Connection, session_ids: Sequence[int], task_ids: Sequence[int]) -> None:
    for what, table, ids in (("session", sessions, session_ids), ("task", tasks, task_ids)):
        known = [number for number in ids if is_id(number)]
        found = {number for chunk in chunks(known) for number in queries.by_id(connection, table, chunk)}
        if missing := [number for number in ids if number not in found]:
            raise NotFound(f"there is no {what} {', '.join(repr(number) for number in missing[:10])} in this store")


def _must_not_run(
    connection: Connection, session_ids: Sequence[int], task_ids: Sequence[int], lost: Collection[int]
) -> None:
    open_sessions = retention.open_among(connection, session_ids, lost)
    open_tasks = retention.open_tasks_among(connection, task_ids, lost)
    running = [f"session {number}" for number in open_sessions] + [f"task {number}" for number in open_tasks]
    if running:
        error = StillRunning(f"{', '.join(running[:10])} has not ended; force=True deletes it all the same")
        error.sessions, error.tasks = tuple(open_sessions), tuple(open_tasks)
        raise error


def _forecast(
    connection: Connection, reader: Reader, session_ids: Sequence[int], task_ids: Sequence[int], began: float
) -> PruneReport:
    """What removing these would do; the bytes are this part of the rows' part of the store."""
    removed = retention.counted(connection, session_ids, task_ids)
    rows = retention.number_of_rows(connection)
    part = (removed.tasks + removed.events) / rows if rows else 0.0
    return _report(removed, int(reader.location.used_bytes(connection) * part), began, dry_run=True)


def _report(removed: Removed, freed: int, began: float, *, dry_run: bool = False) -> PruneReport:
    return PruneReport(
        sessions=removed.sessions,
        tasks=removed.tasks,
        events=removed.events,
        bytes_freed=max(0, freed),
        dry_run=dry_run,
        seconds=time.monotonic() - began,
    )
