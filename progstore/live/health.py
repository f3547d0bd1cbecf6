"""How a store fares while it is written: which faults were met and warned of, when to try again, how often to write."""

from __future__ import annotations

import logging
import random
import time
from typing import Final

from progstore import trouble
from progstore.owner import HEARTBEAT
from progstore.store.faults import FINAL, PASSING, Fault, cause, classify
from progstore.store.writer import StoreWriter

FIRST_BACKOFF: Final = 0.5
LONGEST_BACKOFF: Final = 30.0
"""Seconds between two tries at a store that fails."""
MOST_DOUBLINGS: Final = 6
"""From the first to the longest; a store that fails for a day must not make a number that no float can hold."""
BUSY_PATIENCE: Final = 5.0
"""Seconds that another process may hold the store before it is warned of; short waits are everyday."""
REST: Final = 10.0
"""How many times as long as a write took, with its wait for others, until what merely goes on is written again. So a
crowd of writers that is too much for a disk writes less often, and nobody is shut out.
"""

log = logging.getLogger("progstore")


class Health:
    """Of the store at the other end of one writer."""

    def __init__(self, writer: StoreWriter) -> None:
        self._writer = writer
        self._warned: set[Fault] = set()
        self._failures = 0
        self._retry_at = 0.0
        self._busy_since = 0.0
        self._rest = 0.0
        self._ails = ""
        self._last_whole = 0.0
        self.can_be_written = True
        """Whether it is ever to be written again by this process."""

    @property
    def is_warned_of(self) -> bool:
        """Whether something is wrong that the user knows of."""
        return bool(self._warned)

    @property
    def is_passing(self) -> bool:
        """Whether nothing is wrong but what is mostly over in a moment."""
        return self._warned <= PASSING

    @property
    def may_try(self) -> bool:
        """Whether the next try is due."""
        return time.monotonic() >= self._retry_at

    def pace(self, wanted: float) -> float:
        """Seconds to the next write where `wanted` seconds would do."""
        return max(wanted, min(self._rest, HEARTBEAT))

    def took(self, seconds: float) -> None:
        """A write took so long."""
        self._rest = REST * seconds

    def ails(self, warning: str) -> None:
        """What is wrong though it can be written, or empty."""
        if warning and not self._ails:
            trouble.warn("%s", warning)
        self._ails = warning

    def wants_less(self, *, is_asked_for: bool) -> bool:
        """Whether a write shall leave out what merely goes on, where nobody has asked for it: each would make worse
        what the store ails from.
        """
        now = time.monotonic()
        if self._ails and not is_asked_for and now - self._last_whole < HEARTBEAT:
            return True
        self._last_whole = now
        return False

    def failed(self, error: BaseException) -> bool:
        """A try failed; whether the connection is of no more use."""
        fault, now = classify(error), time.monotonic()
        self._rest = 0.0
        if fault is Fault.BUSY:
            self._busy_since = self._busy_since or now
            if now - self._busy_since >= BUSY_PATIENCE:
                self.warn(error)
            return False
        self.warn(error)
        self.can_be_written = fault not in FINAL
        backoff = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(self._failures, MOST_DOUBLINGS))
        self._failures += 1
        self._retry_at = now + backoff * random.uniform(0.5, 1.0)  # noqa: S311  # spreads tries, keeps no secret
        return True

    def fine(self) -> None:
        """A try did not fail."""
        if self._warned:
            log.info("%s can be written again; nothing of what is live was lost", self._writer.name)
        self._warned.clear()
        self._failures = 0
        self._retry_at = 0.0
        self._busy_since = 0.0

    def warn(self, error: BaseException) -> None:
        """Say what is wrong, once of each kind until it is over."""
        fault = classify(error)
        if fault in self._warned:
            return
        self._warned.add(fault)
        trouble.warn(
            "progstore cannot write to %s: %s; %s", self._writer.name, cause(error), self._writer.advice(fault)
        )
