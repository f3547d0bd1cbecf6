"""How many of the oldest sessions must go so that the store takes no more than a given size: an estimate from its rows.

It errs on the side of a store that becomes smaller than asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, Table, func, select

from progstore.store.tables import events, meta, sessions, tasks
from progstore.store.writes import chunks

EMPTY: Final = 200_000
"""Bytes that a store takes which holds nothing."""
SCATTERED: Final = 0.1
"""The part of what it takes that stands in an order other than that of time, in indexes by name and duration."""
LEAST_FILL: Final = 1 / 3
"""How full pages become at the least, where rows go here and there, before they are put together."""


class _Kind(NamedTuple):
    """A table's rows: what each takes with its entries in the indexes, besides its texts."""

    table: Table
    session: Column[Any]
    row: int
    texts: tuple[Column[Any], ...] = ()


_KINDS: Final = (
    _Kind(sessions, sessions.c.id, 1000),  # and mostly a process that has no other
    _Kind(
        tasks,
        tasks.c.session_id,
        500,
        (tasks.c.key, tasks.c.message, tasks.c.error, tasks.c.traceback, tasks.c.curve),
    ),
    _Kind(events, events.c.session_id, 80, (events.c.message, events.c.data)),
    _Kind(meta, meta.c.session_id, 80, (meta.c.key, meta.c.value)),
)


class Choice(NamedTuple):
    """The sessions that go, oldest first, whether that should be enough, and about how many bytes it frees where that
    was looked at.
    """

    sessions: list[int]
    suffices: bool = True
    freed: int | None = None


def as_needed(connection: Connection, candidates: Sequence[int], used: int, most: int) -> Choice:
    """As many of `candidates`, the oldest of which stand first, as must go so that of `used` bytes `most` are left."""
    if used <= most:
        return Choice([], freed=0)
    whole = sum(_weight(connection, kind) for kind in _KINDS)
    taken: list[int] = []
    left = used
    for session, gone in _added_up(connection, candidates):
        taken.append(session)
        left = _left(used, gone / whole)
        if left <= most:
            break
    return Choice(taken, suffices=left <= most, freed=used - left)


def _left(used: int, part: float) -> int:
    """Bytes that are still used when this part of all rows is gone."""
    rest = max(0.0, 1 - part)
    scattered = min(1.0, rest / LEAST_FILL)
    return min(used, int(EMPTY + (used - EMPTY) * ((1 - SCATTERED) * rest + SCATTERED * scattered)))


def _added_up(connection: Connection, candidates: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Each session with the weight of it and of all before it."""
    before = 0
    for chunk in chunks(candidates):
        weights = dict.fromkeys(chunk, 0)
        for kind in _KINDS:
            grouped = select(kind.session, _weight_of(kind)).where(kind.session.in_(chunk)).group_by(kind.session)
            for session, weight in connection.execute(grouped):
                weights[session] += int(weight)
        sums = list(accumulate(weights.values(), initial=before))[1:]
        yield from zip(chunk, sums, strict=True)
        before = sums[-1]


def _weight(connection: Connection, kind: _Kind) -> int:
    return int(connection.execute(select(_weight_of(kind)).select_from(kind.table)).scalar_one() or 0)


def _weight_of(kind: _Kind) -> ColumnElement[int]:
    """Their bytes, as far as rows differ in them; only the proportions matter."""
    texts = [func.sum(func.coalesce(func.length(text), 0)) for text in kind.texts]
    return sum(texts, start=func.count() * kind.row)
