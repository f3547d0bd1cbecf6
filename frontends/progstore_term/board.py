"""What the board shows: lanes of what runs, needs attention or has ended, each session with the tree of its tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from progstore import Filter, SessionView, Status, Store, TaskView
from progstore.wording import Lane, lane, newest_attempts, running_first

LIVE_LIMIT = 100
"""Live sessions that are looked at, those that run before those that wait; a store of many lost ones must not make the
board slow.
"""
LIVE_TASKS_LIMIT = 500
NEWEST_LIMIT = 50
"""Newest sessions that are looked at."""
MATCHING_LIMIT = 300
"""Newest tasks that are looked at where there is a filter."""
NEWEST_TASKS_LIMIT = 500
"""Newest tasks that are read of those that have ended in all live sessions together."""
ENDED_TASKS_LIMIT = 50
"""Newest tasks that are read of each ended session."""

ENDED = frozenset(status for status in Status if status.is_terminal)
RUNNING = frozenset({Status.RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One session with the newest attempts of those of its tasks that were read, and in which lane it stands."""

    session: SessionView
    tasks: tuple[TaskView, ...]
    lane: Lane

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
    """All cards, newest first, what has yet to begin last. `older` says that there are more sessions than were looked
    at, `more_live` that some of those have not ended; `trouble` is why the store could not be read, or empty.
    """

    cards: tuple[Card, ...] = ()
    older: bool = False
    more_live: bool = False
    trouble: str = ""

    @property
    def is_live(self) -> bool:
        """Whether something can change without a write: a verdict, a duration, a percent drawn from the clock."""
        return any(not card.session.is_over for card in self.cards)

    def lane(self, name: Lane) -> tuple[Card, ...]:
        """The cards of one lane."""
        return tuple(card for card in self.cards if card.lane == name)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON: the lanes by name."""
        lanes = {name.lower().replace(" ", "_"): [card.to_dict() for card in self.lane(name)] for name in Lane}
        return {**lanes, "older": self.older, "more_live": self.more_live}


class BoardReader:
    """Reads boards from one store, and remembers the tasks of what has ended from one board to the next."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ended: dict[int, tuple[SessionView, tuple[TaskView, ...]]] = {}

    def read(self, now: float, wanted: Filter | None = None) -> Board:
        """The board at `now` (seconds UTC), of the sessions with tasks that match. Raises StoreError, BadFilter."""
        if wanted is not None and wanted != Filter():
            return self._matching(now, wanted)
        live, more_live = self._live()
        newest = self._store.sessions(limit=NEWEST_LIMIT)
        sessions = running_first([*live, *newest])
        older = newest.next_cursor is not None
        return Board(cards=_cards(sessions, self._tasks_of(sessions), now), older=older, more_live=more_live)

    def again(self, board: Board, now: float) -> Board:
        """A board that was read before as it is at `now`, where nothing was written since: only verdicts and what is
        drawn from the clock have moved. Raises StoreError.
        """
        going = [card for card in board.cards if not card.session.is_over]
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
            cards.append(Card(session=session, tasks=newer, lane=lane(session, now)))
        return replace(board, cards=tuple(cards), trouble="")

    def _live(self) -> tuple[Sequence[SessionView], bool]:
        """Sessions that have not ended, and whether there are more of them: many that wait must not hide what runs."""
        live = self._store.sessions(Filter(live=True), limit=LIVE_LIMIT)
        if live.next_cursor is None:
            return live.items, False
        running = self._store.sessions(Filter(live=True, statuses=RUNNING), limit=LIVE_LIMIT)
        return running_first([*live, *running])[:LIVE_LIMIT], True

    def _matching(self, now: float, wanted: Filter) -> Board:
        live = self._store.tasks(replace(wanted, live=True), limit=MATCHING_LIMIT)
        newest = self._store.tasks(wanted, limit=MATCHING_LIMIT)
        tasks = _by_session([*live, *newest])
        found: list[SessionView] = []
        ids = sorted(tasks)
        if ids:
            found = list(self._store.sessions(Filter(session_ids=tuple(ids)), limit=len(ids)))
        cards = _cards(running_first(found), tasks, now)
        return Board(cards=cards, older=newest.next_cursor is not None, more_live=live.next_cursor is not None)

    def _tasks_of(self, sessions: Sequence[SessionView]) -> dict[int, list[TaskView]]:
        ids = tuple(session.id for session in sessions if not session.is_over)
        found: list[TaskView] = []
        if ids:
            found += self._store.tasks(Filter(session_ids=ids, live=True), limit=LIVE_TASKS_LIMIT)
            found += self._store.tasks(Filter(session_ids=ids, statuses=ENDED), limit=NEWEST_TASKS_LIMIT)
        ended = [session for session in sessions if session.is_over]
        self._ended = {session.id: (session, self._tasks_of_ended(session)) for session in ended}
        for _, tasks in self._ended.values():
            found += tasks
        return _by_session(found)

    def _tasks_of_ended(self, session: SessionView) -> tuple[TaskView, ...]:
        known = self._ended.get(session.id)
        if known is not None and known[0] == session:
            return known[1]
        return self._store.tasks(Filter(session_ids=(session.id,)), limit=ENDED_TASKS_LIMIT).items


def _is_still(card: Card, tasks: Mapping[int, TaskView]) -> bool:
    """Whether the session cannot stand otherwise than before, judged by its live tasks: half of a look saved."""
    live = [(task, tasks[task.id]) for task in card.tasks if task.id in tasks]
    return bool(live) and all(not now.simulated and now.verdict == before.verdict for before, now in live)


def _by_session(tasks: Iterable[TaskView]) -> dict[int, list[TaskView]]:
    """Of each key only the newest attempt, by session id."""
    found: dict[int, list[TaskView]] = {}
    for task in newest_attempts(tasks):
        found.setdefault(task.session_id, []).append(task)
    return found


def _cards(sessions: Iterable[SessionView], tasks: dict[int, list[TaskView]], now: float) -> tuple[Card, ...]:
    return tuple(
        Card(session=session, tasks=tuple(tasks.get(session.id, ())), lane=lane(session, now)) for session in sessions
    )
