"""The statements that write rows from another store, put together once for each kind of database.

What is known is updated by its id, for an insert that meets a conflict spends a number each time. The inserts mind
conflicts all the same: on a server, others write meanwhile. Values are bound as `given_` and the column's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Double, Table, bindparam, cast, func, null, or_, select, update

from progstore.store import spelling
from progstore.store.statements import PROCESS_CHANGING, PROCESS_FIXED, SESSION_CHANGING, TASK_CHANGING, TASK_FIXED
from progstore.store.tables import meta, processes, remotes, sessions, tasks

PROCESS = (*PROCESS_FIXED, *PROCESS_CHANGING, "beats", "lost_at")
SESSION = ("uid", "host", "kind", "parent_uid", "started_at", *SESSION_CHANGING)
TASK = (*TASK_FIXED, *TASK_CHANGING)
EVENT = ("at", "kind", "message", "data")

_PROCESS_CHANGES = (*PROCESS_CHANGING, "beats", "lost_at")
_SESSION_CHANGES = ("kind", "parent_uid", "started_at", *SESSION_CHANGING, "process_id")
# A recorder never changes a unit; a client of another protocol may only say it later.
_TASK_CHANGES = (*TASK_CHANGING, "unit", "process_id")


def given(row: Any, names: Sequence[str], prefix: str = "given_") -> dict[str, Any]:
    """The values of a row, under the names by which they are bound."""
    return {prefix + name: getattr(row, name) for name in names}


def _binds(table: Table, names: Sequence[str]) -> dict[str, Any]:
    return {name: bindparam("given_" + name, type_=table.c[name].type) for name in names}


def _insert(dialect: str, table: Table, names: Sequence[str]) -> Any:
    return spelling.of(dialect).insert(table).values(_binds(table, names))


def _newer_process(new: Any) -> Any:
    """What it said last, and of two at the same beat the one that knows how it ended."""
    # PostgreSQL cannot guess the type of a value of which it is only asked whether it is there.
    ended_at, lost_at = (cast(new[name], Double) for name in ("ended_at", "lost_at"))
    says_more = or_(ended_at.is_not(None), lost_at.is_not(None) & processes.c.lost_at.is_(None))
    ends = says_more & processes.c.ended_at.is_(None)
    return (new["beats"] > processes.c.beats) | ((new["beats"] == processes.c.beats) & ends)


def _newer_session(new: Any) -> Any:
    """Whoever met the session first may not have known its owner, who alone knows all of it."""
    theirs = sessions.c.process_id
    return theirs.is_(None) | ((theirs == new["process_id"]) & (new["rev"] > sessions.c.rev))


@cache
def update_process() -> Any:
    """A process whose id is known."""
    new = _binds(processes, _PROCESS_CHANGES)
    statement = update(processes).where(processes.c.id == bindparam("which"), _newer_process(new))
    return statement.values(new)


@cache
def insert_process(dialect: str) -> Any:
    """A process that is new here."""
    statement = _insert(dialect, processes, PROCESS)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["uid"], set_={name: new[name] for name in _PROCESS_CHANGES}, where=_newer_process(new)
    )


@cache
def merge_remote(dialect: str) -> Any:
    """What is known of a process on another machine."""
    statement = _insert(dialect, remotes, ("process_id", "received_at", "clock_offset"))
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["process_id"], set_={"received_at": new.received_at, "clock_offset": new.clock_offset}
    )


@cache
def update_session() -> Any:
    """A session whose id and owner are known."""
    new = _binds(sessions, _SESSION_CHANGES)
    statement = update(sessions).where(sessions.c.id == bindparam("which"), _newer_session(new))
    return statement.values(new)


@cache
def insert_session(dialect: str) -> Any:
    """A session that is new here, and whose owner is known."""
    statement = _insert(dialect, sessions, (*SESSION, "process_id"))
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["uid"], set_={name: new[name] for name in _SESSION_CHANGES}, where=_newer_session(new)
    )


@cache
def insert_unowned_session(dialect: str) -> Any:
    """A session whose owner is not known here, so that its tasks have something to refer to."""
    return _insert(dialect, sessions, (*SESSION, "process_id")).on_conflict_do_nothing(index_elements=["uid"])


@cache
def update_task() -> Any:
    """A task whose id is known; whoever wrote the newer revision owns it."""
    new = _binds(tasks, _TASK_CHANGES)
    statement = update(tasks).where(tasks.c.id == bindparam("which"), tasks.c.rev < new["rev"])
    return statement.values({**new, **_unlost(_binds(tasks, ("parent_id",))["parent_id"])})


@cache
def insert_task(dialect: str) -> Any:
    """A task that is new here."""
    statement = _insert(dialect, tasks, (*TASK, "process_id", "session_id", "parent_id"))
    new = statement.excluded
    changes = {name: new[name] for name in _TASK_CHANGES}
    return statement.on_conflict_do_update(
        index_elements=["session_id", "key", "attempt"],
        set_={**changes, **_unlost(new.parent_id)},
        where=new.rev > tasks.c.rev,
    )


def _unlost(parent_id: Any) -> dict[str, Any]:
    return {"lost_at": null(), "parent_id": func.coalesce(parent_id, tasks.c.parent_id)}


@cache
def find_tasks() -> Any:
    """Every attempt of the tasks with one of `which_keys` in one of `which_sessions`, and its revision."""
    return select(tasks.c.session_id, tasks.c.key, tasks.c.attempt, tasks.c.id, tasks.c.rev).where(
        tasks.c.session_id.in_(bindparam("which_sessions", expanding=True)),
        tasks.c.key.in_(bindparam("which_keys", expanding=True)),
    )


@cache
def merge_metadata(dialect: str) -> Any:
    """A metadata value."""
    statement = _insert(dialect, meta, ("session_id", "task_id", "key", "value"))
    return statement.on_conflict_do_update(
        index_elements=["session_id", "task_id", "key"],
        set_={"value": statement.excluded.value},
        where=meta.c.value != statement.excluded.value,
    )
