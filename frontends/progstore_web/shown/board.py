"""What the first page shows: which sessions run, need attention or ended lately, each with a few of its tasks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from progstore import Filter, SessionView, Status, Store, StoreError, StoreNotFound, TaskView
from progstore_web.bars import Bar, session_bar, task_bar
from progstore_web.shown.trees import Row, rows_of, some_of
from progstore_web.wording import counted, failure, state

LIVE_LIMIT = 100
"""Live sessions that are looked at; a store of many lost ones must not make the page slow."""
LIVE_TASKS_LIMIT = 400
NEWEST_LIMIT = 50
"""Newest sessions that are looked at, for errors and for what ended lately."""
RECENT_LIMIT = 20
ATTENTION_LIMIT = 12
"""Sessions in need of attention that are shown; the rest is counted."""
ATTENTION_SECONDS = 24 * 3600.0
"""How long an error needs attention; later it is one of the recent sessions."""
TASKS_READ = 30
"""Newest tasks that are read of each session."""
TASKS_SHOWN = 8
COMPLETE_SHOWN = 3
"""Of the tasks that are shown, those that are complete."""


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
    def message(self) -> str:
        """Its message, where that does not only repeat an error that is shown."""
        said = self.session.message
        return "" if said in {failure(row.task) for row in self.rows} else said

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
class Board:
    """The first page. `more` counts what needs attention beyond what is shown.

    `trouble` is why the store cannot be read, or empty; `missing` says that there is no store yet, which is no fault.
    """

    running: tuple[Card, ...] = ()
    attention: tuple[Card, ...] = ()
    recent: tuple[Card, ...] = ()
    more: int = 0
    trouble: str = ""
    missing: bool = False

    @property
    def is_live(self) -> bool:
        """Whether something on it can change without a write: a verdict, or a percent that is drawn from the clock."""
        return bool(self.running) or any(not _is_over(card.session) for card in self.attention)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever recorded."""
        return not (self.running or self.attention or self.recent)

    def headline(self) -> list[tuple[str, str]]:
        """The page in one sentence, as (tone, words): 3 running, 1 lost, 2 recent."""
        parts = [("live" if self.running else "idle", f"{len(self.running) or 'nothing'} running")]
        words: dict[tuple[str, str], int] = {}
        for card in self.attention:
            said = state(card.session)
            words[said.tone, said.word] = words.get((said.tone, said.word), 0) + 1
        parts += [(tone, f"{count} {_plural(word, count)}") for (tone, word), count in words.items()]
        if self.more:
            parts.append(("warn", f"{self.more} more"))
        if self.recent:
            parts.append(("idle", f"{len(self.recent)} recent"))
        return parts

    def to_dict(self) -> dict[str, Any]:
        """The page as plain JSON."""
        return {
            "headline": ", ".join(words for _, words in self.headline()),
            "running": [card.to_dict() for card in self.running],
            "attention": [card.to_dict() for card in self.attention],
            "attention_more": self.more,
            "recent": [card.to_dict() for card in self.recent],
            "trouble": self.trouble,
            "missing": self.missing,
        }


class BoardReader:
    """Reads boards from one store, and remembers the tasks of what has ended from one board to the next."""

    def __init__(self, store: Store) -> None:
        self._store = store
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
        live = self._store.sessions(Filter(live=True), limit=LIVE_LIMIT).items
        newest = self._store.sessions(limit=NEWEST_LIMIT).items
        every = {session.id: session for session in (*live, *newest)}
        ordered = sorted(every.values(), key=lambda session: (session.started_at or 0.0, session.id), reverse=True)
        attention = [session for session in ordered if _needs_attention(session, now)]
        others = [session for session in ordered if not _needs_attention(session, now)]
        running = [session for session in others if not session.status.is_terminal]
        recent = [session for session in others if session.status.is_terminal]
        shown = attention[:ATTENTION_LIMIT]
        self._forget_all_but(every)
        return Board(
            running=self._cards(running),
            attention=self._cards(shown),
            recent=self._cards(recent[:RECENT_LIMIT]),
            more=len(attention) - len(shown),
        )

    def _cards(self, sessions: list[SessionView]) -> tuple[Card, ...]:
        ids = tuple(session.id for session in sessions if not _is_over(session))
        live: dict[int, list[TaskView]] = {}
        if ids:
            for task in self._store.tasks(Filter(session_ids=ids, live=True), limit=LIVE_TASKS_LIMIT):
                live.setdefault(task.session_id, []).append(task)
        return tuple(_card(session, (*live.get(session.id, ()), *self._newest(session))) for session in sessions)

    def _newest(self, session: SessionView) -> tuple[TaskView, ...]:
        known = self._ended.get(session.id)
        if known is not None and known[0] == session:
            return known[1]
        tasks = self._store.tasks(Filter(session_ids=(session.id,)), limit=TASKS_READ).items
        if _is_over(session):
            self._ended[session.id] = (session, tasks)
        return tasks

    def _forget_all_but(self, ids: Iterable[int]) -> None:
        for gone in self._ended.keys() - set(ids):
            del self._ended[gone]


def _card(session: SessionView, tasks: tuple[TaskView, ...]) -> Card:
    chosen = some_of(tasks, TASKS_SHOWN, COMPLETE_SHOWN)
    return Card(session=session, rows=rows_of(chosen), hidden=max(0, sum(session.counts.values()) - len(chosen)))


def _is_over(session: SessionView) -> bool:
    """Whether none of its tasks goes on; one with an error may have others that do."""
    return session.status.is_terminal and not session.counts.get("running") and not session.counts.get("pending")


def _needs_attention(session: SessionView, now: float) -> bool:
    tone = state(session).tone
    if not _is_over(session):
        return tone in ("warn", "bad")
    # A declared session has no end of its own.
    return tone == "bad" and (session.ended_at or session.started_at or 0.0) > now - ATTENTION_SECONDS


def _plural(word: str, count: int) -> str:
    return "errors" if word == "error" and count > 1 else word
