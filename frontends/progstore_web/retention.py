"""Removes what ended long ago, in the background, while a server runs; what may still run is kept."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Final, Self

from progstore import Store, StoreBusy, StoreError, StoreNotFound

LOOKS: Final = 20
"""Looks within the time that is kept, so that nothing stays much longer."""
SHORTEST, LONGEST = 1.0, 3600.0
"""Seconds between two looks."""

log = logging.getLogger("progstore")


class Retention:
    """Within it, sessions that ended more than `seconds` ago are removed from `store`, again and again; 0 is never."""

    def __init__(self, store: Store, seconds: float) -> None:
        self._store = store
        self._seconds = seconds
        self._every = min(max(seconds / LOOKS, SHORTEST), LONGEST)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="progstore-retention", daemon=True)
        self._warned = ""

    def __enter__(self) -> Self:
        if self._seconds:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._seconds:
            self._thread.join(1.0)  # seconds; a clean-up that is at work goes in small steps, and may be cut off

    def _work(self) -> None:
        pause = SHORTEST  # a server that is restarted often removes something too
        while not self._ended.wait(pause):
            self._remove()
            pause = self._every

    def _remove(self) -> None:
        try:
            self._store.prune(older_than=self._seconds)
        except (StoreBusy, StoreNotFound):
            return  # another clean-up is at it, or there is nothing yet: the next look will do
        except StoreError as trouble:
            if str(trouble) != self._warned:
                self._warned = str(trouble)
                log.warning("what ended more than %g s ago is not removed: %s", self._seconds, trouble)
        except Exception:  # the next look may fare better
            log.exception("what ended more than %g s ago is not removed", self._seconds)
