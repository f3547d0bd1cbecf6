"""A few tasks side by side."""

from __future__ import annotations

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery

from progstore_web.conditional import AnyRequest, answer
from progstore_web.shown.comparison import read_comparison
from progstore_web.shown.history import table_of
from progstore_web.site import Site
from progstore_web.tables import MEDIA_TYPE


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The page, and its data."""

    @get("/compare", sync_to_thread=True)
    def compare(request: AnyRequest, task: FromQuery[list[int] | None] = None) -> Response[bytes]:
        return site.page(request, "compare.html", shown=read_comparison(site.store, task or []))

    @get("/compare.json", sync_to_thread=True)
    def compare_json(request: AnyRequest, task: FromQuery[list[int] | None] = None) -> Response[bytes]:
        return answer(request, msgspec.json.encode(read_comparison(site.store, task or []).to_dict()))

    @get("/compare.csv", sync_to_thread=True)
    def compare_csv(request: AnyRequest, task: FromQuery[list[int] | None] = None) -> Response[bytes]:
        return answer(request, table_of(read_comparison(site.store, task or []).tasks), MEDIA_TYPE)

    return [compare, compare_json, compare_csv]
