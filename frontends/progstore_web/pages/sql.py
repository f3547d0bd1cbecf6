"""The SQL page: anybody's question that only reads, its answer as a table, as JSON and as CSV."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec
from litestar import Response, get
from litestar.exceptions import ServiceUnavailableException
from litestar.handlers import HTTPRouteHandler

from progstore import BadQuery
from progstore_web.conditional import JSON, AnyRequest, answer
from progstore_web.shown.sql import AT_ONCE, ROWS_IN_FILES, ROWS_SHOWN, SECONDS, Answer, Asker, Sql, examples
from progstore_web.site import Site
from progstore_web.tables import MEDIA_TYPE, csv_of

BUSY = f"{AT_ONCE} questions are being answered already, and no more at once; ask again in a few seconds"


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The page, and its data."""
    asker = Asker(site.store)

    @get("/sql", sync_to_thread=True)
    def sql(request: AnyRequest) -> Response[bytes]:
        q = _asked(request)
        with asker.place() as is_free:
            shown = asker.shown(q) if is_free else Sql(q=q, fault=BUSY)
        return site.page(
            request,
            "sql.html",
            status=503 if not is_free else 400 if shown.fault else 200,
            shown=shown,
            query=urlencode({"q": q}, errors="replace"),
            examples=[(each.title, urlencode({"q": each.sql})) for each in examples(site.store)],
            limits=(SECONDS, ROWS_SHOWN, ROWS_IN_FILES),
        )

    @get("/sql.json", sync_to_thread=True)
    def sql_json(request: AnyRequest) -> Response[bytes]:
        return answer(request, msgspec.json.encode(_file(asker, request).to_dict()), JSON)

    @get("/sql.csv", sync_to_thread=True)
    def sql_csv(request: AnyRequest) -> Response[bytes]:
        found = _file(asker, request)
        response = answer(request, csv_of(found.result.columns, found.result.rows), MEDIA_TYPE)
        if found.result.truncated:
            response.headers["progstore-truncated"] = str(len(found.result.rows))
        return response

    return [sql, sql_json, sql_csv]


def _asked(request: AnyRequest) -> str:
    """The question in the address. Raises BadQuery where something else stands beside it."""
    for name in request.query_params:
        if name != "q":
            raise BadQuery(f"there is no {name!r} here; there is q, the question")
    return str(request.query_params.get("q", ""))


def _file(asker: Asker, request: AnyRequest) -> Answer:
    """The whole answer. Raises BadQuery, StoreError, ServiceUnavailableException where there is no place."""
    q = _asked(request)
    if not q.strip():
        raise BadQuery("ask something: ?q=select * from v_running")
    with asker.place() as is_free:
        if not is_free:
            raise ServiceUnavailableException(BUSY)
        return asker.answer(q, ROWS_IN_FILES)
