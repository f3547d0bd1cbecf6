"""Who is let in, and to what: tokens, the cookie that stands for one, the names a request may call this server by."""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
COOKIE_SECONDS = 30 * 24 * 3600
"""How long a sign-in lasts."""
TRIES = 10
"""Wrong tokens that one address may type within TRY_SECONDS."""
TRY_SECONDS = 60.0
ADDRESSES_LIMIT = 1000
"""Addresses whose wrong tokens are remembered."""


class Role(Enum):
    """What a request may do."""

    NOBODY = "nobody"
    PUSHER = "pusher"
    VIEWER = "viewer"
    ADMIN = "admin"

    @property
    def may_read(self) -> bool:
        """Whether it may see what is in the store."""
        return self in (Role.VIEWER, Role.ADMIN)

    @property
    def may_push(self) -> bool:
        """Whether it may send the progress of jobs elsewhere."""
        return self in (Role.PUSHER, Role.ADMIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Whom a server lets in.

    Who knows one of `tokens` may read, delete and push, who knows one of `view_tokens` may read, and who knows one of
    `push_tokens` may push; without any of them, everybody who can reach the server may do all of it. `hosts` are the
    names that the Host header of a request may carry, in small letters and without port, so that no other site's name
    can be made to point here; None leaves that check to the server around. `any_address` lets in every plain IP address
    as Host. `origins` are the sites, such as "https://shop.example", whose pages may read what is shared; "*" is every
    site. Raises ValueError for a token that no header can carry.
    """

    tokens: tuple[str, ...] = ()
    view_tokens: tuple[str, ...] = ()
    push_tokens: tuple[str, ...] = ()
    hosts: frozenset[str] | None = LOOPBACK_NAMES
    any_address: bool = False
    origins: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for what in ("tokens", "view_tokens", "push_tokens"):
            if not all(map(is_token, getattr(self, what))):
                raise ValueError(f"one of {what} cannot be a token: it is of printable ASCII, without blanks around it")

    @property
    def needs_token(self) -> bool:
        """Whether a token is asked for."""
        return bool(self.tokens or self.view_tokens or self.push_tokens)

    def role_of(self, token: str) -> Role:
        """What that token lets one do; takes the same time whichever it is."""
        given = token.encode("utf-8", "surrogatepass")
        # Every one is compared, where `any` would stop at the first that fits.
        admin, viewer, pusher = (
            sum(hmac.compare_digest(given, known.encode()) for known in tokens)
            for tokens in (self.tokens, self.view_tokens, self.push_tokens)
        )
        return Role.ADMIN if admin else Role.VIEWER if viewer else Role.PUSHER if pusher else Role.NOBODY

    def role(self, headers: Mapping[bytes, bytes]) -> Role:
        """What a request with these headers may do, by its bearer token or by the cookie of a sign-in."""
        if not self.needs_token:
            return Role.ADMIN
        if bearer := bearer_of(headers):
            return self.role_of(bearer)
        cookies = cookies_of(headers)
        for role, tokens in ((Role.ADMIN, self.tokens), (Role.VIEWER, self.view_tokens)):
            for token in tokens:
                given = cookies.get(cookie_name(token).encode(), b"")
                if hmac.compare_digest(given, cookie_value(token).encode()):
                    return role
        return Role.NOBODY

    def expects(self, host_header: str) -> bool:
        """Whether a request may call this server by that Host."""
        if self.hosts is None:
            return True
        name = host_name(host_header)
        return name in self.hosts or (self.any_address and _is_address(name))

    def shares_with(self, origin: str) -> str:
        """The value of Access-Control-Allow-Origin for a page of that site; empty where it may not read."""
        if "*" in self.origins:
            return "*"
        return origin if origin and origin in self.origins else ""

    def sign(self, text: str) -> str:
        """A signature that only this server can give, the same after a restart; of what is shared by a link.

        Without a token everybody can read everything anyway, and the signature is only a form.
        """
        return derived(next(iter(self.tokens or self.view_tokens or self.push_tokens), "open"), f"share {text}")[:32]


def parse_tokens(text: str) -> tuple[str, ...]:
    """The tokens in a list such as "alpha, beta"; empty ones are left out."""
    return tuple(token for token in (part.strip() for part in text.split(",")) if token)


def is_token(text: str) -> bool:
    """Whether a header can carry that as a token."""
    return text.isascii() and text.isprintable() and text == text.strip() != ""


def cookie_name(token: str) -> str:
    """The name of the cookie that stands for `token`.

    It differs from token to token, for a browser sends cookies of one host to all its ports: two servers must not sign
    each other's users out.
    """
    return f"progstore-{derived(token, 'cookie name')[:12]}"


def cookie_value(token: str) -> str:
    """What the cookie holds: proof of the token that does not tell it, and that outlives a restart of the server."""
    return derived(token, "cookie value")


def bearer_of(headers: Mapping[bytes, bytes]) -> str:
    """The token in the header `Authorization: Bearer …`, or empty."""
    scheme, _, bearer = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else ""


def cookies_of(headers: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The cookies of a request, by name."""
    # Parsed by hand, for the standard library stops at the first cookie of another program that it does not like.
    pairs = (part.strip().partition(b"=") for part in headers.get(b"cookie", b"").split(b";"))
    return {name: value for name, _, value in pairs}


def host_name(header: str) -> str:
    """The name in a Host header, in small letters, without port and brackets."""
    name = header.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0] if name.count(":") == 1 else name


class Attempts:
    """Wrong tokens that were typed lately, by client address. For one thread."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Seconds until that address may try again; 0 where it may now."""
        since = time.monotonic() - TRY_SECONDS
        recent = [at for at in self._wrong.get(address, ()) if at > since]
        return recent[0] - since if len(recent) >= TRIES else 0.0

    def failed(self, address: str) -> None:
        """Remember a wrong token."""
        self._wrong[address] = [*self._wrong.get(address, ())[-TRIES + 1 :], time.monotonic()]
        self._wrong.move_to_end(address)
        if len(self._wrong) > ADDRESSES_LIMIT:
            self._wrong.popitem(last=False)


def derived(token: str, purpose: str) -> str:
    """A value that only who knows the token can make, and that does not tell it."""
    return hmac.new(token.encode(), f"progstore web {purpose}".encode(), "sha256").hexdigest()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
