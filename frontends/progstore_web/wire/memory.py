"""The tasks that this server serves, in bounded memory; one that is not there is read from the store."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from progstore import Status, Store, StoreNotFound
from progstore_web.wire.posts import CLOSE, ERROR, LARGEST
from progstore_web.wire.rows import process_uid
from progstore_web.wire.state import Curve, State

MOST_STATES: Final = 10_000
"""Tasks that are remembered; the one that was heard of the longest ago is forgotten first."""
LONGEST: Final = 10_000
"""Characters that are remembered of what was said of one task; who says more has it read from the store each time."""
AT_ONCE: Final = 500
"""Tasks that are read in one question."""

# What stands for a task's process outlives the task, and its beats must go on from where they were.
_STORED = """
SELECT p.uid, p.host, p.beats, s.name, s.started_at AS began, s.rev AS session_rev, t.attempt, t.status, t.done,
    t.total, t.unit, t.message, t.error, t.rev, t.started_at, t.updated_at, t.ended_at, t.curve
FROM processes AS p
LEFT JOIN sessions AS s ON s.process_id = p.id
LEFT JOIN tasks AS t ON t.session_id = s.id
    AND t.attempt = (SELECT max(attempt) FROM tasks AS newest WHERE newest.session_id = s.id)
WHERE p.uid IN ({marks})
"""
_NUMBERS: Final = ("done", "total", "began", "started_at", "updated_at", "ended_at")
_WHOLE: Final = ("beats", "attempt", "rev", "session_rev")
_OPTIONAL: Final = ("total", "ended_at", "error", "curve")
_KINDS: Final[Mapping[str, tuple[Any, Any]]] = {
    **dict.fromkeys(_NUMBERS, (int | float, 0.0)),
    **dict.fromkeys(_WHOLE, (int, 0)),
}
"""What the columns hold that hold no text, and what stands for anything else."""


class Memory:
    """Tasks by id, as this server or one before it left them. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mutex = threading.Lock()
        self._states: OrderedDict[str, State] = OrderedDict()

    def known(self, task_ids: Collection[str]) -> dict[str, State]:
        """Those of these tasks of which something is known. What had ended is read anew, for others may have removed
        it since. Raises StoreError.
        """
        with self._mutex:
            held = {each: state for each in task_ids if (state := self._states.get(each)) and state.ended_at is None}
        missing = [each for each in dict.fromkeys(task_ids) if each not in held]
        for start in range(0, len(missing), AT_ONCE):
            held.update((state.task_id, self._stamped(state)) for state in self._read(missing[start : start + AT_ONCE]))
        return held

    def keep(self, states: Iterable[State]) -> None:
        """Remember these, which are in the store now."""
        with self._mutex:
            for state in states:
                if len(state.name) + len(state.unit) + len(state.message) + len(state.error or "") > LONGEST:
                    self._states.pop(state.task_id, None)
                    continue
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

    def _stamped(self, state: State) -> State:
        """With when its last post was sent, where that is remembered: a clock that was set back is behind its rows."""
        with self._mutex:
            kept = self._states.get(state.task_id)
        if kept is not None and (kept.attempt, kept.rev) == (state.attempt, state.rev):
            state.stamp = kept.stamp
        return state

    def _read(self, task_ids: list[str]) -> list[State]:
        by_uid = {process_uid(each): each for each in task_ids}
        question = _STORED.format(marks=", ".join("?" * len(by_uid)))
        try:
            found = self._store.query(question, list(by_uid), limit=len(by_uid))
        except StoreNotFound:  # the first post makes it
            return []
        rows = (dict(zip(found.columns, row, strict=True)) for row in found.rows)
        return [_state(by_uid[row.pop("uid")], row) for row in rows]


def _state(task_id: str, stored: dict[str, Any]) -> State:
    """The task as it stands in the store, or one that was removed, which begins anew."""
    row = {name: _sound(name, value) for name, value in stored.items()}
    if row["attempt"] is None:
        rev = row["session_rev"] or 0
        return State(task_id=task_id, host=row["host"], beats=row["beats"], rev=rev, session_rev=rev)
    curve, status = row.pop("curve"), Status(row.pop("status"))
    if status.is_terminal and row["ended_at"] is None:
        row["ended_at"] = row["updated_at"]
    return State(
        **row,
        task_id=task_id,
        status=status,
        word=(ERROR if status is Status.ERROR else CLOSE) if status.is_terminal else "",
        stamp=row["rev"],
        curve=Curve(_points(curve)),
    )


def _sound(name: str, value: Any) -> Any:
    """The value, or what stands for one that another program wrote wrongly: a store in a file holds anything."""
    if value is None:
        return None
    kinds, nothing = _KINDS.get(name, (str, ""))
    if isinstance(value, kinds) and (isinstance(value, str) or -LARGEST <= value <= LARGEST):
        return value
    return None if name in _OPTIONAL else nothing


def _points(curve: str | None) -> list[tuple[float, float]] | None:
    """What a curve says; None where it says nothing that can be drawn."""
    try:
        points = [(float(at), float(done)) for at, done in json.loads(curve or "[]")]
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    return points if all(-LARGEST <= number <= LARGEST for point in points for number in point) else None
