"""A client's task as rows of the store: a session that holds it, and in place of its process, which nobody here knows,
one whose signs of life are the posts.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID, uuid5

from progstore_web.wire.posts import Post
from progstore_web.wire.state import State

Row = dict[str, Any]

SESSIONS: Final = UUID("5a1c9f0e-6d4b-5b0e-9a64-3f1f0c2b7d11")
PROCESSES: Final = UUID("c2f7a3d8-0b1e-5c55-8a0f-7be0d1e94c26")
MARK: Final = ("wire", "progressista")
"""The metadata by which these sessions are found."""
PROGRAM: Final = "progressista client"
MOST_METADATA: Final = 8000
"""Values of a document before the last post that it takes: a store takes 10,000 at once, and a post may have 1,000."""


def session_uid(task_id: str) -> str:
    """The session of that task, the same whoever asks."""
    return str(uuid5(SESSIONS, task_id))


def process_uid(task_id: str) -> str:
    """What stands for the process of that task."""
    return str(uuid5(PROCESSES, task_id))


class Document:
    """The rows that a number of posts make, each as the last of them left it."""

    def __init__(self) -> None:
        self.durable = False
        self._processes: dict[str, Row] = {}
        self._sessions: dict[str, Row] = {}
        self._tasks: dict[tuple[str, int], Row] = {}
        self._events: list[Row] = []
        self._metadata: dict[tuple[str, int, str], Row] = {}

    def __bool__(self) -> bool:
        return bool(self._tasks)

    @property
    def is_full(self) -> bool:
        """Whether another post might be more than one document holds."""
        return len(self._metadata) >= MOST_METADATA

    def add(self, state: State, post: Post) -> None:
        """The task as it stands after that post."""
        uid, owner = session_uid(state.task_id), process_uid(state.task_id)
        identity = [uid, state.task_id, state.attempt]
        self._processes[uid] = _process(state, owner)
        self._sessions[uid] = _session(state, uid, owner)
        self._tasks[uid, state.attempt] = _task(state, uid, owner)
        key, value = MARK
        self._metadata[uid, 0, key] = {"session_uid": uid, "task": None, "key": key, "value": f'"{value}"'}
        for key, value in (post.meta or {}).items():
            row = {"session_uid": uid, "task": identity, "key": key, "value": value}
            self._metadata[uid, state.attempt, key] = row
        if state.began_now:
            self._happened(identity, state.started_at, "started", "")
        if state.ended_at is not None:
            self._happened(identity, state.ended_at, state.status, state.error or state.message)

    def as_dict(self, now: float) -> dict[str, Any]:
        """The document, sent at `now` (seconds UTC)."""
        return {
            "format": 1,
            "sent_at": now,
            "processes": list(self._processes.values()),
            "sessions": list(self._sessions.values()),
            "tasks": list(self._tasks.values()),
            "events": self._events,
            "metadata": list(self._metadata.values()),
        }

    def _happened(self, identity: list[Any], at: float, kind: str, message: str) -> None:
        self.durable = True
        row = {"session_uid": identity[0], "task": identity, "at": at, "kind": str(kind), "message": message}
        self._events.append(row)


def _process(state: State, uid: str) -> Row:
    return {
        "uid": uid,
        "host": state.host,
        "machine_id": "",
        "boot_id": "",
        "pid_namespace": "",
        "pid": 0,
        "program": PROGRAM,
        "argv": "[]",
        "cwd": "",
        "username": "",
        "python": "",
        "progstore_version": "",
        "interval": 0,
        "started_at": state.began,
        "heartbeat_at": state.updated_at,
        "dropped_events": 0,
        "beats": state.beats,
        "ended_at": state.ended_at,
        "end_reason": None if state.ended_at is None else "exit",
    }


def _session(state: State, uid: str, owner: str) -> Row:
    has_ended = state.ended_at is not None
    return {
        "uid": uid,
        "name": state.name,
        "kind": "declared",
        "process_uid": owner,
        "host": state.host,
        "message": "",
        "started_at": state.began,
        "ended_at": state.ended_at,
        "end_status": str(state.status) if has_ended else None,
        "duration": max(0.0, state.ended_at - state.began) if state.ended_at is not None else None,
        "rev": state.session_rev,
    }


def _task(state: State, uid: str, owner: str) -> Row:
    return {
        "session_uid": uid,
        "key": state.task_id,
        "attempt": state.attempt,
        "process_uid": owner,
        "session_name": state.name,
        "name": state.name,
        "unit": state.unit,
        "status": str(state.status),
        "done": state.done,
        "total": state.total,
        "failed": 0,
        "active": 0,
        "cancelled": 0,
        "message": state.message,
        "error": state.error,
        "rev": state.rev,
        "started_at": state.started_at,
        "updated_at": state.updated_at,
        "ended_at": state.ended_at,
        "duration": state.duration,
        "curve": state.curve.as_json(),
    }
