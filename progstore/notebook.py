"""`attach()`: a handle on any run, alive or dead, from any process, which a notebook shows and keeps up to date.

One thread per process follows all that is shown, by display ids; it needs neither widgets nor scripts, and it ends with
the last run that it follows.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from progstore.errors import BadFilter, NotFound, StoreError
from progstore.markup import MOST_LINES, Line, as_html, as_text, session_lines, task_line
from progstore.store.store import Store, open_store
from progstore.values import Filter, Life, SessionView, Status, TaskView

LOOK: Final = 0.25
"""Seconds between two looks at whether the store has moved."""
STILL: Final = 1.0
"""Seconds between two readings where it has not: percents by the clock and verdicts move all the same."""
MOST_PICTURES: Final = 16
"""Pictures that are followed at a time; the oldest stays as it is when there are more."""
OWN_PATIENCE: Final = 2.0
"""Seconds that this process's own recorder gets to write what it holds."""


def attach(run: int | str, store: str | None = None) -> Run:
    """A handle on a run: a session by its id (17) or uid, a task of it ("17/42"), or the newest session of a name.

    As the last expression of a cell it shows the run, and goes on showing it until the run has ended or was lost.
    `store` is a path or URL, None for the configured one. Raises NotFound, and StoreError where there is no store.
    """
    opened = open_store(store)
    _flush_own()
    return Run(opened, *_find(opened, run))


class Run:
    """A run that is looked at: a session, or one task of it. Looking changes nothing. Made by `attach()`."""

    def __init__(self, store: Store, session_id: int, task_id: int | None) -> None:
        self._store = store
        self._session_id = session_id
        self._task_id = task_id

    @property
    def id(self) -> str:
        """What people call it: "17", or "17/42" for a task."""
        return f"{self._session_id}" if self._task_id is None else f"{self._session_id}/{self._task_id}"

    @property
    def view(self) -> SessionView | TaskView:
        """The run as it stands now, a session with all its tasks. Raises NotFound once it was deleted, StoreError."""
        if self._task_id is not None:
            return self._store.task(self._task_id)
        return self._store.session(self._session_id)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or was lost. Raises as `view`."""
        return _is_over(self._brief())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended or was lost; False where `timeout` seconds were not enough. Raises as `view`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.is_over:
            left = LOOK if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(LOOK, left))
        return True

    def stop(self) -> None:
        """Stop keeping up to date what notebooks show of it; what is shown stays."""
        _follower.drop(self)

    def __repr__(self) -> str:
        try:
            view = self._brief()
        except (NotFound, StoreError) as trouble:
            return f"<Run {self.id}: {trouble}>"
        line = session_lines(view)[0] if isinstance(view, SessionView) else task_line(view)
        return f"<Run {self.id} {as_text([line])}>"

    def __str__(self) -> str:
        return self._picture()[0]["text/plain"]

    def _repr_html_(self) -> str:
        return self._picture()[0]["text/html"]

    def _ipython_display_(self) -> None:
        """Show it, and where this is a notebook's kernel keep it up to date."""
        from progstore.displays.choice import in_notebook

        bundle, goes_on = self._picture()
        if not in_notebook():  # IPython on a terminal
            print(bundle["text/plain"])  # noqa: T201  # whoever types it wants to see it
            return
        from IPython.display import DisplayHandle

        handle: Any = DisplayHandle()  # type: ignore[no-untyped-call]  # IPython has no types here
        handle.display(bundle, raw=True)
        if goes_on:
            _follower.follow(self, handle)

    def _picture(self) -> tuple[dict[str, str], bool]:
        """How it looks now, as HTML and as text, and whether that may still change."""
        try:
            view = self._brief()
        except NotFound as gone:
            return _said(self.id, str(gone)), False
        except StoreError as trouble:
            return _said(self.id, str(trouble)), True
        lines = session_lines(view) if isinstance(view, SessionView) else [task_line(view)]
        over = _is_over(view)
        as_of = "" if over else f", as of {time.strftime('%H:%M:%S')}"
        footer = f"run {self.id} on {view.host or 'an unknown host'}{as_of}"
        return {"text/html": as_html(lines, footer), "text/plain": as_text(lines, footer)}, not over

    def _brief(self) -> SessionView | TaskView:
        """The view, a session with the tasks that a picture needs, however many it has."""
        if self._task_id is not None:
            return self._store.task(self._task_id)
        ids = (self._session_id,)
        found = self._store.sessions(Filter(session_ids=ids), limit=1).items
        if not found:
            raise NotFound(f"there is no session {self._session_id} in {self._store.name} any more")
        live = self._store.tasks(Filter(session_ids=ids, live=True), limit=MOST_LINES).items
        newest = self._store.tasks(Filter(session_ids=ids), limit=2 * MOST_LINES).items
        failed = self._store.tasks(Filter(session_ids=ids, statuses=frozenset({Status.ERROR})), limit=MOST_LINES).items
        tasks = {task.id: task for task in (*live, *newest, *failed)}
        return replace(found[0], tasks=tuple(tasks.values()))


