"""The stage: the one thread of a process that draws what is shown, and how it meets forks, faults and the end.

Everything that draws holds the stage's lock, in whichever thread; the lock is never held while a fork happens.
"""

from __future__ import annotations

import atexit
import os
from _contextvars import copy_context
from _thread import RLock, get_ident
from time import monotonic, sleep

from progstore import trouble
from progstore.displays.choice import AUTO, LINES, automatic, is_nested, load, warn
from progstore.proc import runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from typing import Final

    from progstore.displays import Display, Shown

FRAME: Final = 0.1
"""Seconds from one drawing to the next."""
PATIENCE: Final = 0.5
"""Seconds that a fork, or the end of the process, waits for a drawing to be over."""
LOADING_PATIENCE: Final = 10.0
"""Seconds that they wait for imports; a child that found them half done could hang in its own."""


class Showing:
    """How one task is shown; kept in the task's `display`."""

    __slots__ = ("context", "display", "is_broken", "is_nested", "is_open", "name", "subject")

    def __init__(self, subject: Shown, name: str, display: Display | None) -> None:
        self.subject = subject
        self.name = name
        self.display = display
        self.is_open = False
        self.is_broken = False
        self.is_nested = is_nested(subject)
        self.context = copy_context()


class Stage:
    """What is shown in this process, and the thread that draws it."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._shown: dict[int, Showing] = {}
        self._displays: dict[str, Display] = {}
        self._broken: set[str] = set()
        self._thread: threading.Thread | None = None
        self._wake: threading.Event | None = None
        self._is_idle = False
        self._is_loading = False
        self._is_prepared = False
        self._stopping = False
        self._barred = False
        self._pid = os.getpid()
        self._drawer: int | None = None
        self._forker: int | None = None
        self._fork_is_safe = False

    def show(self, subject: Shown, name: str, display: Display | None = None) -> None:
        """Draw it from the next frame on: by `display`, else by the one of that name."""
        if self._barred:
            return
        subject.display = showing = Showing(subject, automatic() if name == AUTO else name, display)
        self._shown[id(subject)] = showing
        if self._thread is None:
            self._start()
        elif self._is_idle and self._wake is not None:
            self._wake.set()

    def finish(self, subject: Shown) -> None:
        """Draw how it ended. Log lines are left to the thread."""
        showing = subject.display
        # The thread may have given it up in this moment.
        if showing is None or (showing.name == LINES and self._thread is not None):
            return
        with self._lock:
            self._close(showing)

    def is_drawing(self) -> bool:
        """Whether a display is being called in this very thread."""
        return self._drawer == get_ident()

    # The life of the thread

    def _start(self) -> None:
        import threading  # whoever shows nothing need not have it

        with self._lock:
            if self._thread is not None or self._stopping:
                return
            self._wake = threading.Event()
            thread = threading.Thread(target=self._run, args=(self._wake,), name="progstore-display", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # too many threads, or the interpreter is ending: then only final states are drawn
                return
            self._thread = thread

    def _stop(self) -> bool:
        """Let the thread end, and no other begin; whether it is gone in time, for the system too."""
        self._stopping = True
        thread = self._thread
        if thread is None or self._wake is None:
            return True
        began = monotonic()
        self._wake.set()
        while runs(thread):
            if monotonic() - began > (LOADING_PATIENCE if self._is_loading else PATIENCE):
                return False
            thread.join(0.05)
            sleep(0.0005)
        self._thread = None
        return True

    def _run(self, wake: threading.Event) -> None:
        drawn = monotonic()  # the first frame comes later: loading what draws must not hold up the job's first moment
        while not self._stopping:
            # Said before looking, so that who shows something in between wakes us.
            self._is_idle = True
            if self._shown:
                self._is_idle = False
                pause = drawn + FRAME - monotonic()
                if pause <= 0:
                    self._prepare()
                    self._draw()
                    drawn = monotonic()
                    continue
                wake.wait(pause)
            else:
                wake.wait()
            wake.clear()

    def _prepare(self) -> None:
        """Before the first drawing: logging holds its lock during forks, and what we load or say may need that lock.

        Who asks last is told of a fork first, so that we are out of the way before logging takes it.
        """
        if not self._is_prepared:
            self._is_loading = True
            import logging  # noqa: F401  # what it does when it is loaded is all that counts

            self.attend_forks()
            self._is_loading = False
            self._is_prepared = True

    def attend_forks(self) -> None:
        """Have the process tell of its forks. Asked for twice, it is told once of each, as early as possible."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork_in_parent,
                after_in_child=self._after_fork_in_child,
            )

    def _before_fork(self) -> None:
        """Nobody draws while the process forks, nor does another thread fork."""
        if self._forker == get_ident():
            return
        self._stop()
        if self._lock.acquire(timeout=LOADING_PATIENCE if self._is_loading else PATIENCE):
            self._forker = get_ident()
            self._fork_is_safe = self._stop()  # once more, for it may have been started meanwhile
        else:
            self._stopping = False

    def _after_fork_in_parent(self) -> None:
        """Go on."""
        if self._forker != get_ident():
            return
        self._forker = None
        self._stopping = False
        self._lock.release()
        if self._shown and self._thread is None:
            self._start()

    def _after_fork_in_child(self) -> None:
        """What was shown is the parent's; what begins from here on is drawn here, unless a drawing was cut in two."""
        if self._pid == os.getpid():
            return
        barred, prepared = self._forker != get_ident() or not self._fork_is_safe, self._is_prepared
        for showing in self._shown.values():
            showing.subject.display = None
        _inherited.append(self._displays)
        self.__init__()  # type: ignore[misc]  # afresh, in the place where everybody knows it
        self._barred, self._is_prepared = barred, prepared

    def end(self) -> None:
        """The process ends: draw the last state of all that is shown."""
        if not self._stop():
            return
        self._barred = True
        with self._lock:
            for showing in list(self._shown.values()):
                self._close(showing)

    # Drawing; the lock is held

    def _draw(self) -> None:
        for showing in list(self._shown.values()):
            if self._stopping:
                return
            with self._lock:
                if showing.subject.display is None:
                    continue
                if showing.subject.is_live:
                    self._call(showing, "draw")
                else:
                    self._close(showing)

    def _close(self, showing: Showing) -> None:
        subject = showing.subject
        if subject.display is None:
            return
        if showing.is_open or not showing.is_nested or subject.status == "error":
            self._call(showing, "close")
        subject.display = None
        self._shown.pop(id(subject), None)

    def _call(self, showing: Showing, method: str) -> None:
        """Have it drawn, opened first where it is not yet. Whatever the display does wrong ends there."""
        name = showing.name
        if showing.is_broken or (showing.display is None and name in self._broken):
            return
        before, self._drawer = self._drawer, get_ident()
        try:
            display = showing.display or self._named(name)
            if not showing.is_open:
                showing.is_open = True
                # A notebook's kernel finds the cell to show it in by the context of the code that began it.
                showing.context.run(display.open, showing.subject)
            getattr(display, method)(showing.subject)
        except Exception as error:  # noqa: BLE001  # a display may be anybody's, and must not end the job
            showing.is_broken = True
            tell = trouble.note if name in self._broken else warn  # one warning of each is enough
            self._broken.add(name)
            tell("the display %r failed and draws no more: %s: %s", name, type(error).__name__, error)
        finally:
            self._drawer = before

    def _named(self, name: str) -> Display:
        """The display of that name; it is loaded when it is first needed."""
        if name not in self._displays:
            self._is_loading = True
            try:
                self._displays[name] = load(name) or self._named(automatic())
            finally:
                self._is_loading = False
        return self._displays[name]


_inherited: list[object] = []
"""Displays that the parent had at a fork: they are never called again, and letting them go might draw."""

stage = Stage()
"""The stage of this process."""

# With the first import, so that by then all that lives has been told that the process ends.
atexit.register(stage.end)
stage.attend_forks()
