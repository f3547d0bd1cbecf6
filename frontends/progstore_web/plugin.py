"""The pages inside another Litestar application: `Litestar(plugins=[ProgstorePlugin(store)])`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import HttpMethod, asgi, route
from litestar.config.app import AppConfig
from litestar.plugins import InitPlugin
from litestar.types import ASGIApp, Receive, Scope, Send

from progstore import Job, Store
from progstore_web.access import Access
from progstore_web.app import create_app
from progstore_web.jobs import AT_ONCE

SOCKET = "/ws"
"""Where watchers open a web socket."""
METHODS = list(HttpMethod)
"""All of them arrive, so that the pages themselves say which they do not know."""


class ProgstorePlugin(InitPlugin):
    """Shows the pages over `store` below `path`; the rest of the application stays as it is.

    `auth`, `jobs` and `jobs_at_once` are as `create_app` takes them. Its guards and middleware, the host's own sign-in
    among them, come before the pages; its templates, error handlers, logging and schema have nothing to do with them.
    The store stays the caller's: close it when the application has ended. Raises ValueError for a path that is not of
    the form "/progress".
    """

    def __init__(
        self,
        store: Store,
        *,
        path: str = "/progress",
        auth: Access | None = None,
        jobs: Mapping[str, Job] | None = None,
        jobs_at_once: int = AT_ONCE,
    ) -> None:
        if not path.startswith("/") or path.startswith("//") or not path.strip("/") or set(path) & set("{}?#"):
            raise ValueError(f'path is where the pages stand, as in "/progress"; got {path!r}')
        self._store = store
        self._path = path.rstrip("/")
        self._auth = auth
        self._jobs = jobs
        self._jobs_at_once = jobs_at_once

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the pages, and end what they keep open when the application ends."""
        app = create_app(self._store, auth=self._auth, jobs=self._jobs, jobs_at_once=self._jobs_at_once)
        path = self._path

        async def inside(scope: Scope, receive: Receive, send: Send) -> None:
            await at(scope["path_params"].get("progstore_page", "/"), scope, receive, send)

        async def at(below: str, scope: Scope, receive: Receive, send: Send) -> None:
            root = scope.get("root_path", "").rstrip("/") + path
            # What the host knows of this request stays with it: the pages are an application of their own.
            own: dict[str, Any] = {"path": f"{root}{below}", "root_path": root, "path_params": {}, "state": {}}
            await app({**scope, **own}, receive, send)

        # No mount: Litestar's takes every path that begins with these letters, and says nothing of a root path. The
        # forms of the pages carry a key of their own, so that a CSRF check of the host would only refuse them.
        @route(
            [path, path + "/{progstore_page:path}"],
            http_method=METHODS,
            include_in_schema=False,
            exclude_from_csrf=True,
        )
        async def pages() -> ASGIApp:
            return inside

        @asgi(path + SOCKET, copy_scope=True)
        async def socket(scope: Scope, receive: Receive, send: Send) -> None:
            await at(SOCKET, scope, receive, send)

        def end() -> None:
            app.close()

        app_config.route_handlers.extend((pages, socket))
        app_config.on_shutdown.append(end)
        return app_config
