"""What a reader concludes about the owners of running work, from what it has seen of them so far."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from progstore import owner
from progstore.owner import UNREACHABLE_AFTER, Held, Owner, Place
from progstore.store.backend import Location, OwnerLocks
from progstore.store.sound import sound
from progstore.store.tables import processes, remotes
from progstore.values import Life, Verdict

OWNERS = select(processes, remotes.c.received_at, remotes.c.clock_offset).outerjoin(
    remotes, remotes.c.process_id == processes.c.id
)
"""Processes with what is known of them from other machines; all that a verdict needs."""

UNOWNED = Verdict(life=Life.UNKNOWN, reason="the store does not say which process it belongs to")

_LIVELIEST_FIRST = (Life.ALIVE, Life.SUSPENDED, Life.STALE, Life.UNKNOWN, Life.UNREACHABLE, Life.LOST)


class _Seen(NamedTuple):
    """How an owner's beats stood, since when by our own monotonic clock (seconds), and whether we saw them move."""

    beats: int
    since: float
    moved: bool


class Watch:
    """Remembers when each owner's beats last moved; safe to use from several threads.

    With `stale_after` seconds, work of a living owner that has not moved for longer is stale; with 0 it never is.
    """

    def __init__(self, location: Location, stale_after: float = 0.0) -> None:
        self._location = location
        self._locks = location.owner_locks()
        self._stale_after = stale_after
        self._mutex = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a forked child must: its locks are closed and its clocks' memory is another's."""
        self._place: Place | None = None
        self._seen: dict[int, _Seen] = {}

    def close(self) -> None:
        """Let go of the locks that were looked at."""
        with self._mutex:
            self._locks.close()

    def now(self, connection: Connection) -> float:
        """The time (seconds UTC) at which those who read this store are."""
        return self._location.now(connection)

    def verdicts(self, connection: Connection, owners: Iterable[Row[Any]], now: float) -> dict[int, Verdict]:
        """The verdict on each of these rows of `OWNERS` at `now` (seconds UTC), by id."""
        with self._mutex:
            if self._place is None:
                self._place = owner.here()
            rows = sound(OWNERS, owners)
            look = _Look(self._locks, connection, [row.id for row in rows])
            return {row.id: self._verdict(row, self._place, now, look) for row in rows}

    def with_moves(self, verdict: Verdict, moved_at: float | None, now: float) -> Verdict:
        """The verdict on work whose owner is judged so and which last moved at `moved_at` (seconds UTC)."""
        if verdict.life is not Life.ALIVE or not self._stale_after or moved_at is None:
            return verdict
        still = now - moved_at
        if still <= self._stale_after:
            return verdict
        return Verdict(life=Life.STALE, reason=f"nothing has moved, though {verdict.reason}", since=moved_at)

    def _verdict(self, row: Row[Any], reader: Place, now: float, look: _Look) -> Verdict:
        ahead = row.clock_offset or 0.0

        def here(at: float | None) -> float | None:
            return None if at is None else at - ahead

        process = Owner(
            process_id=row.id,
            place=Place(row.host, row.machine_id, row.boot_id, row.pid_namespace),
            pid=row.pid,
            start_ticks=row.start_ticks,
            beats=row.beats,
            heartbeat_at=row.heartbeat_at - ahead,
            ended_at=here(row.ended_at),
            end_reason=row.end_reason,
            lost_at=here(row.lost_at),
            received_at=row.received_at,
        )

        def silent_for(process_id: int, beats: int) -> float | None:
            return self._silence(process_id, beats, now - (row.received_at or process.heartbeat_at))

        return owner.verdict(process, reader, now=now, holds_lock=look.holds_lock, silent_for=silent_for)

    def _silence(self, process_id: int, beats: int, by_its_clock: float) -> float | None:
        """Seconds that the beats stood still as far as we saw it; None where the owner's own clock tells more."""
        seen, clock = self._seen.get(process_id), time.monotonic()
        if seen is None or seen.beats != beats:
            self._seen[process_id] = _Seen(beats, clock, moved=seen is not None)
            return None if seen is None else 0.0
        watched = clock - seen.since
        if seen.moved or (watched >= UNREACHABLE_AFTER and watched > by_its_clock):
            return watched
        return None


class _Look:
    """One look at the locks of several owners, taken when the first of them is asked for."""

    def __init__(self, locks: OwnerLocks, connection: Connection, process_ids: Collection[int]) -> None:
        self._locks = locks
        self._connection = connection
        self._process_ids = process_ids

    def holds_lock(self, process_id: int) -> Held:
        """Whether the owner holds its lock, as far as that can be told."""
        if self._held is None:
            return Held.UNKNOWN
        if process_id in self._held:
            return Held.YES
        return Held.NO if self._locks.are_certain else Held.NOT_SEEN

    @cached_property
    def _held(self) -> Collection[int] | None:
        return self._locks.held(self._connection, self._process_ids)


def liveliest(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on work that several processes share: it goes on as long as one of them lives."""
    return min(verdicts, key=lambda verdict: _LIVELIEST_FIRST.index(verdict.life), default=UNOWNED)


def lost_ids(verdicts: Mapping[int, Verdict]) -> frozenset[int]:
    """The processes that are gone for good."""
    return frozenset(number for number, verdict in verdicts.items() if verdict.life is Life.LOST)
