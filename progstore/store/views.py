"""The views inside the file: the stable interface for SQL, from the sqlite3 shell to a BI tool.

Each column stands beside its meaning. The meaning is kept in the file too, so that `.schema v_tasks` explains itself,
and the reference page is generated from it. Within a major version columns are only added, at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection


class Column(NamedTuple):
    """One column of a view: its name, the SQL that makes it, and what it means."""

    name: str
    sql: str
    meaning: str


class View(NamedTuple):
    """One view: what it holds, its columns, and where they come from."""

    purpose: str
    columns: tuple[Column, ...]
    source: str

    @property
    def sql(self) -> str:
        """The SELECT, with each column's meaning beside it."""
        last = len(self.columns) - 1
        lines = (
            f"  {column.sql} AS {column.name}{',' if place < last else ''} -- {column.meaning}"
            for place, column in enumerate(self.columns)
        )
        return "\n".join((f"-- {self.purpose}", "SELECT", *lines, self.source))


def _utc(column: str) -> str:
    return f"strftime('%Y-%m-%d %H:%M:%S', {column}, 'unixepoch')"


def _meta(session_id: str, task_id: str) -> str:
    # One value that some other program wrote wrongly must not make the whole view fail.
    value = "CASE WHEN json_valid(m.value) THEN json(m.value) ELSE json_quote(m.value) END"
    return (
        f"(SELECT json_group_object(m.key, {value}) FROM metadata AS m"
        f" WHERE m.session_id = {session_id} AND m.task_id = {task_id})"
    )


def _ranked(place: str) -> str:
    # SQLite does not let OFFSET depend on the row outside; counted rows in the index's order come next to it.
    return (
        "(SELECT r.duration FROM (SELECT x.duration, row_number() OVER (ORDER BY x.duration) AS place FROM tasks AS x"
        " WHERE x.session_name = g.session_name AND x.name = g.name"
        " AND x.status = 'complete' AND x.duration IS NOT NULL"
        f") AS r WHERE r.place = {place} LIMIT 1)"
    )


_LAST_STARTED = "(SELECT max(x.started_at) FROM tasks AS x WHERE x.session_name = g.session_name AND x.name = g.name)"
_EXACT_PERCENT = (
    "CASE WHEN t.status = 'complete' THEN 100.0"
    " WHEN t.simulate_since IS NOT NULL THEN NULL"
    " WHEN t.percent IS NOT NULL THEN max(0.0, min(t.percent, 100.0))"
    " WHEN t.total > 0 THEN 100.0 * max(0.0, min(t.done, t.total)) / t.total"
    " WHEN t.status = 'pending' THEN 0.0 END"
)
# Rounded down, for a hundred must mean that everything is done; a millionth mends what binary fractions lose.
_PERCENT = f"CAST(10 * ({_EXACT_PERCENT}) + 0.000001 AS INTEGER) / 10.0"
_SECONDS = "coalesce(t.duration, max(0.0, t.updated_at - t.started_at))"
_NEWEST = (
    "FROM tasks AS t WHERE t.session_id = s.id AND NOT EXISTS"
    " (SELECT 1 FROM tasks AS n WHERE n.session_id = t.session_id AND n.key = t.key AND n.attempt > t.attempt)"
)
_SESSION_STATUS = (
    "(SELECT CASE WHEN s.end_status = 'error' OR total(t.status = 'error') > 0 THEN 'error'"
    " WHEN total(t.status = 'running') > 0 THEN 'running'"
    " WHEN s.kind <> 'declared' AND s.end_status IS NULL THEN 'running'"
    " WHEN total(t.status = 'pending') > 0 THEN 'pending'"
    " WHEN s.end_status IS NOT NULL THEN s.end_status"
    " WHEN count(*) = 0 THEN 'pending'"
    " WHEN total(t.status = 'cancelled') > 0 THEN 'cancelled'"
    f" ELSE 'complete' END {_NEWEST})"
)
_SESSION_PERCENT = (
    "(SELECT CASE WHEN total(t.simulate_since IS NOT NULL AND t.status <> 'complete') > 0 THEN NULL"
    f" ELSE CAST(avg(coalesce({_EXACT_PERCENT}, 0.0)) + 0.000001 AS INTEGER) END {_NEWEST} AND t.parent_id IS NULL)"
)
# What a program declared may be carried on by another process, so it is not lost with the one that declared it.
_SESSION_LOST = (
    f"CASE WHEN s.ended_at IS NULL AND s.kind <> 'declared' THEN {_utc('coalesce(p.lost_at, p.ended_at)')} END"
)
_LOST = "true as of the last settlement, see `progstore prune`"

