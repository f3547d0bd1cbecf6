"""How the recorder's thread and those who wait for it find each other, without either ever waiting for itself."""

from __future__ import annotations

import threading
import time


class Bell:
    """Wakes the recorder's thread.

    An Event's `set` holds a lock for a moment, and the garbage collector or a signal handler that ends a task within
    that moment would wait for itself. To give back a bare lock nobody waits.
    """

    def __init__(self) -> None:
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self) -> None:
        """Let the waiting one go on, or the next one who waits."""
        try:
            self._silence.release()
        except RuntimeError:  # it rings already
            return

    def wait(self, timeout: float) -> None:
        """Until it rings, at most `timeout` seconds."""
        self._silence.acquire(timeout=timeout)


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


class Budget:
    """How long a pool's worker may wait for its tasks' ends to be written: a fifth of its time, and less where it is
    for nothing.
    """

    SHARE = 0.2
    MOST = 1.0
    """Seconds that may be saved up."""
    FAILURE = -10.0
    """Seconds owed after a wait that was for nothing."""

    def __init__(self) -> None:
        self._seconds = self.MOST
        self._since = time.monotonic()

    def is_left(self) -> bool:
        """Whether it may wait now."""
        now = time.monotonic()
        self._seconds = min(self.MOST, self._seconds + self.SHARE * (now - self._since))
        self._since = now
        return self._seconds > 0

    def spend(self, *, was_for_nothing: bool) -> None:
        """It has waited, since it asked."""
        now = time.monotonic()
        self._seconds = self.FAILURE if was_for_nothing else self._seconds - (now - self._since)
        self._since = now
