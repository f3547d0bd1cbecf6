"""The store's page: the file, what is in it, and clean-up by a form that first says what would go."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.handlers import HTTPRouteHandler

from progstore import BadFilter, BadValue, PruneReport, StoreBusy, VacuumReport
from progstore_web.conditional import AnyRequest, answer
from progstore_web.pages.forms import Fields, first, form_key, read_form
from progstore_web.shown.clearing import ENDED, Rule
from progstore_web.shown.storage import COLUMNS, read_storage
from progstore_web.site import Site
from progstore_web.tables import MEDIA_TYPE, csv_of


class Done(NamedTuple):
    """What came of a form: a report of a clean-up, a vacuum that waits for a yes, what it gave back, or why nothing
    was done.
    """

    report: PruneReport | None = None
    may_vacuum: bool = False
    vacuum: VacuumReport | None = None
    fault: str = ""
    status: int = 200


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The page, its data, and what its forms send."""
    return [*_reading(site), *_writing(site)]


def _reading(site: Site) -> list[HTTPRouteHandler]:
    @get("/store", sync_to_thread=True)
    def store(request: AnyRequest) -> Response[bytes]:
        return _page(site, request, Rule(), Done())

    @get("/store.json", sync_to_thread=True)
    def store_json(request: AnyRequest) -> Response[bytes]:
        return answer(request, msgspec.json.encode(read_storage(site.store).to_dict()))

    @get("/store.csv", sync_to_thread=True)
    def store_csv(request: AnyRequest) -> Response[bytes]:
        return answer(request, csv_of(COLUMNS, read_storage(site.store).lines()), MEDIA_TYPE)

    return [store, store_json, store_csv]


def _writing(site: Site) -> list[HTTPRouteHandler]:
    @post("/store/prune", status_code=200)
    async def prune(request: AnyRequest) -> Response[bytes]:
        fields = await read_form(request)
        site.check_writer(request, form_key(fields))
        return await sync_to_thread(_prune, site, request, fields)

    @post("/store/vacuum", status_code=200)
    async def vacuum(request: AnyRequest) -> Response[bytes]:
        fields = await read_form(request)
        site.check_writer(request, form_key(fields))
        return await sync_to_thread(_vacuum, site, request, confirmed=_is_confirmed(fields))

    return [prune, vacuum]


def _is_confirmed(fields: Fields) -> bool:
    return first(fields, "confirmed") == "1"


def _prune(site: Site, request: AnyRequest, fields: Fields) -> Response[bytes]:
    """Say what would go; only a form that is confirmed removes it."""
    rule = Rule(
        days=first(fields, "days"),
        name=next(iter(fields.get("name", ())), ""),  # a name may begin or end with a blank
        keep_last=first(fields, "keep_last"),
        megabytes=first(fields, "megabytes"),
        statuses=tuple(fields.get("status", ())),
    )
    try:
        done = Done(report=rule.apply(site.store, dry_run=not _is_confirmed(fields)))
    except (BadFilter, BadValue) as error:
        done = Done(fault=str(error), status=400)
    except StoreBusy:
        done = Done(fault="another clean-up is at work; try again when it has ended", status=503)
    return _page(site, request, rule, done)


def _vacuum(site: Site, request: AnyRequest, *, confirmed: bool) -> Response[bytes]:
    try:
        done = Done(vacuum=site.store.vacuum()) if confirmed else Done(may_vacuum=True)
    except StoreBusy:
        done = Done(fault="another clean-up is at work, and gives space back itself", status=503)
    return _page(site, request, Rule(), done)


def _page(site: Site, request: AnyRequest, rule: Rule, done: Done) -> Response[bytes]:
    response = site.page(
        request,
        "store.html",
        status=done.status,
        shown=read_storage(site.store),
        rule=rule,
        done=done,
        ended=[str(status) for status in ENDED],
    )
    if request.method == "POST":
        response.headers["cache-control"] = "no-store"
    return response
