"""`on_progress`: callbacks run in a thread of their own, in order, and a bad one stops nothing."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from progstore.live.state import TaskState
from progstore.live.views import view_of
from progstore.values import TaskView

LINGER = 5.0
"""Seconds without news after which the thread ends; the next report starts another."""


def reporter(callback: Callable[[TaskView], object]) -> Callable[[TaskState], None]:
    """What hands each report of a task to `callback`, without waiting for it."""
    return _Reporter(callback).report


class _Reporter:
    def __init__(self, callback: Callable[[TaskView], object]) -> None:
        self._callback = callback
        self._views: queue.SimpleQueue[TaskView] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._runs = False
        self._warned = False

    def report(self, task: TaskState) -> None:
        self._views.put(view_of(task))
        with self._lock:
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._deliver, name="progstore-on-progress", daemon=True).start()

    def _deliver(self) -> None:
        while True:
            try:
                view = self._views.get(timeout=LINGER)
            except queue.Empty:
                with self._lock:
                    if self._views.empty():
                        self._runs = False
                        return
                continue
            try:
                self._callback(view)
            except Exception:
                # The job's progress must not depend on who listens.
                if not self._warned:
                    self._warned = True
                    logging.getLogger("progstore").exception("on_progress raised; it is called on, this is said once")
