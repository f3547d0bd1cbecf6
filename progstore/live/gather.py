"""From live records to rows: what changed since it was last written, and what to note once it is.

A task's end is read before its counts, and its counts before nothing else changes them, so that a row never says more
than was done and the last row says all of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from itertools import count

from progstore.clean import bounded
from progstore.live.curve import Curve
from progstore.live.looks import SessionLook, TaskLook, look_at_session, look_at_task
from progstore.live.record import Record
from progstore.live.state import MOST_CHILDREN, SessionState, TaskState
from progstore.store.batch import Applied, Batch, EventRow, MetaRow, ProcessRow, SessionRow, TaskIdentity, TaskRow
from progstore.store.lookup import Lookup

UNSTORED_CHILDREN = "unstored children"
"""Metadata key of a task: how many nested tasks of each name were counted, but not stored."""

PATIENCE = 0.002
"""Seconds that a look at a task waits for others who tell a callback of theirs."""
ALMOST = 0.9
"""Of an interval: as good as all of it."""

_revisions = count(1)


class Draft:
    """The changes of one tick. `build` makes rows of them within the transaction, `written` notes that they are on
    disk. One that `spares` the store leaves out tasks that merely go on.
    """

    def __init__(
        self, process: ProcessRow, sessions: Iterable[SessionState], tasks: Iterable[TaskState], *, spares: bool = False
    ) -> None:
        self._process = process
        self._sessions = [session for session in sessions if session_news(session)]
        self._looks = {
            task: look
            for task in tasks
            if (look := _task_news(task)) is not None and not (spares and _goes_on(task, look))
        }
        self._notes: list[_Note] = []

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self._sessions or self._looks)

    @property
    def has_turning_points(self) -> bool:
        """Whether something begins or ends, which shall survive a power cut."""
        return any(session.written is None or session.ended_at for session in self._sessions) or not all(
            _goes_on(task, look) for task, look in self._looks.items()
        )

    def build(self, lookup: Lookup) -> Batch:
        """The rows, as things stand now; may be asked again after a transaction that failed."""
        self._notes = []
        batch = Batch()
        for session in self._with_deleted(lookup):
            self._add_session(session, batch, lookup)
        attempts: dict[tuple[str, str], int] = {}
        now = time.time()
        for task, look in self._looks.items():
            if not task.attempt_is_known:
                of_key = (task.session.uid, task.key)
                attempts[of_key] = task.attempt = attempts.get(of_key, lookup.newest_attempt(*of_key)) + 1
            if task.expects_history:
                usual = lookup.usual_durations(task.session.name, task.name)
                task.simulate_expected, task.simulate_late_after = usual
                task.expects_history = False
            self._add_task(task, look, now, batch)
        return batch

    def written(self, applied: Applied) -> list[TaskState]:
        """What was built is on disk: note it, and return the tasks that need not be looked at any more."""
        gone = set(applied.not_ours)
        finished = []
        for note in self._notes:
            note.keep()
            task = note.record
            if isinstance(task, TaskState):
                task.attempt_is_known = True
                task.taken = False
                # A task that was taken over had a history of revisions, and goes on from there.
                task.revision = note.row.rev
                if identity(task) in gone:
                    task.give_away()
                if note.is_settled or task.inert:
                    finished.append(task)
        return finished

    def _with_deleted(self, lookup: Lookup) -> list[SessionState]:
        """The sessions to write, and with them those that somebody deleted though tasks still begin in them."""
        begins = {task.session: None for task in self._looks if task.written is None and not task.taken}
        deleted = [session for session in begins if lookup.must_hand_in(session.uid)]
        for session in deleted:
            forget_written(session)
        return list(dict.fromkeys([*self._sessions, *deleted]))

    def _add_session(self, session: SessionState, batch: Batch, lookup: Lookup) -> None:
        if session.joined:
            session.name = lookup.session_name(session.uid) or session.name
        row = SessionRow(
            uid=session.uid,
            name=session.name,
            kind=session.kind,
            process_uid=None if session.joined else self._process.uid,
            parent_uid=session.parent_uid,
            host=self._process.host,
            message=session.message,
            started_at=session.started_at,
            ended_at=session.ended_at,
            end_status=session.end_status,
            duration=session.duration,
            rev=next(_revisions),
        )
        batch.sessions.append(row)
        self._notes.append(_Note(session, look_at_session(session), row, batch))

    def _add_task(self, task: TaskState, look: TaskLook, now: float, batch: Batch) -> None:
        if task.children:
            _count_unstored(task)
        row = _task_row(task, look, self._process.uid, now)
        batch.tasks.append(row)
        if task.taken:
            batch.taken.append(row.identity)
        if look.message != task.message_kept and look.ended_at is None:
            task.message_kept = look.message
            task.happened("message", look.message)
        self._notes.append(_Note(task, look, row, batch))


class _Note:
    """What was taken from one record into a batch, to be taken off it once the batch is on disk."""

    def __init__(self, record: Record, look: SessionLook | TaskLook, row: SessionRow | TaskRow, batch: Batch) -> None:
        self.record = record
        self.row = row
        self._look = look
        self._events = len(record.events)
        self._values = {key: record.meta[key] for key in list(record.meta_dirty)}
        if not self._events and not self._values:
            return
        # By index and not by iteration, for the job may add to the queue meanwhile.
        taken = [record.events[index] for index in range(self._events)]
        uid, task = (row.session_uid, row.identity) if isinstance(row, TaskRow) else (row.uid, None)
        batch.events += [
            EventRow(session_uid=uid, task=task, at=at, kind=kind, message=said, data=data)
            for at, kind, said, data in taken
        ]
        batch.metadata += [
            MetaRow(session_uid=uid, task=task, key=key, value=value) for key, value in self._values.items()
        ]

    @property
    def is_settled(self) -> bool:
        """Whether nothing becomes of it before somebody begins or ends it, and says so."""
        return self._look.rests if isinstance(self._look, TaskLook) else self._look.ended_at is not None

    def keep(self) -> None:
        self.record.written = self._look
        for _ in range(self._events):
            self.record.events.popleft()
        for key, value in self._values.items():
            self.record.meta_dirty.pop(key, None)
            if self.record.meta[key] is not value:
                self.record.meta_dirty[key] = None


def report(task: TaskState) -> bool:
    """Tell the job what was counted, where it asked for that and it is time; whether it has ended."""
    ended_at = task.ended_at  # first, for what is told after an end was seen is all of it
    if task.on_progress is not None and (ended_at is not None or _is_due(task)):
        task.on_progress.moved(task, PATIENCE)
    return ended_at is not None


def _is_due(task: TaskState) -> bool:
    """Whether it was told long enough ago. The clock of ticks is not exact, and a tick too early is not left out."""
    return time.monotonic() - task.reported_clock >= ALMOST * task.interval


def session_news(session: SessionState) -> bool:
    """Whether something of it is not yet on disk."""
    if session.inert:
        return False
    return session.written != look_at_session(session) or bool(session.events or session.meta_dirty)


def identity(task: TaskState) -> TaskIdentity:
    """What makes it the same task in every store."""
    return (task.session.uid, task.key, task.attempt)


def is_settled(task: TaskState) -> bool:
    """Whether all of it is on disk, and nothing becomes of it before somebody begins or ends it and says so."""
    look = look_at_task(task)
    return look == task.written and look.rests and not task.events and not task.meta_dirty


def forget_written(record: Record) -> None:
    """All of it must be written again, for the store it was written to is gone."""
    record.written = None
    record.meta_dirty = dict.fromkeys(record.meta)


def _task_news(task: TaskState) -> TaskLook | None:
    """How it stands, if there is something to write."""
    if task.inert:
        return None
    look = look_at_task(task)
    has_news = task.record and (look != task.written or task.events or task.meta_dirty)
    return look if has_news else None


def _goes_on(task: TaskState, look: TaskLook) -> bool:
    """Whether it has neither begun nor ended since it was last written."""
    return task.written is not None and not look.ended_at


def _task_row(task: TaskState, look: TaskLook, process_uid: str, now: float) -> TaskRow:
    task.revision = max(next(_revisions), task.revision + 1)
    done = _double(look.done)
    return TaskRow(
        session_uid=task.session.uid,
        key=task.key,
        attempt=task.attempt,
        process_uid=process_uid,
        parent=identity(task.parent) if task.parent is not None else None,
        session_name=task.session.name,
        name=task.name,
        unit=task.unit,
        status=look.status,
        done=done,
        total=None if look.total is None else _double(look.total),
        total_source=task.total_source,
        failed=min(_double(look.failed), done),
        active=_double(look.active),
        cancelled=_double(look.cancelled),
        percent=look.percent,
        message=look.message,
        error_type=task.error_type,
        error=task.error,
        traceback=task.traceback,
        simulate_from=task.simulate_from,
        simulate_until=look.simulate_until,
        simulate_since=look.simulate_since,
        simulate_expected=task.simulate_expected,
        resumed_from=None,
        rev=task.revision,
        started_at=task.started_at,
        updated_at=now,
        ended_at=look.ended_at,
        duration=task.duration if look.ended_at is not None else None,
        curve=_curve(task, look, done),
    )


def _curve(task: TaskState, look: TaskLook, done: float) -> str | None:
    if task.started_at is None:
        return None
    curve = task.curve = task.curve or Curve()
    if look.ended_at is None:
        curve.sample(task.elapsed, done)
    else:
        curve.end(task.elapsed, done)
    return curve.as_json()


def _count_unstored(task: TaskState) -> None:
    beyond = {name: number - MOST_CHILDREN for name, number in list(task.children.items()) if number > MOST_CHILDREN}
    if beyond and task.meta.get(UNSTORED_CHILDREN) != (text := json.dumps(beyond)):
        task.keep(UNSTORED_CHILDREN, text)


def _double(value: float) -> float:
    """A count as the store holds it."""
    return float(bounded(value))
