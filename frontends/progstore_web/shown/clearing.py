"""What is to be removed: a clean-up by a rule that was typed, and the deletion of chosen sessions and tasks."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from progstore import BadFilter, PruneReport, Status, StillRunning, Store
from progstore_web.shown.task import find_task

DAY = 86_400.0
MEGABYTE = 1_000_000
ENDED = tuple(status for status in Status if status.is_terminal)
CHOSEN_LIMIT = 500
"""Sessions and tasks that are deleted at once."""
LARGEST_COUNT = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A clean-up's form as it was filled in."""

    days: str = ""
    name: str = ""
    keep_last: str = ""
    megabytes: str = ""
    statuses: tuple[str, ...] = ()

    def apply(self, store: Store, *, dry_run: bool) -> PruneReport:
        """Remove what the rule says, or tell what would go. Raises BadFilter, BadValue, StoreError."""
        return store.prune(
            older_than=_number(self.days, "the age in days") * DAY if self.days else None,
            statuses=_statuses(self.statuses),
            name=self.name or None,
            keep_last=_count(self.keep_last) if self.keep_last else None,
            max_size=int(_number(self.megabytes, "the size in MB") * MEGABYTE) if self.megabytes else None,
            dry_run=dry_run,
        )


class Known(NamedTuple):
    """A session or task that was chosen and is in the store."""

    id: int
    session_id: int
    session: str
    name: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """What was chosen: what would go, what cannot because it has not ended, and how many are gone already."""

    sessions: tuple[Known, ...]
    tasks: tuple[Known, ...]
    running_sessions: tuple[Known, ...]
    running_tasks: tuple[Known, ...]
    gone: int
    report: PruneReport | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing of what was chosen is in the store."""
        return not (self.sessions or self.tasks or self.running_sessions or self.running_tasks)


def chosen_ids(given: Sequence[str], what: str) -> list[int]:
    """The ids that were chosen, each once. Raises BadFilter."""
    for word in given:
        if not (word.isascii() and word.isdigit() and len(word) < 20 and 0 < int(word) < 2**63):
            raise BadFilter(f"{what} is the number of a {what}, got {word[:40]!r}")
    return list(dict.fromkeys(map(int, given)))


def read_deletion(store: Store, session_ids: Sequence[int], task_ids: Sequence[int]) -> Deletion:
    """What deleting these would do. Raises BadFilter, StoreError."""
    if not session_ids and not task_ids:
        raise BadFilter("choose what to delete, as in /delete?session=17&task=42")
    if len(session_ids) + len(task_ids) > CHOSEN_LIMIT:
        raise BadFilter(f"at most {CHOSEN_LIMIT} sessions and tasks are deleted at once; choose fewer")
    sessions = _known(store, "SELECT id, id, name, '', status FROM v_sessions", session_ids)
    tasks = _known(store, "SELECT id, session_id, session, name, status FROM v_tasks", task_ids)
    running_sessions, running_tasks = _running(store, sessions, tasks)
    kept_sessions = tuple(each for each in sessions.values() if each.id not in running_sessions)
    kept_tasks = tuple(each for each in tasks.values() if each.id not in running_tasks)
    report = None
    if kept_sessions or kept_tasks:
        report = store.delete(sessions=_ids(kept_sessions), tasks=_ids(kept_tasks), dry_run=True)
    return Deletion(
        sessions=kept_sessions,
        tasks=kept_tasks,
        running_sessions=tuple(each for each in sessions.values() if each.id in running_sessions),
        running_tasks=tuple(each for each in tasks.values() if each.id in running_tasks),
        gone=len(session_ids) + len(task_ids) - len(sessions) - len(tasks),
        report=report,
    )


def delete(store: Store, deletion: Deletion) -> PruneReport | None:
    """Remove what can go. Raises NotFound, StillRunning, StoreError."""
    if deletion.report is None:
        return None
    return store.delete(sessions=_ids(deletion.sessions), tasks=_ids(deletion.tasks))


def _ids(known: Collection[Known]) -> list[int]:
    return [each.id for each in known]


def _known(store: Store, select: str, ids: Sequence[int]) -> dict[int, Known]:
    """Those of them that are in the store, in the order in which they were chosen."""
    if not ids:
        return {}
    found = store.query(f"{select} WHERE id IN ({', '.join('?' * len(ids))})", ids, limit=len(ids))
    by_id = {row[0]: Known(*row) for row in found.rows}
    return {number: by_id[number] for number in ids if number in by_id}


def _running(store: Store, sessions: Mapping[int, Known], tasks: Mapping[int, Known]) -> tuple[set[int], set[int]]:
    """Which of these have not ended, or hold a task that has not."""
    try:
        store.delete(sessions=list(sessions), tasks=list(tasks), dry_run=True)
    except StillRunning as error:
        return set(error.sessions), {_chosen_above(store, number, tasks) for number in error.tasks}
    return set(), set()


def _chosen_above(store: Store, task_id: int, chosen: Collection[int]) -> int:
    """The chosen task in which that one is nested, or itself."""
    passed: set[int] = set()
    above: int | None = task_id
    while above is not None and above not in passed:  # what another program wrote may go in a circle
        if above in chosen:
            return above
        passed.add(above)
        parent = find_task(store, above)
        above = None if parent is None else parent.parent_id
    return task_id


def _statuses(given: Sequence[str]) -> frozenset[Status]:
    known = {str(status): status for status in ENDED}
    for word in given:
        if word not in known:
            raise BadFilter(f"only what has ended is removed: {', '.join(known)}; got {word[:40]!r}")
    return frozenset(known[word] for word in given)


def _number(text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= LARGEST_COUNT:
        raise BadFilter(f"{what} is a number from 0, such as 30; got {text[:40]!r}")
    return number


def _count(text: str) -> int:
    number = _number(text, "how many to keep")
    if number != int(number):
        raise BadFilter(f"how many to keep is a whole number, such as 10; got {text[:40]!r}")
    return int(number)
