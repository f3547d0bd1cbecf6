"""Pages of rows with all that belongs to them: owners and the verdict on each, metadata, figures; each read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from progstore.store import queries
from progstore.store.lookup import usual_durations
from progstore.store.rows import NO_FIGURES, Figures, clock_offset_of, figures_of, session_view, task_view
from progstore.store.tables import sessions
from progstore.store.watch import UNOWNED, Watch, liveliest
from progstore.values import SessionView, Status, TaskView, Verdict

Processes = Mapping[int, Row[Any]]


class Assembly:
    """One reading of a store: every process is judged at most once, and everything at the same moment."""

    def __init__(self, connection: Connection, watch: Watch) -> None:
        self._connection = connection
        self._watch = watch
        self._now = watch.now(connection)
        self._processes: dict[int, Row[Any]] = {}
        self._verdicts: dict[int, Verdict] = {}

    def tasks(self, rows: Sequence[Row[Any]]) -> tuple[TaskView, ...]:
        """These rows of `tasks` as values."""
        owners = queries.by_id(self._connection, sessions, {row.session_id for row in rows})
        meta = queries.metadata_of(self._connection, (), [row.id for row in rows])
        return self._task_views(rows, owners, meta)

    def sessions(self, rows: Sequence[Row[Any]]) -> tuple[SessionView, ...]:
        """These rows of `sessions` as values, without their tasks."""
        ids = [row.id for row in rows]
        figures = queries.figures(self._connection, ids, self._now)
        meta = queries.metadata_of(self._connection, ids, ())
        running = [row.id for row in rows if figures.get(row.id, NO_FIGURES).counts.get(Status.RUNNING)]
        owners = queries.open_owners(self._connection, running)
        self._meet({row.process_id for row in rows}.union(*owners.values()))
        return tuple(
            self._session_view(row, figures.get(row.id, NO_FIGURES), owners.get(row.id, {}), meta) for row in rows
        )

    def session(self, row: Row[Any]) -> SessionView:
        """This row of `sessions` as a value, with all its tasks."""
        rows = queries.tasks_of(self._connection, row.id)
        meta = queries.metadata_of(self._connection, [row.id])
        self._meet({row.process_id})
        tasks = self._task_views(rows, {row.id: row}, meta)
        going_on = (each for each in rows if each.status == Status.RUNNING and each.ended_at is None)
        running: dict[int | None, float] = {}
        for each in going_on:
            running[each.process_id] = max(each.updated_at, running.get(each.process_id, 0.0))
        return self._session_view(row, figures_of(tasks), running, meta, tasks)

    def _task_views(
        self, rows: Sequence[Row[Any]], owners: Mapping[int, Row[Any]], meta: Mapping[queries.Key, dict[str, Any]]
    ) -> tuple[TaskView, ...]:
        self._meet({row.process_id for row in rows})
        slowest = self._slowest_usual(rows)
        return tuple(
            task_view(
                row,
                now=self._now,
                session=owners.get(row.session_id),
                process=self._processes.get(row.process_id),
                verdict=self._verdict([row.process_id], self._moved_here(row.process_id, row.updated_at))
                if row.status == Status.RUNNING
                else None,
                meta=meta.get((row.session_id, row.id), {}),
                late_after=slowest.get((row.session_name, row.name)),
            )
            for row in rows
        )

    def _session_view(
        self,
        row: Row[Any],
        figures: Figures,
        running: Mapping[int | None, float],
        meta: Mapping[queries.Key, dict[str, Any]],
        tasks: tuple[TaskView, ...] = (),
    ) -> SessionView:
        moved = (self._moved_here(owner, at) for owner, at in running.items())
        has_no_end = row.kind != "declared" and row.ended_at is None
        return session_view(
            row,
            figures=figures,
            process=self._processes.get(row.process_id),
            verdict=self._verdict([*running, *([row.process_id] if has_no_end else [])], max(moved, default=None)),
            meta=meta.get((row.id, 0), {}),
            tasks=tasks,
        )

    def _moved_here(self, process_id: int | None, at: float) -> float:
        """A time that a process wrote down, by the clock here."""
        return at - clock_offset_of(None if process_id is None else self._processes.get(process_id))

    def _meet(self, ids: Iterable[int | None]) -> None:
        """Read these processes, where they are not known already."""
        self._processes.update(
            queries.owners_by_id(self._connection, (each for each in ids if each not in self._processes))
        )

    def _verdict(self, ids: Iterable[int | None], moved_at: float | None) -> Verdict:
        known = [self._processes[each] for each in ids if each is not None and each in self._processes]
        unjudged = [row for row in known if row.id not in self._verdicts]
        self._verdicts.update(self._watch.verdicts(self._connection, unjudged, self._now))
        if not known:
            return UNOWNED
        return self._watch.with_moves(liveliest(self._verdicts[row.id] for row in known), moved_at, self._now)

    def _slowest_usual(self, rows: Iterable[Row[Any]]) -> dict[tuple[str, str], float | None]:
        drawn = {
            (row.session_name, row.name)
            for row in rows
            if row.simulate_since is not None and row.ended_at is None and row.simulate_expected is not None
        }
        return {history: usual_durations(self._connection, *history, (95,))[0] for history in drawn}
