"""The timeline: when what ran, in lanes, and what ran at a moment that one picks; as JSON and CSV too."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery

from progstore import BadFilter, Store
from progstore_web import tables
from progstore_web.conditional import AnyRequest, answer
from progstore_web.shown.timeline import SPANS, By, Span, Timeline, read_timeline
from progstore_web.site import Site

_COLUMNS = ("session_id", "name", "host", "state", "percent", "start", "end", "ended")
_LARGEST = 32_503_680_000.0
"""The year 3000; the timeline goes no further, and calendars still hold it."""


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The page, and the same for programs."""

    @get("/timeline", sync_to_thread=True)
    def show(
        request: AnyRequest, span: FromQuery[str] = "24h", by: FromQuery[str] = "name", at: FromQuery[str] = ""
    ) -> Response[bytes]:
        return site.page(request, "timeline.html", shown=_read(site.store, span, by, at), spans=SPANS)

    @get("/timeline.json", sync_to_thread=True)
    def as_json(
        request: AnyRequest, span: FromQuery[str] = "24h", by: FromQuery[str] = "name", at: FromQuery[str] = ""
    ) -> Response[bytes]:
        return answer(request, msgspec.json.encode(_read(site.store, span, by, at).to_dict()))

    @get("/timeline.csv", sync_to_thread=True)
    def as_csv(
        request: AnyRequest, span: FromQuery[str] = "24h", by: FromQuery[str] = "name", at: FromQuery[str] = ""
    ) -> Response[bytes]:
        return answer(request, _table(_read(site.store, span, by, at)), tables.MEDIA_TYPE)

    return [show, as_json, as_csv]


def _read(store: Store, span: str, by: str, at: str) -> Timeline:
    return read_timeline(store, _span(span), _by(by), _moment(at), time.time())


def _span(word: str) -> Span:
    found = next((each for each in SPANS if each.word == word), None)
    if found is None:
        raise BadFilter(f"span is one of {', '.join(each.word for each in SPANS)}, got {word!r}")
    return found


def _by(word: str) -> By:
    if word not in ("name", "host"):
        raise BadFilter(f"by is name or host, got {word!r}")
    return "host" if word == "host" else "name"


def _moment(written: str) -> float | None:
    """Seconds UTC; a time without a zone is in UTC. Raises BadFilter."""
    if not written.strip():
        return None
    try:
        at = datetime.fromisoformat(written.strip())
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        seconds = -1.0
    if not 0 <= seconds < _LARGEST:
        raise BadFilter(f"at is a time such as 2026-11-21T02:14:00Z, got {written!r}")
    return seconds


def _table(shown: Timeline) -> bytes:
    """The sessions; where a moment was picked, what ran then."""
    rows: Sequence[dict[str, object]] = [run.to_dict() for run in shown.runs]
    columns: Sequence[str] = _COLUMNS
    if shown.moment is not None:
        rows = shown.moment.to_dict()
        columns = (
            "session_id", "session_name", "task_id", "name", "host", "done_then", "percent_then", "total", "unit",
            "started_at", "ended_at",
        )  # fmt: skip
    return tables.csv_of(columns, ([row[column] for column in columns] for row in rows))
