"""`on_progress`: callbacks run in a thread of their own, in order, and a bad one stops nothing.

One rule for tasks and sessions. Told at once: each `report` and `simulate`, that a task begins, and how it ends.
Told at most once per interval: what is counted and which message was said, where it is not what was told last. Of one
task the end is told last. What a callback itself tracks it is not told of.
"""

from __future__ import annotations

import inspect
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from progstore import trouble
from progstore.live.identity import process_uid
from progstore.live.reasons import failure_text
from progstore.live.state import TaskState
from progstore.live.views import view_of
from progstore.values import TaskView

MOST_WAITING: Final = 10_000
"""Views that wait for a callback that is slower than the job; of more, the oldest are dropped, ends last of all."""
LINGER: Final = 5.0
"""Seconds without news after which the thread ends; the next report starts another."""
POLL: Final = 0.01
"""Seconds between two looks at whether all is delivered, at the end of the process."""

log = logging.getLogger("progstore")


class Listeners:
    """The callbacks that hear of a task: its own, and that of its session."""

    def __init__(self, deliveries: tuple[Delivery, ...]) -> None:
        self.deliveries = deliveries

    def said(self, task: TaskState, message: str | None) -> None:
        """The job said something, perhaps with a message: tell it at once, as it stands; but nothing after its end."""
        told: list[Delivery] = []
        with _lock:
            if message is not None:
                task.message = message
            if task.ended_at is None:
                told = self._tell(task, _standing(task))
        _wake(told)

    def moved(self, task: TaskState, patience: float = -1) -> None:
        """It began or ended, or something may have been counted: tell it, unless it is what was told last.

        The recorder has `patience` for so many seconds while others tell, for a signal handler among them may wait for
        it; its next look comes.
        """
        told: list[Delivery] = []
        if not _lock.acquire(timeout=patience):
            return
        try:
            standing = _standing(task)
            is_ending = task.ended_at is None and task.status != "running"  # whoever ends or begins it says so next
            if standing != task.reported and not is_ending:
                told = self._tell(task, standing)
        finally:
            _lock.release()
        _wake(told)

    def _tell(self, task: TaskState, standing: object) -> list[Delivery]:
        """Put it on its way; gives the deliveries that must be awake now."""
        if task.inert:
            return []
        if task.reported is None and any(delivery.calls_here for delivery in self.deliveries):
            # A callback began it: told of what it does itself, it would be called without end.
            others = tuple(delivery for delivery in self.deliveries if not delivery.calls_here)
            task.on_progress = Listeners(others)
            return task.on_progress._tell(task, standing)  # noqa: SLF001  # of this class
        task.reported, task.reported_clock = standing, time.monotonic()
        told = [delivery for delivery in self.deliveries if delivery.is_mine]
        for delivery in told:
            delivery.put(task)
        return told


def listening(callback: Callable[[TaskView], object], beside: Listeners | None = None) -> Listeners:
    """The listeners `beside`, and `callback`. Raises TypeError for what cannot be called just so."""
    return Listeners((Delivery(checked(callback)), *(() if beside is None else beside.deliveries)))


def checked(callback: Callable[[TaskView], object]) -> Callable[[TaskView], object]:
    """The callback. Raises TypeError for what cannot be called from another thread just so."""
    if not callable(callback):
        raise TypeError(f"on_progress must be a function of one TaskView, got {type(callback).__name__}")
    if inspect.iscoroutinefunction(callback):
        raise TypeError(
            "on_progress is called in a thread of its own and must be a plain function, not a coroutine function; "
            "it may call asyncio.run_coroutine_threadsafe(coroutine, loop)"
        )
    return callback


def deliver_all(timeout: float) -> None:
    """The process ends: wait at most `timeout` seconds until all callbacks have heard all."""
    deadline = time.monotonic() + timeout
    slow = [delivery for delivery in list(_at_work) if delivery.is_mine and not delivery.finish(deadline)]
    if slow:
        trouble.warn("on_progress is too slow: this process ends before it has heard all")


