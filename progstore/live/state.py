"""The state of live tasks and sessions: plain records that jobs change and the recorder and displays read.

Nothing here locks or waits. Each field is written in single steps that the interpreter does not split; what the
recorder must take out (events, changed metadata) it takes one at a time.
"""

from __future__ import annotations

import time
from itertools import count

from progstore import clean
from progstore.live.identity import process_uid, uuid7
from progstore.live.reasons import STOP_REQUESTED, failure_text, interruption, kind_of, text_of, traceback_of
from progstore.live.record import Record
from progstore.live.stopping import StopSign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from progstore.live.callbacks import Listeners
    from progstore.live.counting import Counter

MOST_CHILDREN: Final = 1000
"""Same-named tasks nested in one task that are stored; further ones are counted, not stored."""
MOST_NAMES: Final = 10_000
"""Names of tasks nested in one task that are counted; of further names all are stored."""

_numbers = count(1)


class SessionState(Record):
    """A session as this process knows it; a `joined` one belongs to another process."""

    def __init__(
        self,
        name: str,
        kind: str,
        *,
        store: str | None,
        uid: str | None = None,
        parent_uid: str | None = None,
        joined: bool = False,
    ) -> None:
        super().__init__()
        self.uid = uid or uuid7()
        self.name = name
        self.kind = kind
        self.store = store
        self.parent_uid = parent_uid
        self.joined = joined
        self.message = ""
        self.started_at = time.time()
        self.started_clock = time.monotonic()
        self.ended_at: float | None = None
        self.end_status: str | None = None
        self.duration: float | None = None
        self.tasks: dict[str, TaskState] = {}
        """The newest attempt of each task that this process started under a key of its own choosing."""
        self.watched = False
        """The recorder knows of it."""
        self.on_progress: Listeners | None = None
        """Who hears of its tasks in this process."""
        self.stop = StopSign()
        self.listens = False
        """Something in this process ends when the session is asked to stop; the recorder then asks the store."""
        self.was_stopped = False
        """Something in this process did."""

    @property
    def is_open(self) -> bool:
        """Whether the session has not ended."""
        return self.ended_at is None

    def end(self, status: str, message: str = "") -> None:
        """End the session; a second end changes nothing. Where work in it was stopped, it is not complete."""
        if self.ended_at is None:
            if status == "complete" and self.was_stopped:
                status, message = "cancelled", STOP_REQUESTED
            self.end_status = status
            self.message = message or self.message
            self.duration = time.monotonic() - self.started_clock
            self.ended_at = time.time()

    def fail(self, error: BaseException) -> None:
        """End the session with an exception: an error, or cancelled where it was asked to stop."""
        why = interruption(error)
        if why is None:
            self.end("error", failure_text(error))
        else:
            self.end("cancelled", why)


