"""How the store is: its size, its rows, who writes and who wrote; nothing here changes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, func, select

from progstore.store import schema
from progstore.store.reader import Reader
from progstore.store.settle import newly_lost
from progstore.store.sound import number
from progstore.store.summaries import statuses
from progstore.store.tables import events, meta, processes, sessions, tasks
from progstore.store.watch import OWNERS, Watch
from progstore.values import Life

TABLES: Final = (processes, sessions, tasks, events, meta)
WRITERS_LISTED: Final = 20
"""Pairs of host and version that are told of, those with the most processes first."""

_LAST_FAULT: Final = (
    select(processes.c.last_fault).where(processes.c.faults > 0).order_by(processes.c.id.desc()).limit(1)
)


def check(reader: Reader, watch: Watch, *, integrity: bool = True) -> Mapping[str, Any]:
    """Facts about the store; `integrity` is "ok" or what is wrong, and is left out where it was not asked for.

    Raises StoreNotFound, StoreTooNew, and StoreDamaged for a file that is no database at all.
    """
    with reader.connection() as connection:
        found = schema.versions(connection, reader.location)
        facts = {
            **reader.location.facts(connection, integrity=integrity),
            "schema": found.revision,
            "schema_of_this_progstore": schema.HEAD,
            "created_by": found.created_by,
        }
        if facts.get("integrity", "ok") == "ok":
            facts |= {"rows": _rows(connection), "tasks_by_status": statuses(connection)}
            facts |= {**_writers(connection, watch), **_past(connection)}
    return facts


def _rows(connection: Connection) -> dict[str, int]:
    return {table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in TABLES}


def _writers(connection: Connection, watch: Watch) -> dict[str, Any]:
    now = watch.now(connection)
    living = connection.execute(OWNERS.where(processes.c.ended_at.is_(None), processes.c.lost_at.is_(None)))
    verdicts = watch.verdicts(connection, living.all(), now).values()
    unsettled = newly_lost(connection, watch, now)
    lost = (
        select(func.count())
        .select_from(tasks.outerjoin(processes, processes.c.id == tasks.c.process_id))
        .where(
            tasks.c.ended_at.is_(None),
            tasks.c.status == "running",
            tasks.c.lost_at.is_not(None) | processes.c.ended_at.is_not(None) | processes.c.id.in_(unsettled),
        )
    )
    return {
        "writers": {str(life): number for life in Life if (number := sum(each.life is life for each in verdicts))},
        "lost_tasks": connection.execute(lost).scalar_one(),
    }


def _past(connection: Connection) -> dict[str, Any]:
    """Since when there are runs, and which versions wrote on which hosts."""
    processes_there, host, version = func.count(), processes.c.host, processes.c.progstore_version
    # One look at all processes, for it takes a while where there are very many.
    found = connection.execute(
        select(host, version, processes_there, func.sum(processes.c.dropped_events), func.sum(processes.c.faults))
        .group_by(host, version)
        .order_by(processes_there.desc(), host, version)
    ).all()
    return {
        "dropped_events": int(sum(number(row[3]) or 0 for row in found)),
        "faults": int(sum(number(row[4]) or 0 for row in found)),
        "last_fault": connection.execute(_LAST_FAULT).scalar() or "",
        "oldest_start": number(connection.execute(select(func.min(sessions.c.started_at))).scalar_one()),
        "written_by": {f"progstore {row[1]} on {row[0]}": row[2] for row in found[:WRITERS_LISTED]},
    }
