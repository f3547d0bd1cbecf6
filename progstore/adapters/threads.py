"""Threads that work through items, and tell from anywhere how far they are."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sized
from typing import Any, Final, Generic, TypeVar, Unpack

from progstore import clean
from progstore.adapters.options import Options
from progstore.live import context
from progstore.live.task import Task
from progstore.live.tracking import track

Item = TypeVar("Item")
Work = TypeVar("Work", bound="ProgressThread[Any]")

LINE_EVERY: Final = 1.0
"""Seconds between two lines of `run_in_shell`."""

__all__ = ["ProgressThread", "run_in_shell"]


class ProgressThread(threading.Thread, Generic[Item]):
    """A thread that works through `items` as a recorded task; a base class.

    Override `process(item)`. Or override `run()`, and call `self.advance()` for each item that is done.

    The task is called `name`, or like the class. It begins with `start()`, in the session and below the task in which
    that is called. Its total is the length of `items`, unless `total` says another. `unit` is what is counted, and may
    be an attribute of the class; no bar is drawn unless `bar` asks for one. The other keywords are those of `track()`.
    What `process` or `run` raise ends the task as an error, and goes to `threading.excepthook` as from any thread.

    Raises TypeError where neither is overridden and for items that cannot be looped over, and whatever `track()` raises
    for its keywords, then with `start()`.
    """

    unit = "files"

    def __init__(
        self,
        items: Iterable[Item] = (),
        name: str | None = None,
        *,
        total: float | None = None,
        daemon: bool | None = None,
        **options: Unpack[Options],
    ) -> None:
        kind = type(self)
        if kind.process is ProgressThread.process and kind.run is ProgressThread.run:
            raise TypeError(f"{kind.__name__} does nothing: override process(item), or run()")
        if not (hasattr(items, "__iter__") or hasattr(items, "__getitem__")):
            raise TypeError(f"items must be something to loop over, got {type(items).__name__}")
        super().__init__(name=name, daemon=daemon)
        self.items = items
        self._title = clean.text(kind.__name__ if name is None else name, "name", clean.NAME_LIMIT)
        self._given_total = clean.total(total)
        self._options: Options = {"unit": self.unit, "bar": False, **options}
        self._task: Task[Any] = Task.nothing()
        self._task.state.unit = clean.text(self._options["unit"], "unit", clean.NAME_LIMIT)
        self._task.total = len(items) if total is None and isinstance(items, Sized) else total
        self._has_started = threading.Lock()
        self._is_asked_to_stop = False
        self._is_over = threading.Event()

    def process(self, item: Item) -> object:
        """Work on one item; it counts as done when this returns, unless it has counted something itself."""
        raise NotImplementedError(f"{type(self).__name__} has no process(item) that could work on {item!r}")

    def run(self) -> None:
        """Work through the items, one after the other, until `cancel()` is called."""
        for item in self.items:
            if self._is_asked_to_stop:
                return
            before = self._task.done
            self.process(item)
            if self._task.done == before:
                self.advance()

    def advance(self, n: float = 1) -> None:
        """`n` more are done. Raises TypeError for no number, BadValue for NaN."""
        self._task.update(n)

    def cancel(self) -> None:
        """Ask it to stop: it ends as cancelled after the item it works on. A `run()` of your own must look at
        `is_cancelled`.
        """
        self._is_asked_to_stop = True

    # What can be read, at any time and from any thread

    @property
    def is_cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._is_asked_to_stop

    @property
    def task(self) -> Task[Any]:
        """The task, to say more: a message, a failed item, metadata. Before `start()` one that is not recorded."""
        return self._task

    def percent_done(self) -> float:
        """How much is done, from 0 to 100; where there is no total, or nothing to do, 0 until it is complete."""
        total = self._task.total
        if not total:
            return 100.0 if self._task.status == "complete" else 0.0
        return min(100.0, max(0.0, 100.0 * self._task.done / total))

    def get_progress(self) -> str:
        """How far it is in words: `3 files (37.50%)`."""
        return f"{self._task.done:.15g} {self._task.state.unit} ({self.percent_done():.2f}%)"

    # As a thread

    def start(self) -> None:
        """Begin the task, and work in a thread. Raises RuntimeError when it is called again."""
        if not self._has_started.acquire(blocking=False):
            raise RuntimeError("threads can only be started once")
        self._task = task = track(self.items, self._title, total=self._given_total, **self._options)
        work = self.run

        def recorded() -> None:
            # Its context is empty: what is tracked in it belongs here.
            context.session.set(task.state.session)
            try:
                with task:
                    work()
                    if self._is_asked_to_stop and not _is_all_done(task):
                        task.cancel()
            finally:
                self._is_over.set()

        self.run = recorded  # type: ignore[method-assign]  # by threading's own rules it is what the thread does
        try:
            super().start()
        except RuntimeError as error:  # the system has no more threads; it may be tried again
            task.error(error)
            self.run = work  # type: ignore[method-assign]  # as above
            self._has_started.release()
            raise


def run_in_shell(cls: type[Work], *args: Any, **kwargs: Any) -> Work:
    """Make a thread of `cls`, and print how it fares until it ends: a line at the start, each second and at the end.

    Ctrl-C cancels it: it ends after the item it works on; a second one is not waited for, and raised. Gives the thread,
    whose `task.status` says how it ended. Raises what `cls` raises for these arguments.
    """
    thread = cls(*args, **kwargs)
    thread.start()
    task = thread.task
    try:
        _print(f"{task.name}: started{'' if task.total is None else f', {task.total:.15g} {task.state.unit} to do'}")
        _watch(thread)
    except KeyboardInterrupt:
        thread.cancel()
        _print(f"{task.name}: stopping after this item")
        _watch(thread)
    except BaseException:
        thread.cancel()
        raise
    _print(thread.get_progress())
    _print(f"{task.name}: {_ending(task)}")
    return thread


def _watch(thread: ProgressThread[Any]) -> None:
    _print(thread.get_progress())
    # Not by join(): where Ctrl-C interrupts that, Python up to 3.12 takes the thread for ended.
    while not thread._is_over.wait(LINE_EVERY):  # noqa: SLF001  # its own runner
        _print(thread.get_progress())
    thread.join()


def _ending(task: Task[Any]) -> str:
    said = ": ".join(part for part in (task.state.error_type, task.state.error) if part)
    return f"{task.status}: {said}" if said else task.status


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # it is what the caller asks for


def _is_all_done(task: Task[Any]) -> bool:
    return task.total is not None and task.done >= task.total
