"""What has yet to be sent to a server: marked in the transaction that writes it, read in parcels, and taken off the
list when the server has said that it has it.

So a crash at any moment loses nothing: what was written is marked, and what is marked is sent, if need be again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    tuple_,
    union,
    update,
)
from sqlalchemy.dialects import sqlite

from progstore.store.batch import Batch
from progstore.store.gathering import EVENTS, event_row, gather, processes_where
from progstore.store.settle import IS_GONE
from progstore.store.tables import events, outgoing, processes, senders, sessions, tasks
from progstore.store.writes import Ids, chunks

Place = tuple[int, int]
"""Session id and task id, 0 for the session itself: the order in which what is marked is sent."""
EVENTS_A_ROW = 4
"""Events that a parcel holds at the most, for each row that it may hold."""


class Reached(NamedTuple):
    """How far the list has been read: the last row that is marked, and the last process that there is news of."""

    place: Place
    process_id: int


START: Final = Reached((0, 0), 0)
"""Before everything that can be on the list."""


class Sent(NamedTuple):
    """A marked row as it was put into a parcel: with which changes, and with its events up to which id. `whole` says
    that there were no further ones.
    """

    place: Place
    rev: int
    events_until: int
    whole: bool


class Told(NamedTuple):
    """A process as it was put into a parcel: at which beat, and whether it is over, or its row gone."""

    process_id: int
    beats: int
    is_over: bool


@dataclass(slots=True)
class Parcel:
    """What is sent at once, and what to take off the list when it has arrived."""

    batch: Batch = field(default_factory=Batch)
    sent: list[Sent] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    last: Reached = START
    """From where to read on. With further events to come of its rows these are looked at once more."""
    more: bool = False
    """Whether there may be something behind `last`."""

    def __bool__(self) -> bool:
        return bool(self.sent or self.told)


# In the transaction of whoever writes


def newest_event(connection: Connection) -> int:
    """The id above which those of further events are."""
    return connection.execute(select(func.max(events.c.id))).scalar() or 0


def mark(connection: Connection, url: str, process_id: int, batch: Batch, ids: Ids, *, events_after: int) -> None:
    """Note within the open transaction that process `process_id` has written `batch`, and that the server at `url` is
    to get it. `events_after` is what `newest_event` was before that.
    """
    written = [ids.sessions[row.uid] for row in batch.sessions if row.uid in ids.sessions]
    changed = [ids.tasks[row.identity] for row in batch.tasks if row.identity in ids.tasks]
    for statement, numbers in ((_mark_session(), written), (_mark_task(), changed)):
        if numbers:
            rows = [{"given_url": url, "which": number, "after": events_after} for number in numbers]
            connection.execute(statement, rows)
    connection.execute(_register(), {"url": url, "process_id": process_id, "beats": 0})


@cache
def _mark_session() -> Any:
    return _marking(sessions.c.id, literal_column("0"), sessions.c.id)


@cache
def _mark_task() -> Any:
    return _marking(tasks.c.session_id, tasks.c.id, tasks.c.id)


def _marking(session_id: ColumnElement[int], task_id: ColumnElement[int], key: ColumnElement[int]) -> Any:
    row: Any = select(bindparam("given_url"), session_id, task_id, literal_column("1"), bindparam("after"))
    statement = sqlite.insert(outgoing).from_select(
        ["url", "session_id", "task_id", "rev", "events_after"], row.where(key == bindparam("which"))
    )
    return statement.on_conflict_do_update(
        index_elements=["url", "session_id", "task_id"], set_={"rev": outgoing.c.rev + literal_column("1")}
    )


@cache
def _register() -> Any:
    return sqlite.insert(senders).on_conflict_do_nothing(index_elements=["url", "process_id"])


# For whoever sends


def urls(connection: Connection) -> list[str]:
    """The servers that something has yet to be sent to."""
    return sorted(connection.execute(union(select(outgoing.c.url), select(senders.c.url))).scalars())


def count(connection: Connection, url: str) -> int:
    """How many rows are marked for the server at `url`."""
    return connection.execute(select(func.count()).where(outgoing.c.url == url)).scalar_one()


def read(connection: Connection, url: str, after: Reached, limit: int, refused: Mapping[Place, int]) -> Parcel:
    """The next rows, at most `limit`, that are marked for the server at `url` behind `after`, and as many processes of
    which it has not heard how they stand. Left out are those of `refused` that have not changed since, by their `rev`.
    """
    marked = connection.execute(_marked(url, after.place).limit(limit)).all()
    last = newest_event(connection)
    parcel = Parcel()
    wanted = [row for row in marked if refused.get((row.session_id, row.task_id)) != row.rev]
    there = [row for row in wanted if row.is_there]
    session_ids = [row.session_id for row in there if not row.task_id]
    task_ids = [row.task_id for row in there if row.task_id]
    parcel.batch = gather(connection, session_ids, task_ids)
    found = _events(connection, url, session_ids, task_ids, limit * EVENTS_A_ROW)
    whole = len(found) <= limit * EVENTS_A_ROW
    until = last if whole else found[limit * EVENTS_A_ROW - 1].id
    parcel.batch.events = [event_row(row) for row in found if row.id <= until]
    parcel.sent = [Sent((row.session_id, row.task_id), row.rev, until, whole) for row in wanted]
    _tell_of_processes(connection, url, after.process_id, limit, parcel)
    place = (marked[-1].session_id, marked[-1].task_id) if marked and whole else after.place
    # Each is told of once on a way through the list, however often it beats meanwhile.
    parcel.last = Reached(place, parcel.told[-1].process_id if parcel.told else after.process_id)
    parcel.more = not whole or limit in (len(marked), len(parcel.told))
    return parcel


def _marked(url: str, after: Place) -> Select[Any]:
    is_there = sessions.c.id.is_not(None) & ((outgoing.c.task_id == 0) | tasks.c.id.is_not(None))
    return (
        select(outgoing.c.session_id, outgoing.c.task_id, outgoing.c.rev, is_there.label("is_there"))
        .outerjoin(sessions, sessions.c.id == outgoing.c.session_id)
        .outerjoin(tasks, tasks.c.id == outgoing.c.task_id)
        .where(outgoing.c.url == url, tuple_(outgoing.c.session_id, outgoing.c.task_id) > after)
        .order_by(outgoing.c.session_id, outgoing.c.task_id)
    )


def _events(
    connection: Connection, url: str, session_ids: Sequence[int], task_ids: Sequence[int], limit: int
) -> list[Row[Any]]:
    """The oldest of the events that have yet to be sent of these, one more than `limit` where there are more."""
    found: list[Row[Any]] = []
    to_send = (outgoing.c.url == url) & (events.c.id > outgoing.c.events_after)
    of_task = (outgoing.c.session_id == events.c.session_id) & (outgoing.c.task_id == events.c.task_id)
    of_session = (outgoing.c.session_id == events.c.session_id) & (outgoing.c.task_id == 0)
    for chunk in chunks(list(task_ids)):
        statement = EVENTS.join(outgoing, of_task & to_send).where(events.c.task_id.in_(chunk))
        found += connection.execute(statement.limit(limit + 1))
    for chunk in chunks(list(session_ids)):
        of_chunk = events.c.session_id.in_(chunk) & events.c.task_id.is_(None)
        found += connection.execute(EVENTS.join(outgoing, of_session & to_send).where(of_chunk).limit(limit + 1))
    return sorted(found, key=lambda row: int(row.id))[: limit + 1]


def _tell_of_processes(connection: Connection, url: str, after: int, limit: int, parcel: Parcel) -> None:
    has_news = (processes.c.beats > senders.c.beats) | IS_GONE | processes.c.id.is_(None)
    statement = (
        select(senders.c.process_id, processes.c.uid, processes.c.beats, IS_GONE.label("is_gone"))
        .outerjoin(processes, processes.c.id == senders.c.process_id)
        .where(senders.c.url == url, senders.c.process_id > after, has_news)
        .order_by(senders.c.process_id)
        .limit(limit)
    )
    there = {row.uid for row in parcel.batch.processes}
    missing = []
    for row in connection.execute(statement):
        parcel.told.append(Told(row.process_id, row.beats or 0, is_over=row.uid is None or row.is_gone))
        if row.uid is not None and row.uid not in there:
            missing.append(row.process_id)
    conditions = [processes.c.id.in_(chunk) for chunk in chunks(missing)]
    parcel.batch.processes += processes_where(connection, conditions)


def acknowledge(connection: Connection, url: str, parcel: Parcel) -> None:
    """The server has all of `parcel`: take it off the list, within the open transaction, but for what changed since."""
    marked = (
        (outgoing.c.url == url)
        & (outgoing.c.session_id == bindparam("which_session"))
        & (outgoing.c.task_id == bindparam("which_task"))
    )
    places = [
        {"which_session": each.place[0], "which_task": each.place[1], "sent": each.rev, "until": each.events_until}
        for each in parcel.sent
    ]
    whole = [place for place, each in zip(places, parcel.sent, strict=True) if each.whole]
    if whole:
        connection.execute(delete(outgoing).where(marked, outgoing.c.rev == bindparam("sent")), whole)
    if places:
        connection.execute(update(outgoing).where(marked).values(events_after=bindparam("until")), places)
    whom = (senders.c.url == url) & (senders.c.process_id == bindparam("which"))
    beats = select(processes.c.beats).where(processes.c.id == senders.c.process_id).scalar_subquery()
    over = whom & (func.coalesce(beats, 0) == bindparam("heard"))
    told = [{"which": each.process_id, "heard": each.beats} for each in parcel.told]
    if told:
        connection.execute(update(senders).where(whom).values(beats=bindparam("heard")), told)
    if ended := [row for row, each in zip(told, parcel.told, strict=True) if each.is_over]:
        connection.execute(delete(senders).where(over), ended)


def ask_to_stop(connection: Connection, session_uids: Sequence[str]) -> None:
    """Note that somebody asked for these sessions to stop, where nobody has yet."""
    asked = sessions.c.stop_requested_at.is_(None) & sessions.c.ended_at.is_(None)
    for chunk in chunks(list(session_uids)):
        statement = update(sessions).where(sessions.c.uid.in_(chunk), asked)
        connection.execute(statement.values(stop_requested_at=time.time()))
