"""The tables, as SQLAlchemy Core describes them; the same on every backend.

Times are REAL seconds since 1970 in UTC, durations are seconds of the monotonic clock, JSON stands as text.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TextClause,
    UniqueConstraint,
    text,
)

STATUSES = ("pending", "running", "complete", "error", "cancelled")
TERMINAL = ("complete", "error", "cancelled")
KINDS = ("ambient", "block", "declared")
"""How a session came to be: by the first tracked loop, by `progstore.session()`, by `Session.create()`."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives AUTOINCREMENT, under which a deleted id never comes back, only to a plain INTEGER key.
Id = BigInteger().with_variant(Integer, "sqlite")
# Compared and sorted by bytes on both; there is no other way on SQLite.
Words = Text().with_variant(Text(collation="C"), "postgresql")


def newest_first(table: Table) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """The order of a history; what has not begun comes last, on PostgreSQL too."""
    started_at = table.c.started_at.desc()
    return started_at.nulls_last() if table.c.started_at.nullable else started_at, table.c.id.desc()


def is_on(dialect: str, item: object) -> bool:
    """Whether a table, column or index is there on SQLAlchemy's dialect of that name; some indexes are on one only."""
    return bool(getattr(item, "info", {}).get("dialect", dialect) == dialect)


def _partial(name: str, *columns: str | TextClause, where: str, **info: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), info={"where": where, **info})


def _by_start(name: str, *columns: str, where: str | None = None) -> tuple[Index, Index]:
    """For `newest_first` of what may not have begun: read backwards, NULL must come last."""

    def index(dialect: str, *start: str | TextClause) -> Index:
        if where is None:
            made = Index(name, *columns, *start, info={"dialect": dialect})
        else:
            made = _partial(name, *columns, *start, where=where, dialect=dialect)
        return made.ddl_if(dialect)

    return index("sqlite", "started_at", "id"), index("postgresql", text("started_at NULLS FIRST"), "id")


@cache
def complete_for_postgresql() -> None:
    """Tell the partial indexes what is in them there. Only then: SQLAlchemy loads a dialect whose word is used."""
    for table in metadata.tables.values():
        for index in table.indexes:
            if where := index.info.get("where"):
                index.dialect_options["postgresql"]["where"] = text(where)


def _in(column: str, words: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(word) for word in words)})"


store_info = Table(
    "store_info",
    metadata,
    Column("key", Words, primary_key=True),
    Column("value", Words, nullable=False),
)

