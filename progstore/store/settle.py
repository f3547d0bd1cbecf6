"""Settlement: a writer notes on running work whose owner is gone that it is lost, and leaves the status alone."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, exists, func, select, update

from progstore.store.tables import processes, tasks
from progstore.store.watch import OWNERS, Watch, lost_ids

IS_GONE: ColumnElement[bool] = processes.c.ended_at.is_not(None) | processes.c.lost_at.is_not(None)
"""A process that ended, or was found dead."""


def newly_lost(connection: Connection, watch: Watch, now: float | None = None) -> dict[int, float]:
    """The processes that are gone and not yet noted as such, by id, with the time (seconds UTC) since when."""
    now = watch.now(connection) if now is None else now
    open_ones = OWNERS.where(processes.c.ended_at.is_(None), processes.c.lost_at.is_(None))
    verdicts = watch.verdicts(connection, connection.execute(open_ones).all(), now)
    return {number: verdicts[number].since or now for number in lost_ids(verdicts)}


def settle(connection: Connection, watch: Watch) -> int:
    """Set `lost_at` on processes that are gone and on their running tasks, within the caller's transaction; returns
    how many tasks.

    What is pending may still be begun by another process. An owner that returns takes it all back with its next write.
    """
    for number, since in newly_lost(connection, watch).items():
        connection.execute(update(processes).where(processes.c.id == number).values(lost_at=since))
    return mark_lost_tasks(connection)


def mark_lost_tasks(connection: Connection, *whose: ColumnElement[bool]) -> int:
    """Set `lost_at` on the running tasks of those processes that are gone, as their own rows say; returns how many."""
    since_when = select(func.coalesce(processes.c.lost_at, processes.c.ended_at)).where(
        processes.c.id == tasks.c.process_id
    )
    marked = connection.execute(
        update(tasks)
        .where(
            tasks.c.ended_at.is_(None),
            tasks.c.lost_at.is_(None),
            tasks.c.status == "running",
            # From each task to its process: there are far more processes than tasks that go on.
            exists().where(processes.c.id == tasks.c.process_id, IS_GONE, *whose).correlate(tasks),
        )
        .values(lost_at=since_when.correlate(tasks).scalar_subquery())
    )
    return marked.rowcount
