"""What sessions and tasks share: metadata and events on their way to the store."""

from __future__ import annotations

import time
from collections import deque

from progstore import clean
from progstore.live.identity import process_uid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    Event = tuple[float, str, str, str | None]
    """When (seconds UTC), kind, message, data as JSON."""

MOST_EVENTS: Final = 1000
"""Events of one task that are kept; further ones are counted, not stored."""
MOST_METADATA: Final = 1000
"""Metadata keys of one task or session."""


class Record:
    """A session or a task, as far as they are alike. Nothing here locks or waits; see `state`."""

    def __init__(self) -> None:
        self.meta: dict[str, str] = {}
        self.meta_dirty: dict[str, None] = {}
        self.events: deque[Event] = deque()
        self.event_count = 0
        self.events_dropped = 0
        self.written: object = None
        """What the store last got, so that only changes are written."""
        self._process = process_uid()
        self._given_away = False

    @property
    def inert(self) -> bool:
        """Inherited over a fork, or another process's by now: whatever is done to it stays in this process."""
        return self._given_away or self._process != process_uid()

    def give_away(self) -> None:
        """It is another process's from now on."""
        self._given_away = True

    def put(self, key: object, value: object) -> None:
        """Set metadata `key` to a JSON value.

        Raises TypeError for what JSON cannot say, BadValue for what is too large and past MOST_METADATA keys.
        """
        name = clean.text(key, "a metadata key", clean.NAME_LIMIT)
        self.put_json(name, clean.metadata(value, name))

    def put_all(self, meta: Mapping[str, Any] | None) -> None:
        """Set every value, or none of them where one is bad. Raises as `put` does, TypeError for no mapping."""
        if meta is None:
            return
        names = clean.names(meta, "a metadata key")
        for name, text in {name: clean.metadata(value, name) for name, value in names.items()}.items():
            self.put_json(name, text)

    def put_json(self, key: str, value: str) -> None:
        """Set metadata `key` to JSON text. Raises BadValue past MOST_METADATA keys."""
        if key not in self.meta and len(self.meta) >= MOST_METADATA:
            from progstore.errors import BadValue  # only a mistake pays for it

            raise BadValue(f"a task or session keeps at most {MOST_METADATA} metadata keys; put a list under one key")
        self.keep(key, value)

    def keep(self, key: str, value: str) -> None:
        """The same for what progstore itself has to say, however many keys there are: it must not raise."""
        self.meta[key] = value
        self.meta_dirty[key] = None

    def happened(self, kind: str, message: str = "", data: str | None = None, *, always: bool = False) -> None:
        """Keep an event; past MOST_EVENTS it is only counted, unless it must `always` be told."""
        if self.event_count >= MOST_EVENTS and not always:
            self.events_dropped += 1
            return
        self.event_count += 1
        self.events.append((time.time(), kind, message, data))
