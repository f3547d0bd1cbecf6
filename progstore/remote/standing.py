"""How a server behaves towards this process: what was warned of, and when it is worth another try."""

from __future__ import annotations

import logging
import random
import time
from typing import Final

from progstore.errors import StoreError
from progstore.remote.client import SILENCE, Trouble

FIRST_BACKOFF: Final = 0.5
LONGEST_BACKOFF: Final = 30.0
"""Seconds between two tries at a server that takes nothing."""
MOST_DOUBLINGS: Final = 6
"""From the first to the longest."""
LONGEST_WISH: Final = 600.0
"""Seconds for which a server is left alone at the most because it says so."""
UNREADABLE: Final = "unreadable"

log = logging.getLogger("progstore")


class Standing:
    """Outlives the threads that send, so that a fork neither warns again nor tries too soon."""

    def __init__(self, url: str, path: str) -> None:
        self._url = url
        self._path = path
        self._warned: set[str] = set()
        self._failures = 0
        self._retry_at = 0.0
        self._has_refused = False
        self._is_silent = False
        self.has_failed = False
        """Whether the code made a mistake here; then nothing more is tried."""

    @property
    def may_try(self) -> bool:
        """Whether the next try is due."""
        return time.monotonic() >= self._retry_at

    @property
    def may_try_last(self) -> bool:
        """Whether the end of the process may wait for it; a server that said nothing would say nothing again."""
        return self.may_try or not self._is_silent

    def troubled(self, trouble: Trouble) -> None:
        """Warn once of each kind, and wait longer from try to try."""
        self._wait(trouble)
        self._is_silent = trouble.kind == SILENCE
        if trouble.kind not in self._warned:
            self._warned.add(trouble.kind)
            log.warning(
                "progstore cannot push to %s: %s; the job goes on, recorded in %s", self._url, trouble, self._path
            )

    def unreadable(self, error: StoreError) -> None:
        """The local store cannot be read, or what was sent cannot be taken off its list."""
        self._wait(None)
        if UNREADABLE not in self._warned:
            self._warned.add(UNREADABLE)
            log.warning("progstore cannot push to %s: %s", self._url, error)

    def fine(self) -> None:
        """The server has taken something."""
        if self._warned:
            log.info("%s takes what is pushed again; nothing was lost", self._url)
        self._warned.clear()
        self._failures = 0
        self._retry_at = 0.0
        self._is_silent = False

    def refused(self, reasons: list[str]) -> None:
        """Rows were not taken; that is said once."""
        if reasons and not self._has_refused:
            self._has_refused = True
            log.warning(
                "%s does not take %d rows: %s; they stay in %s, and further ones are only left out",
                self._url,
                len(reasons),
                reasons[0],
                self._path,
            )

    def _wait(self, trouble: Trouble | None) -> None:
        backoff = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(self._failures, MOST_DOUBLINGS))
        self._failures += 1
        if trouble is not None and trouble.is_lasting:
            backoff = LONGEST_BACKOFF
        wish = min(LONGEST_WISH, (trouble and trouble.retry_after) or 0.0)
        self._retry_at = time.monotonic() + max(wish, backoff * random.uniform(0.5, 1.0))  # noqa: S311  # no secret
