"""What jobs on other machines record arrives here, as documents of rows; answered when it is on disk."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import msgspec
from litestar import Response, post
from litestar.exceptions import HTTPException, ServiceUnavailableException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType

from progstore import BadValue, IngestReport
from progstore_web.api.documents import Answer, problems, refuse_others
from progstore_web.conditional import JSON, AnyRequest, fresh
from progstore_web.problems import TooLarge
from progstore_web.site import Site

SENT_LIMIT = 4_000_000
"""Bytes of a document as it is sent."""
PLAIN_LIMIT = 32_000_000
"""Bytes of a document when it is unpacked; a small one may hold much."""
AT_ONCE = 2
"""Documents that are unpacked or written at once: the store takes one after the other anyway."""
MOST_WAITING = 100
"""Documents that arrive or wait for their turn; further ones are sent away until the store has caught up."""
ARRIVAL_SECONDS = 60.0
"""Seconds in which a document has to arrive, lest who has gone silent keeps a place."""
_GZIP = 31
"""What tells zlib that there is a gzip header."""


class _Documented(Operation):
    """Litestar does not see a body that the handler reads by itself."""

    def __post_init__(self) -> None:
        self.request_body = RequestBody(
            content={JSON: OpenAPIMediaType(schema=Schema(type=OpenAPIType.OBJECT))},
            description=(
                "`format` 1, `sent_at` (seconds by the sender's clock), and lists of rows under `processes`, "
                "`sessions`, `tasks`, `events` and `metadata`; may be compressed, with `Content-Encoding: gzip`"
            ),
            required=True,
        )


class _Desk:
    """Takes documents in by threads of its own: machines that push must not hold up people who look."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, "progstore-ingest")
        self._waiting = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Within it there is room for a document. Raises ServiceUnavailableException where too many wait."""
        if self._waiting >= MOST_WAITING:
            raise ServiceUnavailableException(f"{MOST_WAITING} documents wait for the store; send this again later")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def take(self, work: Callable[[], bytes]) -> bytes:
        """What `work` gives when its turn has come."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The route, below /api/v1."""
    desk = _Desk()

    @post(
        "/ingest",
        status_code=200,
        summary="Take in what was recorded elsewhere",
        operation_class=_Documented,
        request_max_body_size=None,  # counted as it arrives, against a limit that the answer names
        responses={
            200: Answer(IngestReport, "It is on disk: how many rows are new here, and which were refused"),
            **problems(
                s403="a view token",
                s408="the body did not arrive in time",
                s413="the body is too large",
                s415="another encoding than gzip",
                s503="the store is busy",
            ),
        },
    )
    async def ingest(request: AnyRequest) -> Response[bytes]:
        began = time.monotonic()
        site.check_pusher(request)
        refuse_others(request, ())
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("gzip", "identity"):
            raise HTTPException(f"a document comes as it is or as gzip, not as {encoding[:40]!r}", status_code=415)
        with desk.place():
            body = await _body(request)

            def take() -> bytes:
                document = _document(_unpacked(body) if encoding == "gzip" else body)
                return msgspec.json.encode(site.store.ingest(document, age=time.monotonic() - began).to_dict())

            return fresh(await desk.take(take))

    return [ingest]


async def _body(request: AnyRequest) -> bytes:
    too_large = TooLarge(f"a document may have {SENT_LIMIT:,} bytes at most; send less at once")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > SENT_LIMIT:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(ARRIVAL_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > SENT_LIMIT:
                    raise too_large
    except TimeoutError:
        raise HTTPException(f"a document has to arrive within {ARRIVAL_SECONDS:.0f} s", status_code=408) from None
    return bytes(body)


def _unpacked(body: bytes) -> bytes:
    unpacking = zlib.decompressobj(_GZIP)
    try:
        plain = unpacking.decompress(body, PLAIN_LIMIT)
    except zlib.error as error:
        raise BadValue(f"the body is no gzip: {error}") from None
    if unpacking.unconsumed_tail:
        raise TooLarge(f"a document may have {PLAIN_LIMIT:,} bytes at most when it is unpacked; send less at once")
    if not unpacking.eof or unpacking.unused_data:
        raise BadValue("the body is no whole gzip")
    return plain


def _document(body: bytes) -> dict[str, Any]:
    try:
        document: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadValue(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadValue(f"a document is an object, got {type(document).__name__}")
    return document
