"""Asks one store, for the recorder's thread, whether sessions of this process were asked to stop."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from progstore.live.state import SessionState
from progstore.store.faults import store_faults
from progstore.store.store import Store, open_store

LOOK_EVERY: Final = 1.0
"""Seconds between two looks."""


class Listener:
    """What is known of one store's requests. It is asked only where it moved since, or for a session that is new."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._store: Store | None = None
        self._due = 0.0
        self._seen: tuple[int, frozenset[str]] | None = None

    def wait(self) -> float:
        """Seconds until the next look is due."""
        return max(0.0, self._due - time.monotonic())

    def look(self, sessions: Iterable[SessionState]) -> None:
        """Where a look is due, set the sign of those of these sessions that were asked to stop."""
        if self.wait():
            return
        self._due = time.monotonic() + LOOK_EVERY
        waiting = {session.uid: session for session in sessions}
        try:
            for uid in self._asked(frozenset(waiting)):
                waiting[uid].stop.set()
        except store_faults():  # the tick that cannot write warns of it; here it is tried again
            self.close()

    def close(self) -> None:
        """Give the connections back."""
        store, self._store, self._seen = self._store, None, None
        if store is not None:
            store.close()

    def _asked(self, uids: frozenset[str]) -> frozenset[str]:
        store = self._store = self._store or open_store(self._url)
        seen = (store.data_version(), uids)
        if seen == self._seen:
            return frozenset()
        found = store.stop_requests(uids)
        self._seen = seen
        return found