_SESSIONS = View(
    "One row per session: one run of a program, or a group of tasks that a program declared.",
    (
        Column("id", "s.id", "the session's number in this store, as in `progstore show 17`"),
        Column("name", "s.name", "sessions of one name form its history"),
        Column("status", _SESSION_STATUS, "from the newest attempt of each task, and the session's own end"),
        Column("lost", _SESSION_LOST, f"UTC, owner gone; {_LOST}"),
        Column("percent", _SESSION_PERCENT, "mean of the root tasks, rounded down; NULL where one is simulated"),
        Column(
            "tasks", "(SELECT count(*) FROM tasks AS t WHERE t.session_id = s.id)", "number of tasks, every attempt"
        ),
        Column("message", "s.message", "the last message"),
        Column("started", _utc("s.started_at"), "UTC"),
        Column("ended", _utc("s.ended_at"), "UTC; NULL while it has no end"),
        Column("seconds", "s.duration", "duration; NULL while it has no end"),
        Column("host", "s.host", "where it ran"),
        Column("pid", "p.pid", "its process"),
        Column("program", "p.program", "script, module or notebook"),
        Column(
            "kind", "s.kind", "ambient: by the first loop, block: by progstore.session(), declared: by Session.create()"
        ),
        Column("uid", "s.uid", "the same in every store it is copied to"),
        Column("meta", _meta("s.id", "0"), "metadata, a JSON object"),
        Column("started_at", "s.started_at", "seconds since 1970, UTC"),
        Column("ended_at", "s.ended_at", "seconds since 1970, UTC"),
        Column("argv", "p.argv", "its process's command line, a JSON list with secrets masked"),
        Column("cwd", "p.cwd", "its process's working directory"),
        Column("username", "p.username", "who ran it"),
        Column("python", "p.python", "version of Python"),
        Column("progstore", "p.progstore_version", "version of progstore that wrote it"),
        Column(
            "end_reason", "p.end_reason", "how its process ended: exit, error or signal; NULL while it lives or is lost"
        ),
        Column("dropped_events", "p.dropped_events", "events that its process counted, but did not keep"),
    ),
    "FROM sessions AS s LEFT JOIN processes AS p ON p.id = s.process_id",
)

_TASKS = View(
    "One row per task and attempt, ended or not.",
    (
        Column("id", "t.id", "the task's number in this store, as in `progstore show 17/42`"),
        Column("session_id", "t.session_id", "its session"),
        Column("session", "t.session_name", "the session's name; with the task's name it is the history"),
        Column("name", "t.name", "the task's name"),
        Column("status", "t.status", "pending, running, complete, error or cancelled"),
        Column("lost", f"CASE WHEN t.ended_at IS NULL THEN {_utc('t.lost_at')} END", f"UTC, owner gone; {_LOST}"),
        Column("percent", _PERCENT, "0 to 100, a tenth rounded down; NULL where simulated or the total is unknown"),
        Column("done", "t.done", "items done, failed ones too"),
        Column("total", "t.total", "items in all; NULL where unknown"),
        Column("unit", "t.unit", "what is counted"),
        Column("failed", "t.failed", "items that failed, part of done"),
        Column("message", "t.message", "the last message"),
        Column("error_type", "t.error_type", "class of the exception that ended it"),
        Column("error", "t.error", "text of the exception that ended it"),
        Column("started", _utc("t.started_at"), "UTC; NULL while pending"),
        Column("updated", _utc("t.updated_at"), "UTC, last change"),
        Column("ended", _utc("t.ended_at"), "UTC; NULL while it has no end"),
        Column("seconds", _SECONDS, "duration; for what runs, until its last change"),
        Column("host", "coalesce(p.host, s.host)", "where it ran"),
        Column("pid", "p.pid", "its process"),
        Column("key", "t.key", "names the task within its session"),
        Column("attempt", "t.attempt", "1 for the first start under this key"),
        Column("parent_id", "t.parent_id", "the task it is nested in; NULL for a root"),
        Column("active", "t.active", "items being worked on"),
        Column("cancelled", "t.cancelled", "items cancelled"),
        Column("meta", _meta("t.session_id", "t.id"), "metadata, a JSON object"),
        Column("started_at", "t.started_at", "seconds since 1970, UTC"),
        Column("updated_at", "t.updated_at", "seconds since 1970, UTC"),
        Column("ended_at", "t.ended_at", "seconds since 1970, UTC"),
    ),
    "FROM tasks AS t JOIN sessions AS s ON s.id = t.session_id LEFT JOIN processes AS p ON p.id = t.process_id",
)

_RUNNING = View(
    "What runs now, true as of the last settlement: what lost its owner since then is still here.",
    tuple(
        column
        for column in _TASKS.columns
        if column.name not in {"status", "lost", "ended", "ended_at", "error_type", "error"}
    ),
    # `ended_at IS NULL` stands here so that the partial index on live tasks is used.
    f"{_TASKS.source} WHERE t.ended_at IS NULL AND t.status = 'running' AND t.lost_at IS NULL",
)

