"""The life of one thread that pushes: it looks what there is to send, sends it, and ends at once when it is told to.

It never touches the recorder's connection. Only one among all processes that push from a store to a server sends; the
others look whether it is gone.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from progstore import proc
from progstore.errors import StoreBusy, StoreError
from progstore.remote.client import Client, Trouble
from progstore.remote.line import Cut
from progstore.remote.sending import Sending
from progstore.remote.standing import Standing
from progstore.remote.turn import Turn
from progstore.store.backend import Location
from progstore.store.dispatch import Dispatch, settle_lost
from progstore.store.reader import Reader
from progstore.store.watch import Watch

LOOK_EVERY: Final = 0.5
"""Seconds between two looks whether there is something to send, or whether it is our turn; each costs microseconds."""
BUSY_PAUSE: Final = 0.05
"""Seconds until the next try where another process held the store."""
SETTLE_EVERY: Final = 1.0
"""Seconds between two looks whether processes have died."""
OTHERS_PATIENCE: Final = 1.0
"""Seconds that the end of a process waits for the one that sends: it may be about to end as well."""
NAME_PATIENCE: Final = 0.5
"""Seconds that a thread which is to end may look for the address of a name, which nothing interrupts; it holds nothing
meanwhile, and ends by itself.
"""

log = logging.getLogger("progstore")


class Shift:
    """Sends from the store at `location` to its server until it is stopped."""

    def __init__(self, location: Location, standing: Standing) -> None:
        self._location = location
        self._standing = standing
        self._client = Client(location.push_to)
        self._reader = Reader(location)
        self._watch = Watch(location)
        self._dispatch = Dispatch(self._reader, location.push_to)
        self._sending = Sending(self._dispatch, self._client)
        self._thread = threading.Thread(target=self._run, name="progstore-pusher", daemon=True)
        self._wake = threading.Event()
        self._is_over = threading.Event()
        self._stops = False
        self._deadline: float | None = None
        self._minds_others = False
        self._seen: int | None = None
        self._settled_at = 0.0

    def start(self) -> None:
        """Begin. Raises RuntimeError where no thread can be started."""
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether nothing is sent any more."""
        return self._is_over.is_set()

    def finish(self, seconds: float, *, minds_others: bool) -> None:
        """Send what is there now and end; waits for that at most so long, with `minds_others`
        also for another who sends.
        """
        self._minds_others = minds_others
        self._deadline = time.monotonic() + seconds
        self._wake.set()
        self._is_over.wait(seconds)

    def send_last(self, seconds: float) -> None:
        """The same in the caller's thread, where no other can be started any more."""
        self._deadline = time.monotonic() + seconds
        self._client.seconds = seconds
        self._run()

    def stop(self) -> None:
        """End, and cut off what is under way: whatever was sent may be sent again."""
        patience = time.monotonic() + NAME_PATIENCE
        self._stops = True
        self._wake.set()
        self._client.cut()
        # As long as it takes, for a fork must not meet it in the store.
        while proc.runs(self._thread) and not (self._client.is_resolving and time.monotonic() > patience):
            self._thread.join(0.05)
            time.sleep(0.0005)

    def _run(self) -> None:
        turn: Turn | None = None
        try:
            turn = Turn(self._location, self._location.push_to)
            while not self._stops:
                # Asked first, so that all that was recorded before `finish` is sent by the last look.
                is_last = self._deadline is not None
                was_busy = False
                if turn.take() or (is_last and self._minds_others and self._outlives_others(turn)):
                    was_busy = not self._look(is_last=is_last)
                if is_last and not (was_busy and self._may_go_on()):
                    return
                if was_busy:
                    time.sleep(BUSY_PAUSE)
                else:
                    self._wake.wait(LOOK_EVERY)
        except StoreError as error:
            self._standing.unreadable(error)
        except Exception:
            # A mistake of ours, or a module that is gone at shutdown; the job must not suffer from either.
            self._standing.has_failed = True
            log.exception("progstore pushes nothing to %s any more: its pusher failed", self._location.push_to)
        finally:
            for part in (self._client, self._reader, self._watch, turn):
                if part is not None:
                    part.close()
            self._is_over.set()

    def _outlives_others(self, turn: Turn) -> bool:
        """Whether the one that sends goes before it has sent all, so that it is our turn now."""
        patience = time.monotonic() + OTHERS_PATIENCE
        while self._may_go_on() and time.monotonic() < patience and self._dispatch.count():
            if turn.take():
                return True
            time.sleep(0.02)
        return False

    def _look(self, *, is_last: bool) -> bool:
        """Send what there is; False where another process held the store, as they do for moments."""
        try:
            version = self._reader.data_version()
            may_try = self._standing.may_try_last if is_last else self._standing.may_try
            if version != self._seen and may_try:
                self._send()
                self._seen = version
            self._settle()
        except StoreBusy:
            return False
        except StoreError as error:
            self._standing.unreadable(error)
        except Trouble as trouble:
            self._standing.troubled(trouble)
        except Cut:
            return True
        return True

    def _settle(self) -> None:
        now = time.monotonic()
        if now - self._settled_at >= SETTLE_EVERY:
            self._settled_at = now
            settle_lost(self._reader, self._watch)

    def _send(self) -> None:
        try:
            if self._sending.send_all(self._may_go_on):
                self._standing.fine()
        finally:
            self._standing.refused(self._sending.take_refused())

    def _may_go_on(self) -> bool:
        return not self._stops and (self._deadline is None or time.monotonic() < self._deadline)
