"""Before sessions and tasks are deleted: a page that says what would go, and the form that does it."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.exceptions import PermissionDeniedException
from litestar.handlers import HTTPRouteHandler

from progstore import BadFilter, NotFound, StillRunning, StoreBusy
from progstore_web.access import Role
from progstore_web.conditional import AnyRequest
from progstore_web.pages.forms import Fields, first, form_key, read_form
from progstore_web.shown.clearing import Deletion, chosen_ids, delete, read_deletion
from progstore_web.site import Site, own_path, root_of, see

FIELDS = ("session", "task", "next")
NEXT = "/history"
"""Where one is led afterwards, unless the link says otherwise."""


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The page, and what its form sends."""

    @get("/delete", sync_to_thread=True)
    def ask(request: AnyRequest) -> Response[bytes]:
        if site.role(request) is not Role.ADMIN:
            raise PermissionDeniedException("a view token only reads; this needs the admin's token")
        query = request.query_params
        fields = {name: query.getall(name, []) for name in query}
        for name in fields:
            if name not in FIELDS:
                raise BadFilter(f"there is no {name!r} here; there are {', '.join(FIELDS)}")
        deletion = _read(site, fields)
        return _page(site, request, deletion, _next(fields), status=404 if deletion.is_empty else 200)

    @post("/delete", status_code=200)
    async def do(request: AnyRequest) -> Response[bytes]:
        fields = await read_form(request)
        site.check_writer(request, form_key(fields))
        return await sync_to_thread(_delete, site, request, fields)

    return [ask, do]


def _delete(site: Site, request: AnyRequest, fields: Fields) -> Response[bytes]:
    deletion, target = _read(site, fields), _next(fields)
    if deletion.running_sessions or deletion.running_tasks:
        # Some came to life since the page was shown, or the form is not as we made it: nothing goes unseen.
        return _page(site, request, deletion, target, status=409)
    try:
        delete(site.store, deletion)
    except (StillRunning, NotFound):
        return _page(site, request, _read(site, fields), target, status=409)
    except StoreBusy:
        fault = "a clean-up is at work at the moment; try again when it has ended"
        return _page(site, request, deletion, target, status=503, fault=fault)
    return see(root_of(request) + target)


def _read(site: Site, fields: Fields) -> Deletion:
    def ids(what: str) -> Sequence[int]:
        return chosen_ids(fields.get(what, ()), what)

    return read_deletion(site.store, ids("session"), ids("task"))


def _next(fields: Fields) -> str:
    return own_path(first(fields, "next") or NEXT)


def _page(
    site: Site, request: AnyRequest, deletion: Deletion, target: str, *, status: int, fault: str = ""
) -> Response[bytes]:
    return site.page(request, "delete.html", status=status, shown=deletion, target=target, fault=fault)
