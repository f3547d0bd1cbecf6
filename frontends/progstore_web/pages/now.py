"""The first page, a session's page, and the parts of both that are fetched again while one looks."""

from __future__ import annotations

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import ASGIApp

from progstore_web.api.streaming import revisions, stream_of
from progstore_web.conditional import AnyRequest
from progstore_web.site import Site


def routes(site: Site) -> list[HTTPRouteHandler]:
    """Now, and what is left of it without the frame around, and word of each change."""

    @get("/")
    async def now(request: AnyRequest) -> Response[bytes]:
        return await site.followed(request, await site.reader.board(), "now.html")

    @get("/live/now")
    async def live_now(request: AnyRequest) -> Response[bytes]:
        return await site.followed(request, await site.reader.board(), "_now.html")

    @get("/live/now/changes")
    async def changes_now(request: AnyRequest) -> ASGIApp:
        return await stream_of(site, request, revisions(site))

    return [now, live_now, changes_now, *_session(site)]


def _session(site: Site) -> list[HTTPRouteHandler]:
    @get("/sessions/{session_id:int}")
    async def session(request: AnyRequest, session_id: FromPath[int]) -> Response[bytes]:
        return await site.followed(request, await site.reader.run(session_id), "session.html")

    @get("/live/sessions/{session_id:int}")
    async def live_session(request: AnyRequest, session_id: FromPath[int]) -> Response[bytes]:
        return await site.followed(request, await site.reader.run(session_id), "_session.html")

    @get("/live/sessions/{session_id:int}/changes")
    async def changes_session(request: AnyRequest, session_id: FromPath[int]) -> ASGIApp:
        return await stream_of(site, request, revisions(site, session_id))

    return [session, live_session, changes_session]
