"""What all routes share: the store, the reader that follows it, the templates, and who may do what."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

from litestar import Response
from litestar.datastructures import Cookie
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException

from progstore import Store
from progstore_web.access import Access, Role, bearer_of, cookies_of
from progstore_web.conditional import HTML, AnyRequest, changed, is_known, tag_of, unchanged
from progstore_web.gate import ROOT
from progstore_web.jobs import Jobs
from progstore_web.problems import headers_of_failure
from progstore_web.reader import Reader, Snapshot
from progstore_web.rendering import Templates
from progstore_web.streams import Streams

FORM_COOKIE = "progstore-form"
"""Holds what each form of this browser carries too; another site can make a browser send one, but not both."""
FORM_FIELD = "form_key"
IN_PATHS = "%/?#[]@!$&'()*+,;=:"
"""What stays as it is in an address that may be encoded already; all else would not fit into a header."""
FORM_HEADER = "x-csrf-token"


class Form(NamedTuple):
    """What a form of the page carries to prove that it is ours, and the cookie to set where there was none."""

    key: str
    cookies: list[Cookie]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One server over one store; handed to everything that makes routes."""

    store: Store
    reader: Reader
    streams: Streams
    templates: Templates
    access: Access
    jobs: Jobs
    assets_version: str

    def role(self, request: AnyRequest) -> Role:
        """What this request may do."""
        return self.access.role(dict(request.scope["headers"]))

    def page(self, request: AnyRequest, template: str, *, status: int = 200, **context: Any) -> Response[bytes]:
        """The page that the template makes of `context`, or word that the client has it already.

        Templates are given `root`, `may_write`, `has_sign_in` and `form_key` besides.
        """
        form, shown_to = self._form(request), self._shown_to(self.role(request))
        body = self.templates.render(template, root_of(request), form_key=form.key, **shown_to, **context)
        if status != 200:
            return Response(
                body, status_code=status, media_type=HTML, headers=headers_of_failure(status), cookies=form.cookies
            )
        tag = f"{tag_of(body)}-{self.assets_version}"
        if is_known(request, tag) and not form.cookies:
            return unchanged(tag)
        response = changed(body, tag, HTML)
        response.cookies = form.cookies
        return response

    async def followed(self, request: AnyRequest, snapshot: Snapshot[Any], template: str) -> Response[bytes]:
        """The same of what the reader follows: rendered once for all who look."""
        root = root_of(request)
        role = self.role(request)
        tag = f"{snapshot.revision}-{self.assets_version}-{role.value}"
        if is_known(request, tag):
            return unchanged(tag)
        body = await snapshot.form(
            (template, root, role),
            lambda value: self.templates.render(template, root, shown=value, **self._shown_to(role)),
        )
        return changed(body, tag, HTML)

    def _shown_to(self, role: Role) -> dict[str, bool]:
        return {"may_write": role is Role.ADMIN, "has_sign_in": self.access.needs_token}

    def check_reader(self, request: AnyRequest) -> None:
        """Raises NotAuthorizedException where a token is needed and none that we know is given, and
        PermissionDeniedException where it is one that does not read.
        """
        role = self.role(request)
        if role is Role.NOBODY:
            raise NotAuthorizedException("a token is needed: send the header `Authorization: Bearer …`")
        if not role.may_read:
            raise PermissionDeniedException("a push token only sends progress; this needs a view token or the admin's")

    def check_pusher(self, request: AnyRequest) -> None:
        """Let in who may send progress, by a bearer token only: no browser does that by itself.

        Raises NotAuthorizedException, PermissionDeniedException.
        """
        if not self.access.needs_token:
            return
        bearer = bearer_of(dict(request.scope["headers"]))
        role = self.access.role_of(bearer) if bearer else Role.NOBODY
        if role is Role.NOBODY:
            raise NotAuthorizedException("a push token is needed: send the header `Authorization: Bearer …`")
        if not role.may_push:
            raise PermissionDeniedException("a view token only reads; this needs a push token or the admin's")

    def check_writer(self, request: AnyRequest, key: str = "") -> None:
        """Let only the admin change anything, and a browser only by a form of ours that carries its `key`.

        Raises NotAuthorizedException, PermissionDeniedException.
        """
        self.check_reader(request)
        if self.role(request) is not Role.ADMIN:
            raise PermissionDeniedException("a view token only reads; this needs the admin's token")
        self.check_form(request, key)

    def check_form(self, request: AnyRequest, key: str) -> None:
        """Take from a browser only a form of ours that carries its `key`. Raises PermissionDeniedException."""
        headers = dict(request.scope["headers"])
        is_browser = any(name in headers for name in (b"origin", b"cookie", b"sec-fetch-site"))
        if bearer_of(headers) or not is_browser:
            return
        known = cookies_of(headers).get(FORM_COOKIE.encode(), b"").decode("latin-1")
        given = key or headers.get(FORM_HEADER.encode(), b"").decode("latin-1")
        if not known or not secrets.compare_digest(known.encode(), given.encode()):
            raise PermissionDeniedException("this form is from another sign-in: load the page again, and send it anew")

    def _form(self, request: AnyRequest) -> Form:
        headers = dict(request.scope["headers"])
        known = cookies_of(headers).get(FORM_COOKIE.encode(), b"").decode("latin-1")
        if known.isalnum() and len(known) == 32:
            return Form(known, [])
        key = secrets.token_hex(16)
        cookie = Cookie(
            key=FORM_COOKIE,
            value=key,
            path=root_of(request) or "/",
            httponly=True,
            samesite="strict",
            secure=request.scope["scheme"] == "https",
        )
        return Form(key, [cookie])


def root_of(request: AnyRequest) -> str:
    """The path under which the pages stand, without a slash at its end."""
    return str(request.scope.get(ROOT, ""))


def is_for_programs(path: str) -> bool:
    """Whether what is at that path is read by programs, which are told of a fault in their own way."""
    return path.startswith(("/api/", "/metrics", "/progress", "/tasks", "/ws")) or path.endswith(
        (".json", ".csv", ".svg")
    )


def see(path: str, *cookies: Cookie) -> Response[bytes]:
    """Send the browser on to a path of this server, after something was done."""
    headers = {"location": quote(path, safe=IN_PATHS, errors="replace"), "cache-control": "no-store"}
    return Response(b"", status_code=303, media_type=HTML, headers=headers, cookies=list(cookies))


def own_path(target: str) -> str:
    """`target` where it is a path of this server, else the first page: nobody is sent to another site from here."""
    is_own = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_own else "/"
