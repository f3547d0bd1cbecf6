"""What the store's owner orders: delete these, prune by a rule, give space back, settle; each from choice to report."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from progstore import clean
from progstore.errors import NotFound, StillRunning
from progstore.reports import PruneReport, VacuumReport
from progstore.store import forgetting, queries, removal, retention, shrinking
from progstore.store.cleaner import GivenBack
from progstore.store.filters import is_id
from progstore.store.reader import Reader
from progstore.store.retention import Removed, Rule
from progstore.store.settle import newly_lost, settle
from progstore.store.shrinking import Choice
from progstore.store.tables import sessions, tasks
from progstore.store.watch import Watch
from progstore.store.writes import chunks

HELD_UP = (
    "stopped early: a program that has been reading the store for long keeps its write-ahead log from being moved into "
    "it, which every removal makes larger; end that program, and clean up again"
)
NOTHING = GivenBack(0)


def prune(reader: Reader, watch: Watch, rule: Rule, *, dry_run: bool) -> PruneReport:
    """Remove what `rule` says, and give the space back. Raises BadValue, StoreBusy."""
    rule.check()
    began = time.monotonic()
    if dry_run:
        with reader.connection() as connection:
            choice, _ = _choice(connection, reader, watch, rule)
            report = _forecast(connection, reader, choice.sessions, [], began, freed=choice.freed)
        return replace(report, warnings=_unmet(rule, report, choice, is_done=True))
    with reader.asking(), reader.location.cleaner() as cleaner:
        with reader.connection() as connection:
            choice, now = _choice(connection, reader, watch, rule)
        before = cleaner.used_bytes()
        cleaner.transact(lambda connection: settle(connection, watch))
        removed = removal.remove(cleaner, reader, choice.sessions, [])
        if removed.sessions:
            forgetting.forget_processes(cleaner, reader, now)
        used, is_done = cleaner.used_bytes(), not cleaner.is_held_up
        given_back = cleaner.give_back(at_most=rule.max_size)
    report = _report(removed, before - used, used, began, given_back=given_back)
    return replace(report, warnings=(*_unmet(rule, report, choice, is_done=is_done), *report.warnings))


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
        before = cleaner.used_bytes()
        cleaner.transact(lambda connection: settle(connection, watch))
        removed = removal.remove(cleaner, reader, session_ids, task_ids, force=force)
        used, is_done = cleaner.used_bytes(), not cleaner.is_held_up
    report = _report(removed, before - used, used, began)
    return report if is_done else replace(report, warnings=(HELD_UP,))


def vacuum(reader: Reader) -> VacuumReport:
    """Give every free page back to the disk. Raises StoreBusy."""
    with reader.asking(), reader.location.cleaner() as cleaner:
        given_back = cleaner.give_back(free_part=0.0)
    return VacuumReport(bytes_given_back=given_back.bytes, warnings=_words(given_back))


def settle_now(reader: Reader, watch: Watch) -> int:
    """Mark what lost its owner; returns how many tasks. Raises StoreBusy."""
    with reader.asking(), reader.location.cleaner() as cleaner:
        return cleaner.transact(lambda connection: settle(connection, watch))[0]


def _must_be_there(connection: Connection, session_ids: Sequence[int], task_ids: Sequence[int]) -> None:
    for what, table, ids in (("session", sessions, session_ids), ("task", tasks, task_ids)):
        known = [number for number in ids if is_id(number)]
        found = {number for chunk in chunks(known) for number in queries.by_id(connection, table, chunk)}
        if missing := [number for number in ids if number not in found]:
            raise NotFound(f"there is no {what} {', '.join(map(clean.shown, missing[:10]))} in this store")


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


def _choice(connection: Connection, reader: Reader, watch: Watch, rule: Rule) -> tuple[Choice, float]:
    """The sessions that go, the same for a dry run and for what is done after it; and as of when (seconds UTC)."""
    now = watch.now(connection)
    candidates = retention.chosen(connection, rule, now, newly_lost(connection, watch, now))
    if rule.max_size is None:
        return Choice(candidates), now
    used = reader.location.used_bytes(connection)
    return shrinking.as_needed(connection, candidates, used, rule.max_size), now


def _unmet(rule: Rule, report: PruneReport, choice: Choice, *, is_done: bool) -> tuple[str, ...]:
    """Why less was done than was asked for."""
    if not is_done:
        return (HELD_UP,)
    if rule.max_size is None or report.bytes_used <= rule.max_size:
        return ()
    size = f"the store takes {'about ' * report.dry_run}{report.bytes_used:,} bytes even so"
    if choice.suffices:
        return (f"{size}: what went took less than was estimated; the next clean-up goes on",)
    spared = "runs or is spared by the rule"
    if rule.older_than is None:
        spared = "runs, is spared by the rule, or ended within the last hour"
    return (f"{size}, more than the {rule.max_size:,} asked for: what is left {spared}",)


def _forecast(
    connection: Connection,
    reader: Reader,
    session_ids: Sequence[int],
    task_ids: Sequence[int],
    began: float,
    *,
    freed: int | None = None,
) -> PruneReport:
    """What removing these would do. Where no better estimate is known, the bytes are this part of the rows' part of the
    store.
    """
    removed = retention.counted(connection, session_ids, task_ids)
    used = reader.location.used_bytes(connection)
    if freed is None:
        rows = retention.number_of_rows(connection)
        freed = int(used * (removed.tasks + removed.events) / rows) if rows else 0
    return _report(removed, freed, used - freed, began, dry_run=True)


def _report(
    removed: Removed,
    freed: int,
    used: int,
    began: float,
    *,
    given_back: GivenBack = NOTHING,
    dry_run: bool = False,
) -> PruneReport:
    return PruneReport(
        sessions=removed.sessions,
        tasks=removed.tasks,
        events=removed.events,
        bytes_freed=max(0, freed),
        bytes_used=used,
        bytes_given_back=given_back.bytes,
        dry_run=dry_run,
        seconds=time.monotonic() - began,
        warnings=_words(given_back),
    )


def _words(given_back: GivenBack) -> tuple[str, ...]:
    return (given_back.why_not,) if given_back.why_not else ()
