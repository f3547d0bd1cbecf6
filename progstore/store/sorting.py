"""Tasks in another order than that of their start: the newest that match, by what they took, did or are called."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, func, select, tuple_

from progstore import clean
from progstore.errors import BadFilter
from progstore.store.filters import is_id, task_conditions
from progstore.store.queries import by_id
from progstore.store.tables import newest_first, tasks
from progstore.values import Filter

SORTED = 10_000
"""Of the matching tasks, the newest that are put in order; no index holds all of them in every order."""

_SECONDS = func.coalesce(tasks.c.duration, tasks.c.updated_at - tasks.c.started_at, 0.0)
ORDERS: Mapping[str, ColumnElement[Any]] = {
    "started": func.coalesce(tasks.c.started_at, 0.0),
    "took": _SECONDS,
    "items": tasks.c.done,
    "failed": tasks.c.failed,
    "rate": func.coalesce(tasks.c.done / func.nullif(_SECONDS, 0.0), 0.0),
    "name": tasks.c.name,
}
"""What tasks can be sorted by; the newest first are not sorted, but read in the order of an index."""


class Place(NamedTuple):
    """Where a sorted page ended: the order, the last row's value in it, and its id."""

    order: str
    value: float | str
    id: int

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(self).encode()).decode().rstrip("=")


def read_order(sort: object) -> tuple[ColumnElement[Any], bool]:
    """The column to sort by, and whether it falls: "-took" is the longest first. Raises BadFilter."""
    if not isinstance(sort, str) or (column := ORDERS.get(sort.removeprefix("-"))) is None:
        known = ", ".join(ORDERS)
        right = f"sort is one of {known}, or one of them after a minus for the largest first"
        raise BadFilter(f"{right}; got {clean.shown(sort)}")
    return column, sort.startswith("-")


def sorted_page(
    connection: Connection, wanted: Filter, sort: str, cursor: str | None, limit: int
) -> tuple[list[Row[Any]], str | None]:
    """One page of the newest SORTED tasks that match, in that order, and the cursor that asks for the next.

    Raises BadFilter.
    """
    column, falls = read_order(sort)
    place = None if cursor is None else _read_place(cursor, sort)
    conditions = task_conditions(connection, wanted)
    if wanted.text:
        newest = connection.execute(select(func.max(tasks.c.id))).scalar() or 0
        conditions.append(tasks.c.id > newest - 10 * SORTED)
    among = (
        select(tasks.c.id, column.label("value"))
        .where(*conditions)
        .order_by(*newest_first(tasks))
        .limit(SORTED)
        .subquery()
    )
    key = tuple_(among.c.value, among.c.id)
    chosen = select(among.c.id, among.c.value)
    if place is not None:
        last = tuple_(place.value, place.id)
        chosen = chosen.where(key < last if falls else key > last)
    order = (each.desc() if falls else each.asc() for each in (among.c.value, among.c.id))
    found = connection.execute(chosen.order_by(*order).limit(limit + 1)).all()
    rows = by_id(connection, tasks, (row.id for row in found))
    page = found[:limit]
    more = str(Place(sort, page[-1].value, page[-1].id)) if len(found) > limit else None
    return [rows[row.id] for row in page], more


def _read_place(written: str, sort: str) -> Place:
    try:
        plain = base64.b64decode(written + "=" * (-len(written) % 4), altchars=b"-_", validate=True)
        order, value, number = json.loads(plain)
    except (TypeError, ValueError, binascii.Error):
        raise _bad_place(written, sort) from None
    is_number = isinstance(value, float | int) and -clean.LARGEST <= value <= clean.LARGEST
    is_value = isinstance(value, str) if sort.endswith("name") else is_number
    if order != sort or not is_value or not is_id(number):
        raise _bad_place(written, sort)
    return Place(order, value if isinstance(value, str) else float(value), number)


def _bad_place(written: str, sort: str) -> BadFilter:
    said = clean.shown(written)
    return BadFilter(f"{said} is no cursor of a page sorted by {sort}; leave it out for the first page")
