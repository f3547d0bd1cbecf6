"""The page of jobs: what may be started here, each with a form made from its signature; and its data."""

from __future__ import annotations

import msgspec
from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from progstore import BadArguments, StoreBusy
from progstore_web.conditional import AnyRequest, answer
from progstore_web.pages.forms import Fields, form_key, read_form
from progstore_web.shown.jobs import COLUMNS, Offer, arguments_of, offer_of, read_offers
from progstore_web.site import Site, root_of, see
from progstore_web.tables import MEDIA_TYPE, csv_of


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The page, its data, and what its forms send."""

    @get("/jobs", sync_to_thread=True)
    def jobs(request: AnyRequest) -> Response[bytes]:
        return _page(site, request, None)

    @get("/jobs.json", sync_to_thread=True)
    def jobs_json(request: AnyRequest) -> Response[bytes]:
        return answer(request, msgspec.json.encode({"items": [offer.to_dict() for offer in _offers(site)]}))

    @get("/jobs.csv", sync_to_thread=True)
    def jobs_csv(request: AnyRequest) -> Response[bytes]:
        return answer(request, csv_of(COLUMNS, (offer.line() for offer in _offers(site))), MEDIA_TYPE)

    @post("/jobs/{name:str}", status_code=200)
    async def start(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
        fields = await read_form(request)
        site.check_writer(request, form_key(fields))
        return await sync_to_thread(_start, site, request, name, fields)

    return [jobs, jobs_json, jobs_csv, start]


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
    return site.page(request, "jobs.html", status=status, offers=_offers(site, refused))


def _offers(site: Site, refused: Offer | None = None) -> tuple[Offer, ...]:
    if not site.jobs:
        raise NotFoundException
    return read_offers(site.store, site.jobs.offered, refused)
