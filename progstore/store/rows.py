"""From rows to the frozen values that readers get; what is derived from a row is derived here, once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Row

from progstore.insight.easing import drawn_message, percent_now
from progstore.insight.estimate import Point, finish_time, mean_rate, smoothed_rate
from progstore.values import EventView, Json, Life, SessionView, Status, TaskView, Verdict


class Figures(NamedTuple):
    """What a session's status and percent are derived from: the newest attempt of each of its tasks.

    `counts` has all of them by status; `roots` is how many have no parent, `percents` the sum of these roots' percents.
    """

    counts: Mapping[str, int]
    roots: int
    percents: float


NO_FIGURES = Figures({}, 0, 0.0)


def session_status(kind: str, end_status: str | None, counts: Mapping[str, int]) -> Status:
    """The status of a session, from its tasks and its own end; the view v_sessions says the same in SQL.

    An error outweighs all. A declared session has no end of its own to wait for; any other runs until its own end.
    """
    if end_status == Status.ERROR or counts.get(Status.ERROR):
        return Status.ERROR
    if counts.get(Status.RUNNING) or (kind != "declared" and end_status is None):
        return Status.RUNNING
    if counts.get(Status.PENDING):
        return Status.PENDING
    if end_status is not None:
        return Status(end_status)
    if not any(counts.values()):
        return Status.PENDING
    return Status.CANCELLED if counts.get(Status.CANCELLED) else Status.COMPLETE


def overall_percent(status: Status, figures: Figures) -> int:
    """The mean percent of the root tasks, rounded down; an unknown percent counts as 0."""
    if not figures.roots:
        return 100 if status is Status.COMPLETE else 0
    # A millionth mends what binary fractions lose.
    return math.floor(figures.percents / figures.roots + 1e-6)


def percent_of(row: Row[Any], at: float, late_after: float | None = None) -> tuple[float | None, bool, bool]:
    """The percent of a row of `tasks` at `at` (seconds UTC), whether it is drawn from the clock, whether it is late."""
    if row.status == Status.COMPLETE:
        return 100.0, False, False
    if row.simulate_since is not None:
        percent, late = percent_now(
            start=row.simulate_from or 0.0,
            until=row.simulate_until or 0.0,
            since=row.simulate_since,
            expected=row.simulate_expected,
            now=at if row.ended_at is None else min(at, row.ended_at),
            late_after=late_after,
        )
        return percent, True, late and row.ended_at is None
    if row.percent is not None:
        return min(100.0, max(0.0, row.percent)), False, False
    if row.total:
        return min(100.0, max(0.0, 100.0 * row.done / row.total)), False, False
    return (0.0 if row.status == Status.PENDING else None), False, False


def task_view(
    row: Row[Any],
    *,
    now: float,
    session: Row[Any],
    process: Row[Any] | None,
    verdict: Verdict | None,
    meta: Mapping[str, Any],
    late_after: float | None,
) -> TaskView:
    """The row of `tasks` as a value; `session` and `process` are the rows it belongs to."""
    status = Status(row.status)
    is_lost = verdict is not None and verdict.life is Life.LOST
    # What drew its percent from the clock stopped with its owner.
    stopped_at = verdict.since if verdict is not None and is_lost else None
    ahead = clock_offset_of(process)
    percent, simulated, late = percent_of(row, (now if stopped_at is None else stopped_at) + ahead, late_after)
    curve = _curve(row.curve)
    rate = _rate(row, status, curve)
    message = row.message
    if simulated and percent is not None:
        message = drawn_message(message, percent, late=late)
    runs = status is Status.RUNNING and not is_lost
    return TaskView(
        id=row.id,
        key=row.key,
        name=row.name,
        session_id=row.session_id,
        session_name=row.session_name,
        parent_id=row.parent_id,
        status=status,
        verdict=_at_item(verdict, row) if verdict is not None and is_lost else verdict,
        done=row.done,
        total=row.total,
        failed=row.failed,
        active=row.active,
        cancelled=row.cancelled,
        unit=row.unit,
        percent=percent,
        simulated=simulated,
        rate=rate,
        eta=finish_time(row.updated_at - ahead, now, row.done, row.total, rate) if runs else None,
        message=message,
        error_type=row.error_type,
        error=row.error,
        traceback=row.traceback,
        attempt=row.attempt,
        started_at=row.started_at,
        updated_at=row.updated_at,
        ended_at=row.ended_at,
        duration=row.duration,
        host=session.host if process is None else process.host,
        pid=None if process is None else process.pid,
        reported_percent=row.percent,
        meta=meta,
        curve=curve,
    )


def clock_offset_of(process: Row[Any] | None) -> float:
    """By how many seconds the clock of a process's machine is ahead of the store's, as far as that is known."""
    return 0.0 if process is None else process.clock_offset or 0.0


def session_view(
    row: Row[Any],
    *,
    figures: Figures,
    process: Row[Any] | None,
    verdict: Verdict | None,
    meta: Mapping[str, Any],
    tasks: tuple[TaskView, ...] = (),
) -> SessionView:
    """The row of `sessions` as a value; the verdict is kept only where the session is shown as running."""
    status = session_status(row.kind, row.end_status, figures.counts)
    return SessionView(
        id=row.id,
        uid=row.uid,
        name=row.name,
        kind=row.kind,
        status=status,
        verdict=verdict if status is Status.RUNNING else None,
        overall_percent=overall_percent(status, figures),
        counts={str(each): figures.counts[each] for each in Status if figures.counts.get(each)},
        message=row.message,
        started_at=row.started_at,
        ended_at=row.ended_at,
        duration=row.duration,
        host=row.host,
        pid=None if process is None else process.pid,
        program="" if process is None else process.program,
        parent_uid=row.parent_uid,
        received_at=None if process is None else process.received_at,
        clock_offset=None if process is None else process.clock_offset,
        meta=meta,
        tasks=tasks,
        stop_requested_at=row.stop_requested_at,
    )


def event_view(row: Row[Any]) -> EventView:
    """The row of `events` as a value."""
    return EventView(
        id=row.id,
        session_id=row.session_id,
        task_id=row.task_id,
        at=row.at,
        kind=row.kind,
        message=row.message,
        data=None if row.data is None else from_json(row.data),
    )


def figures_of(views: Iterable[TaskView]) -> Figures:
    """The figures of one session, from all its tasks."""
    newest: dict[str, TaskView] = {}
    for view in views:
        if view.key not in newest or view.attempt > newest[view.key].attempt:
            newest[view.key] = view
    counts: dict[str, int] = {}
    for view in newest.values():
        counts[view.status] = counts.get(view.status, 0) + 1
    roots = [view for view in newest.values() if view.parent_id is None]
    return Figures(counts, len(roots), math.fsum(view.percent or 0.0 for view in roots))


def from_json(text: str) -> Json:
    """The value that JSON text spells; what some other program wrote wrongly stays text."""
    try:
        value: Json = json.loads(text)
    except ValueError:
        return text
    return value


def _rate(row: Row[Any], status: Status, curve: tuple[Point, ...]) -> float | None:
    if status.is_terminal:
        return mean_rate(row.done - (row.resumed_from or 0.0), row.duration)
    if status is Status.PENDING or row.started_at is None:
        return None
    return smoothed_rate(curve, max(0.0, row.updated_at - row.started_at), row.done)


def _curve(text: str | None) -> tuple[Point, ...]:
    points: Any = from_json(text) if text else ()
    try:
        return tuple([(at + 0.0, done + 0.0) for at, done in points])
    except (TypeError, ValueError):  # some other program wrote it, and wrongly
        return ()


def _at_item(verdict: Verdict, row: Row[Any]) -> Verdict:
    """The verdict on a lost task, with the last thing that is known of it."""
    if not row.done and row.total is None:
        return verdict
    item = f"{row.done:,.15g}" + (f" of {row.total:,.15g}" if row.total is not None else "")
    return replace(verdict, reason=f"{verdict.reason}; last seen at item {item}")
