"""The gate around the pages: which Host is answered, who may write, under which path, and the headers that protect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from progstore_web.access import Access
from progstore_web.problems import problem_body

# As the ASGI specification has them, for servers and frameworks each bring narrower types of their own.
Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
Unchanged = Callable[[str, Mapping[bytes, bytes]], list[tuple[bytes, bytes]] | None]

ROOT = "progstore_root_path"
"""The scope's key for the path under which the pages stand, without a slash at its end."""
SENT = "progstore_path"
"""The scope's key for the path below it as it was sent; on the way to a handler slashes are left out."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_EVERYWHERE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_HEADERS = (
    *_EVERYWHERE,
    (b"content-security-policy", POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
SHARED = "/embed/"
"""Below it is what other sites may show: what one needs a key for, and the script that shows it."""


class Gate:
    """An ASGI application around `app`; each response that leaves carries the headers, errors and static files too.

    `root_path` is where a proxy shows the pages; without it, what the server around has set in the scope.
    `unchanged` gives the headers of the answer to who has already what he asks for, or None.
    `end_streams` ends what would otherwise stay open for ever: a server that is to end calls it, from any thread.
    `close` ends them and the thread that reads; of use where no lifespan event arrives, as below another application.
    """

    def __init__(
        self,
        app: App,
        access: Access,
        root_path: str,
        *,
        unchanged: Unchanged,
        end_streams: Callable[[], None],
        close: Callable[[], None],
    ) -> None:
        self.app = app
        self.unchanged = unchanged
        self.end_streams = end_streams
        self.close = close
        self.access = access
        self.root_path = root_path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            await self._open_socket(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        inside = self._inside(scope)
        added = _shared_headers(self.access, headers) if inside["path"].startswith(SHARED) else _HEADERS

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        host = headers.get(b"host", b"").decode("latin-1")
        if not self.access.expects(host):
            await _refuse(protected, 400, f"this server is not called {host!r}; --allow-host lets that name in")
        elif scope["method"] not in ("GET", "HEAD", "OPTIONS") and not _is_own_origin(headers, host):
            await _refuse(protected, 403, "another site asked for this; only the pages of this server may")
        elif (known := self._known(inside, headers)) is not None:
            await send({"type": "http.response.start", "status": 304, "headers": [*known, *_HEADERS]})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self.app(inside, receive, protected)

    async def _open_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        # Another site's page can open one, with the cookies of whoever looks at it, and read all that is sent.
        if self.access.expects(host) and _is_own_origin(headers, host):
            await self.app(self._inside(scope), receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": "another site asked for this"})

    def _known(self, scope: Scope, headers: dict[bytes, bytes]) -> list[tuple[bytes, bytes]] | None:
        if b"if-none-match" not in headers or scope["method"] != "GET" or scope["query_string"]:
            return None
        return self.unchanged(scope["path"], headers)

    def _inside(self, scope: Scope) -> Scope:
        """The scope as the routes see it: paths begin after the root, and HEAD is a GET whose body the server drops."""
        root = self.root_path or str(scope.get("root_path", "")).rstrip("/")
        path: str = scope["path"]
        # A proxy before a Starlette or FastAPI host may have cut off the host's own part, but not that of the mount.
        for start in (root, root.removeprefix(scope.get("app_root_path", ""))):
            if start and (path == start or path.startswith(start + "/")):
                path = path[len(start) :] or "/"
                break
        inside = {**scope, "path": path, "root_path": "", ROOT: root, SENT: path}
        if scope.get("method") == "HEAD":
            inside["method"] = "GET"
        return inside


def _shared_headers(access: Access, headers: dict[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    """What leaves with a shared page: the sites named by --allow-origin may frame it, or every site where none is
    named, for there is nothing on it to press; and their scripts may read it, but nobody's where none is named.
    """
    framed_by = "*" if not access.origins or "*" in access.origins else " ".join(("'self'", *sorted(access.origins)))
    policy = POLICY.replace("frame-ancestors 'none'", f"frame-ancestors {framed_by}")
    named = ((b"vary", b"Origin"),) if framed_by != "*" else ()
    reader = access.shares_with(headers.get(b"origin", b"").decode("latin-1"))
    allowed = ((b"access-control-allow-origin", reader.encode("latin-1")),) if reader else ()
    return (
        *_EVERYWHERE,
        (b"content-security-policy", policy.encode("latin-1", "replace")),
        (b"cross-origin-resource-policy", b"cross-origin"),
        *named,
        *allowed,
    )


def _is_own_origin(headers: dict[bytes, bytes], host: str) -> bool:
    """Whether a browser says that one of our own pages asks; what is no browser sends no Origin."""
    if headers.get(b"sec-fetch-site") == b"same-origin":
        return True
    origin = headers.get(b"origin", b"").decode("latin-1")
    return not origin or origin.partition("://")[2].lower() == host.lower()


async def _refuse(send: Send, status: int, reason: str) -> None:
    body, media_type = problem_body(status, reason)
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
