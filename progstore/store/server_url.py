"""The URL of a server that rows are pushed to: read strictly and written in one way, for it names what is sent."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from progstore.errors import StoreError

SCHEMES: Final = ("http", "https")
_PORTS: Final = {"http": 80, "https": 443}


def is_server(url: str) -> bool:
    """Whether `url` names a server and not a file."""
    scheme, separator, _ = url.partition("://")
    return bool(separator) and scheme.lower() in SCHEMES


def server_url(url: str) -> str:
    """`url` with scheme and host in small letters, no port where it is the usual one, and no slash at its end.

    Raises StoreError where it is no such URL, or carries a user, password, query or fragment; what is secret in it is
    not repeated.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _cannot_be("the address of a server cannot be read") from None
    if parts.username is not None or parts.password is not None:
        raise _cannot_be("the address of a server holds no user and no password; set the token in PROGSTORE_TOKEN")
    host = (parts.hostname or "").lower()
    if parts.scheme.lower() not in SCHEMES or not host or not url.isascii() or not url.isprintable() or " " in url:
        raise _cannot_be("the address of a server cannot be read")
    if parts.query or parts.fragment:
        raise _cannot_be("the address of a server ends with its path; set the token in PROGSTORE_TOKEN")
    scheme = parts.scheme.lower()
    name = f"[{host}]" if ":" in host else host
    place = name if port in (None, _PORTS[scheme]) else f"{name}:{port}"
    return f"{scheme}://{place}{parts.path.rstrip('/')}"


def _cannot_be(what: str) -> StoreError:
    return StoreError(
        f"{what}; write https://jobs.example.org, or https://example.org/jobs where it stands below a path"
    )
