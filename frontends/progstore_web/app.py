"""The ASGI application: pages and JSON over one store, for `progstore ui` and for a server of your own."""

from __future__ import annotations

import logging

from litestar import Litestar, Response
from litestar.exceptions import HTTPException

from progstore import ProgstoreError, Store
from progstore_web.access import Access, Attempts
from progstore_web.api import Api
from progstore_web.assets import Assets
from progstore_web.conditional import AnyRequest
from progstore_web.gate import Gate
from progstore_web.pages import Pages
from progstore_web.reader import Reader
from progstore_web.rendering import Templates

BODY_LIMIT = 64_000
"""Bytes that a request may carry; a sign-in is all that is sent here."""

_log = logging.getLogger("progstore")


def create_app(store: Store, *, root_path: str = "", auth: Access | None = None) -> Gate:
    """The pages over `store` as an ASGI application, which leaves logging and everything else around it alone.

    `root_path` is where a proxy shows them, such as "/jobs"; mounted in another application they find it themselves.
    `auth` says who is let in; by default who calls this machine by a name of its own, without a token. The store stays
    the caller's: close it when the server has ended. Raises ValueError for a root path that does not begin with "/".
    """
    if root_path and (not root_path.startswith("/") or root_path.startswith("//")):
        raise ValueError(f'root_path begins with one "/", as in "/jobs"; got {root_path!r}')
    access = auth or Access()
    assets = Assets()
    reader = Reader(store)
    api = Api(reader=reader, access=access)
    pages = Pages(
        reader=reader,
        templates=Templates(assets),
        access=access,
        attempts=Attempts(),
        assets_version=assets.version,
    )

    def failed(request: AnyRequest, error: Exception) -> Response[bytes]:
        if not isinstance(error, HTTPException | ProgstoreError):
            _log.error("%s %s failed", request.method, request.scope["path"], exc_info=error)
        if request.scope["path"].startswith("/api/"):
            return api.problem(error)
        return pages.error(request, error)

    inside = Litestar(
        route_handlers=[pages.router(), api.router(), assets.route()],
        exception_handlers={Exception: failed},
        on_shutdown=[reader.close],
        # A handler on the root logger and a page of documentation would be the host's business.
        logging_config=None,
        openapi_config=None,
        request_max_body_size=BODY_LIMIT,
    )
    return Gate(inside, access, root_path)
