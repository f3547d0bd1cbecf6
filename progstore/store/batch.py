"""What is written in one transaction: rows named by identities that hold in every store, not by one store's ids."""

from __future__ import annotations

from dataclasses import dataclass, field

TaskIdentity = tuple[str, str, int]
"""Session uid, key and attempt: what makes a task the same one everywhere."""


@dataclass(slots=True, kw_only=True)
class ProcessRow:
    """A process that writes; times are seconds UTC, `interval` is seconds.

    `beats` and `lost_at` are said only of one whose rows come from another store; where it writes by itself, the store
    counts the beats.
    """

    uid: str
    host: str
    machine_id: str
    boot_id: str
    pid_namespace: str
    pid: int
    start_ticks: int | None
    program: str
    argv: str
    cwd: str
    username: str
    python: str
    progstore_version: str
    interval: float
    started_at: float
    heartbeat_at: float
    dropped_events: int = 0
    faults: int = 0
    last_fault: str = ""
    ended_at: float | None = None
    end_reason: str | None = None
    beats: int = 0
    lost_at: float | None = None


@dataclass(slots=True, kw_only=True)
class SessionRow:
    """A session; `process_uid` is its only writer, or None where another process only needs it to be there."""

    uid: str
    name: str
    kind: str
    process_uid: str | None
    parent_uid: str | None
    host: str
    message: str
    started_at: float
    ended_at: float | None
    end_status: str | None
    duration: float | None
    rev: int


@dataclass(slots=True, kw_only=True)
class TaskRow:
    """A task as its owner sees it; `parent` is the identity of the task that it is nested in. `process_uid` is empty
    only in rows from another store, of what nobody owns any more.
    """

    session_uid: str
    key: str
    attempt: int
    process_uid: str
    parent: TaskIdentity | None
    session_name: str
    name: str
    unit: str
    status: str
    done: float
    total: float | None
    total_source: str | None
    failed: float
    active: float
    cancelled: float
    percent: float | None
    message: str
    error_type: str | None
    error: str | None
    traceback: str | None
    simulate_from: float | None
    simulate_until: float | None
    simulate_since: float | None
    simulate_expected: float | None
    resumed_from: float | None
    rev: int
    started_at: float | None
    updated_at: float
    ended_at: float | None
    duration: float | None
    curve: str | None

    @property
    def identity(self) -> TaskIdentity:
        """What makes it the same task in every store."""
        return (self.session_uid, self.key, self.attempt)


@dataclass(slots=True, kw_only=True)
class EventRow:
    """Something that happened to a session, or to one of its tasks, given as the row it belongs to."""

    session_uid: str
    task: TaskIdentity | None
    at: float
    kind: str
    message: str
    data: str | None = None


@dataclass(slots=True, kw_only=True)
class MetaRow:
    """A JSON value under a key, of a session or of one of its tasks."""

    session_uid: str
    task: TaskIdentity | None
    key: str
    value: str


@dataclass(slots=True)
class Batch:
    """Changed rows, applied together or not at all."""

    processes: list[ProcessRow] = field(default_factory=list)
    sessions: list[SessionRow] = field(default_factory=list)
    tasks: list[TaskRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    metadata: list[MetaRow] = field(default_factory=list)
    taken: list[TaskIdentity] = field(default_factory=list)
    """Live tasks of other processes that the sender of this batch takes over."""


@dataclass(slots=True)
class Applied:
    """What came of a batch: tasks that are the sender's no longer, and rows that no store could hold."""

    not_ours: list[TaskIdentity] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
