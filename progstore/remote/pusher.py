"""Who sends what this process has recorded to a server: a thread of its own, as far as one can be started."""

from __future__ import annotations

from progstore.remote.shift import Shift
from progstore.remote.standing import Standing
from progstore.store.backend import Location


class Pusher:
    """Sends from the store at `location` to its server. Its thread is started and stopped by the recorder's."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._standing = Standing(location.push_to, location.name)
        self._shift: Shift | None = None

    def start(self) -> None:
        """Let a thread do it, where none does yet, or the last one could not begin."""
        if self._shift is not None and self._shift.is_over:
            self._shift = None
        if self._shift is None and self._standing.may_try and not self._standing.has_failed:
            shift = Shift(self._location, self._standing)
            try:
                shift.start()
            except RuntimeError:
                # Too many threads, or the interpreter is ending: then `finish` does it itself, or another process.
                return
            self._shift = shift

    def finish(self, seconds: float, *, minds_others: bool) -> None:
        """The process ends: send what there is, for at most so long. What remains is sent by others, or later. With
        `minds_others` wait a moment where another process is at it, for that may end just now too.
        """
        shift = self._shift
        if shift is not None:
            shift.finish(seconds, minds_others=minds_others)
        elif not self._standing.has_failed:
            Shift(self._location, self._standing).send_last(seconds)

    def stop(self) -> None:
        """Let the thread end, and cut off what it waits for."""
        shift, self._shift = self._shift, None
        if shift is not None:
            shift.stop()
