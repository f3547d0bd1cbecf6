"""The recorder: the one background thread of a process, which writes what changed.

This half is what jobs touch, and it imports next to nothing: it takes note of starts and ends and wakes the thread.
What is written for one store, and how faults are met, stands in `outbox`, which the thread imports by itself.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from progstore.live.identity import is_worker
from progstore.live.outboxes import Outboxes
from progstore.live.waiting import Bell, Budget, Flush
from progstore.proc import runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from progstore.live.state import SessionState, TaskState

GROUPING: Final = 0.05
"""Seconds between two commits at the least; starts and ends within are written together."""
HEAD_START: Final = 0.01
"""Seconds that a job gets before its recorder begins to import what it needs."""
EXIT_PATIENCE: Final = 2.0
"""Seconds that the end of a process, or of a task in a pool's worker, waits for the last write."""
IMPORT_PATIENCE: Final = 10.0
"""Seconds that the end of a process, or a fork, waits for the recorder's imports, which end even on a busy machine."""
MOST_NOTES: Final = 20_000
"""Tasks, and sessions, that wait for the thread to look at them; further ones are counted, not recorded."""


class Recorder:
    """Takes note of what jobs begin and end, and runs the thread that writes it down."""

    def __init__(self) -> None:
        # Reentrant, for the garbage collector or a signal handler may begin or end a task while this thread holds it.
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._bell = Bell()
        self._has_imported = threading.Event()
        self._stops = 0
        self._barred = ""
        self._has_refused = False
        self._sessions: deque[SessionState] = deque()
        # Once each, however much is said of them; in order.
        self._tasks: dict[TaskState, None] = {}
        self._lost: dict[str | None, int] = {}
        self.has_lost = False
        """Whether there ever was more to note than can be kept."""
        self._flushes: deque[Flush] = deque()
        self._outboxes = Outboxes()
        self._urgent = False
        self._last_tick = -GROUPING
        self._is_at_once = False
        self._budget = Budget()
        self._end_reason: str | None = None

    # What jobs say; each costs microseconds

    def watch_session(self, state: SessionState) -> None:
        """Write the session down, and what becomes of it."""
        if state.inert:
            return
        if not state.watched:
            if len(self._sessions) < MOST_NOTES:
                state.watched = True
                self._sessions.append(state)
            else:
                self._lose(state.store)
        self.hurry()

    def begin(self, state: TaskState) -> None:
        """A task has begun."""
        self._note(state)

    def end(self, state: TaskState) -> None:
        """A task has ended, or its end was sharpened."""
        if self._note(state):
            self._wait_in_worker()

    def hurry(self) -> None:
        """Write soon rather than at the next tick."""
        self._urgent = True
        self._bell.ring()
        if self._thread is None:
            self._start()

    def flush(self, timeout: float, *, at_once: bool = False) -> bool:
        """Wait at most `timeout` seconds until all that was said is on disk; whether it is. A bad store raises
        nothing. With `at_once` it is not grouped with what is said within the next GROUPING seconds.
        """
        if not self._has_work():
            return not self._has_refused
        # In the recorder's own thread it is a task that the garbage collector ends there.
        if threading.current_thread() is self._thread or not self._will_tick():
            return False
        flush = Flush(timeout)
        self._flushes.append(flush)
        self._is_at_once = self._is_at_once or at_once
        self.hurry()
        return flush.wait()

    def live(self) -> list[TaskState]:
        """The recorded tasks of this process that have not ended."""
        known = [*self._tasks, *self._outboxes.watched()]
        return list({id(state): state for state in known if state.ended_at is None}.values())

    def stores(self) -> list[str | None]:
        """The stores that this process has written to, or tried to."""
        return self._outboxes.stores()

    # The life of the thread

    def stop(self, timeout: float, *, import_patience: float = 0.0) -> bool:
        """Let the thread end and give its connections back; whether it is gone within `timeout` seconds, which begin
        when it has imported what it needs or `import_patience` is over. No other one is started until `resume()`.
        """
        with self._lock:
            self._stops += 1
            thread = self._thread
        if thread is None:
            return True
        # A signal handler came just when this thread was about to start it, or a logging handler forks within it.
        if thread.ident in (None, threading.get_ident()):
            return False
        self._bell.ring()
        self._has_imported.wait(import_patience)
        deadline = time.monotonic() + timeout
        thread.join(timeout)
        # join() returns a moment before the system's own thread is gone, and a fork must not meet it.
        while runs(thread) and time.monotonic() < deadline:
            time.sleep(0.0005)
        return not runs(thread)

    def resume(self) -> None:
        """After a stop, go on where it stopped."""
        with self._lock:
            self._stops -= 1
            self._restart()

    def become_child(self, *, safe: bool) -> None:
        """After a fork, in the child: what begins from here on is this process's.

        Not `safe` means that the parent was writing at that moment; then SQLite's own state cannot be trusted here.
        """
        outboxes = self._outboxes
        self.__init__()  # type: ignore[misc]  # afresh, in the place where everybody knows it
        if not safe:
            _abandoned.append(outboxes)
            self._barred = "it was forked while its parent was writing to the store"

    def close_process(self, reason: str) -> None:
        """The process ends, for this reason: write the last state, waiting at most EXIT_PATIENCE seconds."""
        if self._end_reason is not None or not self._has_work():
            return
        will_tick = self._will_tick()
        self._end_reason = reason
        if will_tick:
            self._has_imported.wait(IMPORT_PATIENCE)
            deadline = time.monotonic() + EXIT_PATIENCE
            if not self.flush(EXIT_PATIENCE, at_once=True):
                self._outboxes.admit_loss()
            self._outboxes.push_last(deadline)
            self.stop(GROUPING)
        elif not self._barred:
            # So late that no thread can be started any more.
            self._tick()
            self._outboxes.push_last(time.monotonic() + EXIT_PATIENCE)
            self._outboxes.close()

    def leave(self, store: str | None) -> None:
        """Write the last state of one store, as if the process ended for it, and give its connection back."""
        self.flush(EXIT_PATIENCE)
        if self.stop(EXIT_PATIENCE):
            outbox = self._outboxes.remove(store)
            if outbox is not None:
                outbox.write(hurry=True, end_reason="exit")
                outbox.close()
        self.resume()

    def _note(self, state: TaskState) -> bool:
        if not state.is_watched:
            return False
        if state.on_progress is not None:
            state.on_progress.moved(state)
        if len(self._tasks) < MOST_NOTES or state in self._tasks:
            self._tasks[state] = None
        else:
            if state.ended_at is None:
                state.record = False
            self._lose(state.session.store)
        self.hurry()
        return True

    def _lose(self, store: str | None) -> None:
        with self._lock:
            self._lost[store] = self._lost.get(store, 0) + 1
        self.has_lost = True

    def _has_work(self) -> bool:
        return bool(self._tasks or self._sessions or self._outboxes)

    def _will_tick(self) -> bool:
        """Whether what is asked of the thread now will be done: it is there, or comes back after a fork."""
        with self._lock:
            self._restart()
            return self._thread is not None or (self._stops > 0 and self._end_reason is None)

    def _restart(self) -> None:
        if self._thread is None and self._has_work():
            self._start()

    def _start(self) -> None:
        from progstore.live import exits  # which stands on this module, and is loaded wherever a task can begin

        with self._lock:
            if self._barred:
                self._refuse()
            elif self._thread is None and not self._stops:
                # Known before it starts, so that whoever comes here meanwhile, even in this thread, starts no second.
                self._thread = thread = threading.Thread(target=self._run, name="progstore-recorder", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    # Too many threads, or the interpreter is ending: tried again with the next start or end.
                    self._thread = None
                else:
                    exits.finalize_worker()

    def _refuse(self) -> None:
        import logging  # only this trouble pays for it

        self._has_refused = self._has_refused or bool(self._tasks or self._sessions)
        if self._has_refused and self._barred not in _said:
            _said.add(self._barred)
            logging.getLogger("progstore").warning("this process records nothing: %s", self._barred)
        self._tasks.clear()
        self._sessions.clear()

    def _wait_in_worker(self) -> None:
        """Pool workers are ended without any hook, so there the end of a task waits until it is on disk."""
        if is_worker() and self._will_tick() and self._has_imported.wait(IMPORT_PATIENCE) and self._budget.is_left():
            self._budget.spend(was_for_nothing=not self.flush(EXIT_PATIENCE, at_once=True))

    # In the thread

    def _run(self) -> None:
        from progstore.live import exits  # as above

        try:
            # The job goes first: what this thread imports would hold the interpreter while it takes its first steps.
            time.sleep(HEAD_START)
            exits.stand_before_logging()
            while self._wait():
                self._tick()
        except Exception:
            # A mistake of ours, or a module that is gone at shutdown; whichever it is, the job must not wait for us.
            self._barred = "its recorder failed"
            _said.add(self._barred)
            import logging

            logging.getLogger("progstore").exception("this process records nothing any more: its recorder failed")
            while self._flushes:
                self._flushes.popleft().answer(durable=False)
        finally:
            self._outboxes.close()
            self._has_imported.set()
            with self._lock:
                self._thread = None
                self._restart()

    def _wait(self) -> bool:
        """Until the next tick is due; False when the thread shall end."""
        while not self._stops:
            pause = GROUPING if self._urgent or self._flushes else self._outboxes.pace()
            remaining = self._last_tick + pause - time.monotonic()
            if remaining <= 0 or self._is_at_once:
                return True
            look = self._outboxes.look_due()
            self._bell.wait(remaining if look is None else min(remaining, look))
            self._outboxes.look()
        return False

    def _tick(self) -> None:
        self._urgent = self._is_at_once = False
        self._last_tick = time.monotonic()
        # Flushes first: what was said before one of them is then among what is taken next.
        flushes = [self._flushes.popleft() for _ in range(len(self._flushes))]
        self._take_notes()
        behind = self._outboxes.write(hurry=bool(flushes), end_reason=self._end_reason)
        waiting_helps = any(not outbox.is_hopeless for outbox in behind)
        for flush in flushes:
            if waiting_helps and time.monotonic() < flush.deadline:
                self._flushes.append(flush)
            else:
                flush.answer(durable=not behind)

    def _take_notes(self) -> None:
        from progstore.live.outbox import Outbox

        self._has_imported.set()
        if self._sessions:
            # Before it is taken out: whoever asks meanwhile whether there is work must find the one or the other.
            self._outboxes.of(self._sessions[0].store, Outbox)
        while self._sessions:
            session = self._sessions.popleft()
            self._outboxes.of(session.store, Outbox).add_session(session)
        for task in list(self._tasks):
            # First, so that whatever is said of it from here on is noted anew.
            del self._tasks[task]
            self._outboxes.of(task.session.store, Outbox).add_task(task)
        for store in list(self._lost):
            with self._lock:
                number = self._lost.pop(store)
            self._outboxes.of(store, Outbox).lose(number)


_said: set[str] = set()
"""Why nothing is recorded, where it was said already; a forked child need not say it once more."""
_abandoned: list[object] = []
"""Connections inherited half-way through a write: closing them would touch the parent's files, so they are kept."""

recorder = Recorder()
"""The recorder of this process."""


def flush(timeout: float = EXIT_PATIENCE) -> bool:
    """Wait at most `timeout` seconds until everything said so far is on disk; True if it is.

    A store that cannot be written makes it False and raises nothing; so does, from then on, a job that began more
    within a moment than can be kept.
    """
    return recorder.flush(timeout) and not recorder.has_lost
