"""The statements that write, compiled once for each kind of database: handing the driver finished text and tuples
halves the cost of a tick.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    bindparam,
    func,
    insert,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.sql.compiler import SQLCompiler

from progstore.store import spelling
from progstore.store.tables import events, meta, processes, sessions, tasks

Row = tuple[Any, ...]

_ONE: ColumnElement[int] = literal_column("1")

PROCESS_FIXED = (
    "uid", "host", "machine_id", "boot_id", "pid_namespace", "pid", "start_ticks", "program", "argv", "cwd", "username",
    "python", "progstore_version", "interval", "started_at",
)  # fmt: skip
PROCESS_SIGNS = ("heartbeat_at", "dropped_events", "faults", "last_fault")
PROCESS_CHANGING = (*PROCESS_SIGNS, "ended_at", "end_reason")
SESSION_FIXED = ("uid", "kind", "parent_uid", "host", "started_at")
SESSION_CHANGING = ("name", "message", "ended_at", "end_status", "duration", "rev")
TASK_FIXED = ("key", "attempt", "session_name", "name", "unit")
TASK_CHANGING = (
    "status", "done", "total", "total_source", "failed", "active", "cancelled", "percent", "message", "error_type",
    "error", "traceback", "simulate_from", "simulate_until", "simulate_since", "simulate_expected", "resumed_from",
    "rev", "started_at", "updated_at", "ended_at", "duration", "curve",
)  # fmt: skip


class Prepared(NamedTuple):
    """A statement's text, and what puts a row of values into the order of its placeholders."""

    sql: str
    arrange: Callable[[Row], Row] | None

    def rows(self, values: Sequence[Row]) -> list[Row]:
        """Rows of values in the order of the placeholders."""
        return list(values) if self.arrange is None else [self.arrange(row) for row in values]

    def row(self, *values: Any) -> Row:
        """One such row."""
        return values if self.arrange is None else self.arrange(values)


def _prepare(dialect: str, statement: ClauseElement, names: Sequence[str]) -> Prepared:
    """`statement` as text; rows will be handed over with their values in the order of `names`."""
    compiled = statement.compile(dialect=spelling.of(dialect).compiler)
    assert isinstance(compiled, SQLCompiler)
    assert compiled.positiontup is not None
    order = [names.index(name) for name in compiled.positiontup]
    return Prepared(str(compiled), None if order == sorted(order) else operator.itemgetter(*order))


def _binds(names: Sequence[str]) -> dict[str, Any]:
    return {name: bindparam(name) for name in names}


@cache
def upsert_process(dialect: str) -> Prepared:
    """A process, new or known; it also says that the process lives."""
    names = (*PROCESS_FIXED, *PROCESS_CHANGING)
    statement = spelling.of(dialect).insert(processes).values(_binds(names))
    changing = {name: statement.excluded[name] for name in PROCESS_CHANGING}
    beats = processes.c.beats + _ONE
    statement = statement.on_conflict_do_update(
        index_elements=["uid"], set_={**changing, "lost_at": null(), "beats": beats}
    )
    return _prepare(dialect, statement, names)


@cache
def update_process(dialect: str) -> Prepared:
    """A process whose id is known."""
    statement = update(processes).where(processes.c.uid == bindparam("which"))
    changes = {**_binds(PROCESS_CHANGING), "beats": processes.c.beats + _ONE, "lost_at": null()}
    return _prepare(dialect, statement.values(changes), (*PROCESS_CHANGING, "which"))


@cache
def update_session(dialect: str) -> Prepared:
    """A session whose id is known; another process's stays as it is."""
    names = ("kind", "parent_uid", "started_at", *SESSION_CHANGING, "process_id")
    mine = sessions.c.process_id.is_(None) | (sessions.c.process_id == bindparam("owner"))
    statement = update(sessions).where(sessions.c.uid == bindparam("which"), mine).values(_binds(names))
    return _prepare(dialect, statement, (*names, "which", "owner"))


