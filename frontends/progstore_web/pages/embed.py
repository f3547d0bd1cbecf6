"""Share links: one session, read-only and without a sign-in, as a page that may be framed, as JSON and as a stream."""

from __future__ import annotations

import re
import secrets
from functools import partial
from hashlib import blake2b
from typing import Any

import msgspec
from litestar import Response, Router, get
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery
from litestar.types import ASGIApp

from progstore import NotFound, ProgstoreError, SessionView, StoreError
from progstore_web.access import Access
from progstore_web.api.streaming import stream_of
from progstore_web.assets import FOLDER
from progstore_web.conditional import HTML, JSON, AnyRequest, answer, changed, is_known, unchanged
from progstore_web.problems import headers_of_failure, problem_body, reason_of, status_of
from progstore_web.reader import Snapshot
from progstore_web.shown.run import Run
from progstore_web.shown.shared import Shared
from progstore_web.site import Site, root_of
from progstore_web.streams import Source

NOTHING = "this link shows nothing: it is not whole, was withdrawn, or its session was deleted"
"""Said of every key that does not fit, so that trying tells nobody which sessions there are."""
UNREADABLE = "the store cannot be read at the moment; try again later"
"""Why it cannot is for the owner alone, for it names files and addresses."""

_KEY = re.compile(r"([0-9]{1,18})-([0-9a-f]{16})-([0-9a-f]{32})")


def share_key(access: Access, session: SessionView) -> str:
    """The key that lets its holder read that session, and nothing else.

    It holds the session's number, a mark of its uid and a signature of both. So nothing has to be stored, it survives
    restarts, it dies when the token is changed, and no session of another store answers to it.
    """
    signed = f"{session.id}-{_mark(session)}"
    return f"{signed}-{access.sign(signed)}"


def router(site: Site) -> Router:
    """The routes below /embed, which are open to everybody who has a key."""
    # Other sites carry it on all their pages, so it leaves without its indentation.
    script = re.sub(rb"\n +", b"\n", (FOLDER / "progress.js").read_bytes())

    @get("/progress.js", sync_to_thread=False)
    def component(request: AnyRequest) -> Response[bytes]:
        # Its address is pasted into pages that nobody changes later: so it has no version, and is asked for again.
        return answer(request, script, "text/javascript")

    @get("/{key:str}")
    async def page(request: AnyRequest, key: FromPath[str], frame: FromQuery[bool] = False) -> Response[bytes]:
        snapshot = await _read(site, key)
        root = root_of(request)
        body = site.templates.render(
            "embed.html",
            root,
            shown=Shared(session=snapshot.value.session),
            key=key,
            address=f"{request.scope['scheme']}://{request.headers.get('host', 'localhost')}{root}/embed",
            framed=frame,
        )
        return answer(request, body, HTML)

    @get("/{key:str}/progress.json")
    async def state(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
        snapshot = await _read(site, key)
        tag = snapshot.revision
        return unchanged(tag) if is_known(request, tag) else changed(snapshot.once("shared", _body), tag, JSON)

    @get("/{key:str}/stream")
    async def stream(request: AnyRequest, key: FromPath[str]) -> ASGIApp:
        snapshot = await _read(site, key)
        source = Source(snapshot.value.session.id, partial(_read, site, key), _body, "shared")
        return await stream_of(site, request, source)

    def failed(request: AnyRequest, error: Exception) -> Response[bytes]:
        return _refused(site, request, error)

    # Mistakes of ours are left to the application, which writes them to the log.
    handlers: dict[int | type[Exception], Any] = {ProgstoreError: failed, HTTPException: failed}
    routes = [component, page, state, stream]
    return Router("/embed", route_handlers=routes, exception_handlers=handlers, include_in_schema=False)


async def _read(site: Site, key: str) -> Snapshot[Run]:
    """The session of that key, from the reader's memory. Raises NotFound, StoreError."""
    parts = _KEY.fullmatch(key)
    # The signature comes first: without a good one nothing is read, so that guessing costs the store nothing.
    given, right = (parts[3], site.access.sign(f"{parts[1]}-{parts[2]}")) if parts else ("", "-")
    if parts is None or not secrets.compare_digest(given, right):
        raise NotFound(NOTHING)
    try:
        snapshot = await site.reader.run(int(parts[1]))
    except NotFound:
        raise NotFound(NOTHING) from None
    except StoreError:
        raise StoreError(UNREADABLE) from None
    if _mark(snapshot.value.session) != parts[2]:
        raise NotFound(NOTHING)
    return snapshot


def _mark(session: SessionView) -> str:
    return blake2b(session.uid.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _body(snapshot: Snapshot[Any]) -> bytes:
    return msgspec.json.encode(Shared(session=snapshot.value.session).to_dict())


def _refused(site: Site, request: AnyRequest, error: Exception) -> Response[bytes]:
    """What went wrong: to who opened the page as a page, to programs as a problem document."""
    status, reason = status_of(error), reason_of(error)
    if request.scope["path"].endswith(("/progress.json", "/stream", "/progress.js")):
        body, media_type = problem_body(status, reason)
    else:
        body = site.templates.render("embed.html", root_of(request), shown=None, reason=reason)
        media_type = HTML
    return Response(body, status_code=status, media_type=media_type, headers=headers_of_failure(status))
