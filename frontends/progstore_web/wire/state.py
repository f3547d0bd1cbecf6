"""One task as its client's posts have left it, and what another post makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from progstore import Status
from progstore_web.wire.posts import CLOSE, ERROR, START, Post

LATE_LIMIT: Final = 60_000_000
"""Microseconds by which a post of a running task may be older than the one before and count as late. By more, the
client's clock was set back, and the post counts.
"""
MOST_POINTS: Final = 64
LEFT_EARLY: Final = "left early"

Point = tuple[float, float]


class Curve:
    """Points of (elapsed seconds, done), thinned by doubling their spacing, so that they cover the whole run."""

    __slots__ = ("_spacing", "points")

    def __init__(self, points: list[Point] | None = None) -> None:
        self.points = points or [(0.0, 0.0)]
        self._spacing = self.points[-1][0] / MOST_POINTS if len(self.points) > MOST_POINTS // 2 else 0.0

    def add(self, elapsed: float, done: float, *, is_last: bool) -> None:
        """Keep a point, unless the one before is too near and this is not the last."""
        passed = elapsed - self.points[-1][0]
        if passed <= 0 or (passed < self._spacing and not is_last):
            return
        self.points.append((elapsed, done))
        if len(self.points) >= MOST_POINTS and not is_last:
            del self.points[1::2]
            self._spacing = 2 * max(self._spacing, elapsed / MOST_POINTS)

    def as_json(self) -> str:
        """The points as the store keeps them."""
        return msgspec.json.encode(self.points).decode()


@dataclass(slots=True, kw_only=True)
class State:
    """A task in its newest attempt.

    Times are seconds UTC by the clock here, for this server is the witness. `stamp` is when the last post that counted
    was sent, and `rev` the revision of the row made of it, which is the same unless clocks went wrong; both are
    microseconds. `word` is the status as the client said it, and `began_now` whether that post began the attempt.
    """

    task_id: str
    host: str = ""
    name: str = ""
    began: float = 0.0
    attempt: int = 0
    status: Status = Status.PENDING
    done: float = 0.0
    total: float | None = None
    unit: str = ""
    message: str = ""
    error: str | None = None
    word: str = ""
    stamp: int = -1
    rev: int = 0
    session_rev: int = 0
    beats: int = 0
    started_at: float = 0.0
    updated_at: float = 0.0
    ended_at: float | None = None
    curve: Curve = field(default_factory=Curve)
    began_now: bool = False

    @property
    def duration(self) -> float | None:
        """Seconds that the attempt took; None while it runs."""
        return None if self.ended_at is None else max(0.0, self.ended_at - self.started_at)

    def take(self, post: Post, host: str, now: float) -> bool:
        """Change as the post from that host says; False where it comes too late to count, and nothing changes.

        What has ended stays so, until a later `start` begins a new attempt.
        """
        stamp = int((now if post.timestamp is None else post.timestamp) * 1e6)
        if self.attempt and self.ended_at is not None and (post.status != START or stamp <= self.stamp):
            return False
        if self.ended_at is None and 0 < self.stamp - stamp <= LATE_LIMIT:
            return False
        if not self.attempt:
            self.host, self.began = self.host or host, now
            self.name = plain(post.desc or "") or self.task_id
        self.began_now = not self.attempt or self.ended_at is not None
        if self.began_now:
            self._begin(now)
        self.stamp, self.rev = stamp, max(self.rev + 1, stamp)
        self.beats += 1
        self.updated_at, self.word = now, post.status
        self._say(post)
        is_end = post.status in (CLOSE, ERROR)
        if self.began_now:
            self.curve = Curve([(0.0, self.done)])
        self.curve.add(max(0.0, now - self.started_at), self.done, is_last=is_end)
        if is_end:
            self._end(post, now)
        if self.began_now or is_end:
            self.session_rev = self.rev
        return True

    def _begin(self, now: float) -> None:
        self.attempt += 1
        self.status = Status.RUNNING
        self.done, self.total = 0.0, None
        self.message, self.error = "", None
        self.started_at, self.ended_at = now, None

    def _say(self, post: Post) -> None:
        if post.n is not None:
            self.done = post.n
        if post.total is not None:
            self.total = post.total
        if post.unit is not None:
            self.unit = post.unit
        if post.desc is not None:
            said = plain(post.desc)
            self.message = "" if said == self.name else said

    def _end(self, post: Post, now: float) -> None:
        self.ended_at = now
        if post.status == ERROR:
            self.status, self.error = Status.ERROR, _reason(post)
        elif self.total is not None and self.done < self.total:
            self.status, self.message = Status.CANCELLED, self.message or LEFT_EARLY
        else:
            self.status = Status.COMPLETE


def plain(desc: str) -> str:
    """A description without the colon that tqdm puts after it."""
    return desc.strip().removesuffix(":").rstrip()


def _reason(post: Post) -> str | None:
    """What a post of an error says about it, in its metadata or else in its description."""
    for key in ("error", "message"):
        said = msgspec.json.decode((post.meta or {}).get(key, "null"))
        if isinstance(said, str) and said:
            return said
    return plain(post.desc or "") or None
