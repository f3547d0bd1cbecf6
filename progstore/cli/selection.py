"""Which sessions and tasks a command line means, in the words that the store understands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from progstore.values import Filter, Life, SessionView, Status
from progstore.wording import state

if TYPE_CHECKING:
    from progstore.store.store import Store

PAGE = 200
"""Sessions that are asked for at a time."""
_STORED = frozenset(str(status) for status in Status)
_CONCLUDED = frozenset(str(life) for life in Life)


def make_filter(
    *,
    name: str | None,
    states: Sequence[str],
    since: float | None,
    until: float | None,
    host: str | None,
    running: bool = False,
) -> Filter:
    """The store's filter for the options of a command; a verdict such as lost is only ever one on running work."""
    stored = {Status(word) for word in states if word in _STORED}
    if _CONCLUDED.intersection(states):
        stored.add(Status.RUNNING)
    return Filter(session_name=name, statuses=frozenset(stored), since=since, until=until, host=host, live=running)


def sessions(store: Store, filter: Filter, states: Sequence[str], limit: int) -> tuple[list[SessionView], bool]:
    """The newest `limit` sessions that stand in one of `states`, and whether there are more."""
    found = list(islice(_matching(store, filter, states, min(limit + 1, PAGE)), limit + 1))
    return found[:limit], len(found) > limit


def _matching(store: Store, filter: Filter, states: Sequence[str], size: int) -> Iterator[SessionView]:
    wanted = frozenset(states)
    cursor: str | None = None
    while True:
        page = store.sessions(filter, cursor=cursor, limit=size)
        yield from (view for view in page if not wanted or state(view) in wanted)
        cursor = page.next_cursor
        if cursor is None:
            return