processes = Table(
    "processes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("uid", Words, nullable=False, unique=True),
    Column("host", Words, nullable=False),
    Column("machine_id", Words, nullable=False),
    Column("boot_id", Words, nullable=False),
    Column("pid_namespace", Words, nullable=False),
    Column("pid", Id, nullable=False),
    Column("start_ticks", Id),
    Column("program", Words, nullable=False),
    Column("argv", Words, nullable=False),
    Column("cwd", Words, nullable=False),
    Column("username", Words, nullable=False),
    Column("python", Words, nullable=False),
    Column("progstore_version", Words, nullable=False),
    Column("interval", Double, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("end_reason", Words),
    Column("lost_at", Double),
    Column("beats", Id, nullable=False, server_default="0"),
    Column("heartbeat_at", Double, nullable=False),
    Column("dropped_events", Id, nullable=False, server_default="0"),
    Column("faults", Id, nullable=False, server_default="0"),
    Column("last_fault", Text, nullable=False, server_default=""),
    CheckConstraint(_in("end_reason", ("exit", "error", "signal")), name="end_reason"),
    _partial("ix_processes_live", "id", where="ended_at IS NULL"),
    sqlite_autoincrement=True,
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("uid", Words, nullable=False, unique=True),
    Column("name", Words, nullable=False),
    Column("kind", Words, nullable=False),
    Column("process_id", Id, ForeignKey("processes.id")),
    Column("parent_uid", Words),
    Column("host", Words, nullable=False),
    Column("message", Words, nullable=False, server_default=""),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("end_status", Words),
    Column("duration", Double),
    Column("stop_requested_at", Double),
    Column("rev", Id, nullable=False),
    CheckConstraint(_in("kind", KINDS), name="kind"),
    CheckConstraint(_in("end_status", TERMINAL), name="end_status"),
    Index("ix_sessions_history", "started_at", "id"),
    Index("ix_sessions_host", "host", "started_at", "id"),
    Index("ix_sessions_name", "name", "started_at", "id"),
    Index("ix_sessions_process", "process_id"),
    _partial("ix_sessions_unusual", "end_status", "started_at", "id", where="end_status <> 'complete'"),
    Index("ix_sessions_ended", "ended_at"),  # what has not ended is found by it too
    sqlite_autoincrement=True,
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("session_id", Id, ForeignKey("sessions.id"), nullable=False),
    Column("key", Words, nullable=False),
    Column("attempt", Id, nullable=False),
    Column("process_id", Id, ForeignKey("processes.id")),
    Column("parent_id", Id, ForeignKey("tasks.id", ondelete="SET NULL")),
    Column("session_name", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("unit", Words, nullable=False),
    Column("status", Words, nullable=False),
    Column("done", Double, nullable=False),
    Column("total", Double),
    Column("total_source", Words),
    Column("failed", Double, nullable=False),
    Column("active", Double, nullable=False),
    Column("cancelled", Double, nullable=False),
    Column("percent", Double),
    Column("message", Words, nullable=False),
    Column("error_type", Words),
    Column("error", Words),
    Column("traceback", Words),
    Column("simulate_from", Double),
    Column("simulate_until", Double),
    Column("simulate_since", Double),
    Column("simulate_expected", Double),
    Column("resumed_from", Double),
    Column("rev", Id, nullable=False),
    Column("started_at", Double),
    Column("updated_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("duration", Double),
    Column("lost_at", Double),
    Column("curve", Words),
    UniqueConstraint("session_id", "key", "attempt"),
    CheckConstraint(_in("status", STATUSES), name="status"),
    # Each literal below must stand in a query's SQL for the partial index to be used.
    _partial("ix_tasks_live", "process_id", "id", where="ended_at IS NULL"),
    _partial("ix_tasks_unusual", "status", "started_at", "id", where="status <> 'complete'"),
    Index("ix_tasks_names", "session_name", "name", "status", "duration"),
    *_by_start("ix_tasks_history"),
    *_by_start("ix_tasks_roots", where="parent_id IS NULL"),
    # The newest of one session name, of one task name, of one history: a page in order, however many there are.
    *_by_start("ix_tasks_session_name", "session_name"),
    *_by_start("ix_tasks_name", "name"),
    *_by_start("ix_tasks_runs", "session_name", "name"),
    # Before a process goes, PostgreSQL looks for what refers to it.
    Index("ix_tasks_process", "process_id", info={"dialect": "postgresql"}).ddl_if("postgresql"),
    _partial("ix_tasks_parent", "parent_id", where="parent_id IS NOT NULL"),
    sqlite_autoincrement=True,
)

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("session_id", Id, ForeignKey("sessions.id"), nullable=False),
    Column("task_id", Id, ForeignKey("tasks.id")),
    Column("at", Double, nullable=False),
    Column("kind", Words, nullable=False),
    Column("message", Words, nullable=False),
    Column("data", Words),
    Index("ix_events_task", "task_id"),
    Index("ix_events_session", "session_id", "id"),
    sqlite_autoincrement=True,
)

# Not called `metadata`, for that is SQLAlchemy's own word for the collection of tables above.
meta = Table(
    "metadata",
    metadata,
    Column("session_id", Id, ForeignKey("sessions.id"), primary_key=True, autoincrement=False),
    Column("task_id", Id, primary_key=True, autoincrement=False, server_default="0"),
    Column("key", Words, primary_key=True),
    Column("value", Words, nullable=False),
    Index("ix_metadata_search", "key", text("substr(value, 1, 100)")),
)

remotes = Table(
    "remotes",
    metadata,
    Column("process_id", Id, primary_key=True, autoincrement=False),
    Column("received_at", Double),
    Column("clock_offset", Double, nullable=False),
)
"""What a store knows of processes on other machines: when it last received something of them by its own clock (seconds
UTC; NULL where they write to it themselves), and by how many seconds their clock is ahead of its own.
"""

outgoing = Table(
    "outgoing",
    metadata,
    Column("url", Words, primary_key=True),
    Column("session_id", Id, primary_key=True, autoincrement=False),
    Column("task_id", Id, primary_key=True, autoincrement=False),
    Column("rev", Id, nullable=False),
    Column("events_after", Id, nullable=False),
)
"""Rows that the server at `url` has not acknowledged: a task, or with task_id 0 the session itself. `rev` grows with
each change since, and there may be events to send whose id is above `events_after`. Written with the rows themselves.
"""

senders = Table(
    "senders",
    metadata,
    Column("url", Words, primary_key=True),
    Column("process_id", Id, primary_key=True, autoincrement=False),
    Column("beats", Id, nullable=False),
)
"""Processes whose rows go to the server at `url`, and the beats that it has acknowledged."""
