r"""The views inside the store: the stable interface for SQL, from the sqlite3 shell or psql to a BI tool.

Each column stands beside its meaning. The meaning is kept in the store too, so that `.schema v_tasks` or `\d+ v_tasks`
explains itself, and the reference page is generated from it. Within a major version columns are only added, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from progstore.store import fragments, spelling
from progstore.store.spelling import Spelling


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

    def comments(self, name: str) -> list[str]:
        """COMMENT statements that say the same, where SQL is not kept as it was written."""
        quoted = {column.name: column.meaning.replace("'", "''") for column in self.columns}
        purpose = self.purpose.replace("'", "''")
        return [
            f"COMMENT ON VIEW {name} IS '{purpose}'",
            *(f"COMMENT ON COLUMN {name}.{column} IS '{meaning}'" for column, meaning in quoted.items()),
        ]


_LOST = "true as of the last settlement, see `progstore prune`"


def _sessions(words: Spelling) -> View:
    return View(
        "One row per session: one run of a program, or a group of tasks that a program declared.",
        (
            Column("id", "s.id", "the session's number in this store, as in `progstore show 17`"),
            Column("name", "s.name", "sessions of one name form its history"),
            Column(
                "status",
                fragments.session_status(words),
                "from the newest attempt of each task, and the session's own end",
            ),
            Column("lost", fragments.session_lost(words), f"UTC, owner gone; {_LOST}"),
            Column(
                "percent",
                fragments.session_percent(words),
                "mean of the root tasks, rounded down; NULL where one is simulated",
            ),
            Column(
                "tasks", "(SELECT count(*) FROM tasks AS t WHERE t.session_id = s.id)", "number of tasks, every attempt"
            ),
            Column("message", "s.message", "the last message"),
            Column("started", words.utc("s.started_at"), "UTC"),
            Column("ended", words.utc("s.ended_at"), "UTC; NULL while it has no end"),
            Column("seconds", "s.duration", "duration; NULL while it has no end"),
            Column("host", "s.host", "where it ran"),
            Column("pid", "p.pid", "its process"),
            Column("program", "p.program", "script, module or notebook"),
            Column(
                "kind",
                "s.kind",
                "ambient: by the first loop, block: by progstore.session(), declared: by Session.create()",
            ),
            Column("uid", "s.uid", "the same in every store it is copied to"),
            Column("meta", words.meta("s.id", "0"), "metadata, a JSON object"),
            Column("started_at", "s.started_at", "seconds since 1970, UTC"),
            Column("ended_at", "s.ended_at", "seconds since 1970, UTC"),
            Column("argv", "p.argv", "its process's command line, a JSON list with secrets masked"),
            Column("cwd", "p.cwd", "its process's working directory"),
            Column("username", "p.username", "who ran it"),
            Column("python", "p.python", "version of Python"),
            Column("progstore", "p.progstore_version", "version of progstore that wrote it"),
            Column(
                "end_reason",
                "p.end_reason",
                "how its process ended: exit, error or signal; NULL while it lives or is lost",
            ),
            Column("dropped_events", "p.dropped_events", "events that its process counted, but did not keep"),
        ),
        "FROM sessions AS s LEFT JOIN processes AS p ON p.id = s.process_id",
    )


def _tasks(words: Spelling) -> View:
    return View(
        "One row per task and attempt, ended or not.",
        (
            Column("id", "t.id", "the task's number in this store, as in `progstore show 17/42`"),
            Column("session_id", "t.session_id", "its session"),
            Column("session", "t.session_name", "the session's name; with the task's name it is the history"),
            Column("name", "t.name", "the task's name"),
            Column("status", "t.status", "pending, running, complete, error or cancelled"),
            Column(
                "lost", f"CASE WHEN t.ended_at IS NULL THEN {words.utc('t.lost_at')} END", f"UTC, owner gone; {_LOST}"
            ),
            Column(
                "percent",
                fragments.percent(words),
                "0 to 100, a tenth rounded down; NULL where simulated or the total is unknown",
            ),
            Column("done", "t.done", "items done, failed ones too"),
            Column("total", "t.total", "items in all; NULL where unknown"),
            Column("unit", "t.unit", "what is counted"),
            Column("failed", "t.failed", "items that failed, part of done"),
            Column("message", "t.message", "the last message"),
            Column("error_type", "t.error_type", "class of the exception that ended it"),
            Column("error", "t.error", "text of the exception that ended it"),
            Column("started", words.utc("t.started_at"), "UTC; NULL while pending"),
            Column("updated", words.utc("t.updated_at"), "UTC, last change"),
            Column("ended", words.utc("t.ended_at"), "UTC; NULL while it has no end"),
            Column("seconds", fragments.seconds(words), "duration; for what runs, until its last change"),
            Column("host", "coalesce(p.host, s.host)", "where it ran"),
            Column("pid", "p.pid", "its process"),
            Column("key", "t.key", "names the task within its session"),
            Column("attempt", "t.attempt", "1 for the first start under this key"),
            Column("parent_id", "t.parent_id", "the task it is nested in; NULL for a root"),
            Column("active", "t.active", "items being worked on"),
            Column("cancelled", "t.cancelled", "items cancelled"),
            Column("meta", words.meta("t.session_id", "t.id"), "metadata, a JSON object"),
            Column("started_at", "t.started_at", "seconds since 1970, UTC"),
            Column("updated_at", "t.updated_at", "seconds since 1970, UTC"),
            Column("ended_at", "t.ended_at", "seconds since 1970, UTC"),
        ),
        "FROM tasks AS t JOIN sessions AS s ON s.id = t.session_id LEFT JOIN processes AS p ON p.id = t.process_id",
    )


def _running(words: Spelling) -> View:
    everything = _tasks(words)
    return View(
        "What runs now, true as of the last settlement: what lost its owner since then is still here.",
        tuple(
            column
            for column in everything.columns
            if column.name not in {"status", "lost", "ended", "ended_at", "error_type", "error"}
        ),
        # `ended_at IS NULL` stands here so that the partial index on live tasks is used.
        f"{everything.source} WHERE t.ended_at IS NULL AND t.status = 'running' AND t.lost_at IS NULL",
    )


def _history(words: Spelling) -> View:
    return View(
        "One row per ended run of each history (session name, task name).",
        (
            Column("session", "t.session_name", "the session's name"),
            Column("name", "t.name", "the task's name"),
            Column("session_id", "t.session_id", "the session of this run"),
            Column("task_id", "t.id", "the task of this run"),
            Column("attempt", "t.attempt", "1 for the first start under its key"),
            Column("status", "t.status", "complete, error or cancelled"),
            Column("started", words.utc("t.started_at"), "UTC"),
            Column("ended", words.utc("t.ended_at"), "UTC"),
            Column("seconds", "t.duration", "duration"),
            Column("done", "t.done", "items done, failed ones too"),
            Column("failed", "t.failed", "items that failed, part of done"),
            Column("unit", "t.unit", "what is counted"),
            Column(
                "rate",
                "(t.done - coalesce(t.resumed_from, 0)) / nullif(t.duration, 0)",
                "items a second, mean of the run",
            ),
            Column("error_type", "t.error_type", "class of the exception that ended it"),
            Column("error", "t.error", "text of the exception that ended it"),
            Column("started_at", "t.started_at", "seconds since 1970, UTC"),
        ),
        "FROM tasks AS t WHERE t.status IN ('complete', 'error', 'cancelled')",
    )


def _names(words: Spelling) -> View:
    timed = words.sum_of("status = 'complete' AND duration IS NOT NULL")

    def ended(status: str) -> str:
        return words.sum_of(f"status = '{status}'")

    return View(
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
                f"{words.real('g.complete')} / nullif(g.complete + g.errors + g.cancelled, 0)",
                "complete runs, as a part (0 to 1) of those that ended",
            ),
            Column("median_seconds", fragments.ranked("(g.timed + 1) / 2"), "of the complete runs, nearest rank"),
            Column("p90_seconds", fragments.ranked("(9 * g.timed + 9) / 10"), "of the complete runs, nearest rank"),
            Column("last_started", words.utc(fragments.LAST_STARTED), "UTC"),
            Column("last_started_at", fragments.LAST_STARTED, "seconds since 1970, UTC"),
        ),
        "FROM (\n"
        f"  SELECT session_name, name, count(*) AS runs, {ended('complete')} AS complete, {ended('error')} AS errors,\n"
        f"    {ended('cancelled')} AS cancelled, {timed} AS timed\n"
        "  FROM tasks GROUP BY session_name, name\n"
        ") AS g",
    )


def _events(words: Spelling) -> View:
    return View(
        "One row per event; order by id, never by time.",
        (
            Column("id", "e.id", "grows with each event"),
            Column("time", words.utc("e.at"), "UTC"),
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


def _curves(words: Spelling) -> View:
    return View(
        "One row per kept point of a task's curve: how far it was after how long; at most 64 a task.",
        (
            Column("task_id", "t.id", "the task"),
            Column("seconds", words.point(0), "since its start"),
            Column("done", words.point(1), "items done by then"),
        ),
        f"FROM tasks AS t, {words.points('t.curve')}",
    )


_MAKERS: Mapping[str, Callable[[Spelling], View]] = {
    "v_sessions": _sessions,
    "v_tasks": _tasks,
    "v_running": _running,
    "v_history": _history,
    "v_names": _names,
    "v_events": _events,
    "v_curves": _curves,
}


def documented(dialect: str = "sqlite") -> dict[str, View]:
    """Every view by name, with its columns and what they mean, in the words of SQLAlchemy's dialect of that name."""
    words = spelling.of(dialect)
    return {name: make(words) for name, make in _MAKERS.items()}


def create_views(connection: Connection) -> None:
    """Create every view, within the caller's transaction."""
    dialect = connection.dialect.name
    for name, view in documented(dialect).items():
        spelling.of(dialect).create_view(connection, name, view)