class Delivery:
    """What is on its way to one callback."""

    def __init__(self, callback: Callable[[TaskView], object]) -> None:
        self._callback = callback
        # In order of time, as numbered; apart, so that what is dropped first is found at once.
        self._ends: deque[tuple[int, TaskView]] = deque()
        self._others: deque[tuple[int, TaskView]] = deque()
        self._number = 0
        self._news = threading.Condition(_lock)
        self._thread: threading.Thread | None = None
        self._is_busy = False
        self._heard_an_end = False
        self._has_warned = False
        self._has_dropped = False
        self._shall_warn = False
        self._process = process_uid()

    @property
    def is_mine(self) -> bool:
        """Whether it belongs to this process; what was inherited over a fork is its parent's to deliver."""
        return self._process == process_uid()

    @property
    def calls_here(self) -> bool:
        """Whether this is the thread in which the callback is called."""
        return self._thread is threading.current_thread()

    def put(self, task: TaskState) -> None:
        """Let the callback hear how the task stands, once it is awake."""
        with _lock:
            # Within the lock, so that what is older is never told later.
            view = view_of(task)
            self._number += 1
            (self._ends if view.status.is_terminal else self._others).append((self._number, view))
            if len(self._ends) + len(self._others) > MOST_WAITING:
                self._drop()
            _at_work.add(self)
            self._news.notify()

    def wake(self) -> None:
        """Start the thread where there is none, and warn where that is due; without the lock, for the new thread, or
        another one that is just logging something, may need it first.
        """
        thread = None
        with _lock:
            shall_warn, self._shall_warn = self._shall_warn, False
            if self._thread is None:
                self._thread = thread = threading.Thread(target=self._run, name="progstore-on-progress", daemon=True)
        try:
            if thread is not None:
                thread.start()
        except RuntimeError:
            # Too many threads, or the interpreter is ending: tried again with the next report, or delivered at exit.
            self._thread = None
        if shall_warn:
            trouble.warn(
                "on_progress is slower than the job: %d reports wait for it, and the oldest are dropped; this is said "
                "once",
                MOST_WAITING,
            )

    def finish(self, deadline: float) -> bool:
        """Wait until all is heard, or till `deadline`; whether it is. The thread is helped where it cannot run."""
        while time.monotonic() < deadline:
            with _lock:
                if not (self._is_busy or self._ends or self._others):
                    return True
                thread = self._thread
            if thread is threading.current_thread():
                return False  # the callback itself ends the process
            # Where a signal handler ends the process, what it came upon may hold the lock that the thread waits for.
            is_stuck = _lock._is_owned() and not self._is_busy  # type: ignore[attr-defined]  # noqa: SLF001  # as Condition asks
            if not ((thread is None or not thread.is_alive() or is_stuck) and self._hear_next()):
                time.sleep(POLL)
        return False

    def _drop(self) -> None:
        (self._others or self._ends).popleft()
        self._shall_warn = self._shall_warn or not self._has_dropped
        self._has_dropped = True

    def _run(self) -> None:
        while True:
            if self._hear_next():
                continue
            with _lock:
                if not (self._ends or self._others or self._heard_an_end):
                    self._news.wait(LINGER)
                if not (self._ends or self._others):
                    self._thread = None
                    _at_work.discard(self)
                    return

    def _hear_next(self) -> bool:
        with _lock:
            view = self._take()
            if view is None:
                return False
            self._is_busy = True
        self._heard_an_end = view.status.is_terminal
        try:
            self._callback(view)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and not self.calls_here:
                raise  # it is meant for whoever ends the process
            # The job's progress must not depend on who listens.
            trouble.note("on_progress raised %s", failure_text(error))
            if not self._has_warned:
                self._has_warned = True
                log.exception("on_progress raised; it is called on, this is said once")
        finally:
            self._is_busy = False
        return True

    def _take(self) -> TaskView | None:
        ends, others = self._ends, self._others
        if not (ends or others):
            return None
        oldest = ends if not others or (ends and ends[0][0] < others[0][0]) else others
        return oldest.popleft()[1]


def _standing(task: TaskState) -> object:
    """What is told of a task when it has changed; once it has ended, only how it did."""
    if task.ended_at is not None:
        return (task.ended_at, task.status)
    return (task.done, task.total, task.failed, task.message)


def _wake(deliveries: list[Delivery]) -> None:
    for delivery in deliveries:
        delivery.wake()


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603  # in a forked child nobody would ever give the old one back
    _lock = threading.RLock()


# One for all that is told: the garbage collector or a signal handler may end any task while this thread holds it, and
# with several locks two threads could then wait for each other. Reentrant, so that none waits for itself. Held, nothing
# is called that is not ours.
_lock = threading.RLock()
_at_work: set[Delivery] = set()
"""Those that have something to deliver, or wait for more."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