@cache
def upsert_session(dialect: str) -> Prepared:
    """A session of the process that owns it."""
    names = (*SESSION_FIXED, *SESSION_CHANGING, "process_id")
    statement = spelling.of(dialect).insert(sessions).values(_binds(names))
    # A child process may have put the row there first; only its real owner knows how the session came to be.
    owned = ("process_id", "kind", "parent_uid", "started_at", *SESSION_CHANGING)
    statement = statement.on_conflict_do_update(
        index_elements=["uid"],
        set_={name: statement.excluded[name] for name in owned},
        where=sessions.c.process_id.is_(None) | (sessions.c.process_id == statement.excluded.process_id),
    )
    return _prepare(dialect, statement, names)


@cache
def insert_session(dialect: str) -> Prepared:
    """A session that somebody else owns, so that its tasks have something to refer to."""
    names = (*SESSION_FIXED, *SESSION_CHANGING, "process_id")
    statement = (
        spelling.of(dialect).insert(sessions).values(_binds(names)).on_conflict_do_nothing(index_elements=["uid"])
    )
    return _prepare(dialect, statement, names)


@cache
def upsert_task(dialect: str) -> Prepared:
    """A task whose id is not known; another process's stays as it is."""
    names = (*TASK_FIXED, *TASK_CHANGING, "session_id", "process_id", "parent_id")
    statement = spelling.of(dialect).insert(tasks).values(_binds(names))
    statement = statement.on_conflict_do_update(
        index_elements=["session_id", "key", "attempt"],
        set_={**{name: statement.excluded[name] for name in TASK_CHANGING}, "lost_at": null()},
        where=(tasks.c.process_id == statement.excluded.process_id) & (statement.excluded.rev > tasks.c.rev),
    )
    return _prepare(dialect, statement, names)


@cache
def update_task(dialect: str) -> Prepared:
    """A task whose id is known; another process's stays as it is."""
    statement = update(tasks).where(
        tasks.c.id == bindparam("which"), tasks.c.process_id == bindparam("owner"), tasks.c.rev < bindparam("newer")
    )
    statement = statement.values({**_binds(TASK_CHANGING), "lost_at": null()})
    return _prepare(dialect, statement, (*TASK_CHANGING, "which", "owner", "newer"))


@cache
def insert_event(dialect: str) -> Prepared:
    """An event."""
    names = ("at", "kind", "message", "data", "session_id", "task_id")
    return _prepare(dialect, insert(events).values(_binds(names)), names)


@cache
def upsert_metadata(dialect: str) -> Prepared:
    """A metadata value."""
    names = ("session_id", "task_id", "key", "value")
    statement = spelling.of(dialect).insert(meta).values(_binds(names))
    statement = statement.on_conflict_do_update(
        index_elements=["session_id", "task_id", "key"], set_={"value": statement.excluded.value}
    )
    return _prepare(dialect, statement, names)


@cache
def beat(dialect: str) -> Prepared:
    """A sign of life."""
    changes = {**_binds(PROCESS_SIGNS), "beats": processes.c.beats + _ONE, "lost_at": null()}
    statement = update(processes).where(processes.c.id == bindparam("which")).values(changes)
    return _prepare(dialect, statement, (*PROCESS_SIGNS, "which"))


@cache
def newest_attempt(dialect: str) -> Prepared:
    """The number of the newest start under a key."""
    statement = select(func.max(tasks.c.attempt)).join(sessions, sessions.c.id == tasks.c.session_id)
    statement = statement.where(sessions.c.uid == bindparam("session"), tasks.c.key == bindparam("task_key"))
    return _prepare(dialect, statement, ("session", "task_key"))


@cache
def session_name(dialect: str) -> Prepared:
    """What a session is called."""
    return _prepare(dialect, select(sessions.c.name).where(sessions.c.uid == bindparam("which")), ("which",))


def compile_all(dialect: str) -> None:
    """Compile every statement now: some 40 ms that nobody shall spend while others wait for the store."""
    for statement in (
        upsert_process,
        update_process,
        upsert_session,
        update_session,
        insert_session,
        upsert_task,
        update_task,
        insert_event,
        upsert_metadata,
        beat,
        newest_attempt,
        session_name,
    ):
        statement(dialect)
