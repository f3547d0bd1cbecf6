"""What the board shows: lanes of what runs, needs attention or has ended, each session with the tree of its tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from progstore import Filter, Life, SessionView, Status, Store, TaskView
from progstore.wording import newest_attempts

LIVE_LIMIT = 100
"""Live sessions that are looked at; a store of many lost ones must not make the board slow."""
LIVE_TASKS_LIMIT = 500
NEWEST_LIMIT = 50
"""Newest sessions that are looked at."""
MATCHING_LIMIT = 300
"""Newest tasks that are looked at where there is a filter."""
NEWEST_TASKS_LIMIT = 500
"""Newest tasks that are read of those that have ended in all live sessions together."""
ENDED_TASKS_LIMIT = 50
"""Newest tasks that are read of each ended session."""
ATTENTION_SECONDS = 24 * 3600.0
"""How long an error needs attention; later it is one of the completed sessions."""

ENDED = frozenset(status for status in Status if status.is_terminal)
LANES = ("Active", "Needs attention", "Completed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One session with the newest attempts of those of its tasks that were read, and in which lane it stands."""

    session: SessionView
    tasks: tuple[TaskView, ...]
    lane: str

    @property
    def hidden(self) -> int:
        """Tasks that were not read."""
        return max(0, sum(self.session.counts.values()) - len(self.tasks))

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        tasks = [task.to_dict() for task in self.tasks]
        return {**self.session.to_dict(), "tasks": tasks, "tasks_hidden": self.hidden}


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """All cards, newest first. `older` says that there are more sessions than were looked at; `trouble` is why the
    store could not be read, or empty.
    """

    cards: tuple[Card, ...] = ()
    older: bool = False
    trouble: str = ""

    @property
    def is_live(self) -> bool:
        """Whether something can change without a write: a verdict, a duration, a percent drawn from the clock."""
        return any(not is_over(card.session) for card in self.cards)

    def lane(self, name: str) -> tuple[Card, ...]:
        """The cards of one lane."""
        return tuple(card for card in self.cards if card.lane == name)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON: the lanes by name."""
        lanes = {name.lower().replace(" ", "_"): [card.to_dict() for card in self.lane(name)] for name in LANES}
        return {**lanes, "older": self.older}


class BoardReader:
    """Reads boards from one store, and remembers the tasks of what has ended from one board to the next."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ended: dict[int, tuple[SessionView, tuple[TaskView, ...]]] = {}

    def read(self, now: float, wanted: Filter | None = None) -> Board:
        """The board at `now` (seconds UTC), of the sessions with tasks that match. Raises StoreError, BadFilter."""
        if wanted is not None and wanted != Filter():
            return self._matching(now, wanted)
        live = self._store.sessions(Filter(live=True), limit=LIVE_LIMIT)
        newest = self._store.sessions(limit=NEWEST_LIMIT)
        sessions = _ordered([*live, *newest])
        older = newest.next_cursor is not None
        return Board(cards=_cards(sessions, self._tasks_of(sessions), now), older=older)

    def again(self, board: Board, now: float) -> Board:
        """A board that was read before as it is at `now`, where nothing was written since: only verdicts and what is
        drawn from the clock have moved. Raises StoreError.
        """
        going = [card for card in board.cards if not is_over(card.session)]
        ids = tuple(card.session.id for card in going)
        if not ids:
            return board
        live = self._store.tasks(Filter(session_ids=ids, live=True), limit=LIVE_TASKS_LIMIT)
        tasks = {task.id: task for task in live}
        sessions: dict[int, SessionView] = {}
        if not all(_is_still(card, tasks) for card in going):
            sessions = {each.id: each for each in self._store.sessions(Filter(session_ids=ids), limit=len(ids))}
        cards = []
        for card in board.cards:
            session = sessions.get(card.session.id, card.session)
            newer = tuple(tasks.get(task.id, task) for task in card.tasks)
            cards.append(Card(session=session, tasks=newer, lane=_lane(session, now)))
        return replace(board, cards=tuple(cards), trouble="")

    def _matching(self, now: float, wanted: Filter) -> Board:
        live = self._store.tasks(replace(wanted, live=True), limit=MATCHING_LIMIT)
        newest = self._store.tasks(wanted, limit=MATCHING_LIMIT)
        tasks = _by_session([*live, *newest])
        found: list[SessionView] = []
        ids = sorted(tasks)
        if ids:
            found = list(self._store.sessions(Filter(session_ids=tuple(ids)), limit=len(ids)))
        return Board(cards=_cards(_ordered(found), tasks, now), older=newest.next_cursor is not None)

    def _tasks_of(self, sessions: Sequence[SessionView]) -> dict[int, list[TaskView]]:
        ids = tuple(session.id for session in sessions if not is_over(session))
        found: list[TaskView] = []
        if ids:
            found += self._store.tasks(Filter(session_ids=ids, live=True), limit=LIVE_TASKS_LIMIT)
            found += self._store.tasks(Filter(session_ids=ids, statuses=ENDED), limit=NEWEST_TASKS_LIMIT)
        ended = [session for session in sessions if is_over(session)]
        self._ended = {session.id: (session, self._tasks_of_ended(session)) for session in ended}
        for _, tasks in self._ended.values():
            found += tasks
        return _by_session(found)

    def _tasks_of_ended(self, session: SessionView) -> tuple[TaskView, ...]:
        known = self._ended.get(session.id)
        if known is not None and known[0] == session:
            return known[1]
        return self._store.tasks(Filter(session_ids=(session.id,)), limit=ENDED_TASKS_LIMIT).items


def is_over(session: SessionView) -> bool:
    """Whether none of its tasks goes on; one with an error may have others that do."""
    return session.status.is_terminal and not session.counts.get("running") and not session.counts.get("pending")


def _is_still(card: Card, tasks: Mapping[int, TaskView]) -> bool:
    """Whether the session cannot stand otherwise than before, judged by its live tasks: half of a look saved."""
    live = [(task, tasks[task.id]) for task in card.tasks if task.id in tasks]
    return bool(live) and all(not now.simulated and now.verdict == before.verdict for before, now in live)


def _ordered(sessions: Iterable[SessionView]) -> list[SessionView]:
    every = {session.id: session for session in sessions}
    return sorted(every.values(), key=lambda session: (session.started_at or 0.0, session.id), reverse=True)


def _by_session(tasks: Iterable[TaskView]) -> dict[int, list[TaskView]]:
    """Of each key only the newest attempt, by session id."""
    found: dict[int, list[TaskView]] = {}
    for task in newest_attempts(tasks):
        found.setdefault(task.session_id, []).append(task)
    return found


def _cards(sessions: Iterable[SessionView], tasks: dict[int, list[TaskView]], now: float) -> tuple[Card, ...]:
    return tuple(
        Card(session=session, tasks=tuple(tasks.get(session.id, ())), lane=_lane(session, now)) for session in sessions
    )


def _lane(session: SessionView, now: float) -> str:
    if is_over(session):
        # A declared session has no end of its own.
        is_news = (session.ended_at or session.started_at or 0.0) > now - ATTENTION_SECONDS
        return "Needs attention" if is_news and session.status is Status.ERROR else "Completed"
    alive = session.verdict is None or session.verdict.life is Life.ALIVE
    return "Active" if alive and session.status is not Status.ERROR else "Needs attention"
