"""What is on its way to one store: gathered at each tick, written in one transaction, kept while the store is not to
be had.

Memory stays bounded: a row per live task, MOST_EVENTS events a task, MOST_WAITING ended tasks while the store is not to
be had. What is dropped is counted in the process's row.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Final

from progstore import clean, config, trouble
from progstore.live.gather import Draft, forget_written, identity, is_settled, report, session_news
from progstore.live.health import FIRST_BACKOFF, Health
from progstore.live.identity import is_worker
from progstore.live.listener import Listener
from progstore.live.process import process_row
from progstore.live.state import SessionState, TaskState
from progstore.owner import HEARTBEAT
from progstore.store.batch import Applied, Batch
from progstore.store.faults import Fault, classify, store_faults
from progstore.store.lookup import Lookup
from progstore.store.writer import SYNC_EVERY, StoreWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from progstore.remote.pusher import Pusher

MOST_WAITING: Final = 10_000
"""Ended tasks that are kept while they cannot be written; of more, the oldest are dropped."""
WORKER_SECONDS: Final = 0.2
"""Seconds that the end of a pool's worker waits for a server."""
log = logging.getLogger("progstore")


class Outbox:
    """The changed rows of this process for one store, and the connection over which they go."""

    def __init__(self, url: str | None) -> None:
        self._writer = StoreWriter(url)
        self._health = Health(self._writer)
        self._listener = Listener(url)
        self._pusher: Pusher | None = None
        self._process = process_row(config.setting("interval"))
        self._sessions: dict[str, SessionState] = {}
        self._tasks: dict[int, TaskState] = {}
        self._draft: Draft | None = None
        self._dropped = 0
        self._last_beat = 0.0
        self._noticed = False
        self._is_behind = False
        self._was_open = False
        self._has_refused = False
        self._has_lost = False
        self._end_is_written = False

    def add_session(self, session: SessionState) -> None:
        """Write this session, and what becomes of it."""
        self._sessions[session.uid] = session

    def add_task(self, task: TaskState) -> None:
        """Look at this task at each tick until its end is written."""
        if is_settled(task):
            return  # a tick that came before this note of its end has written it
        self._tasks[id(task)] = task
        if task.record:
            self._sessions.setdefault(task.session.uid, task.session)

    def lose(self, number: int) -> None:
        """So many tasks and sessions were begun too fast to be noted."""
        self._dropped += number
        if not self._has_lost:
            self._has_lost = True
            trouble.warn(
                "%d tasks were begun faster than progstore can note them and are not recorded in %s; further ones are "
                "only counted",
                number,
                self._writer.name,
            )

    def watched(self) -> list[TaskState]:
        """The tasks whose end is not yet written."""
        return list(self._tasks.values())

    def pace(self) -> float:
        """Seconds from one tick to the next when nothing begins or ends."""
        longest = FIRST_BACKOFF if self._is_behind else HEARTBEAT if self._writer.is_synced else SYNC_EVERY
        wanted = min([longest, *(task.interval for task in self._tasks.values() if task.is_live)])
        return self._health.pace(wanted)

    def look_due(self) -> float | None:
        """Seconds until it is time to look whether something was asked to stop; None where nothing heeds it."""
        return self._listener.wait() if any(True for _ in self._listening()) else None

    def look(self) -> None:
        """Look, where it is time."""
        if sessions := list(self._listening()):
            self._listener.look(sessions)

    def _listening(self) -> Iterator[SessionState]:
        return (each for each in self._sessions.values() if each.listens and each.is_open and not each.stop.is_set)

    @property
    def is_hopeless(self) -> bool:
        """Whether to try again at once is no use: this process records no more, or ends, and what is wrong does not
        pass in a moment.
        """
        return not self._health.can_be_written or (self._process.ended_at is not None and not self._health.is_passing)

    def write(self, *, hurry: bool, end_reason: str | None) -> bool:
        """Write all that changed; whether nothing is left unwritten. What the store does wrong is warned of, never
        raised.

        `hurry` tries a failing store once more before its time; `end_reason` is set when the process ends.
        """
        self._report()
        if not self._health.can_be_written:
            self._sessions.clear()
            self._tasks = {key: task for key, task in self._tasks.items() if task.on_progress is not None}
            return False
        if self._is_behind:
            self._drop_oldest()
        if not (hurry or self._health.may_try):
            return False
        self._is_behind = True
        try:
            self._write(hurry=hurry, ends=self._end_process(end_reason))
        except store_faults() as error:
            if self._health.failed(error):
                self.close()
            return False
        self._is_behind = False
        return True

    def admit_loss(self) -> None:
        """The process ends: say that its last state could not be written, unless it was warned of a fault already."""
        if self._is_behind and not self._health.is_warned_of:
            log.warning(
                "progstore could not write to %s before this process ended: another process holds it; what was done "
                "last is not recorded",
                self._writer.name,
            )

    def push_last(self, seconds: float) -> None:
        """The process ends: send on what is written, for at most so long."""
        if self._pusher is not None:
            # A worker's parent goes on, and waits for the worker: it sees to it that all is sent.
            is_last = not is_worker()
            self._pusher.finish(seconds if is_last else min(seconds, WORKER_SECONDS), minds_others=is_last)

    def close(self) -> None:
        """Give the connection back, and to a server too; a process that is over gives its lock back as well."""
        self._listener.close()
        if self._pusher is not None:
            self._pusher.stop()
        try:
            if self._process.ended_at is not None:
                self._writer.release()
            else:
                self._writer.close()
        except store_faults() as error:
            self._health.warn(error)

    def _report(self) -> None:
        for task in [each for each in self._tasks.values() if each.on_progress is not None]:
            if report(task) and not (task.record and self._health.can_be_written):
                del self._tasks[id(task)]

    def _write(self, *, hurry: bool, ends: bool) -> None:
        if not self._writer.is_open:
            if not (self._sessions or (ends and self._was_open)):
                return
            self._open()
        is_due = ends or self._writer.owes_sync(at_once=hurry) or time.monotonic() - self._last_beat >= HEARTBEAT
        spares = self._health.wants_less(is_asked_for=hurry or ends)
        draft = Draft(self._process, self._sessions.values(), self._tasks.values(), spares=spares)
        if not draft.is_empty or is_due:
            self._commit(draft, durable=hurry or draft.has_turning_points)
        self._health.fine()
        self._push()

    def _push(self) -> None:
        """Where the rows go on to a server, see that somebody sends them."""
        location = self._writer.location
        if location.push_to:
            if self._pusher is None:
                from progstore.live.exits import stand_before_readers
                from progstore.remote.pusher import Pusher  # which knows of HTTP; only who pushes loads it

                stand_before_readers()
                self._pusher = Pusher(location)
            self._pusher.start()

    def _open(self) -> None:
        location = self._writer.location
        if location.notice and not self._noticed:
            self._noticed = True
            log.warning(location.notice)
        self._process.heartbeat_at = time.time()
        self._writer.open(self._process)
        self._was_open = True
        if self._draft is not None and (applied := self._writer.arrived()) is not None:
            self._note(self._draft, applied)
        self._draft = None
        # Whatever connection there was before, this may be another file.
        for record in (*self._sessions.values(), *self._tasks.values()):
            forget_written(record)

    def _commit(self, draft: Draft, *, durable: bool) -> None:
        self._process.heartbeat_at = time.time()
        self._process.faults, last_fault = trouble.noted()
        self._process.last_fault = clean.text(last_fault, "fault", clean.NAME_LIMIT)
        self._process.dropped_events = self._dropped + sum(task.events_dropped for task in self._tasks.values())

        def build(lookup: Lookup) -> Batch:
            batch = draft.build(lookup)
            if self._process.ended_at is not None:
                batch.processes.append(self._process)
            return batch

        self._draft = draft
        began = time.monotonic()
        applied = self._writer.commit(self._process, build, durable=durable)
        self._last_beat = time.monotonic()
        self._health.took(self._last_beat - began)
        self._end_is_written = self._process.ended_at is not None
        self._draft = None
        self._note(draft, applied)
        self._let_go_of_sessions()
        self._tidy()

    def _note(self, draft: Draft, applied: Applied) -> None:
        """It is on disk."""
        for task in draft.written(applied):
            self._forget(task)
        if applied.refused:
            self._refused(applied.refused)

    def _refused(self, reasons: list[str]) -> None:
        self._dropped += len(reasons)
        if not self._has_refused:
            self._has_refused = True
            trouble.warn(
                "%d rows could not be stored in %s and were left out: %s; further ones are only counted",
                len(reasons),
                self._writer.name,
                reasons[0],
            )
        else:
            trouble.note("a row could not be stored: %s", reasons[0])

    def _let_go_of_sessions(self) -> None:
        """Sessions that are over, and those that wait for their tasks to be begun: a task brings its session back."""
        in_use = {task.session.uid for task in self._tasks.values()}
        for session in list(self._sessions.values()):
            waits = session.joined or session.kind == "declared"
            if session.uid in in_use or (session.is_open and not waits):
                continue
            # In this order, so that whoever says something of it meanwhile is either seen here or brings it back.
            session.watched = False
            if session_news(session):
                session.watched = True
                continue
            del self._sessions[session.uid]
            forget_written(session)
            self._writer.forget_session(session.uid)

    def _tidy(self) -> None:
        try:
            self._writer.tidy()
        except store_faults() as error:
            if classify(error) is not Fault.BUSY:  # somebody writes; the next tick tries again
                raise
        self._health.ails(self._writer.warning)

    def _end_process(self, reason: str | None) -> bool:
        """Note how the process ends; whether that is yet to be written."""
        if reason is not None and self._process.ended_at is None:
            self._process.ended_at = time.time()
            self._process.end_reason = reason
        return self._process.ended_at is not None and not self._end_is_written

    def _forget(self, task: TaskState) -> None:
        """Its end is written, or it is another process's now."""
        report(task)  # it may have ended since the last report
        self._tasks.pop(id(task), None)
        self._dropped += task.events_dropped
        self._writer.forget_task(identity(task))

    def _drop_oldest(self) -> None:
        """Bound what waits for a store that is not to be had."""
        ended = [task for task in self._tasks.values() if task.ended_at is not None]
        for task in ended[:-MOST_WAITING]:
            del self._tasks[id(task)]
            self._dropped += len(task.events) + task.events_dropped
