"""Figures for Prometheus, in its text format 0.0.4; the number of label values is bounded."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from threading import Lock

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from progstore import Filter, SessionView, Status, Store, StoreNotFound
from progstore_web.conditional import AnyRequest
from progstore_web.site import Site
from progstore_web.wording import state

MEDIA_TYPE = "text/plain; version=0.0.4"  # Litestar adds the charset
KEPT_SECONDS = 1.0
"""However often one asks, the store is asked once in so many seconds."""
NAMES_LIMIT = 100
"""Session names that have figures of their own: those that started last."""
NEWEST = 1000
"""Newest sessions among which they are looked for."""

Sample = tuple[str, str, float]
"""A label's name and value, and the figure."""


class Metrics:
    """The figures of one store, kept for a moment."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._text = b""
        self._made_at = -KEPT_SECONDS

    def text(self) -> bytes:
        """All figures. Raises StoreError."""
        with self._lock:
            if time.monotonic() - self._made_at >= KEPT_SECONDS:
                self._text = "".join(self._families()).encode("utf-8", "replace")
                self._made_at = time.monotonic()
            return self._text

    def _families(self) -> Iterator[str]:
        try:
            facts = self._store.check(integrity=False)
            live = self._store.sessions(Filter(live=True), limit=NEWEST).items
            newest = self._store.sessions(limit=NEWEST).items
        except StoreNotFound:  # nothing was recorded yet, which is no fault
            facts, live, newest = {}, (), ()
        statuses = facts.get("tasks_by_status", {})
        tasks = [("status", str(status), float(statuses.get(status, 0))) for status in Status]
        yield _family("progstore_tasks", "Tasks in the store, by status.", tasks)
        sizes = [("part", part, float(facts.get(key, 0))) for part, key in (("file", "size"), ("log", "wal_size"))]
        yield _family("progstore_store_bytes", "The store on the disk: the file, and its write-ahead log.", sizes)
        states: dict[str, float] = {}
        for session in live:
            word = state(session).word
            states[word] = states.get(word, 0.0) + 1
        yield _family(
            "progstore_live_sessions",
            "Sessions without an end, by what is concluded about them.",
            [("state", word, count) for word, count in sorted(states.items())],
        )
        yield from _by_name(newest)


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The route; it stands where Prometheus looks for it."""
    metrics = Metrics(site.store)

    @get("/metrics", sync_to_thread=True, include_in_schema=False)
    def read(request: AnyRequest) -> Response[bytes]:
        site.check_reader(request)
        return Response(metrics.text(), media_type=MEDIA_TYPE, headers={"cache-control": "no-store"})

    return [read]


def _by_name(newest: Sequence[SessionView]) -> Iterator[str]:
    """When each session name last started and last succeeded, and how long that took."""
    started: dict[str, float] = {}
    succeeded: dict[str, SessionView] = {}
    for session in newest:
        if session.name not in started and len(started) < NAMES_LIMIT:
            started[session.name] = session.started_at or 0.0
        if session.status is Status.COMPLETE and session.ended_at is not None and session.name in started:
            succeeded.setdefault(session.name, session)
    yield _family(
        "progstore_last_start_timestamp_seconds",
        "When a session of that name last started.",
        [("session", name, at) for name, at in started.items()],
    )
    yield _family(
        "progstore_last_success_timestamp_seconds",
        "When a session of that name last ended well.",
        [("session", name, session.ended_at or 0.0) for name, session in succeeded.items()],
    )
    yield _family(
        "progstore_last_success_duration_seconds",
        "How long that one took.",
        [("session", name, session.duration or 0.0) for name, session in succeeded.items()],
    )


def _family(name: str, meaning: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {meaning}\n", f"# TYPE {name} gauge\n"]
    lines += [f'{name}{{{label}="{_escaped(value)}"}} {figure!r}\n' for label, value, figure in samples]
    return "".join(lines)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
