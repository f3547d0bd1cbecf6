"""What went wrong, said to programs as RFC 9457 problem documents."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from litestar.exceptions import HTTPException, SerializationException, ValidationException

from progstore import (
    AlreadyEnded,
    BadArguments,
    BadFilter,
    BadQuery,
    BadValue,
    NotFound,
    ProgstoreError,
    StillRunning,
    StoreError,
)

MEDIA_TYPE = "application/problem+json"
BODY_LIMIT = 64_000
"""Bytes that a request may carry; forms and short documents are all that is sent here."""


RETRY_AFTER = "2"
"""Seconds after which one who could not be served is asked to come again."""


class TooLarge(HTTPException):
    """A request is larger than what is taken where it goes; the detail says how much that is."""

    status_code = 413


def status_of(error: Exception) -> int:
    """The HTTP status that says what kind of error it is."""
    if isinstance(error, HTTPException):
        return error.status_code
    if isinstance(error, NotFound):
        return 404
    if isinstance(error, BadFilter | BadQuery | BadValue) or _fault_of_body(error):
        return 400
    if isinstance(error, StillRunning | AlreadyEnded):
        return 409
    return 503 if isinstance(error, StoreError) else 500


def reason_of(error: Exception) -> str:
    """A sentence that a person can act on; nothing about our insides."""
    if isinstance(error, ProgstoreError):
        return str(error)
    if fault := _fault_of_body(error):
        return fault
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        faults = ((each.get("key", "request"), each.get("message", "cannot be used")) for each in error.extra)
        # Of a body that is not there, Litestar says no more than the name of its own parameter.
        said = (f"{key}: {message}" if message != "'data'" else "a body as JSON is needed" for key, message in faults)
        return "; ".join(said)
    if isinstance(error.__cause__, SerializationException):
        return f"the body is not the JSON that is expected here: {error.__cause__}"
    if isinstance(error, HTTPException) and error.status_code == 413 and not isinstance(error, TooLarge):
        return f"a request may carry {BODY_LIMIT:,} bytes at most"
    if isinstance(error, HTTPException) and error.status_code == 404:
        return "there is nothing at this address"
    if isinstance(error, HTTPException) and (error.status_code < 500 or error.status_code == 503):
        return error.detail
    return "the server made a mistake; what it was is in its log"


def problem_body(status: int, reason: str, faults: Mapping[str, str] | None = None) -> tuple[bytes, str]:
    """The problem document and its media type; `faults` are those of a job's arguments."""
    problem: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": reason,
    }
    if faults:
        problem["faults"] = faults
    return msgspec.json.encode(problem), MEDIA_TYPE


def problem_of(error: Exception) -> bytes:
    """The problem document of an error."""
    return problem_body(status_of(error), reason_of(error), faults_of(error))[0]


def headers_of_failure(status: int) -> dict[str, str]:
    """What an answer that says that something failed carries besides: it is not kept, and what may help."""
    way_on = {401: {"www-authenticate": "Bearer"}, 503: {"retry-after": RETRY_AFTER}}.get(status, {})
    return {"cache-control": "no-store", **way_on}


def faults_of(error: Exception) -> Mapping[str, str] | None:
    """What is wrong with each of a job's arguments."""
    return error.faults if isinstance(error, BadArguments) else None


def _fault_of_body(error: Exception) -> str:
    """What is wrong with a body that Litestar could not read and does not explain; empty for any other error."""
    if isinstance(error, UnicodeDecodeError):  # nothing of ours decodes strictly
        return "the body is not UTF-8"
    if isinstance(error, RecursionError) and "deserializing" in str(error):
        return "the body is nested too deep"
    return ""
