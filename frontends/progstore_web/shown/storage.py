"""What the store's page shows: the file, what is in it, and who wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import progstore
from progstore import Store, StoreNotFound

ROWS = ("sessions", "tasks", "events", "metadata")
COLUMNS = ("fact", "value")
"""Of the table for spreadsheets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """The facts, as `Store.check` without the integrity gives them; empty where there is no store yet."""

    url: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    notice: str = ""

    @property
    def missing(self) -> bool:
        """Whether there is no store yet."""
        return not self.facts

    @property
    def rows(self) -> list[tuple[str, int]]:
        """How many rows there are of what people know."""
        return [(name, self.facts["rows"][name]) for name in ROWS]

    @property
    def counted_losses(self) -> list[tuple[int, str]]:
        """What went wrong, with how often; only what did."""
        losses = (
            (self.facts["lost_tasks"], "tasks whose owner is gone"),
            (self.facts["dropped_events"], "events that were counted, but not kept"),
            (self.facts["faults"], "faults that jobs were spared"),
        )
        return [(number, what) for number, what in losses if number]

    def to_dict(self) -> dict[str, Any]:
        """All of it, as plain JSON."""
        return {"url": self.url, "exists": not self.missing, "progstore": progstore.__version__, **self.facts}

    def lines(self) -> Iterator[tuple[str, object]]:
        """All of it as lines of a table; what is a group becomes a line for each of its parts."""
        for name, value in self.to_dict().items():
            if isinstance(value, Mapping):
                yield from ((f"{name}: {part}", number) for part, number in value.items())
            else:
                yield name, value


def read_storage(store: Store) -> Storage:
    """The facts as they are. Raises StoreError."""
    try:
        return Storage(url=store.url, facts=store.check(integrity=False), notice=store.notice)
    except StoreNotFound:
        return Storage(url=store.url, notice=store.notice)