class _Follower:
    """The thread that keeps pictures up to date."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._pictures: list[_Picture] = []
        self._thread: threading.Thread | None = None

    def follow(self, run: Run, handle: Any) -> None:
        """Keep what was just shown by `handle` up to date."""
        with self._mutex:
            self._pictures = [*self._pictures[1 - MOST_PICTURES :], _Picture(run, handle)]
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._follow_all, name="progstore-notebook", daemon=True)
                self._thread.start()

    def drop(self, run: Run) -> None:
        """Leave all pictures of that run as they are."""
        with self._mutex:
            self._pictures = [each for each in self._pictures if each.run is not run]

    def _follow_all(self) -> None:
        while True:
            time.sleep(LOOK)
            with self._mutex:
                pictures = self._pictures
                if not pictures:
                    self._thread = None
                    return
            ended = [each for each in pictures if not each.follow()]
            if ended:
                with self._mutex:
                    self._pictures = [each for each in self._pictures if each not in ended]


class _Picture:
    """One output of one cell, and what was last seen of its run."""

    def __init__(self, run: Run, handle: Any) -> None:
        self.run = run
        self._handle = handle
        self._version = 0
        self._read_at = time.monotonic()

    def follow(self) -> bool:
        """Replace it where the run has moved or a second has passed; whether there is more to come."""
        version = 0
        with suppress(StoreError):  # the picture itself says what is wrong with the store
            version = self.run._store.data_version()  # noqa: SLF001  # the handle is of this module
        now = time.monotonic()
        if version == self._version and now - self._read_at < STILL:
            return True
        self._version, self._read_at = version, now
        try:
            bundle, goes_on = self.run._picture()  # noqa: SLF001  # as above
            self._handle.update(bundle, raw=True)
        except Exception as error:  # noqa: BLE001  # a thread of ours must not end with a traceback in somebody's cell
            from progstore.displays.choice import warn

            warn("run %s is no longer followed: %s: %s", self.run.id, type(error).__name__, error)
            return False
        return goes_on


_follower = _Follower()


def _find(store: Store, run: int | str) -> tuple[int, int | None]:
    """The ids of session and task that `run` means. Raises NotFound."""
    if isinstance(run, bool) or not isinstance(run, int | str):
        raise TypeError(f'a run is an id such as 17, "17/42", a uid or a name; got {type(run).__name__}')
    if isinstance(run, int):
        return _session_of(store, run), None
    session, slash, task = run.partition("/")
    if _is_number(session) and not slash:
        return _session_of(store, int(session)), None
    if _is_number(session) and _is_number(task):
        found = store.task(int(task))
        if found.session_id != int(session):
            raise NotFound(f"task {task} belongs to session {found.session_id}: try {found.session_id}/{task}")
        return found.session_id, found.id
    with suppress(NotFound):
        return store.session(run).id, None
    for named in store.sessions(Filter(session_name=run), limit=1):
        return named.id, None
    raise NotFound(f"there is no session with the name or uid {run!r} in {store.name}; `progstore ls` lists them")


def _session_of(store: Store, session_id: int) -> int:
    with suppress(BadFilter):  # no session can have that number
        for found in store.sessions(Filter(session_ids=(session_id,)), limit=1):
            return found.id
    return store.session(session_id).id  # which says that there is none


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _is_over(view: SessionView | TaskView) -> bool:
    """Whether nothing of it goes on."""
    if view.verdict is not None and view.verdict.life is Life.LOST:
        return True
    return view.is_over if isinstance(view, SessionView) else view.status.is_terminal


def _said(run: str, words: str) -> dict[str, str]:
    lines = [Line(name=f"run {run}", state="unknown", percent=None, words=words)]
    return {"text/html": as_html(lines), "text/plain": as_text(lines)}


def _flush_own() -> None:
    """Have this process's recorder write what it holds, for the run may be its own; where it cannot, it warns."""
    if "progstore.live.recorder" in sys.modules:
        from progstore.live.recorder import flush

        flush(OWN_PATIENCE)
