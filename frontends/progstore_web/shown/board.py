"""What the first page shows: lanes of what runs, needs attention or ended lately, each session with a few tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from progstore import Filter, Life, SessionView, Status, Store, StoreError, StoreNotFound, TaskView, wording
from progstore.wording import BYTES, amount, failure, number, running_first, tally
from progstore_web.bars import Bar, session_bar, task_bar
from progstore_web.shown.job_run import can_stop
from progstore_web.shown.trees import Row, rows_of, some_of
from progstore_web.wording import TONES, counted, state

LIVE_LIMIT = 100
"""Live sessions that are looked at, those that run before those that wait; a store of many lost ones must not make the
page slow.
"""
LIVE_TASKS_LIMIT = 400
NEWEST_LIMIT = 50
"""Newest sessions that are looked at, for errors and for what ended lately."""
COMPLETED_LIMIT = 6
ATTENTION_LIMIT = 12
"""Sessions of a lane that are shown; the rest is counted."""
TASKS_READ = 30
"""Newest tasks that are read of each session."""
TASKS_SHOWN = 8
COMPLETE_SHOWN = 3
"""Of the tasks that are shown, those that are complete."""
RUNNING = frozenset({Status.RUNNING})
RECOVERED = "Recovered"
"""The lane that only a server has, beside those of all boards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One session on the first page. `rows` are the tasks worth seeing, `hidden` counts the others."""

    session: SessionView
    rows: tuple[Row, ...]
    hidden: int

    @property
    def _only(self) -> TaskView | None:
        return self.rows[0].task if len(self.rows) == 1 and not self.hidden else None

    @property
    def bar(self) -> Bar:
        """The bar of its only task, or of the session where it has more."""
        return task_bar(self._only) if self._only else session_bar(self.session)

    @property
    def tone(self) -> str:
        """The tone of that bar."""
        return state(self._only or self.session).tone

    @property
    def summary(self) -> str:
        """How far its only task came, or how its tasks ended."""
        if self._only:
            word = state(self._only).word
            return counted(self._only) + ("" if word == state(self.session).word else f", {word}")
        counts = [f"{count:,} {word}" for word, count in sorted(self.session.counts.items()) if count]
        return f"{sum(self.session.counts.values()):,} tasks: {', '.join(counts)}" if counts else "no task"

    @property
    def can_stop(self) -> bool:
        """Whether there is any use in asking it to stop."""
        return can_stop(self.session, (row.task for row in self.rows))

    @property
    def message(self) -> str:
        """Its message, where that does not only repeat an error that is shown."""
        said = self.session.message
        return "" if said in {failure(row.task) for row in self.rows} else said

    @property
    def last_item(self) -> str:
        """How far the only task came that its owner left behind: "item 31,207"; empty where there are more."""
        left = [row.task for row in self.rows if row.task.status is Status.RUNNING]
        if len(left) != 1:
            return ""
        task = left[0]
        return amount(task.done, task.unit) if task.unit in BYTES else f"{task.unit or 'item'} {number(task.done)}"

    @property
    def failed(self) -> float:
        """Items that failed, in the tasks that are shown."""
        return sum(row.task.failed for row in self.rows)

    @property
    def remark(self) -> str:
        """What is to be said of it: the error, else the message of whatever did not end well."""
        if error := next((failure(row.task) for row in self.rows if failure(row.task)), ""):
            return error
        if self.session.message or self.session.status is Status.COMPLETE:
            return self.session.message
        return next((row.task.message for row in self.rows if row.task.message), "")

    def to_dict(self) -> dict[str, Any]:
        """The session with the tasks that are shown, as plain JSON."""
        return {
            **self.session.to_dict(),
            "tasks": [row.task.to_dict() for row in self.rows],
            "tasks_hidden": self.hidden,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Sessions that stand alike, newest first, those that wait last; `more` counts those beyond what is shown,
    `more_live` says that some of them have not ended; `ended` are the ids of all in the lane that have ended, so that
    they may be cleared.
    """

    cards: tuple[Card, ...] = ()
    more: int = 0
    more_live: bool = False
    ended: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.cards) + self.more

    def to_dict(self) -> dict[str, Any]:
        """The lane as plain JSON."""
        return {
            "sessions": [card.to_dict() for card in self.cards],
            "more": self.more,
            "more_live": self.more_live,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The first page, of the live sessions and of the newest. `has_older` says that there are more in the history,
    `has_more_live` that some of them are live.

    `recovered` are those that were received from elsewhere before this server began, and from which nothing was
    received since. `trouble` is why the store cannot be read, or empty; `missing` says that there is no store yet,
    which is no fault.
    """

    active: Lane = Lane()
    recovered: Lane = Lane()
    attention: Lane = Lane()
    completed: Lane = Lane()
    has_older: bool = False
    has_more_live: bool = False
    trouble: str = ""
    missing: bool = False

    @property
    def is_live(self) -> bool:
        """Whether something on it can change without a write: a verdict, or a percent that is drawn from the clock."""
        lanes = (self.recovered, self.attention)
        return bool(self.active.cards) or any(not card.session.is_over for lane in lanes for card in lane.cards)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever recorded."""
        return not (self.active or self.recovered or self.attention or self.completed)

    @property
    def tasks(self) -> list[TaskView]:
        """All tasks that are shown."""
        lanes = (self.active, self.recovered, self.attention, self.completed)
        return [row.task for lane in lanes for card in lane.cards for row in card.rows]

    def headline(self) -> list[tuple[str, str]]:
        """The page in one sentence, as (tone, words): 3 running, 1 pending, 1 lost, 1 stale."""
        going = tally(card.session for card in self.active.cards)
        # What was not looked at may run.
        parts = [] if Status.RUNNING in going or self.has_more_live else [("idle", "nothing running")]
        parts += [(TONES[stands], words) for stands, words in going.items()]
        if self.recovered:
            parts.append(("warn", f"{len(self.recovered)} recovered"))
        troubled = tally(card.session for card in self.attention.cards)
        parts += [(TONES[stands], words) for stands, words in troubled.items()]
        if self.has_more_live:
            parts.append(("idle", "and more"))
        elif self.attention.more:
            parts.append(("warn", f"{self.attention.more} more"))
        return parts

    def to_dict(self) -> dict[str, Any]:
        """The page as plain JSON."""
        return {
            "headline": ", ".join(words for _, words in self.headline()),
            "active": self.active.to_dict(),
            "recovered": self.recovered.to_dict(),
            "attention": self.attention.to_dict(),
            "completed": self.completed.to_dict(),
            "has_older": self.has_older,
            "has_more_live": self.has_more_live,
            "trouble": self.trouble,
            "missing": self.missing,
        }


class BoardReader:
    """Reads boards from one store, and remembers the tasks of what has ended from one board to the next."""

    def __init__(self, store: Store, *, began: float) -> None:
        """`began` is when the server did, seconds UTC."""
        self._store = store
        self._began = began
        self._ended: dict[int, tuple[SessionView, tuple[TaskView, ...]]] = {}

    def read(self, now: float) -> Board:
        """The board at `now` (seconds UTC). A store that cannot be read gives a board that says so."""
        try:
            return self._read(now)
        except StoreNotFound as missing:
            return Board(trouble=str(missing), missing=True)
        except StoreError as trouble:
            return Board(trouble=str(trouble))

    def _read(self, now: float) -> Board:
        live, has_more_live = self._live()
        newest = self._store.sessions(limit=NEWEST_LIMIT)
        ordered = running_first([*live, *newest])
        self._forget_all_but(session.id for session in ordered)
        lanes: dict[str, list[tuple[SessionView, tuple[TaskView, ...]]]] = {}
        for session, tasks in self._with_tasks(ordered):
            lanes.setdefault(self._lane(session, now), []).append((session, tasks))
        return Board(
            active=_lane(lanes.get(wording.Lane.ACTIVE, ()), LIVE_LIMIT),
            recovered=_lane(lanes.get(RECOVERED, ()), LIVE_LIMIT),
            attention=_lane(lanes.get(wording.Lane.ATTENTION, ()), ATTENTION_LIMIT),
            completed=_lane(lanes.get(wording.Lane.COMPLETED, ()), COMPLETED_LIMIT),
            has_older=newest.next_cursor is not None,
            has_more_live=has_more_live,
        )

    def _live(self) -> tuple[Sequence[SessionView], bool]:
        """Sessions that have not ended, and whether there are more of them: many that wait must not hide what runs."""
        live = self._store.sessions(Filter(live=True), limit=LIVE_LIMIT)
        if live.next_cursor is None:
            return live.items, False
        running = self._store.sessions(Filter(live=True, statuses=RUNNING), limit=LIVE_LIMIT)
        return running_first([*live, *running])[:LIVE_LIMIT], True

    def _lane(self, session: SessionView, now: float) -> str:
        if not session.is_over and self._is_recovered(session):
            return RECOVERED
        return wording.lane(session, now)

    def _is_recovered(self, session: SessionView) -> bool:
        return session.received_at is not None and session.received_at < self._began and not _is_lost(session)

    def _with_tasks(self, sessions: list[SessionView]) -> list[tuple[SessionView, tuple[TaskView, ...]]]:
        ids = tuple(session.id for session in sessions if not session.is_over)
        live: dict[int, list[TaskView]] = {}
        if ids:
            for task in self._store.tasks(Filter(session_ids=ids, live=True), limit=LIVE_TASKS_LIMIT):
                live.setdefault(task.session_id, []).append(task)
        return [(session, (*live.get(session.id, ()), *self._newest(session))) for session in sessions]

    def _newest(self, session: SessionView) -> tuple[TaskView, ...]:
        known = self._ended.get(session.id)
        if known is not None and known[0] == session:
            return known[1]
        tasks = self._store.tasks(Filter(session_ids=(session.id,)), limit=TASKS_READ).items
        if session.is_over:
            self._ended[session.id] = (session, tasks)
        return tasks

    def _forget_all_but(self, ids: Iterable[int]) -> None:
        for gone in self._ended.keys() - set(ids):
            del self._ended[gone]


def _lane(found: Sequence[tuple[SessionView, tuple[TaskView, ...]]], limit: int) -> Lane:
    return Lane(
        cards=tuple(_card(session, tasks) for session, tasks in found[:limit]),
        more=max(0, len(found) - limit),
        more_live=any(not session.is_over for session, _ in found[limit:]),
        ended=tuple(session.id for session, _ in found if session.is_over or _is_lost(session)),
    )


def _is_lost(session: SessionView) -> bool:
    return session.verdict is not None and session.verdict.life is Life.LOST


def _card(session: SessionView, tasks: tuple[TaskView, ...]) -> Card:
    chosen = some_of(tasks, TASKS_SHOWN, COMPLETE_SHOWN)
    return Card(session=session, rows=rows_of(chosen), hidden=max(0, sum(session.counts.values()) - len(chosen)))
