"""Sessions: `session()` around a block of work, and declared groups of named tasks that any process may advance."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any, ParamSpec, Self, TypeVar

from progstore import clean, config
from progstore.errors import NotFound, StoreNotFound
from progstore.insight.easing import PARKED
from progstore.live import ambient, context, exits  # noqa: F401  # exits: its hooks must stand before anything is live
from progstore.live.adoption import own, views
from progstore.live.outcome import Outcome
from progstore.live.reasons import interruption
from progstore.live.recorder import EXIT_PATIENCE, recorder
from progstore.live.state import SessionState, TaskState
from progstore.live.stored import Stored
from progstore.live.summary import Summary, overall_status, shown
from progstore.live.views import percent_of
from progstore.values import Json, Status, TaskView

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


def session(
    name: str,
    *,
    meta: Mapping[str, Any] | None = None,
    store: str | None = None,
    on_progress: Callable[[TaskView], object] | None = None,
) -> Session:
    """A session for a `with` block: what is tracked in it, also in threads and child processes, belongs to it.

    `on_progress` is called with the TaskView of whichever of its tasks, in this process, has moved, in a thread of its
    own. Raises TypeError for a name that is no string, TypeError and BadValue for metadata that JSON cannot say.
    """
    state = SessionState(clean.text(name, "name", clean.NAME_LIMIT), "block", store=ambient.store_url(store))
    state.put_all(meta)
    _listen(state, on_progress)
    return Session(state)


class Session:
    """One run of a program, or a group of declared tasks; from `session()`, `Session.create()` or `Session.get()`."""

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._entered: list[object] = []

    @classmethod
    def create(
        cls,
        tasks: Mapping[str, str],
        name: str | None = None,
        *,
        meta: Mapping[str, Any] | None = None,
        store: str | None = None,
        on_progress: Callable[[TaskView], object] | None = None,
    ) -> Session:
        """A session of declared tasks, key to name, all pending. Any process may advance them; see `get`.

        `on_progress` is called as that of `session()`: what this process advances is told. Raises TypeError for keys
        and names that are no strings, and for metadata that JSON cannot say.
        """
        declared = {
            key: clean.text(label, "a task's name", clean.NAME_LIMIT)
            for key, label in clean.names(tasks, "a task's key").items()
        }
        title = ambient.program_name() if name is None else clean.text(name, "name", clean.NAME_LIMIT)
        state = SessionState(title, "declared", store=ambient.store_url(store))
        state.put_all(meta)
        _listen(state, on_progress)
        ambient.remember(state)
        made = cls(state)
        record, interval = config.setting("record"), config.setting("interval")
        if record:
            recorder.watch_session(state)
        for key, label in declared.items():
            task = state.tasks[key] = TaskState(state, label, key=key, record=record, interval=interval)
            recorder.begin(task)
        return made

    @classmethod
    def get(cls, session_id: int | str, *, store: str | None = None) -> Session | None:
        """The session with that integer id or uid, from whichever process; None where the store knows none.

        Raises StoreError where the store cannot be read.
        """
        from progstore.store.store import open_store  # which imports SQLAlchemy; opening a session must not

        url = ambient.store_url(store)
        mine = ambient.known(session_id)
        if mine is not None and not mine.joined:
            return cls(mine)
        try:
            with open_store(url) as opened:
                found = opened.session(session_id, tasks=False)
        except (NotFound, StoreNotFound):
            return None
        return cls(ambient.joined(found.uid, found.name, url))

    @property
    def uid(self) -> str:
        """What identifies the session in every store."""
        return self._state.uid

    @property
    def name(self) -> str:
        """What it is called; sessions of one name form its history."""
        return self._state.name

    @property
    def state(self) -> SessionState:
        """The live record, for adapters; in a forked child one that knows that the session is its parent's."""
        if self._state.inert:
            self._state = ambient.joined(self._state.uid, self._state.name, self._state.store)
        return self._state

    def __reduce__(self) -> tuple[object, ...]:
        """In another process it is the same session, as one that belongs to this process."""
        return (_arrive, (self._state.uid, self._state.name, self._state.store))

    def __repr__(self) -> str:
        return f"<Session {self._state.name!r} {self._state.uid}>"

    # As a block

    def __enter__(self) -> Self:
        self._entered.append(context.session.set(self._state))
        if len(self._entered) == 1:
            ambient.opened(self._state)
            self._watch()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            context.session.reset(self._entered.pop())  # type: ignore[arg-type]  # the token that set() gave
        except ValueError:  # left in another context than it was entered, as async generators may be
            context.session.set(None)
        if self._entered:
            return  # the outermost block of several ends it
        if error is None:
            self._state.end("complete")
        else:
            self._state.fail(error)
        ambient.closed(self._state)
        if self._state.watched or config.setting("record"):
            recorder.watch_session(self._state)

    def message(self, text: str) -> None:
        """Say what goes on in the session as a whole."""
        self.state.message = clean.text(text, "message")
        self._watch()

    def __setitem__(self, key: str, value: Any) -> None:
        """Keep a JSON value under `key`. Raises TypeError for what JSON cannot say, BadValue for what is too large."""
        self.state.put(key, value)
        self._watch()

    # Advancing declared tasks

    def start(self, key: str) -> None:
        """The task begins; until it says more its percent is drawn from the clock. After an end it is a new attempt.

        Raises NotFound for a key that the session does not have, StoreError where its owner cannot be looked up.
        """
        task = own(self.state, key)
        if task.ended_at is not None:
            task = self._state.tasks[task.key] = task.successor()
        if task.started_at is None:
            task.begin()
        task.simulate_from, task.simulate_until = 0.0, PARKED
        task.simulate_since, task.expects_history = time.time(), True
        self._say(task)

    def complete(self, key: str, message: str | None = None) -> None:
        """The task is done; what ended before stays as it ended. Raises as `start`."""
        task = own(self.state, key)
        self._end(task, "complete", f"{task.name} complete" if message is None else clean.text(message, "message"))

    def error(self, key: str, message: str | BaseException | None = None) -> None:
        """The task failed, with a text or an exception; what ended before stays as it ended. Raises as `start`."""
        task = own(self.state, key)
        if task.ended_at is None:
            if isinstance(message, BaseException):
                task.fail(message)
            else:
                task.error = f"{task.name} failed" if message is None else clean.text(message, "message")
        self._end(task, "error", task.error or "")

    def add_sequential(
        self, key: str, func: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Outcome[Result]:
        """Run `func` here and now as the task `key`; what it raises is kept and raised by the outcome's `result`.

        Raises NotFound for a key that the session does not have.
        """
        self.start(key)
        try:
            value = func(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  # it belongs to whoever asks for the result
            self.error(key, error)
            return Outcome(None, error)
        except BaseException as error:
            self._end(own(self.state, key), "cancelled", interruption(error) or "")
            raise
        self.complete(key)
        return Outcome(value, None)

    def add_parallel(self, key: str, future: Future[Result]) -> Future[Result]:
        """Let the task `key` stand for `future`, which runs already; returns the future. Raises NotFound."""
        self.start(key)

        def ended(done: Future[Result]) -> None:
            try:
                error = done.exception()
            except CancelledError:
                self._end(own(self.state, key), "cancelled", "cancelled")
                return
            if error is not None:
                self.error(key, error)
            else:
                self.complete(key)

        future.add_done_callback(ended)
        return future

    # What can be read; from whichever process the tasks are advanced

    def to_dict(self) -> dict[str, Json]:
        """Overall percent, session id (the uid), status, and for each task message, name, whole percent, status.

        This and all below raise StoreError where another process's session cannot be read.
        """
        return self._summary().to_dict()

    def stream(self, poll_interval: float = 0.1) -> Iterator[str]:
        """`to_dict()` as a line of JSON, at once and then every `poll_interval` seconds, until it is complete or an
        error.
        """
        with Stored(self.state) as stored:
            while True:
                told = self._summary_with(stored)
                yield json.dumps(told.to_dict()) + "\n"
                if told.status in (Status.COMPLETE, Status.ERROR):
                    return
                time.sleep(poll_interval)

    @property
    def status(self) -> Status:
        """Pending, running, complete or error; a cancelled or lost task makes it an error."""
        return self._summary().status

    @property
    def overall_percent(self) -> int:
        """The mean of the tasks' percents, floored."""
        return self._summary().overall_percent

    @property
    def has_error(self) -> bool:
        """Whether any task failed, was cancelled or lost its process."""
        return any(task.status is Status.ERROR for task in self._summary().tasks.values())

    @property
    def is_complete(self) -> bool:
        """Whether all tasks are complete; not while none of them can be seen yet."""
        return self._summary().status is Status.COMPLETE

    @property
    def is_running(self) -> bool:
        """Whether any task is running."""
        return any(task.status is Status.RUNNING for task in self._summary().tasks.values())

    def _summary(self) -> Summary:
        with Stored(self.state) as stored:
            return self._summary_with(stored)

    def _summary_with(self, stored: Stored) -> Summary:
        now = time.time()
        tasks = {key: shown(view, now) for key, view in views(self.state, stored).items()}
        return Summary(self.uid, overall_status(tasks.values()) if tasks else stored.status_without_tasks(), tasks)

    def _watch(self) -> None:
        if config.setting("record"):
            recorder.watch_session(self.state)

    def _say(self, task: TaskState) -> None:
        self._watch()
        recorder.begin(task)
        if task.taken:
            recorder.flush(EXIT_PATIENCE)

    def _end(self, task: TaskState, status: str, message: str) -> None:
        if task.ended_at is not None:
            return
        if task.started_at is None:
            task.begin()
        if task.total is None:
            task.percent, _ = percent_of(task)
        task.end(status, message)
        recorder.end(task)
        if task.taken:
            recorder.flush(EXIT_PATIENCE)


def _listen(state: SessionState, on_progress: Callable[[TaskView], object] | None) -> None:
    if on_progress is not None:
        from progstore.live.callbacks import listening

        state.on_progress = listening(on_progress)


def _arrive(uid: str, name: str, store: str | None) -> Session:
    return Session(ambient.joined(uid, name, store))
