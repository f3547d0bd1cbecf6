"""The first page, a session's page, their data, and the parts of both that are fetched again while one looks."""

from __future__ import annotations

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import ASGIApp

from progstore_web.api.streaming import revisions, stream_of
from progstore_web.conditional import AnyRequest, answer
from progstore_web.pages.task import number_of
from progstore_web.shown.history import table_of
from progstore_web.site import Site
from progstore_web.tables import MEDIA_TYPE


def routes(site: Site) -> list[HTTPRouteHandler]:
    """Now, its data, what is left of it without the frame around, and word of each change."""

    @get("/")
    async def now(request: AnyRequest) -> Response[bytes]:
        return await site.followed(request, await site.reader.board(), "now.html")

    @get("/now.json")
    async def now_json(request: AnyRequest) -> Response[bytes]:
        return answer(request, (await site.reader.board()).json)

    @get("/now.csv")
    async def now_csv(request: AnyRequest) -> Response[bytes]:
        snapshot = await site.reader.board()
        return answer(request, await snapshot.form("csv", lambda board: table_of(board.tasks)), MEDIA_TYPE)

    @get("/live/now")
    async def live_now(request: AnyRequest) -> Response[bytes]:
        return await site.followed(request, await site.reader.board(), "_now.html")

    @get("/live/now/changes")
    async def changes_now(request: AnyRequest) -> ASGIApp:
        return await stream_of(site, request, revisions(site))

    return [now, now_json, now_csv, live_now, changes_now, *_session(site)]


def _session(site: Site) -> list[HTTPRouteHandler]:
    """The same of a session; `session` in a path is its number, and as .json or .csv what programs read."""

    @get("/sessions/{session:str}")
    async def show(request: AnyRequest, session: FromPath[str]) -> Response[bytes]:
        number, _, form = session.partition(".")
        if form not in ("", "json", "csv"):
            raise NotFoundException
        snapshot = await site.reader.run(number_of(number))
        if form == "json":
            return answer(request, snapshot.json)
        if form == "csv":
            return answer(request, await snapshot.form("csv", lambda run: table_of(run.session.tasks)), MEDIA_TYPE)
        return await site.followed(request, snapshot, "session.html")

    @get("/live/sessions/{session_id:int}")
    async def live_session(request: AnyRequest, session_id: FromPath[int]) -> Response[bytes]:
        return await site.followed(request, await site.reader.run(session_id), "_session.html")

    @get("/live/sessions/{session_id:int}/changes")
    async def changes_session(request: AnyRequest, session_id: FromPath[int]) -> ASGIApp:
        return await stream_of(site, request, revisions(site, session_id))

    return [show, live_session, changes_session]
