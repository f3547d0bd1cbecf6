"""Asking a session to stop: a page that says what will happen, and the form that does it."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.exceptions import PermissionDeniedException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from progstore import AlreadyEnded, StoreBusy
from progstore_web.access import Role
from progstore_web.conditional import AnyRequest
from progstore_web.pages.forms import form_key, read_form
from progstore_web.shown.job_run import can_stop
from progstore_web.site import Site, root_of, see


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The page, and what its form sends."""

    @get("/sessions/{session_id:int}/stop", sync_to_thread=True)
    def ask(request: AnyRequest, session_id: FromPath[int]) -> Response[bytes]:
        if site.role(request) is not Role.ADMIN:
            raise PermissionDeniedException("a view token only reads; this needs the admin's token")
        return _page(site, request, session_id)

    @post("/sessions/{session_id:int}/stop", status_code=200)
    async def do(request: AnyRequest, session_id: FromPath[int]) -> Response[bytes]:
        fields = await read_form(request)
        site.check_writer(request, form_key(fields))
        return await sync_to_thread(_stop, site, request, session_id)

    return [ask, do]


def _stop(site: Site, request: AnyRequest, session_id: int) -> Response[bytes]:
    try:
        site.store.request_stop(session_id)
    except AlreadyEnded:
        return _page(site, request, session_id, status=409)
    except StoreBusy:
        return _page(site, request, session_id, status=503, fault="the store is busy at the moment; try again")
    site.reader.catch_up()
    return see(f"{root_of(request)}/sessions/{session_id}")


def _page(site: Site, request: AnyRequest, session_id: int, *, status: int = 200, fault: str = "") -> Response[bytes]:
    session = site.store.session(session_id)
    return site.page(
        request,
        "stop.html",
        status=status,
        session=session,
        stoppable=[task for task in session.tasks if task.stoppable],
        can_stop=can_stop(session, session.tasks),
        fault=fault,
    )
