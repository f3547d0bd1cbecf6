"""The first schema: processes, sessions, tasks, events, metadata, and the views for SQL."""

from __future__ import annotations

import os
from typing import Any

import sqlalchemy as sa
from alembic import op

from progstore._version import __version__

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite gives AUTOINCREMENT only to a plain INTEGER key.
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
# Compared by bytes, as SQLite does.
WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create everything."""
    _create_processes()
    _create_sessions()
    _create_tasks()
    _create_events()
    _create_metadata()
    _create_store_info()
    if _is_postgresql():
        # Before a process goes, PostgreSQL looks for what refers to it.
        _index("ix_tasks_process", "tasks", ["process_id"])
    views = "_views_postgresql.sql" if _is_postgresql() else "_views.sql"
    with open(os.path.splitext(__file__)[0] + views, encoding="utf-8") as file:
        for statement in file.read().rstrip().split("\n\n"):
            op.execute(sa.text(statement.replace(":", r"\:")))


def downgrade() -> None:
    """There is no way back from here: without its tables a store is an empty file."""
    raise NotImplementedError("this is the first schema; delete the file instead")


def _is_postgresql() -> bool:
    return bool(op.get_context().dialect.name == "postgresql")


def _index(name: str, table: str, columns: list[Any], where: str | None = None) -> None:
    # SQLAlchemy loads a dialect whose word is used, so only that of the store's is.
    condition: dict[str, Any] = {} if where is None else {f"{op.get_context().dialect.name}_where": sa.text(where)}
    op.create_index(op.f(name), table, columns, **condition)


def _started() -> Any:
    """For what has not begun, read backwards, NULL must come last."""
    return sa.text("started_at NULLS FIRST") if _is_postgresql() else "started_at"


def _create_processes() -> None:
    op.create_table(
        "processes",
        sa.Column("id", ID, nullable=False),
        sa.Column("uid", WORDS, nullable=False),
        sa.Column("host", WORDS, nullable=False),
        sa.Column("machine_id", WORDS, nullable=False),
        sa.Column("boot_id", WORDS, nullable=False),
        sa.Column("pid_namespace", WORDS, nullable=False),
        sa.Column("pid", ID, nullable=False),
        sa.Column("start_ticks", ID),
        sa.Column("program", WORDS, nullable=False),
        sa.Column("argv", WORDS, nullable=False),
        sa.Column("cwd", WORDS, nullable=False),
        sa.Column("username", WORDS, nullable=False),
        sa.Column("python", WORDS, nullable=False),
        sa.Column("progstore_version", WORDS, nullable=False),
        sa.Column("interval", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("end_reason", WORDS),
        sa.Column("lost_at", sa.Double()),
        sa.Column("beats", ID, nullable=False, server_default="0"),
        sa.Column("heartbeat_at", sa.Double(), nullable=False),
        sa.Column("dropped_events", ID, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processes")),
        sa.CheckConstraint("end_reason IN ('exit', 'error', 'signal')", name=op.f("ck_processes_end_reason")),
        sa.UniqueConstraint("uid", name=op.f("uq_processes_uid")),
        sqlite_autoincrement=True,
    )
    _index("ix_processes_live", "processes", ["id"], where="ended_at IS NULL")


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", ID, nullable=False),
        sa.Column("uid", WORDS, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("process_id", ID),
        sa.Column("parent_uid", WORDS),
        sa.Column("host", WORDS, nullable=False),
        sa.Column("message", WORDS, nullable=False, server_default=""),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("end_status", WORDS),
        sa.Column("duration", sa.Double()),
        sa.Column("stop_requested_at", sa.Double()),
        sa.Column("rev", ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.CheckConstraint("kind IN ('ambient', 'block', 'declared')", name=op.f("ck_sessions_kind")),
        sa.CheckConstraint("end_status IN ('complete', 'error', 'cancelled')", name=op.f("ck_sessions_end_status")),
        sa.UniqueConstraint("uid", name=op.f("uq_sessions_uid")),
        sa.ForeignKeyConstraint(["process_id"], ["processes.id"], name=op.f("fk_sessions_process_id")),
        sqlite_autoincrement=True,
    )
    _index("ix_sessions_history", "sessions", ["started_at", "id"])
    _index("ix_sessions_host", "sessions", ["host", "started_at", "id"])
    _index("ix_sessions_ended", "sessions", ["ended_at"])
    _index("ix_sessions_name", "sessions", ["name", "started_at", "id"])
    _index("ix_sessions_process", "sessions", ["process_id"])
    _index("ix_sessions_unusual", "sessions", ["end_status", "started_at", "id"], where="end_status <> 'complete'")


def _create_tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", ID, nullable=False),
        sa.Column("session_id", ID, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("attempt", ID, nullable=False),
        sa.Column("process_id", ID),
        sa.Column("parent_id", ID),
        sa.Column("session_name", WORDS, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("unit", WORDS, nullable=False),
        sa.Column("status", WORDS, nullable=False),
        sa.Column("done", sa.Double(), nullable=False),
        sa.Column("total", sa.Double()),
        sa.Column("total_source", WORDS),
        sa.Column("failed", sa.Double(), nullable=False),
        sa.Column("active", sa.Double(), nullable=False),
        sa.Column("cancelled", sa.Double(), nullable=False),
        sa.Column("percent", sa.Double()),
        sa.Column("message", WORDS, nullable=False),
        sa.Column("error_type", WORDS),
        sa.Column("error", WORDS),
        sa.Column("traceback", WORDS),
        sa.Column("simulate_from", sa.Double()),
        sa.Column("simulate_until", sa.Double()),
        sa.Column("simulate_since", sa.Double()),
        sa.Column("simulate_expected", sa.Double()),
        sa.Column("resumed_from", sa.Double()),
        sa.Column("rev", ID, nullable=False),
        sa.Column("started_at", sa.Double()),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("duration", sa.Double()),
        sa.Column("lost_at", sa.Double()),
        sa.Column("curve", WORDS),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("session_id", "key", "attempt", name=op.f("uq_tasks_session_id_key_attempt")),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'complete', 'error', 'cancelled')", name=op.f("ck_tasks_status")
        ),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_tasks_session_id")),
        sa.ForeignKeyConstraint(["process_id"], ["processes.id"], name=op.f("fk_tasks_process_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["tasks.id"], name=op.f("fk_tasks_parent_id"), ondelete="SET NULL"),
        sqlite_autoincrement=True,
    )
    _index("ix_tasks_history", "tasks", [_started(), "id"])
    _index("ix_tasks_roots", "tasks", [_started(), "id"], where="parent_id IS NULL")
    _index("ix_tasks_session_name", "tasks", ["session_name", _started(), "id"])
    _index("ix_tasks_name", "tasks", ["name", _started(), "id"])
    _index("ix_tasks_runs", "tasks", ["session_name", "name", _started(), "id"])
    _index("ix_tasks_live", "tasks", ["process_id", "id"], where="ended_at IS NULL")
    _index("ix_tasks_names", "tasks", ["session_name", "name", "status", "duration"])
    _index("ix_tasks_parent", "tasks", ["parent_id"], where="parent_id IS NOT NULL")
    _index("ix_tasks_unusual", "tasks", ["status", "started_at", "id"], where="status <> 'complete'")


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", ID, nullable=False),
        sa.Column("session_id", ID, nullable=False),
        sa.Column("task_id", ID),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("message", WORDS, nullable=False),
        sa.Column("data", WORDS),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_events_session_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_events_task_id")),
        sqlite_autoincrement=True,
    )
    _index("ix_events_session", "events", ["session_id", "id"])
    _index("ix_events_task", "events", ["task_id"])


def _create_metadata() -> None:
    op.create_table(
        "metadata",
        sa.Column("session_id", ID, autoincrement=False, nullable=False),
        sa.Column("task_id", ID, autoincrement=False, nullable=False, server_default="0"),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("value", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("session_id", "task_id", "key", name=op.f("pk_metadata")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_metadata_session_id")),
    )
    _index("ix_metadata_search", "metadata", ["key", sa.text("substr(value, 1, 100)")])


def _create_store_info() -> None:
    op.create_table(
        "store_info",
        sa.Column("key", WORDS, nullable=False),
        sa.Column("value", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_store_info")),
    )
    info = sa.table("store_info", sa.column("key", WORDS), sa.column("value", WORDS))
    op.bulk_insert(
        info,
        [
            {"key": "created_by", "value": __version__},
            {"key": "min_reader", "value": "1"},
            {"key": "min_writer", "value": "1"},
        ],
    )
