"""Who is let in: tokens, the cookie that stands for one, the names a request may call this server by."""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
COOKIE_SECONDS = 30 * 24 * 3600
"""How long a sign-in lasts."""
TRIES = 10
"""Wrong tokens that one address may type within TRY_SECONDS."""
TRY_SECONDS = 60.0
ADDRESSES_LIMIT = 1000
"""Addresses whose wrong tokens are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Whom a server lets in.

    With `tokens` only who knows one of them; without, everybody who can reach it. `hosts` are the names that the Host
    header of a request may carry, in small letters and without port, so that no other site's name can be made to point
    here; None leaves that check to the server around. `any_address` lets in every plain IP address as Host.
    """

    tokens: tuple[str, ...] = ()
    hosts: frozenset[str] | None = LOOPBACK_NAMES
    any_address: bool = False

    @property
    def needs_token(self) -> bool:
        """Whether a token is asked for."""
        return bool(self.tokens)

    def knows(self, token: str) -> bool:
        """Whether that is one of the tokens; takes the same time whichever it is."""
        given = token.encode("utf-8", "surrogatepass")
        # A sum compares with all of them, where `any` would stop at the first that fits.
        return sum(hmac.compare_digest(given, known.encode()) for known in self.tokens) > 0

    def lets_in(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request with these headers carries a token, as a bearer or as the cookie of a sign-in."""
        if not self.tokens:
            return True
        scheme, _, bearer = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() == "bearer":
            return self.knows(bearer.strip())
        cookies = _cookies(headers.get(b"cookie", b""))
        return any(
            hmac.compare_digest(cookies.get(cookie_name(token).encode(), b""), cookie_value(token).encode())
            for token in self.tokens
        )

    def expects(self, host_header: str) -> bool:
        """Whether a request may call this server by that Host."""
        if self.hosts is None:
            return True
        name = host_name(host_header)
        return name in self.hosts or (self.any_address and _is_address(name))


def parse_tokens(text: str) -> tuple[str, ...]:
    """The tokens in a list such as "alpha, beta"; empty ones are left out."""
    return tuple(token for token in (part.strip() for part in text.split(",")) if token)


def cookie_name(token: str) -> str:
    """The name of the cookie that stands for `token`.

    It differs from token to token, for a browser sends cookies of one host to all its ports: two servers must not sign
    each other's users out.
    """
    return f"progstore-{_derived(token, 'cookie name')[:12]}"


def cookie_value(token: str) -> str:
    """What the cookie holds: proof of the token that does not tell it, and that outlives a restart of the server."""
    return _derived(token, "cookie value")


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


def _derived(token: str, purpose: str) -> str:
    return hmac.new(token.encode(), f"progstore web {purpose}".encode(), "sha256").hexdigest()


def _cookies(header: bytes) -> dict[bytes, bytes]:
    # Parsed by hand, for the standard library stops at the first cookie of another program that it does not like.
    pairs = (part.strip().partition(b"=") for part in header.split(b";"))
    return {name: value for name, _, value in pairs}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
