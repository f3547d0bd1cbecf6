"""What is on its way to one store: gathered at each tick, written in one transaction, kept while the store is not to
be had.

Memory stays bounded: a row per live task, MOST_EVENTS events a task, MOST_WAITING ended tasks. What is dropped is
counted in the process's row.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator
from typing import Final

from progstore import config
from progstore.live.gather import Draft, forget_written, identity, is_settled, report, session_news
from progstore.live.identity import is_worker
from progstore.live.listener import Listener
from progstore.live.process import process_row
from progstore.live.state import SessionState, TaskState
from progstore.owner import HEARTBEAT
from progstore.store.batch import Batch
from progstore.store.faults import FINAL, PASSING, Fault, cause, classify, store_faults
from progstore.store.writer import StoreWriter
from progstore.store.writes import Lookup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from progstore.remote.pusher import Pusher

MOST_WAITING: Final = 10_000
"""Ended tasks that are kept while they cannot be written; of more, the oldest are dropped."""
WORKER_SECONDS: Final = 0.2
"""Seconds that the end of a pool's worker waits for a server."""
FIRST_BACKOFF: Final = 0.5
LONGEST_BACKOFF: Final = 30.0
"""Seconds between two tries at a store that fails."""
MOST_DOUBLINGS: Final = 6
"""From the first to the longest; a store that fails for a day must not make a number that no float can hold."""
BUSY_PATIENCE: Final = 5.0
"""Seconds that another process may hold the store before it is warned of; short waits are everyday."""

log = logging.getLogger("progstore")


class Outbox:
    """The changed rows of this process for one store, and the connection over which they go."""

    def __init__(self, url: str | None) -> None:
        self._writer = StoreWriter(url)
        self._listener = Listener(url)
        self._pusher: Pusher | None = None
        self._process = process_row(config.setting("interval"))
        self._sessions: dict[str, SessionState] = {}
        self._tasks: dict[int, TaskState] = {}
        self._dropped = 0
        self._last_beat = 0.0
        self._warned: set[Fault] = set()
        self._noticed = False
        self._said_of_store = ""
        self._failures = 0
        self._retry_at = 0.0
        self._busy_since = 0.0
        self._records = True
        self._is_behind = False
        self._was_open = False
        self._has_refused = False
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
        if len(self._tasks) > MOST_WAITING:
            self._drop_oldest()

    def watched(self) -> list[TaskState]:
        """The tasks whose end is not yet written."""
        return list(self._tasks.values())

    def pace(self) -> float:
        """Seconds from one tick to the next when nothing begins or ends."""
        longest = FIRST_BACKOFF if self._is_behind else HEARTBEAT
        return min([longest, *(task.interval for task in self._tasks.values() if task.is_live)])

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
        return not self._records or (self._process.ended_at is not None and not self._warned <= PASSING)

    def write(self, *, hurry: bool, end_reason: str | None) -> bool:
        """Write all that changed; whether nothing is left unwritten. What the store does wrong is warned of, never
        raised.

        `hurry` tries a failing store once more before its time; `end_reason` is set when the process ends.
        """
        self._report()
        if not self._records:
            self._sessions.clear()
            self._tasks = {key: task for key, task in self._tasks.items() if task.on_progress is not None}
            return False
        if time.monotonic() < self._retry_at and not hurry:
            return False
        self._is_behind = True
        try:
            self._write(hurry=hurry, ends=self._end_process(end_reason))
        except store_faults() as error:
            self._failed(error)
            return False
        self._is_behind = False
        return True

    def admit_loss(self) -> None:
        """The process ends: say that its last state could not be written, unless it was warned of a fault already."""
        if self._is_behind and not self._warned:
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
            self._warn(error)

    def _report(self) -> None:
        for task in [each for each in self._tasks.values() if each.on_progress is not None]:
            if report(task) and not (task.record and self._records):
                del self._tasks[id(task)]

    def _write(self, *, hurry: bool, ends: bool) -> None:
        if not self._writer.is_open:
            if not (self._sessions or (ends and self._was_open)):
                return
            self._open()
        draft = Draft(self._process, self._sessions.values(), self._tasks.values())
        if not draft.is_empty or ends or time.monotonic() - self._last_beat >= HEARTBEAT:
            self._commit(draft, durable=hurry or draft.has_turning_points)
        self._recovered()
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
        # Whatever connection there was before, this may be another file.
        for record in (*self._sessions.values(), *self._tasks.values()):
            forget_written(record)

    def _commit(self, draft: Draft, *, durable: bool) -> None:
        self._process.heartbeat_at = time.time()
        self._process.dropped_events = self._dropped + sum(task.events_dropped for task in self._tasks.values())

        def build(lookup: Lookup) -> Batch:
            batch = draft.build(lookup)
            if self._process.ended_at is not None:
                batch.processes.append(self._process)
            return batch

        applied = self._writer.commit(self._process, build, durable=durable)
        self._last_beat = time.monotonic()
        self._end_is_written = self._process.ended_at is not None
        for task in draft.written(applied):
            self._forget(task)
        if applied.refused:
            self._refused(applied.refused)
        self._let_go_of_sessions()
        self._tidy()

    def _refused(self, reasons: list[str]) -> None:
        self._dropped += len(reasons)
        if not self._has_refused:
            self._has_refused = True
            log.warning(
                "%d rows could not be stored in %s and were left out: %s; further ones are only counted",
                len(reasons),
                self._writer.name,
                reasons[0],
            )

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
        if self._writer.warning and not self._said_of_store:
            log.warning(self._writer.warning)
        self._said_of_store = self._writer.warning

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

    def _failed(self, error: BaseException) -> None:
        fault = classify(error)
        now = time.monotonic()
        if fault is Fault.BUSY:
            self._busy_since = self._busy_since or now
            if now - self._busy_since >= BUSY_PATIENCE:
                self._warn(error)
            return
        self._warn(error)
        self._records = fault not in FINAL
        backoff = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(self._failures, MOST_DOUBLINGS))
        self._failures += 1
        self._retry_at = now + backoff * random.uniform(0.5, 1.0)  # noqa: S311  # spreads tries, keeps no secret
        self.close()

    def _recovered(self) -> None:
        if self._warned:
            log.info("%s can be written again; nothing of what is live was lost", self._writer.name)
        self._warned.clear()
        self._failures = 0
        self._retry_at = 0.0
        self._busy_since = 0.0

    def _warn(self, error: BaseException) -> None:
        fault = classify(error)
        if fault in self._warned:
            return
        self._warned.add(fault)
        log.warning("progstore cannot write to %s: %s; %s", self._writer.name, cause(error), self._writer.advice(fault))

    def _drop_oldest(self) -> None:
        oldest = next((task for task in self._tasks.values() if task.ended_at is not None), None)
        if oldest is not None:
            del self._tasks[id(oldest)]
            self._dropped += len(oldest.events) + oldest.events_dropped
