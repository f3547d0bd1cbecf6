"""Who may post, read and delete by the wire: besides the header, a token in the address or in the metadata is taken.

Where no token is needed, the gate's check of Host and Origin is all there is; a browser that is signed in by a cookie
must prove besides that a page of ours asks.
"""

from __future__ import annotations

from collections.abc import Callable

from progstore_web.access import Role, bearer_of
from progstore_web.conditional import AnyRequest
from progstore_web.site import Site


def check_reader(site: Site, request: AnyRequest) -> None:
    """Raises NotAuthorizedException, PermissionDeniedException."""
    if not _is_named(site, request, lambda role: role.may_read):
        site.check_reader(request)


def check_pusher(site: Site, request: AnyRequest, token: str = "") -> None:
    """Let in who may push, by the `token` of a post too. Raises NotAuthorizedException, PermissionDeniedException."""
    if site.access.needs_token and not _is_named(site, request, lambda role: role.may_push, token):
        site.check_writer(request)


def check_admin(site: Site, request: AnyRequest) -> None:
    """Let in only the admin. Raises NotAuthorizedException, PermissionDeniedException."""
    if site.access.needs_token and not _is_named(site, request, lambda role: role is Role.ADMIN):
        site.check_writer(request)


def _is_named(site: Site, request: AnyRequest, may: Callable[[Role], bool], *others: str) -> bool:
    """Whether the request itself names a token that may do that; a cookie, which a browser sends unasked, is none."""
    tokens = (bearer_of(dict(request.scope["headers"])), request.query_params.get("token", ""), *others)
    return any(may(site.access.role_of(token)) for token in tokens if token)
