"""Deleting clients' tasks: one by its id, or those that stand alike; what may still run only where that is forced."""

from __future__ import annotations

import time
from typing import Final

from progstore import BadFilter, NotFound, StillRunning, Store, StoreNotFound
from progstore_web.wire.memory import Memory
from progstore_web.wire.posts import WORDS
from progstore_web.wire.rows import session_uid
from progstore_web.wire.tasks import RECOVERED, RUNNING, STALE, TaskReader

TRIES: Final = 3
"""How often a list is read again when one of its tasks was removed, or began again, meanwhile."""
KNOWN: Final = (*WORDS, STALE, RECOVERED)


class Remover:
    """Deletes from one store, and forgets what it deleted."""

    def __init__(self, store: Store, memory: Memory, reader: TaskReader) -> None:
        self._store = store
        self._memory = memory
        self._reader = reader

    def one(self, task_id: str, *, force: bool) -> bool:
        """Delete that task; False where there is none. Raises StillRunning, StoreError."""
        try:
            session = self._store.session(session_uid(task_id))
            return bool(self._delete({task_id: session.id}, force=force))
        except (NotFound, StoreNotFound):
            return False
        except StillRunning:
            raise StillRunning(f"task {task_id!r} may still run; ?force=true deletes it all the same") from None

    def some(self, status: str | None, older_than: float | None, *, force: bool) -> list[str]:
        """Delete the tasks of that status, in Progressista's words, that were not heard of for `older_than` seconds;
        their ids. Raises BadFilter without either, StillRunning, StoreError.
        """
        if status is None and older_than is None:
            raise BadFilter("say which tasks: ?status=close, or ?older_than=600 (seconds), or both")
        if status is not None and status not in KNOWN:
            raise BadFilter(f"status is one of {', '.join(KNOWN)}, got {status!r:.40}")
        removed = list[str]()
        for left in reversed(range(TRIES)):
            stale, others = self._chosen(status, older_than, force=force)
            try:
                removed += self._delete(others, force=force)
                removed += self._delete(stale, force=True)  # in the store they count as running
            except (NotFound, StillRunning):
                if not left:
                    raise
            else:
                break
        return removed

    def _chosen(
        self, status: str | None, older_than: float | None, *, force: bool
    ) -> tuple[dict[str, int], dict[str, int]]:
        """The sessions of what is stale, and of what else is chosen, by task id. Raises StillRunning."""
        stale, others, now = dict[str, int](), dict[str, int](), time.time()
        for task_id, task in self._reader.all(status).items():
            word = str(self._reader.told(task, now)["status"])
            if word != (status or word) or (older_than is not None and now - (task.updated_at or 0.0) <= older_than):
                continue
            if word == STALE:
                stale[task_id] = task.session_id
            elif word not in RUNNING or force:
                others[task_id] = task.session_id
            elif status is not None:
                raise StillRunning(f"task {task_id!r} may still run; &force=true deletes it all the same")
        return stale, others

    def _delete(self, chosen: dict[str, int], *, force: bool) -> list[str]:
        """Their ids. Raises NotFound, StillRunning, StoreError, and then nothing is deleted."""
        if chosen:
            self._store.delete(sessions=chosen.values(), force=force)
            self._memory.forget(chosen)
        return list(chosen)
