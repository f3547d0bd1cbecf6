"""The ASGI application: pages and JSON over one store, for `progstore ui` and for a server of your own."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from litestar import Litestar, Response, Router, get
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from progstore import Job, ProgstoreError, Store
from progstore_web.access import Access
from progstore_web.api import cleanup, export, ingest, metrics, openapi, sessions, streaming, tasks
from progstore_web.api import jobs as jobs_api
from progstore_web.assets import Assets
from progstore_web.conditional import AnyRequest, fresh
from progstore_web.gate import Gate
from progstore_web.jobs import AT_ONCE, Jobs
from progstore_web.pages import compare, delete, embed, history, names, now, sql, stop, store, task, timeline
from progstore_web.pages import jobs as jobs_page
from progstore_web.pages.login import SignIn
from progstore_web.polls import Polls
from progstore_web.problems import BODY_LIMIT, faults_of, headers_of_failure, problem_body, reason_of, status_of
from progstore_web.reader import Reader
from progstore_web.rendering import Templates
from progstore_web.site import Site, is_for_programs
from progstore_web.streams import Streams
from progstore_web.wire.routes import WireProtocol

PAGES = (compare, delete, history, jobs_page, names, now, sql, stop, store, task, timeline)
"""Each has `routes(site)`; what they answer needs a sign-in where there are tokens."""
API = (cleanup, export, jobs_api, sessions, streaming, tasks)
"""The same, below /api/v1."""

NeedToken = Callable[[AnyRequest], Awaitable[None]]

_log = logging.getLogger("progstore")


def create_app(
    store: Store,
    *,
    root_path: str = "",
    auth: Access | None = None,
    jobs: Mapping[str, Job] | None = None,
    jobs_at_once: int = AT_ONCE,
) -> Gate:
    """The pages over `store` as an ASGI application, which leaves logging and everything else around it alone.

    `root_path` is where a proxy shows them, such as "/jobs"; mounted in another application they find it themselves.
    `auth` says who is let in; by default who calls this machine by a name of its own, without a token. `jobs`, as
    `progstore.load_jobs` gives them, may be started by who may write, `jobs_at_once` of them at once. The store stays
    the caller's: close it when the server has ended. Raises ValueError for a root path that does not begin with "/".
    """
    if root_path and (not root_path.startswith("/") or root_path.startswith("//")):
        raise ValueError(f'root_path begins with one "/", as in "/jobs"; got {root_path!r}')
    assets = Assets()
    access = auth or Access()
    reader = Reader(store)
    site = Site(
        store=store,
        reader=reader,
        streams=Streams(reader),
        templates=Templates(assets, share_key=partial(embed.share_key, access), has_jobs=bool(jobs)),
        jobs=Jobs(store, jobs or {}, jobs_at_once),
        access=access,
        assets_version=assets.version,
    )
    wire = WireProtocol(site)
    need_token = _needing_token(site)

    def end() -> None:
        site.streams.close()
        wire.close()
        reader.close()
        site.streams.reopen()

    handlers = [*_guarded_pages(site), embed.router(site), *_api(site, need_token), *wire.routes(), assets.route()]
    inside = Litestar(
        route_handlers=handlers,
        exception_handlers={Exception: _failing(site)},
        on_shutdown=[end],
        logging_config=None,  # a handler on the root logger would be the host's business
        openapi_config=openapi.config(need_token),
        request_max_body_size=BODY_LIMIT,
    )
    polls = Polls(reader, site.access)
    return Gate(inside, site.access, root_path, unchanged=polls.unchanged, end_streams=site.streams.close, close=end)


# Litestar copies what it is given deeply, a bound method with all that hangs on it: so hooks are functions. And it
# copies a handler at each request where there are guards, which costs a quarter of an answer: so they are hooks.


def _guarded_pages(site: Site) -> list[Router]:
    """The pages behind the sign-in, and the sign-in before them."""
    sign_in = SignIn(site)

    async def stop(request: AnyRequest) -> Response[bytes] | None:
        return sign_in.stop(request)

    handlers = [handler for page in PAGES for handler in page.routes(site)]
    return [
        Router("/", route_handlers=handlers, before_request=stop, include_in_schema=False),
        Router("/", route_handlers=sign_in.routes(), include_in_schema=False),
    ]


def _needing_token(site: Site) -> NeedToken:
    """The hook that lets in only who may read."""

    async def need_token(request: AnyRequest) -> None:
        site.check_reader(request)

    return need_token


def _api(site: Site, need_token: NeedToken) -> list[Router | HTTPRouteHandler]:
    """What needs a token where there is one, and the health check, which does not."""

    @get("/health", include_in_schema=False)
    async def health() -> Response[bytes]:
        return fresh(b'{"status":"ok"}')

    handlers = [handler for part in API for handler in part.routes(site)]
    guarded = Router("/api/v1", before_request=need_token, route_handlers=handlers)
    # What pushes need not be who reads.
    pushing = Router("/api/v1", route_handlers=ingest.routes(site))
    return [guarded, pushing, health, *metrics.routes(site)]


def _failing(site: Site) -> Callable[[AnyRequest, Exception], Response[bytes]]:
    """What answers where something went wrong: to programs with a problem document, to others with a page."""

    def failed(request: AnyRequest, error: Exception) -> Response[bytes]:
        status = status_of(error)
        if not isinstance(error, HTTPException | ProgstoreError) and status == 500:
            _log.error("%s %s failed", request.method, request.scope["path"], exc_info=error)
        if is_for_programs(request.scope["path"]):
            return _problem(error)
        return site.page(request, "error.html", status=status, said=status, reason=reason_of(error))

    return failed


def _problem(error: Exception) -> Response[bytes]:
    """The problem document that says to a program what went wrong."""
    status = status_of(error)
    body, media_type = problem_body(status, reason_of(error), faults_of(error))
    return Response(body, status_code=status, media_type=media_type, headers=headers_of_failure(status))
