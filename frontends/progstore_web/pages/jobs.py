"""The page of jobs: what may be started here, each with a form made from its signature."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from progstore import BadArguments, StoreBusy
from progstore_web.conditional import AnyRequest
from progstore_web.pages.forms import Fields, form_key, read_form
from progstore_web.shown.jobs import Offer, arguments_of, offer_of, read_offers
from progstore_web.site import Site, root_of, see


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The page, and what its forms send."""

    @get("/jobs", sync_to_thread=True)
    def jobs(request: AnyRequest) -> Response[bytes]:
        if not site.jobs:
            raise NotFoundException
        return _page(site, request, None)

    @post("/jobs/{name:str}", status_code=200)
    async def start(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
        fields = await read_form(request)
        site.check_writer(request, form_key(fields))
        return await sync_to_thread(_start, site, request, name, fields)

    return [jobs, start]


def _start(site: Site, request: AnyRequest, name: str, fields: Fields) -> Response[bytes]:
    """Start it and show its run; what is wrong is said where it was typed."""
    job = site.jobs.find(name)
    try:
        run = site.jobs.start(name, arguments_of(job, fields))
    except BadArguments as error:
        return _page(site, request, offer_of(site.store, job, fields, error.faults), status=400)
    except HTTPException as error:
        return _page(site, request, offer_of(site.store, job, fields, {}, error.detail), status=error.status_code)
    except StoreBusy as error:
        return _page(site, request, offer_of(site.store, job, fields, {}, str(error)), status=503)
    return see(f"{root_of(request)}/sessions/{run.session_id}")


def _page(site: Site, request: AnyRequest, refused: Offer | None, *, status: int = 200) -> Response[bytes]:
    offers = read_offers(site.store, site.jobs.offered, refused)
    return site.page(request, "jobs.html", status=status, offers=offers)
