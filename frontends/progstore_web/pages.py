"""The pages: Now, a session, signing in; and the parts of them that are fetched again while one looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from litestar import Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from progstore_web.access import COOKIE_SECONDS, Access, Attempts, cookie_name, cookie_value
from progstore_web.conditional import HTML, AnyRequest, changed, is_known, unchanged
from progstore_web.gate import ROOT
from progstore_web.problems import reason_of, status_of
from progstore_web.reader import Reader, Snapshot
from progstore_web.rendering import Templates


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The routes of the pages, over one reader."""

    reader: Reader
    templates: Templates
    access: Access
    attempts: Attempts
    assets_version: str

    def router(self) -> Router:
        """The pages behind the token, and the sign-in before it."""

        # Litestar copies what it is given deeply, a bound method with all that hangs on it: so these are functions.
        async def sign_in(request: AnyRequest) -> Response[bytes] | None:
            return self._sign_in(request)

        guarded = Router("/", route_handlers=[*self._now(), *self._session()], before_request=sign_in)
        return Router("/", route_handlers=[guarded, *self._login()])

    def _now(self) -> list[HTTPRouteHandler]:
        @get("/")
        async def now(request: AnyRequest) -> Response[bytes]:
            return await self._show(request, await self.reader.board(), "now.html")

        @get("/live/now")
        async def live_now(request: AnyRequest) -> Response[bytes]:
            return await self._show(request, await self.reader.board(), "_now.html")

        return [now, live_now]

    def _session(self) -> list[HTTPRouteHandler]:
        @get("/sessions/{session_id:int}")
        async def session(request: AnyRequest, session_id: FromPath[int]) -> Response[bytes]:
            return await self._show(request, await self.reader.run(session_id), "session.html")

        @get("/live/sessions/{session_id:int}")
        async def live_session(request: AnyRequest, session_id: FromPath[int]) -> Response[bytes]:
            return await self._show(request, await self.reader.run(session_id), "_session.html")

        return [session, live_session]

    def _login(self) -> list[HTTPRouteHandler]:
        @get("/login")
        async def ask(request: AnyRequest) -> Response[bytes]:
            if self._is_in(request):
                return _see(root_of(request) + "/")
            return self._form(request, "/", 200, "")

        @post("/login", status_code=200)
        async def take(request: AnyRequest) -> Response[bytes]:
            form = await request.form()
            token, target = form.get("token", ""), form.get("next", "/")
            if not isinstance(token, str) or not isinstance(target, str):
                return self._form(request, "/", 400, "That is not what this form sends.")
            return self._try(request, token.strip(), _own_path(target))

        return [ask, take]

    def error(self, request: AnyRequest, error: Exception) -> Response[bytes]:
        """The page that says what went wrong."""
        status = status_of(error)
        body = self.templates.render("error.html", root_of(request), status=status, reason=reason_of(error))
        return Response(body, status_code=status, media_type=HTML)

    async def _show(self, request: AnyRequest, snapshot: Snapshot[Any], template: str) -> Response[bytes]:
        root = root_of(request)
        tag = f"{snapshot.revision}-{self.assets_version}"
        if is_known(request, tag):
            return unchanged(tag)
        body = await snapshot.form((template, root), lambda value: self.templates.render(template, root, shown=value))
        return changed(body, tag, HTML)

    def _sign_in(self, request: AnyRequest) -> Response[bytes] | None:
        """None lets the request go on. A token in the address becomes a cookie and leaves the address."""
        if not self.access.needs_token:
            return None
        query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        token = next((value for name, value in query if name == "token"), None)
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        target = request.scope["path"] + (f"?{rest}" if rest else "")
        if token is not None:
            return self._try(request, token, target)
        if self._is_in(request):
            return None
        how = request.headers.get("sec-fetch-site"), request.headers.get("sec-fetch-mode")
        if how == ("cross-site", "navigate"):
            # A strict cookie is kept back when another site links here; asked again by our own page, it is sent.
            return Response(self.templates.render("again.html", root_of(request)), media_type=HTML)
        return self._form(request, target, 401, "")

    def _try(self, request: AnyRequest, token: str, target: str) -> Response[bytes]:
        address = request.client.host if request.client else ""
        if wait := self.attempts.wait(address):
            refused = self._form(request, target, 429, f"Too many wrong tokens. Try again in {int(wait) + 1} s.")
            refused.headers["retry-after"] = str(int(wait) + 1)
            return refused
        if not self.access.knows(token):
            self.attempts.failed(address)
            return self._form(request, target, 401, "That is not a token of this server.")
        return _see(
            root_of(request) + target,
            Cookie(
                key=cookie_name(token),
                value=cookie_value(token),
                path=root_of(request) or "/",
                max_age=COOKIE_SECONDS,
                httponly=True,
                samesite="strict",
                secure=request.scope["scheme"] == "https",
            ),
        )

    def _is_in(self, request: AnyRequest) -> bool:
        return self.access.lets_in(dict(request.scope["headers"]))

    def _form(self, request: AnyRequest, target: str, status: int, complaint: str) -> Response[bytes]:
        body = self.templates.render("login.html", root_of(request), target=target, complaint=complaint)
        headers = {"www-authenticate": "Bearer"} if status == 401 else {}
        return Response(body, status_code=status, media_type=HTML, headers={"cache-control": "no-store", **headers})


def root_of(request: AnyRequest) -> str:
    """The path under which the pages stand, without a slash at its end."""
    return str(request.scope.get(ROOT, ""))


def _see(path: str, *cookies: Cookie) -> Response[bytes]:
    headers = {"location": path, "cache-control": "no-store"}
    return Response(b"", status_code=303, media_type=HTML, headers=headers, cookies=list(cookies))


def _own_path(target: str) -> str:
    """`target` where it is a path of this server, else the first page: nobody is sent to another site from here."""
    is_own = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_own else "/"
