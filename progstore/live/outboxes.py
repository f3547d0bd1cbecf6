"""All stores that this process writes to: one outbox each, made by the recorder's thread when it first needs it."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from progstore.live.outbox import Outbox
    from progstore.live.state import TaskState


class Outboxes:
    """Outboxes by store. Only the recorder's thread adds; other threads may look at any time."""

    def __init__(self) -> None:
        self._by_store: dict[str | None, Outbox] = {}

    def __bool__(self) -> bool:
        return bool(self._by_store)

    def of(self, store: str | None, make: Callable[[str | None], Outbox]) -> Outbox:
        """The outbox of that store, made where there is none yet."""
        outbox = self._by_store.get(store)
        if outbox is None:
            outbox = self._by_store[store] = make(store)
        return outbox

    def remove(self, store: str | None) -> Outbox | None:
        """The outbox of that store, which from here on is the caller's."""
        return self._by_store.pop(store, None)

    def stores(self) -> list[str | None]:
        """The stores that there is an outbox for."""
        return list(self._by_store)

    def watched(self) -> list[TaskState]:
        """The tasks whose end is not yet written."""
        return [task for outbox in list(self._by_store.values()) for task in outbox.watched()]

    def pace(self) -> float:
        """Seconds from one tick to the next when nothing begins or ends."""
        from progstore.owner import HEARTBEAT  # in the recorder's thread, which has more to import

        return min((outbox.pace() for outbox in self._by_store.values()), default=HEARTBEAT)

    def look_due(self) -> float | None:
        """Seconds until somebody has to look whether something was asked to stop; None where nothing heeds it."""
        return min((due for each in self._by_store.values() if (due := each.look_due()) is not None), default=None)

    def look(self) -> None:
        """Look whether something was asked to stop, where that is due."""
        for outbox in self._by_store.values():
            outbox.look()

    def write(self, *, hurry: bool, end_reason: str | None) -> list[Outbox]:
        """Write all that changed; returns those outboxes in which something is left unwritten."""
        return [outbox for outbox in self._by_store.values() if not outbox.write(hurry=hurry, end_reason=end_reason)]

    def admit_loss(self) -> None:
        """The process ends: say what could not be written, where nothing was said of it yet."""
        for outbox in self._by_store.values():
            outbox.admit_loss()

    def push_last(self, deadline: float) -> None:
        """The process ends: send on to servers what is written, until then by the monotonic clock."""
        for outbox in list(self._by_store.values()):
            outbox.push_last(max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        """Give the connections back."""
        for outbox in self._by_store.values():
            outbox.close()
