"""The tasks that this server serves, in bounded memory; one that is not there is read from the store."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable
from typing import Any, Final

from progstore import Status, Store, StoreNotFound
from progstore_web.wire.posts import CLOSE, ERROR
from progstore_web.wire.rows import session_uid
from progstore_web.wire.state import Curve, State

MOST_STATES: Final = 10_000
"""Tasks that are remembered; the one that was heard of the longest ago is forgotten first."""
AT_ONCE: Final = 500
"""Tasks that are read in one question."""

_STORED = """
SELECT s.name, s.started_at AS began, s.rev AS session_rev, p.host, p.beats, t.key, t.attempt, t.status, t.done,
    t.total, t.unit, t.message, t.error, t.rev, t.started_at, t.updated_at, t.ended_at, t.curve
FROM sessions AS s JOIN processes AS p ON p.id = s.process_id
JOIN tasks AS t ON t.session_id = s.id
WHERE s.uid IN ({marks}) AND t.attempt = (SELECT max(attempt) FROM tasks WHERE session_id = s.id)
"""


class Memory:
    """Tasks by id, as this server or one before it left them. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mutex = threading.Lock()
        self._states: OrderedDict[str, State] = OrderedDict()

    def known(self, task_ids: Collection[str]) -> dict[str, State]:
        """Those of these tasks that there are. What had ended is read anew, for others may have removed it since.

        Raises StoreError.
        """
        with self._mutex:
            held = {each: state for each in task_ids if (state := self._states.get(each)) and state.ended_at is None}
        missing = [each for each in dict.fromkeys(task_ids) if each not in held]
        for start in range(0, len(missing), AT_ONCE):
            held.update((state.task_id, state) for state in self._read(missing[start : start + AT_ONCE]))
        return held

    def keep(self, states: Iterable[State]) -> None:
        """Remember these, which are in the store now."""
        with self._mutex:
            for state in states:
                self._states[state.task_id] = state
                self._states.move_to_end(state.task_id)
            while len(self._states) > MOST_STATES:
                self._states.popitem(last=False)

    def forget(self, task_ids: Iterable[str]) -> None:
        """Read these from the store when they are needed again."""
        with self._mutex:
            for each in task_ids:
                self._states.pop(each, None)

    def said(self, task_id: str) -> tuple[str, float] | None:
        """The status and the timestamp of the last post that this server had of that task, where it remembers it."""
        with self._mutex:
            state = self._states.get(task_id)
            return (state.word, state.stamp / 1e6) if state is not None and state.word else None

    def _read(self, task_ids: list[str]) -> list[State]:
        uids = [session_uid(each) for each in task_ids]
        question = _STORED.format(marks=", ".join("?" * len(uids)))
        try:
            found = self._store.query(question, uids, limit=len(uids))
        except StoreNotFound:  # the first post makes it
            return []
        return [_state(dict(zip(found.columns, row, strict=True))) for row in found.rows]


def _state(row: dict[str, Any]) -> State:
    curve = row.pop("curve")
    points = [(float(at), float(done)) for at, done in json.loads(curve)] if curve else None
    status = Status(row.pop("status"))
    ended_as = (ERROR if status is Status.ERROR else CLOSE) if status.is_terminal else ""
    return State(
        task_id=row.pop("key"),
        status=status,
        word=ended_as,
        stamp=row["rev"],
        curve=Curve(points),
        **row,
    )