class TaskState(Record):
    """A task as its owner knows it. Times are seconds UTC, clocks are seconds of `time.monotonic()`."""

    attempt = 1
    status = "pending"

    advanced: float = 0
    """What `update()` said is done; a loop's own count stands in `counter`."""
    counter: Counter | None = None
    counted: float = 0
    """What the loop had counted when it ended."""
    failed: float = 0
    active: float = 0
    cancelled: float = 0
    percent: float | None = None
    """A percent that was said directly."""
    message = ""
    error_type: str | None = None
    error: str | None = None
    traceback: str | None = None

    simulate_from: float | None = None
    simulate_until: float | None = None
    simulate_since: float | None = None
    simulate_expected: float | None = None
    simulate_late_after: float | None = None
    expects_history = False
    """The recorder shall look up how long this usually takes."""

    started_at: float | None = None
    started_clock: float | None = None
    ended_at: float | None = None
    duration: float | None = None

    looped = False
    """A loop over it has begun; the next one is a new attempt."""
    exhausted = False
    left_early = False
    stoppable = False
    """It ends when its session is asked to stop."""
    saw_stop = False
    """It was told that its session was."""
    frame: tuple[int, object] | None = None
    """Identity and code of the frame whose loop this is, by which an uncaught exception finds it."""
    left_at_line = 0
    """The line on which that frame stood when the loop was left."""

    reported: object = None
    """What `on_progress` was last told."""
    reported_clock = 0.0
    """And when, in seconds of `time.monotonic()`."""
    message_kept = ""
    """The message that was last kept as an event."""
    display: Any = None
    """What draws this task, as `displays` left it."""
    curve: Any = None
    """The recorder's sampled curve."""
    revision = 0
    """Rises with each row that is written of it."""
    taken = False
    """Another process owned it; the recorder takes it over with the first write."""

    def __init__(
        self,
        session: SessionState,
        name: str,
        *,
        record: bool,
        interval: float,
        key: str | None = None,
        unit: str = "it",
        total: float | None = None,
        total_source: str | None = None,
        parent: TaskState | None = None,
    ) -> None:
        super().__init__()
        self.session = session
        self.name = name
        self.key = key or f"{process_uid()[-8:]}-{next(_numbers)}"
        self.key_is_chosen = key is not None
        self.attempt_is_known = key is None
        """Under a chosen key other starts may be in the store; the recorder then asks for the next number."""
        self.unit = unit
        self.total = total
        self.total_source = total_source
        self.parent = parent
        self.record = record
        self.interval = interval
        self.on_progress = session.on_progress
        self.children: dict[str, int] = {}
        """How many tasks of each name were nested in this one, stored or not."""

    @property
    def done(self) -> float:
        """What is done, never more than was truly done."""
        counter = self.counter
        return clean.bounded(self.advanced + (self.counted if counter is None else counter.done()))

    @property
    def is_live(self) -> bool:
        """Whether it has begun and not ended."""
        return self.started_at is not None and self.ended_at is None

    @property
    def is_watched(self) -> bool:
        """Whether the recorder looks at it: to write it, or to report its progress to a callback."""
        return (self.record or self.on_progress is not None) and not self.inert

    @property
    def elapsed(self) -> float:
        """Seconds since the start, or from start to end."""
        if self.duration is not None:
            return self.duration
        return 0.0 if self.started_clock is None else time.monotonic() - self.started_clock

    def successor(self) -> TaskState:
        """The next attempt at the same work."""
        state = TaskState(
            self.session,
            self.name,
            key=self.key,
            unit=self.unit,
            total=self.total,
            total_source=self.total_source,
            parent=self.parent,
            record=self.record,
            interval=self.interval,
        )
        state.key_is_chosen = self.key_is_chosen
        state.attempt_is_known = not self.key_is_chosen
        state.attempt = self.attempt + 1
        state.on_progress = self.on_progress
        state.stoppable = self.stoppable
        for key, value in self.meta.items():
            state.put_json(key, value)
        return state

    def begin(self) -> None:
        """From now on it is running."""
        self.started_at = time.time()
        self.started_clock = time.monotonic()
        self.status = "running"
        self.happened("started", always=True)

    def nest(self, name: str) -> bool:
        """A task of that name is nested in it; whether there are not yet too many to store it."""
        children = self.children
        if name in children or len(children) < MOST_NAMES:
            children[name] = children.get(name, 0) + 1
        return children.get(name, 0) <= MOST_CHILDREN

    def end(self, status: str, message: str = "") -> bool:
        """End it; a terminal status never changes back, so a second end changes nothing and says False."""
        if self.ended_at is not None:
            return False
        self.stop_counting(exhausted=False)
        self.status = status
        if message:
            self.message = message
        if message == STOP_REQUESTED:
            self.session.was_stopped = True
        self.duration = self.elapsed
        self.happened(status, message or self.error or "", always=True)
        # Last, for whoever sees an end must find all of it.
        self.ended_at = time.time()
        return True

    def stop_counting(self, *, exhausted: bool) -> None:
        """The loop is over: keep its count."""
        counter = self.counter
        if counter is not None:
            self.exhausted = exhausted
            self.counted = counter.final(exhausted)
            self.counter = None

    def fail(self, error: BaseException) -> None:
        """Keep an exception with its type, text and traceback; before `end`."""
        self.error_type, self.error, self.traceback = kind_of(error), text_of(error), traceback_of(error)

    def sharpen(self, error: BaseException) -> None:
        """A loop that was left early turns out to have been left by an exception that nobody caught."""
        why = interruption(error)
        self.message = why or ""
        if why is None:
            self.fail(error)
            self.happened("error", self.error or "", always=True)
            self.status = "error"
