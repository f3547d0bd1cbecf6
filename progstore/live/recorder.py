"""The recorder: the one background thread of a process, which writes what changed.

This half is what jobs touch, and it imports next to nothing: it takes note of starts and ends and wakes the thread.
What is written for one store, and how faults are met, stands in `outbox`, which the thread imports by itself.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from progstore.live.outbox import Outbox
    from progstore.live.state import SessionState, TaskState

GROUPING: Final = 0.05
"""Seconds between two commits at the least; starts and ends within are written together."""
HEAD_START: Final = 0.01
"""Seconds that a job gets before its recorder begins to import what it needs."""
EXIT_PATIENCE: Final = 2.0
"""Seconds that the end of a process, or of a task in a pool's worker, waits for the last write."""
WORKER_PAUSE: Final = 1.0
"""Seconds between two such waits in a pool's worker."""


class Flush:
    """Somebody waits until all that was said before is on disk."""

    def __init__(self, timeout: float) -> None:
        self.deadline = time.monotonic() + timeout
        self._over = threading.Event()
        self._durable = False

    def answer(self, *, durable: bool) -> None:
        """Let the waiting one go on."""
        self._durable = durable
        self._over.set()

    def wait(self) -> bool:
        """True once it is on disk, False if it is not before the deadline."""
        return self._over.wait(max(0.0, self.deadline - time.monotonic())) and self._durable


