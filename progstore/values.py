"""Frozen values that readers of a store get: sessions, tasks, events, verdicts, and the filter that asks for them.

Times are seconds since 1970 in UTC, durations are seconds of the monotonic clock, percents go from 0 to 100.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from types import NoneType
from typing import Any, Generic, TypeVar

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


CLOCK_TOLERANCE = 2.0
"""Seconds by which two clocks may seem to differ: as long as what is sent may be on its way, or a slip of NTP."""


class Status(StrEnum):
    """What the store says of a task or session; the last three are terminal and never change back."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETE = "complete"
    ERROR = "error"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """True once the work has ended, in whichever way."""
        return self in (Status.COMPLETE, Status.ERROR, Status.CANCELLED)


class Life(StrEnum):
    """What a reader concludes about work that is stored as running."""

    ALIVE = "alive"
    STALE = "stale"
    SUSPENDED = "suspended"
    LOST = "lost"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the owner of running work still lives, why we think so, and since when it has not (seconds UTC)."""

    life: Life
    reason: str
    since: float | None = None

    def __str__(self) -> str:
        return f"{self.life}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """Something that happened to a session (`task_id` None) or a task; order by `id`, never by time."""

    id: int
    session_id: int
    task_id: int | None
    at: float
    kind: str
    message: str
    data: Json = None

    def to_dict(self) -> dict[str, Json]:
        """The event as plain JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """One piece of work as it stood when it was read.

    `done`, `total`, `failed` (part of done), `active` and `cancelled` count in `unit`. `percent` is None when nobody
    can know it; `simulated` marks one that is drawn from the clock, `reported_percent` is one that the job said
    directly, or that the simulation had reached when it ended. `rate` is in units per second; `eta` is the
    estimated finish, seconds UTC. `verdict` is set only for what is stored as running. `curve` holds (elapsed seconds,
    done) points.
    """

    id: int
    key: str
    name: str
    session_id: int
    session_name: str
    parent_id: int | None
    status: Status
    verdict: Verdict | None
    done: float
    total: float | None
    failed: float
    active: float
    cancelled: float
    unit: str
    percent: float | None
    simulated: bool
    rate: float | None
    eta: float | None
    message: str
    error_type: str | None
    error: str | None
    traceback: str | None
    attempt: int
    started_at: float | None
    updated_at: float | None
    ended_at: float | None
    duration: float | None
    host: str
    pid: int | None
    reported_percent: float | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    curve: tuple[tuple[float, float], ...] = ()

    @property
    def stoppable(self) -> bool:
        """Whether it runs, and has said that it ends when its session is asked to stop."""
        is_lost = self.verdict is not None and self.verdict.life is Life.LOST
        return self.status is Status.RUNNING and not is_lost and self.meta.get("stoppable") is True

    def to_dict(self) -> dict[str, Json]:
        """The task as plain JSON."""
        return plain(self)

    def _repr_html_(self) -> str:
        from progstore.markup import view_html  # only notebooks ask for it

        return view_html(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """One run of a program, or a declared group of tasks, as it stood when it was read.

    `status` is derived: from the newest attempt of each task, the session's own end and the verdicts. `counts` has the
    number of tasks by status. `tasks` is filled where one session is asked for, and empty in lists. `received_at` is
    when it last came from another machine over the network, by the clock here, and `clock_offset` by how many seconds
    that machine's clock is ahead; both None for what is written here directly. `stop_requested_at` is when somebody
    asked it to stop.
    """

    id: int
    uid: str
    name: str
    kind: str
    status: Status
    verdict: Verdict | None
    overall_percent: int
    counts: Mapping[str, int]
    message: str
    started_at: float | None
    ended_at: float | None
    duration: float | None
    host: str
    pid: int | None
    program: str
    parent_uid: str | None
    received_at: float | None = None
    clock_offset: float | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    tasks: tuple[TaskView, ...] = ()
    stop_requested_at: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended and none of its tasks goes on; one with an error may have others that do."""
        return self.status.is_terminal and not self.counts.get("running") and not self.counts.get("pending")

    @property
    def wrong_clock(self) -> float | None:
        """`clock_offset` where it is so large that the host's clock must be wrong, or this one; else None."""
        offset = self.clock_offset
        return offset if offset is not None and abs(offset) >= CLOCK_TOLERANCE else None

    def to_dict(self) -> dict[str, Json]:
        """The session, with its tasks where they were read, as plain JSON."""
        return plain(self)

    def _repr_html_(self) -> str:
        from progstore.markup import view_html  # only notebooks ask for it

        return view_html(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryView:
    """All past runs of one history, (session name, task name): counts, success rate (0 to 1) and seconds taken.

    `median` and `p90` are over the `complete` runs, nearest rank; None where there is none.
    """

    session_name: str
    name: str
    runs: int
    complete: int
    errors: int
    cancelled: int
    success_rate: float | None
    median: float | None
    p90: float | None
    last_started_at: float | None

    def to_dict(self) -> dict[str, Json]:
        """The history's figures as plain JSON."""
        return plain(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which sessions or tasks are asked for; what is left out does not restrict.

    `text` is looked for in names and messages of the newest 100,000 rows. `since` and `until` bound `started_at`
    (seconds UTC); `active_since` asks for what had not ended before that time; `longer_than` and `shorter_than` bound
    the duration (seconds). `meta` pairs must be equal. `roots` leaves out tasks that are nested in another.
    """

    text: str = ""
    name: str | None = None
    session_name: str | None = None
    statuses: frozenset[Status] = frozenset()
    host: str | None = None
    since: float | None = None
    until: float | None = None
    active_since: float | None = None
    longer_than: float | None = None
    shorter_than: float | None = None
    meta: Mapping[str, str] = field(default_factory=dict)
    session_ids: tuple[int, ...] | None = None
    parent_id: int | None = None
    roots: bool = False
    live: bool = False

    def __post_init__(self) -> None:
        """Raises TypeError for what is of no kind that can be asked for."""
        for each in fields(self):
            value = getattr(self, each.name)
            right, expected = _KINDS[each.name]
            if not isinstance(value, right) or (isinstance(value, bool) and bool not in right):
                raise TypeError(f"{each.name} must be {expected}, got {type(value).__name__}")
        if not all(isinstance(word, str) for pair in self.meta.items() for word in pair):
            raise TypeError("meta must be pairs of strings")


_TEXT = ((str, NoneType), "a string")
_SECONDS = ((int, float, NoneType), "a number of seconds")
_FLAG = ((bool,), "True or False")
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "text": ((str,), "a string"),
    **dict.fromkeys(("name", "session_name", "host"), _TEXT),
    "statuses": ((AbstractSet, list, tuple), "a set of statuses"),
    **dict.fromkeys(("since", "until", "active_since", "longer_than", "shorter_than"), _SECONDS),
    "meta": ((Mapping,), "a mapping"),
    "session_ids": ((tuple, list, NoneType), "a tuple of ids"),
    "parent_id": ((int, NoneType), "an id"),
    **dict.fromkeys(("roots", "live"), _FLAG),
}
"""What each field of a filter may be, and how that is called."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a list, newest first; `next_cursor` asks for the page after it and is None on the last."""

    items: tuple[Item, ...]
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def plain(view: Any) -> dict[str, Json]:
    """A value's fields as JSON values: tuples become lists, nested views objects."""
    return {each.name: _plain_value(getattr(view, each.name)) for each in fields(view)}


def _plain_value(value: Any) -> Json:
    if isinstance(value, Verdict):
        return {"life": str(value.life), "reason": value.reason, "since": value.since}
    if isinstance(value, StrEnum):
        return str(value)
    if hasattr(value, "__dataclass_fields__"):
        return plain(value)
    if isinstance(value, Mapping):
        return {str(key): _plain_value(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_value(each) for each in value]
    return value  # type: ignore[no-any-return]  # what is left came from JSON or is a number
