"""What the store has of a session, for whoever shows it or goes on with its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from progstore.errors import NotFound, StoreError, StoreNotFound
from progstore.live.state import SessionState
from progstore.values import SessionView, Status, TaskView

if TYPE_CHECKING:
    from progstore.store.store import Store


class Stored:
    """A session as its store has it; the store is opened at the first question, and kept for the next."""

    def __init__(self, session: SessionState) -> None:
        self._session = session
        self._store: Store | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._store is not None:
            self._store.close()

    def newest_attempts(self, *, is_needed: bool) -> dict[str, TaskView]:
        """The newest attempt of each root task; none where the session is not written yet.

        Where the store cannot be read it is none either, unless what it has `is_needed`: then raises StoreError.
        """
        view = self._view(is_needed=is_needed)
        newest: dict[str, TaskView] = {}
        for task in () if view is None else view.tasks:
            if task.parent_id is None and (task.key not in newest or task.attempt > newest[task.key].attempt):
                newest[task.key] = task
        return newest

    def status_without_tasks(self) -> Status:
        """What a session says of itself while it has no tasks, or none that can be seen yet. Raises StoreError."""
        session = self._session
        if session.joined:
            view = self._view(is_needed=True)
            ended = None if view is None else view.status
        elif session.kind == "declared" and not session.tasks:
            return Status.COMPLETE  # nothing was asked for, so there is nothing to wait for
        else:
            ended = None if session.end_status is None else Status(session.end_status)
        if ended in (Status.ERROR, Status.CANCELLED):
            return Status.ERROR
        return Status.COMPLETE if ended is Status.COMPLETE else Status.PENDING

    def _view(self, *, is_needed: bool) -> SessionView | None:
        from progstore.store.store import open_store  # imports SQLAlchemy; a session that is only written need not

        try:
            if self._store is None:
                self._store = open_store(self._session.store)
            return self._store.session(self._session.uid)
        except (NotFound, StoreNotFound):
            return None
        except StoreError:
            if is_needed:
                raise
            return None
