"""The history: a page, the same for programs and for spreadsheets, and the SQL that made it."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from progstore import BadFilter
from progstore_web.conditional import AnyRequest, answer
from progstore_web.shown.history import (
    NEWEST_FIRST,
    PAGE,
    Asked,
    History,
    read_history,
    read_tasks,
    sql,
    table_of,
)
from progstore_web.site import Site, root_of
from progstore_web.tables import MEDIA_TYPE

LARGEST_PAGE = 500
PARAMETERS = ("q", "nested", "sort", "cursor", "limit")


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The page, and its data."""

    @get("/history", sync_to_thread=True)
    def history(request: AnyRequest) -> Response[bytes]:
        asked = _asked(request)
        try:
            shown, status = read_history(site.store, asked), 200
        except BadFilter as error:
            shown, status = History(asked=asked, fault=str(error)), 400
        return site.page(
            request, "history.html", status=status, shown=shown, sql_query=urlencode({"q": sql(asked, site.store)})
        )

    @get("/history.json", sync_to_thread=True)
    def history_json(request: AnyRequest) -> Response[bytes]:
        shown = read_tasks(site.store, _asked(request))
        return _with_next(request, answer(request, msgspec.json.encode(shown.to_dict())), shown)

    @get("/history.csv", sync_to_thread=True)
    def history_csv(request: AnyRequest) -> Response[bytes]:
        shown = read_tasks(site.store, _asked(request))
        return _with_next(request, answer(request, table_of(shown.page.items), MEDIA_TYPE), shown)

    return [history, history_json, history_csv]


def _asked(request: AnyRequest) -> Asked:
    """What the address asks for. Raises BadFilter."""
    given = {name: request.query_params.get(name, "") for name in request.query_params}
    for name in given:
        # What is spelled wrong must not look as if it had been applied.
        if name not in PARAMETERS:
            raise BadFilter(f"there is no {name!r} here; there are {', '.join(PARAMETERS)}")
    limit, nested = given.get("limit") or str(PAGE), given.get("nested", "")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 5 and 1 <= int(limit) <= LARGEST_PAGE):
        raise BadFilter(f"limit is a whole number from 1 to {LARGEST_PAGE}, got {limit!r}")
    if nested not in ("", "0", "1"):
        raise BadFilter(f"nested is 1 to show nested tasks too, or 0, got {nested!r}")
    return Asked(
        q=given.get("q", ""),
        nested=nested == "1",
        sort=given.get("sort") or NEWEST_FIRST,
        cursor=given.get("cursor") or None,
        limit=int(limit),
    )


def _with_next(request: AnyRequest, response: Response[bytes], shown: History) -> Response[bytes]:
    """The answer with a link to the next page, for who reads a table that has no place for one."""
    if shown.page.next_cursor is not None:
        address = f"{root_of(request)}{request.scope['path']}{shown.asked.query(cursor=shown.page.next_cursor)}"
        response.headers["link"] = f'<{address}>; rel="next"'
    return response