_HISTORY = View(
    "One row per ended run of each history (session name, task name).",
    (
        Column("session", "t.session_name", "the session's name"),
        Column("name", "t.name", "the task's name"),
        Column("session_id", "t.session_id", "the session of this run"),
        Column("task_id", "t.id", "the task of this run"),
        Column("attempt", "t.attempt", "1 for the first start under its key"),
        Column("status", "t.status", "complete, error or cancelled"),
        Column("started", _utc("t.started_at"), "UTC"),
        Column("ended", _utc("t.ended_at"), "UTC"),
        Column("seconds", "t.duration", "duration"),
        Column("done", "t.done", "items done, failed ones too"),
        Column("failed", "t.failed", "items that failed, part of done"),
        Column("unit", "t.unit", "what is counted"),
        Column(
            "rate", "(t.done - coalesce(t.resumed_from, 0)) / nullif(t.duration, 0)", "items a second, mean of the run"
        ),
        Column("error_type", "t.error_type", "class of the exception that ended it"),
        Column("error", "t.error", "text of the exception that ended it"),
        Column("started_at", "t.started_at", "seconds since 1970, UTC"),
    ),
    "FROM tasks AS t WHERE t.status IN ('complete', 'error', 'cancelled')",
)

_NAMES = View(
    "One row per history (session name, task name): how often it ran, how it went and how long it took.",
    (
        Column("session", "g.session_name", "the session's name"),
        Column("name", "g.name", "the task's name"),
        Column("runs", "g.runs", "all runs, those that have not ended too"),
        Column("complete", "g.complete", "runs that ended well"),
        Column("errors", "g.errors", "runs that ended with an error"),
        Column("cancelled", "g.cancelled", "runs that were left early"),
        Column(
            "success_rate",
            "1.0 * g.complete / nullif(g.complete + g.errors + g.cancelled, 0)",
            "complete runs, as a part (0 to 1) of those that ended",
        ),
        Column("median_seconds", _ranked("(g.timed + 1) / 2"), "of the complete runs, nearest rank"),
        Column("p90_seconds", _ranked("(9 * g.timed + 9) / 10"), "of the complete runs, nearest rank"),
        Column("last_started", _utc(_LAST_STARTED), "UTC"),
        Column("last_started_at", _LAST_STARTED, "seconds since 1970, UTC"),
    ),
    """FROM (
  SELECT session_name, name, count(*) AS runs, sum(status = 'complete') AS complete, sum(status = 'error') AS errors,
    sum(status = 'cancelled') AS cancelled, sum(status = 'complete' AND duration IS NOT NULL) AS timed
  FROM tasks GROUP BY session_name, name
) AS g""",
)

_EVENTS = View(
    "One row per event; order by id, never by time.",
    (
        Column("id", "e.id", "grows with each event"),
        Column("time", _utc("e.at"), "UTC"),
        Column("kind", "e.kind", "what happened: started, message, failed item, ended, ..."),
        Column("message", "e.message", "in words"),
        Column("session_id", "e.session_id", "its session"),
        Column("session", "s.name", "the session's name"),
        Column("task_id", "e.task_id", "its task; NULL where it happened to the session"),
        Column("task", "t.name", "the task's name"),
        Column("data", "e.data", "more of it, as JSON"),
        Column("at", "e.at", "seconds since 1970, UTC"),
    ),
    "FROM events AS e JOIN sessions AS s ON s.id = e.session_id LEFT JOIN tasks AS t ON t.id = e.task_id",
)

_CURVES = View(
    "One row per kept point of a task's curve: how far it was after how long; at most 64 a task.",
    (
        Column("task_id", "t.id", "the task"),
        Column("seconds", "json_extract(c.value, '$[0]')", "since its start"),
        Column("done", "json_extract(c.value, '$[1]')", "items done by then"),
    ),
    "FROM tasks AS t, json_each(t.curve) AS c",
)

DOCUMENTED: Mapping[str, View] = {
    "v_sessions": _SESSIONS,
    "v_tasks": _TASKS,
    "v_running": _RUNNING,
    "v_history": _HISTORY,
    "v_names": _NAMES,
    "v_events": _EVENTS,
    "v_curves": _CURVES,
}
"""Every view by name, with its columns and what they mean."""

VIEWS: Mapping[str, str] = {name: view.sql for name, view in DOCUMENTED.items()}
"""Every view's SELECT by name, in SQLite's words."""


def create_views(connection: Connection) -> None:
    """Create every view, within the caller's transaction."""
    for name, sql in VIEWS.items():
        connection.exec_driver_sql(f"CREATE VIEW {name} AS\n{sql}")
