"""What the timeline shows: when each session ran, in lanes by name or by host."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from progstore import Filter, Page, SessionView, Store, StoreNotFound
from progstore_web.charts import Place, place, rows_of_places
from progstore_web.shown.moment import Moment, read_moment
from progstore_web.wording import State, state

SESSIONS_LIMIT = 1000
"""Sessions that are drawn, those that started last."""
LANES_LIMIT = 60
"""Lanes that are drawn, those with the most sessions."""
ROWS_LIMIT = 5
"""Rows in which the sessions of one lane that overlap are stacked."""
SIGN = 1.2
"""Percent of the span that the sign behind a session takes which did not end well; a shorter one is the sign alone."""

_LAST_MOVES = (
    "SELECT session_id, max(coalesce(ended_at, updated_at)) FROM v_tasks"
    " WHERE session_id IN ({ids}) GROUP BY session_id"
)

By = Literal["name", "host"]


@dataclass(frozen=True, slots=True)
class Span:
    """How much of the past is shown, and in how many columns of how many seconds."""

    word: str
    columns: int
    step: float
    grain: float
    """The end is rounded up to a multiple of it, so that the columns begin at round times."""

    @property
    def seconds(self) -> float:
        """How long it is in all."""
        return self.columns * self.step


SPANS = (Span("1h", 6, 600, 600), Span("24h", 6, 14_400, 3600), Span("7d", 7, 86_400, 3600))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One session on the timeline, from `start` to `end` (seconds UTC); `now` says how it stands."""

    session: SessionView
    start: float
    end: float
    now: State

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "session_id": self.session.id,
            "name": self.session.name,
            "host": self.session.host,
            "state": self.now.word,
            "percent": self.session.overall_percent,
            "start": self.start,
            "end": self.end,
            "ended": self.session.status.is_terminal or self.now.word == "lost",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A run where it stands in its lane."""

    run: Run
    place: Place
    row: int

    @property
    def has_sign(self) -> bool:
        """Whether a sign says how it ended, or stands."""
        return _has_sign(self.run)

    @property
    def is_short(self) -> bool:
        """Whether there is only the sign, for the bar would be shorter."""
        return self.has_sign and self.place.width < SIGN


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The sessions of one name or host; `left_out` are those that found no room beside others."""

    label: str
    runs: int
    drawn: tuple[Drawn, ...]
    left_out: int

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return 1 + max((each.row for each in self.drawn), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The page: from `first` to `last` (seconds UTC), as it stood `now`; `at` is the moment that was picked."""

    span: Span
    by: By
    first: float
    last: float
    now: float
    runs: tuple[Run, ...]
    is_cut: bool
    at: float | None
    moment: Moment | None

    @property
    def columns(self) -> list[float]:
        """When each column begins."""
        return [self.first + self.span.step * column for column in range(self.span.columns)]

    @property
    def lanes(self) -> list[Lane]:
        """The lanes that are drawn, in order of their label."""
        grouped = self._grouped()
        busiest = sorted(grouped, key=lambda label: (-len(grouped[label]), label))[:LANES_LIMIT]
        return [
            self._lane(label, grouped[label]) for label in sorted(busiest, key=lambda each: (each.casefold(), each))
        ]

    @property
    def more_lanes(self) -> int:
        """Lanes that are not drawn."""
        return max(0, len(self._grouped()) - LANES_LIMIT)

    @property
    def earlier(self) -> float:
        """A moment that brings what was before into sight."""
        return self.first - self.span.seconds / 2

    @property
    def later(self) -> float | None:
        """The same of what was after; None where the page ends now."""
        return self.last + self.span.seconds / 2 if self.last < self.now else None

    def x(self, at: float) -> float | None:
        """Where a moment stands, in percent; None where it is out of sight."""
        return round((at - self.first) / (self.last - self.first) * 100, 3) if self.first <= at <= self.last else None

    def to_dict(self) -> dict[str, Any]:
        """All of it, as plain JSON."""
        return {
            "span": self.span.word,
            "first": self.first,
            "last": self.last,
            "sessions": [run.to_dict() for run in self.runs],
            "cut": self.is_cut,
            "at": self.at,
            "ran": None if self.moment is None else self.moment.to_dict(),
        }

    def _grouped(self) -> Mapping[str, list[Run]]:
        grouped: dict[str, list[Run]] = {}
        for run in self.runs:
            grouped.setdefault(run.session.name if self.by == "name" else run.session.host, []).append(run)
        return grouped

    def _lane(self, label: str, runs: Sequence[Run]) -> Lane:
        places = [place(run.start, run.end, self.first, self.last) for run in runs]
        rows = rows_of_places([_with_sign(run, here) for run, here in zip(runs, places, strict=True)], ROWS_LIMIT)
        drawn = [
            Drawn(run=run, place=where, row=row)
            for run, where, row in zip(runs, places, rows, strict=True)
            if row is not None
        ]
        return Lane(label=label, runs=len(runs), drawn=tuple(drawn), left_out=len(runs) - len(drawn))


def _has_sign(run: Run) -> bool:
    return run.now.word not in ("complete", "running")


def _with_sign(run: Run, bar: Place) -> Place:
    """The room that a run takes, with its sign."""
    if not _has_sign(run):
        return bar
    return Place(bar.x, SIGN if bar.width < SIGN else bar.width + SIGN)


def read_timeline(store: Store, span: Span, by: By, at: float | None, now: float) -> Timeline:
    """The timeline up to now, or around `at` where that lies further back. Raises StoreError."""
    last = math.ceil(now / span.grain) * span.grain
    if at is not None and at < last - span.seconds:
        last = math.ceil((at + span.seconds / 2) / span.grain) * span.grain
    first = last - span.seconds
    try:
        found = store.sessions(Filter(active_since=first, until=min(last, now + 1)), limit=SESSIONS_LIMIT)
        moment = None if at is None else read_moment(store, at, now)
    except StoreNotFound:
        found, moment = Page(()), None
    runs = [run for run in runs_of(store, found, now) if run.end >= first]
    return Timeline(
        span=span,
        by=by,
        first=first,
        last=last,
        now=now,
        runs=tuple(runs),
        is_cut=found.next_cursor is not None,
        at=at,
        moment=moment,
    )


def runs_of(store: Store, sessions: Iterable[SessionView], now: float) -> list[Run]:
    """From when to when each session ran; what was lost ends with its last sign."""
    begun = [(each, each.started_at) for each in sessions if each.started_at is not None]
    unsure = [each.id for each, _ in begun if each.ended_at is None]
    moves: dict[int, float] = {}
    if unsure:
        found = store.query(_LAST_MOVES.format(ids=", ".join(map(str, unsure)))).rows
        moves = {session_id: at for session_id, at in found if isinstance(at, int | float)}
    return [
        Run(session=each, start=start, end=max(start, _end(each, moves.get(each.id, start), now)), now=state(each))
        for each, start in begun
    ]


def _end(session: SessionView, moved: float, now: float) -> float:
    if session.ended_at is not None:
        return session.ended_at
    word = state(session).word
    if word == "lost":
        return moved
    # A declared session has no end of its own: it ends with its last task.
    return moved if session.status.is_terminal or word in ("pending", "unreachable", "unknown") else now
