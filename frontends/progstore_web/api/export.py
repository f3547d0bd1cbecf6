"""All matching tasks as lines of JSON or as CSV, sent in pieces as they are read: memory stays bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import chain
from typing import Annotated

from litestar import get
from litestar.concurrency import sync_to_thread
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.response import Stream

from progstore import BadFilter, parse_filter
from progstore_web.api.documents import Answer, Search, problems, refuse_others
from progstore_web.conditional import AnyRequest
from progstore_web.site import Site

PIECE = 64 * 1024
"""Characters that are sent at once; a hop between threads for each line would cost more than the lines."""
MEDIA_TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv"}
Form = Annotated[str, QueryParameter(description="`ndjson` or `csv`.")]


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The route, below /api/v1."""

    @get(
        "/export",
        summary="All matching tasks, in the order in which they were first written",
        responses={
            200: Answer(str, "A task on each line", MEDIA_TYPES["ndjson"]),
            **problems(s503="the store cannot be read"),
        },
    )
    async def export(request: AnyRequest, q: Search = "", format: Form = "ndjson") -> Stream:
        refuse_others(request, ("q", "format"))
        if format not in MEDIA_TYPES:
            raise BadFilter(f"format is {' or '.join(MEDIA_TYPES)}, got {format!r}")
        texts = site.store.export(parse_filter(q), format="csv" if format == "csv" else "ndjson")
        # Read before the response starts: what is wrong with the filter or the store is still a problem document.
        first = await sync_to_thread(next, texts, "")
        headers = {"content-disposition": f'attachment; filename="progstore.{format}"', "cache-control": "no-store"}
        return Stream(_in_threads(chain((first,), texts)), media_type=MEDIA_TYPES[format], headers=headers)

    return [export]


async def _in_threads(texts: Iterator[str]) -> AsyncIterator[str]:
    while piece := await sync_to_thread(_piece, texts):
        yield piece


def _piece(texts: Iterator[str]) -> str:
    parts: list[str] = []
    size = 0
    for text in texts:
        parts.append(text)
        size += len(text)
        if size >= PIECE:
            break
    return "".join(parts)