class Recorder:
    """Takes note of what jobs begin and end, and runs the thread that writes it down."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._stopping = False
        self._barred = ""
        self._sessions: deque[SessionState] = deque()
        self._tasks: deque[TaskState] = deque()
        self._flushes: deque[Flush] = deque()
        self._outboxes: dict[str | None, Outbox] = {}
        self._urgent = False
        self._last_tick = -GROUPING
        self._last_worker_wait = -WORKER_PAUSE
        self._end_reason: str | None = None

    # What jobs say; each costs microseconds

    def watch_session(self, state: SessionState) -> None:
        """Write the session down, and what becomes of it. Saying it again costs nothing."""
        if not state.watched and not state.inert:
            state.watched = True
            self._sessions.append(state)
            self.hurry()

    def begin(self, state: TaskState) -> None:
        """A task has begun."""
        if state.is_watched:
            self._tasks.append(state)
            self.hurry()

    def end(self, state: TaskState) -> None:
        """A task has ended, or its end was sharpened."""
        if state.is_watched:
            self._tasks.append(state)
            self.hurry()
            self._wait_in_worker()

    def hurry(self) -> None:
        """Write soon rather than at the next tick."""
        self._urgent = True
        self._wake.set()
        if self._thread is None:
            self._start()

    def flush(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until all that was said is on disk; whether it is. A bad store raises
        nothing.
        """
        if self._thread is None and not self._has_work():
            return True
        flush = Flush(timeout)
        self._flushes.append(flush)
        self.hurry()
        return not self._barred and flush.wait()

    def live(self) -> list[TaskState]:
        """The recorded tasks of this process that have not ended."""
        known = [*self._tasks, *(state for outbox in list(self._outboxes.values()) for state in outbox.watched())]
        return list({id(state): state for state in known if state.ended_at is None}.values())

    def sessions(self) -> list[SessionState]:
        """The sessions of this process that have not ended."""
        known = [*self._sessions, *(state for outbox in list(self._outboxes.values()) for state in outbox.sessions())]
        return [state for state in known if state.is_open and not state.joined]

    # The life of the thread

    def stop(self, timeout: float) -> bool:
        """Let the thread end and give its connections back; whether it is gone within `timeout` seconds."""
        with self._starting:
            thread = self._thread
            if thread is None:
                return True
            deadline = time.monotonic() + timeout
            self._stopping = True
            self._wake.set()
            thread.join(timeout)
            # join() returns a moment before the system's own thread is gone, and a fork must not meet it.
            while _runs(thread) and time.monotonic() < deadline:
                time.sleep(0.0005)
            if _runs(thread):
                return False
            self._thread = None
            self._stopping = False
            return True

    def resume(self) -> None:
        """After a fork, in the parent: go on where it stopped."""
        self._stopping = False
        if self._thread is None and self._has_work():
            self._start()

    def become_child(self, *, safe: bool) -> None:
        """After a fork, in the child: what was inherited stays the parent's; what begins from here on is this
        process's.

        Not `safe` means that the parent was writing at that moment; then SQLite's own state cannot be trusted here.
        """
        for session in self._sessions:
            session.inert = True
        for task in [*self._tasks, *(state for outbox in self._outboxes.values() for state in outbox.watched())]:
            task.inert = True
        if not safe:
            _abandoned.append(self._outboxes)
        self.__init__()  # type: ignore[misc]  # afresh, in the place where everybody knows it
        if not safe:
            self._barred = "it was forked while its parent was writing to the store"

    def close_process(self, reason: str) -> None:
        """The process ends, for this reason: write the last state, waiting at most EXIT_PATIENCE seconds."""
        if self._thread is not None or self._has_work():
            self._end_reason = reason
            self.flush(EXIT_PATIENCE)
            self.stop(GROUPING)

    def leave(self, store: str | None) -> None:
        """Write the last state of one store, as if the process ended for it, and give its connection back."""
        self.flush(EXIT_PATIENCE)
        if self.stop(EXIT_PATIENCE):
            outbox = self._outboxes.pop(store, None)
            if outbox is not None:
                outbox.write(hurry=True, end_reason="exit")
                outbox.close()
        self.resume()

    def _has_work(self) -> bool:
        return bool(self._tasks or self._sessions or self._outboxes)

    def _start(self) -> None:
        from progstore.live import exits  # which stands on this module, and is loaded wherever a task can begin

        with self._starting:
            if self._thread is not None or self._stopping:
                return
            if not self._barred:
                thread = threading.Thread(target=self._run, name="progstore-recorder", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    self._barred = "no thread can be started any more"
                else:
                    self._thread = thread
                    exits.finalize_worker()
        if self._barred:
            self._say_barred()

    def _say_barred(self) -> None:
        import logging  # only this trouble pays for it

        if self._tasks or self._sessions:
            logging.getLogger("progstore").warning("this process records nothing: %s", self._barred)
        self._tasks.clear()
        self._sessions.clear()

    def _wait_in_worker(self) -> None:
        """Pool workers are ended without any hook, so there the end of a task waits until it is on disk."""
        processes = sys.modules.get("multiprocessing.process")
        if processes is None or processes.parent_process() is None:
            return
        now = time.monotonic()
        if now - self._last_worker_wait >= WORKER_PAUSE:
            self._last_worker_wait = now
            self.flush(EXIT_PATIENCE)

    # In the thread

    def _run(self) -> None:
        # The job goes first: what this thread imports next would hold the interpreter while it takes its first steps.
        time.sleep(HEAD_START)
        try:
            while True:
                self._wait()
                if self._stopping:
                    break
                self._tick()
        except Exception:
            # A mistake of ours, or a module that is gone at shutdown; whichever it is, the job must not wait for us.
            self._barred = "its recorder failed"
            import logging

            logging.getLogger("progstore").exception("this process records nothing any more: its recorder failed")
            while self._flushes:
                self._flushes.popleft().answer(durable=False)
        finally:
            for outbox in self._outboxes.values():
                outbox.close()

    def _wait(self) -> None:
        """Until the next tick is due: soon after a start, an end or a flush, else after the interval or a heartbeat."""
        while not self._stopping:
            pause = GROUPING if self._urgent or self._flushes else self._pace()
            remaining = self._last_tick + pause - time.monotonic()
            if remaining <= 0:
                return
            self._wake.wait(remaining)
            self._wake.clear()

    def _pace(self) -> float:
        from progstore.owner import HEARTBEAT

        return min((outbox.pace() for outbox in self._outboxes.values()), default=HEARTBEAT)

    def _tick(self) -> None:
        self._urgent = False
        self._last_tick = time.monotonic()
        # Flushes first: what was said before one of them is then among what is taken next.
        flushes = [self._flushes.popleft() for _ in range(len(self._flushes))]
        self._take_notes()
        durable = True
        for outbox in self._outboxes.values():
            durable &= outbox.write(hurry=bool(flushes), end_reason=self._end_reason)
        for flush in flushes:
            if durable or time.monotonic() >= flush.deadline:
                flush.answer(durable=durable)
            else:
                self._flushes.append(flush)

    def _take_notes(self) -> None:
        from progstore.live.outbox import Outbox

        while self._sessions:
            session = self._sessions.popleft()
            self._outboxes.setdefault(session.store, Outbox(session.store)).add_session(session)
        while self._tasks:
            task = self._tasks.popleft()
            self._outboxes.setdefault(task.session.store, Outbox(task.session.store)).add_task(task)


def _runs(thread: threading.Thread) -> bool:
    """Whether the system's thread is still there."""
    if thread.is_alive():
        return True
    return sys.platform == "linux" and os.path.exists(f"/proc/self/task/{thread.native_id}")


_abandoned: list[object] = []
"""Connections inherited half-way through a write: closing them would touch the parent's files, so they are kept."""

recorder = Recorder()
"""The recorder of this process."""


def flush(timeout: float = EXIT_PATIENCE) -> bool:
    """Wait at most `timeout` seconds until everything said so far is on disk; True if it is.

    A store that cannot be written makes it False and raises nothing.
    """
    return recorder.flush(timeout)
