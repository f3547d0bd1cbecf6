"""What the history shows: the tasks that match what was typed, and how many there are of each kind beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import msgspec

from progstore import (
    BadFilter,
    Filter,
    Page,
    Status,
    Store,
    StoreNotFound,
    TaskView,
    change_filter,
    parse_filter,
)
from progstore.wording import failure
from progstore_web.sql_of import sql_of
from progstore_web.tables import csv_of
from progstore_web.wording import iso, state

NEWEST_FIRST = "-started"
PAGE = 50
COUNTED = 2000
"""Of the matching tasks, the newest that are counted beside the table."""
VALUES_SHOWN = 12
FACETS = {"status": ("status", "Status"), "session_name": ("session", "Session"), "host": ("host", "Host")}
"""The key that asks for each facet, and its title."""
COLUMNS = (
    *("id", "session_id", "session", "name", "status", "verdict", "started", "ended", "seconds", "done", "total"),
    *("unit", "failed", "rate", "host", "message", "error", "meta"),
)
"""Of a table of tasks for spreadsheets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for, all of which stands in the address: `q` as it was typed, and with `nested` also tasks that
    are nested in another.
    """

    q: str = ""
    nested: bool = False
    sort: str = NEWEST_FIRST
    cursor: str | None = None
    limit: int = PAGE

    def filter(self) -> Filter:
        """What the store is asked for; who asks for a task by its name means nested ones too. Raises BadFilter."""
        wanted = parse_filter(self.q)
        return wanted if self.nested or wanted.name is not None else replace(wanted, roots=True)

    def kept(self) -> dict[str, str]:
        """What a new filter leaves as it is, by the names of the parameters; without what is the default."""
        given = {
            "nested": "1" if self.nested else "",
            "sort": "" if self.sort == NEWEST_FIRST else self.sort,
            "limit": "" if self.limit == PAGE else str(self.limit),
        }
        return {name: value for name, value in given.items() if value}

    def query(self, **changed: Any) -> str:
        """The same as the query of an address, with some of it changed; a changed one begins at its first page."""
        asked = replace(self, **{"cursor": None, **changed})
        given = {"q": asked.q, **asked.kept(), "cursor": asked.cursor or ""}
        written = urlencode({name: value for name, value in given.items() if value}, errors="replace")
        return f"?{written}" if written else ""

    def sorted_by(self, column: str) -> str:
        """The query that sorts by the column: first the largest, of names the first; a second time the other way."""
        first, second = (column, f"-{column}") if column == "name" else (f"-{column}", column)
        return self.query(sort=second if self.sort == first else first)


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a facet: how many tasks have it, whether it is asked for, and the query with it, or without."""

    value: str
    count: int
    chosen: bool
    query: str


@dataclass(frozen=True, slots=True)
class Facet:
    """One kind of value, the most frequent ones, and how many others there are."""

    title: str
    choices: tuple[Choice, ...]
    others: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The page. With a `fault` what was typed cannot be understood; `missing` means that there is no store yet."""

    asked: Asked
    wanted: Filter = field(default_factory=Filter)
    page: Page[TaskView] = field(default_factory=lambda: Page(()))
    facets: tuple[Facet, ...] = ()
    fault: str = ""
    missing: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether the store holds no task at all, as far as can be told."""
        is_all = self.wanted in (Filter(), Filter(roots=True)) and not self.fault
        return self.missing or (is_all and not self.page.items)

    @property
    def is_sorted(self) -> bool:
        """Whether only the newest that match are put in this order."""
        return self.asked.sort != NEWEST_FIRST

    @property
    def counted_among(self) -> int | None:
        """Among how many of the newest was counted; None where all were."""
        counted = sum(choice.count for choice in self.facets[0].choices) if self.facets else 0
        return COUNTED if counted >= COUNTED else None

    @property
    def by_name(self) -> bool:
        """Whether nested tasks are shown because a task's name was asked for."""
        return self.wanted.name is not None

    def to_dict(self) -> dict[str, Any]:
        """The tasks and the cursor that asks for the next ones, as plain JSON."""
        return {"items": [task.to_dict() for task in self.page.items], "next_cursor": self.page.next_cursor}


def read_history(store: Store, asked: Asked) -> History:
    """The page as it stands. Raises BadFilter, StoreError."""
    wanted = asked.filter()
    try:
        page = store.tasks(wanted, cursor=asked.cursor, limit=asked.limit, sort=asked.sort)
        counted = store.facets(wanted, newest=COUNTED)
    except StoreNotFound:
        return History(asked=asked, wanted=wanted, missing=True)
    facets = tuple(_facet(asked, wanted, name, counted[name]) for name in FACETS)
    return History(asked=asked, wanted=wanted, page=page, facets=facets)


def read_tasks(store: Store, asked: Asked) -> History:
    """The same without what stands beside the tasks. Raises BadFilter, StoreError."""
    wanted = asked.filter()
    page = store.tasks(wanted, cursor=asked.cursor, limit=asked.limit, sort=asked.sort)
    return History(asked=asked, wanted=wanted, page=page)


def sql(asked: Asked, store: Store) -> str:
    """The SQL that gives the rows of the first page; of what cannot be understood none."""
    try:
        return sql_of(asked.filter(), asked.sort, asked.limit, postgresql=store.url.startswith("postgresql:"))
    except BadFilter:
        return ""


def table_of(tasks: Iterable[TaskView]) -> bytes:
    """The tasks as a table for spreadsheets."""
    return csv_of(COLUMNS, map(_line, tasks))


def _line(task: TaskView) -> tuple[object, ...]:
    word = state(task).word
    return (
        *(task.id, task.session_id, task.session_name, task.name, str(task.status)),
        *("" if word == task.status else word, _time(task.started_at), _time(task.ended_at)),
        *(task.duration, task.done, task.total, task.unit, task.failed, task.rate, task.host, task.message),
        *(failure(task), msgspec.json.encode(task.meta).decode() if task.meta else ""),
    )


def _time(at: float | None) -> str:
    return "" if at is None else iso(at)


def _facet(asked: Asked, wanted: Filter, name: str, counted: Mapping[str, int]) -> Facet:
    key, title = FACETS[name]
    asked_for = _asked_for(wanted, name)
    values = {**counted, **{value: counted.get(value, 0) for value in asked_for}}
    chosen = [value for value in values if value in asked_for]
    rest = [value for value in values if value not in asked_for]
    choices = []
    for value in (chosen + rest)[:VALUES_SHOWN]:
        # What is chosen is left out by a second click, alone or from among others.
        others = ",".join(word for word in chosen if word != value) or None
        changed = change_filter(asked.q, key, others if value in asked_for else value)
        choices.append(Choice(value, values[value], value in asked_for, asked.query(q=changed)))
    return Facet(title, tuple(choices), max(len(values) - VALUES_SHOWN, 0))


def _asked_for(wanted: Filter, name: str) -> list[str]:
    if name == "status":
        return [str(status) for status in Status if status in wanted.statuses]
    value = wanted.session_name if name == "session_name" else wanted.host
    return [] if value is None else [value]
