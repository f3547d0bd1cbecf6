"""Streams of the board and of one session: as server-sent events, or as lines of JSON where those are asked for."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import ASGIApp

from progstore_web.api.documents import Answer, problems
from progstore_web.conditional import AnyRequest
from progstore_web.reader import BOARD, Snapshot
from progstore_web.site import Site
from progstore_web.streams import EVENTS, LINES, Source, Stream

STREAMED = {
    200: Answer(str, "Events, whose id is the state's tag", "text/event-stream"),
    **problems(s404="there is no such session", s503="too many streams are open, or the store cannot be read"),
}


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The streams, below /api/v1."""

    @get("/now/stream", summary="The first page's content after each change", responses=STREAMED)
    async def now(request: AnyRequest) -> ASGIApp:
        return await stream_of(site, request, Source(BOARD, site.reader.board, lambda board: board.json, "json"))

    @get("/sessions/{session_id:int}/stream", summary="A session after each change", responses=STREAMED)
    async def session(request: AnyRequest, session_id: FromPath[int]) -> ASGIApp:
        return await stream_of(
            site, request, Source(session_id, partial(site.reader.run, session_id), lean_session, "lean")
        )

    return [now, session]


def revisions(site: Site, session_id: int | None = None) -> Source:
    """Only word that a page has changed, for what fetches it then."""
    ask = site.reader.board if session_id is None else partial(site.reader.run, session_id)
    return Source(BOARD if session_id is None else session_id, ask, lambda page: b'"%s"' % page.revision.encode(), "")


async def stream_of(site: Site, request: AnyRequest, source: Source) -> Stream:
    """The stream of `source` in the form that the request accepts; it goes on after what its last event was."""
    wire = LINES if "application/x-ndjson" in request.headers.get("accept", "") else EVENTS
    return await site.streams.open(source, wire, request.headers.get("last-event-id", ""))


def lean_session(page: Snapshot[Any]) -> bytes:
    """A session as it is streamed: without the curves and tracebacks of its tasks, which can be asked for."""
    session = page.value.session.to_dict()
    heavy = ("curve", "traceback")
    session["tasks"] = [{key: task[key] for key in task if key not in heavy} for task in session["tasks"]]
    return msgspec.json.encode(session)
