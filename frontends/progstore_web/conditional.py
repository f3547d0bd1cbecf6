"""Answers that a client may keep: it asks again with the tag it has, and is told that nothing changed."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from litestar import Request, Response

JSON = "application/json"
HTML = "text/html"

AnyRequest = Request[Any, Any, Any]


def tag_of(body: bytes) -> str:
    """A tag for an answer that has no revision of its own."""
    return blake2b(body, digest_size=12).hexdigest()


def is_known(request: AnyRequest, tag: str) -> bool:
    """Whether the client has that very content already."""
    given = next((value for name, value in request.scope["headers"] if name == b"if-none-match"), None)
    return given is not None and is_among(given, tag)


def is_among(given: bytes, tag: str) -> bool:
    """Whether the header If-None-Match names that tag."""
    known = [each.strip().removeprefix("W/").strip('"') for each in given.decode("latin-1").split(",")]
    return tag in known or "*" in known


def unchanged(tag: str) -> Response[bytes]:
    """The answer to who has it already."""
    return Response(b"", status_code=304, headers=headers_of(tag))


def changed(body: bytes, tag: str, media_type: str) -> Response[bytes]:
    """The whole answer, with its tag."""
    return Response(body, media_type=media_type, headers=headers_of(tag))


def answer(request: AnyRequest, body: bytes, media_type: str = JSON) -> Response[bytes]:
    """The body, or word that the client has it already."""
    tag = tag_of(body)
    return unchanged(tag) if is_known(request, tag) else changed(body, tag, media_type)


def fresh(body: bytes, status: int = 200) -> Response[bytes]:
    """An answer of JSON that nobody keeps, such as that to what changes something."""
    return Response(body, status_code=status, media_type=JSON, headers={"cache-control": "no-store"})


def headers_of(tag: str) -> dict[str, str]:
    """What tells a client what it may do with the answer that carries that tag."""
    # Kept by the client alone, and never shown before asking whether it still holds.
    return {"etag": f'"{tag}"', "cache-control": "private, no-cache", "vary": "Authorization, Cookie"}
