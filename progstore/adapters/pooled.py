"""Futures as one task: how many of them wait, run, are done, failed or cancelled.

Each future's own callback notes that it is finished; what became of it is read later, for many at once. Nothing is
written per item, and no thread waits for any.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from itertools import islice
from threading import RLock
from time import monotonic
from typing import Any, Final, TypeVar, Unpack

from progstore.adapters.calling import caller, name_after
from progstore.adapters.options import Options
from progstore.live.reasons import failure_text
from progstore.live.task import Task
from progstore.live.tracking import track

Result = TypeVar("Result")

LOOK: Final = 0.25
"""Seconds between two looks at how many futures run."""
WINDOW: Final = 1000
"""Unfinished futures that are looked at; executors start them in the order in which they were submitted."""
PATIENCE: Final = 1.0
"""Seconds that the end of a task waits for another thread that counts for it just then."""


class Pooled:
    """The futures of one task, and their counts. It is the task's counter, so that it is asked when somebody looks.

    A failed future counts as done and failed, a cancelled one only as cancelled; so does one whose pool broke, for
    nobody knows whether its work was ever begun. `outcome` gives a finished future's exception or None, and raises
    what `cancelled` names for a cancelled one; `running` says how many of some futures are being worked on.
    """

    task: Task[Any]

    def __init__(
        self,
        outcome: Callable[[Any], BaseException | None],
        cancelled: type[BaseException],
        running: Callable[[Collection[Any]], int],
    ) -> None:
        self.broken: BaseException | None = None
        """Why the pool cannot go on, as its futures say."""
        self.to_cancel: Iterable[Any] = ()
        """What is cancelled when the task ends, as far as it has not begun."""
        self._outcome = outcome
        self._cancelled = cancelled
        self._running = running
        self._unfinished: dict[Any, int] = {}
        self._finished: deque[Any] = deque()
        self._done = 0
        self._note_it = self._note  # one for all futures
        # Reentrant, for the garbage collector may end the task while this thread counts.
        self._counting = RLock()
        self._looked_at = -LOOK
        self._is_open = True

    def track(
        self, results: Iterable[Result], name: str | None, *, total: float | None, **options: Unpack[Options]
    ) -> Iterator[Result]:
        """Begin the task; what it returns is `results`, and ends the task when it ends."""
        frame = caller()
        self.task = track(results, name or name_after(frame), total=total, **options)
        iterator: Iterator[Result] = iter(self.task)
        self.task.state.frame = (id(frame), frame.f_code)
        self.task.state.counter = self
        return iterator

    def begin(self, name: str | None, *, total: float | None, **options: Unpack[Options]) -> None:
        """Begin the task; whoever calls this ends it."""
        self.task = track(name=name or name_after(caller()), total=total, **options)
        self.task.state.counter = self
        self.task.__enter__()

    def add(self, future: Any, size: int = 1) -> None:
        """Count this future, which stands for `size` items. Raises AttributeError for what is none."""
        self._unfinished[future] = size
        try:
            future.add_done_callback(self._note_it)
        except BaseException:
            del self._unfinished[future]
            raise

    def end(self, error: BaseException) -> None:
        """The task ends with what is raised from it."""
        if isinstance(error, self._cancelled):
            self.task.cancel()
        else:
            self.task.__exit__(type(error), error, None)

    def settle(self) -> None:
        """Count what has finished, unless another thread is at it."""
        if self._finished and self._counting.acquire(False):
            try:
                self._count()
            finally:
                self._counting.release()

    def done(self) -> float:
        """Items whose future has finished, whatever the loop over them has got; also looks how many run."""
        self.settle()
        now = monotonic()
        if now - self._looked_at >= LOOK:
            self._looked_at = now
            self.task.state.active = self._active()
        return self._done

    def final(self, exhausted: bool) -> float:  # noqa: ARG002  # a counter is asked so
        """The same at the end; a future's callback may come a moment after its result."""
        state = self.task.state
        if state.inert:  # in a forked child, where a lock may be held by a thread that is not there
            return self._done
        for future in self.to_cancel:
            future.cancel()
        if self._counting.acquire(timeout=PATIENCE):
            try:
                self._finished.extend([future for future in list(self._unfinished) if future.done()])
                self._count()
            finally:
                self._counting.release()
        state.active = 0
        # The futures that go on know this object; it must not keep the others.
        self._is_open = False
        self._unfinished.clear()
        return self._done

    def _note(self, future: Any) -> None:
        if self._is_open:
            self._finished.append(future)

    def _count(self) -> None:
        finished, unfinished, outcome = self._finished, self._unfinished, self._outcome
        while finished:
            future = finished.popleft()
            size = unfinished.pop(future, 0)
            if not size:
                continue
            try:
                error = outcome(future)
            except self._cancelled:
                self.task.state.cancelled += size
                continue
            if error is None:
                self._done += size
            elif isinstance(error, BrokenExecutor):
                self.broken = error
                self.task.state.cancelled += size
            else:
                # Of a chunk nobody can tell how many went well before.
                self._done += 1
                self.task.fail_item(failure_text(error))

    def _active(self) -> int:
        try:
            return self._running(self._unfinished)
        except RuntimeError:  # without a global lock others may change it meanwhile; the next look will tell
            return int(self.task.state.active)


def of_executors(most: int | None = None) -> Pooled:
    """For futures of executors, which work on `most` at once where that is known."""
    return Pooled(_outcome, CancelledError, lambda futures: min(_running(futures), most or WINDOW))


def _outcome(future: Any) -> BaseException | None:
    """What a finished future raises. Raises CancelledError."""
    # Its own fields where it is the usual kind, for asking it takes a lock, which costs more than all the rest here.
    if type(future) is Future and future._state == "FINISHED":  # noqa: SLF001  # see above
        return future._exception  # noqa: SLF001  # see above
    error: BaseException | None = future.exception()
    return error


def _running(futures: Iterable[Any]) -> int:
    """How many of the first futures of executors are being worked on.

    A process pool says "running" also of what only waits in its queue; it works on no more than it has processes.
    """
    # What is no future of theirs is refused by the loop, but perhaps later than somebody looks here.
    begun = {future for future in list(islice(futures, WINDOW)) if hasattr(future, "running") and future.running()}
    waiting = 0
    for manager in list(getattr(sys.modules.get("concurrent.futures.process"), "_threads_wakeups", ())):
        handed_over = list(islice(manager.pending_work_items.values(), WINDOW))
        of_this_pool = sum(item.future in begun for item in handed_over)
        waiting += max(0, of_this_pool - len(manager.processes))
    return len(begun) - waiting


def shortest(iterables: Sequence[Iterable[Any]]) -> int | None:
    """How many items there will be, where all say how many they have."""
    try:
        return min(len(each) for each in iterables)  # type: ignore[arg-type]  # those without a length raise
    except (TypeError, ValueError):
        return None
