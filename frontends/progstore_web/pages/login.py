"""Signing in and out: a form, or a token in the address, becomes a cookie that stands for the token."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl, quote, urlencode

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler

from progstore_web.access import COOKIE_SECONDS, Attempts, Role, cookie_name, cookie_value, cookies_of
from progstore_web.conditional import HTML, AnyRequest
from progstore_web.pages.forms import form_key, read_form
from progstore_web.problems import headers_of_failure
from progstore_web.site import Site, is_for_programs, own_path, root_of, see


class SignIn:
    """The door before the pages; remembers wrong tokens that were typed lately."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._attempts = Attempts()

    def routes(self) -> list[HTTPRouteHandler]:
        """The form and what it sends, and the same of the way out."""
        return [*self._way_in(), *self._way_out()]

    def _way_in(self) -> list[HTTPRouteHandler]:
        site = self._site

        @get("/login")
        async def ask(request: AnyRequest) -> Response[bytes]:
            if site.role(request).may_read:
                return see(root_of(request) + "/")
            return self._form(request, "/", 200, "")

        @post("/login", status_code=200)
        async def take(request: AnyRequest) -> Response[bytes]:
            form = await request.form()
            token, target = form.get("token", ""), form.get("next", "/")
            if not isinstance(token, str) or not isinstance(target, str):
                return self._form(request, "/", 400, "That is not what this form sends.")
            return self._try(request, token.strip(), own_path(target))

        return [ask, take]

    def _way_out(self) -> list[HTTPRouteHandler]:
        site = self._site

        @get("/logout")
        async def ask(request: AnyRequest) -> Response[bytes]:
            if not (site.access.needs_token and site.role(request).may_read):
                return see(root_of(request) + "/")
            return site.page(request, "logout.html")

        @post("/logout", status_code=200)
        async def leave(request: AnyRequest) -> Response[bytes]:
            site.check_form(request, form_key(await read_form(request)))
            held = cookies_of(dict(request.scope["headers"]))
            names = [cookie_name(token) for token in (*site.access.tokens, *site.access.view_tokens)]
            gone = [_cookie(request, name, "", seconds=0) for name in names if name.encode() in held]
            return see(root_of(request) + "/login", *gone)

        return [ask, leave]

    def stop(self, request: AnyRequest) -> Response[bytes] | None:
        """None lets the request go on. A token in the address becomes a cookie and leaves the address."""
        access = self._site.access
        if not access.needs_token:
            return None
        query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        token = next((value for name, value in query if name == "token"), None)
        target = _page_at(request, [(name, value) for name, value in query if name != "token"])
        if token is not None:
            return self._try(request, token, target)
        if self._site.role(request).may_read:
            return None
        if is_for_programs(request.scope["path"]):
            self._site.check_reader(request)
        how = request.headers.get("sec-fetch-site"), request.headers.get("sec-fetch-mode")
        if how == ("cross-site", "navigate"):
            # A strict cookie is kept back when another site links here; asked again by our own page, it is sent.
            return Response(self._site.templates.render("again.html", root_of(request)), media_type=HTML)
        return self._form(request, target, 401, "")

    def _try(self, request: AnyRequest, token: str, target: str) -> Response[bytes]:
        address = request.client.host if request.client else ""
        if wait := self._attempts.wait(address):
            refused = self._form(request, target, 429, f"Too many wrong tokens. Try again in {int(wait) + 1} s.")
            refused.headers["retry-after"] = str(int(wait) + 1)
            return refused
        role = self._site.access.role_of(token)
        if role is Role.PUSHER:
            return self._form(request, target, 403, "That is a push token: it sends progress, and shows nothing.")
        if not role.may_read:
            self._attempts.failed(address)
            return self._form(request, target, 401, "That is not a token of this server.")
        cookie = _cookie(request, cookie_name(token), cookie_value(token), seconds=COOKIE_SECONDS)
        return see(root_of(request) + target, cookie)

    def _form(self, request: AnyRequest, target: str, status: int, complaint: str) -> Response[bytes]:
        body = self._site.templates.render("login.html", root_of(request), target=target, complaint=complaint)
        return Response(body, status_code=status, media_type=HTML, headers=headers_of_failure(status))


def _cookie(request: AnyRequest, name: str, value: str, *, seconds: int) -> Cookie:
    return Cookie(
        key=name,
        value=value,
        path=root_of(request) or "/",
        max_age=seconds,
        httponly=True,
        samesite="strict",
        secure=request.scope["scheme"] == "https",
    )


def _page_at(request: AnyRequest, query: Sequence[tuple[str, str]]) -> str:
    """The address to lead to after a sign-in; the first page's where a form was sent."""
    if request.method == "POST":
        return "/"
    # The server has decoded the path; a name with a question mark would end in it.
    return own_path(quote(request.scope["path"], errors="replace") + (f"?{urlencode(query)}" if query else ""))
