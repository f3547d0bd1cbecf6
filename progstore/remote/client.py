"""Documents to a server: compressed, with the token, and the answer believed only where it is one of a progstore."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import socket
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from progstore import clean
from progstore._version import __version__
from progstore.remote.line import Answer, Line, Untrusted
from progstore.reports import IngestReport
from progstore.store.documents import TooLarge, must_fit

PATH: Final = "/api/v1/ingest"
ANSWER_SECONDS: Final = 20.0
"""Seconds from the first byte of a request to the last of its answer."""
SILENCE: Final = "silence"
"""The kind of trouble that costs the whole time."""
DETAIL_LIMIT: Final = 200
"""Characters of what a server says that are passed on to a person."""


class Trouble(Exception):
    """The server did not take a document; the message is the cause, as part of a sentence.

    Each `kind` is warned of once. `is_lasting` says that somebody has to do something about it first, and
    `retry_after` how many seconds the server wants to be left alone, where it says so.
    """

    def __init__(self, kind: str, cause: str, *, is_lasting: bool = False, retry_after: float | None = None) -> None:
        super().__init__(cause)
        self.kind = kind
        self.is_lasting = is_lasting
        self.retry_after = retry_after


class Client:
    """Sends documents to the server at `url`; used by one thread, while another may `cut` it off."""

    def __init__(self, url: str) -> None:
        self._line = Line(url)
        self.seconds = ANSWER_SECONDS
        """How long one document may take."""

    def send(self, document: Mapping[str, Any]) -> IngestReport:
        """What the server says that it wrote, when it is on its disk. Raises Trouble, TooLarge, Cut."""
        must_fit(document)
        try:
            body = gzip.compress(json.dumps(document, allow_nan=False).encode(), 1, mtime=0)
        except (TypeError, ValueError) as error:
            raise TooLarge(f"it cannot be said in JSON: {error}") from error
        answer = self._post(body)
        if answer.status == 413:
            raise TooLarge(_said("it is too large", answer))
        if answer.status != 200:
            raise _refusal(answer)
        return _report(answer)

    @property
    def is_resolving(self) -> bool:
        """Whether it waits for the address of a name, which cannot be cut off."""
        return self._line.is_resolving

    def cut(self) -> None:
        """From another thread: let what is under way end at once."""
        self._line.cut()

    def close(self) -> None:
        """Give the connection back."""
        self._line.close()

    def _post(self, body: bytes) -> Answer:
        headers = {
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "Accept": "application/json",
            "User-Agent": f"progstore/{__version__}",
            **_authorization(),
        }
        try:
            return self._line.post(PATH, body, headers, self.seconds)
        except Untrusted as error:
            raise Trouble("no trust", str(error)) from error
        except TimeoutError as error:
            raise Trouble(SILENCE, f"it does not answer within {self.seconds:.0f} s") from error
        except socket.gaierror as error:
            raise Trouble("name", f"its name is not known here ({error.strerror})") from error
        except (http.client.RemoteDisconnected, http.client.IncompleteRead) as error:
            raise Trouble("half an answer", "it breaks off before it has answered") from error
        except http.client.HTTPException as error:
            raise Trouble("no HTTP", "what it answers is no HTTP", is_lasting=True) from error
        except ValueError as error:  # what the environment calls a proxy, or a host's name, is none
            raise Trouble(
                "address", f"its address, or that of the proxy, cannot be used ({error})", is_lasting=True
            ) from error
        except OSError as error:
            raise Trouble(f"network {error.errno}", (error.strerror or str(error)).lower()) from error


def _authorization() -> dict[str, str]:
    token = os.environ.get("PROGSTORE_TOKEN", "").strip()
    if not token:
        return {}
    if not (token.isascii() and token.isprintable()):
        raise Trouble("token", "PROGSTORE_TOKEN holds what no token can hold", is_lasting=True)
    return {"Authorization": f"Bearer {token}"}


def _refusal(answer: Answer) -> Trouble:
    status = answer.status
    retry_after = _seconds(answer.headers.get("retry-after", ""))
    if status in (401, 403):
        how = "refuses the token" if "PROGSTORE_TOKEN" in os.environ else "wants a token"
        cause = f"it {how} ({status}): set PROGSTORE_TOKEN to a push token of it"
        # What a progstore says to 401 is how a program sends a token.
        cause = _said(cause, answer) if status == 403 else cause
        return Trouble("token", cause, is_lasting=True)
    if 300 <= status < 400:
        place = urlsplit(answer.headers.get("location", ""))
        points = place._replace(netloc=place.netloc.rpartition("@")[2], query="", fragment="").geturl()
        to = _one_line(points.removesuffix(PATH)) or "nowhere"
        return Trouble("redirect", f"it is elsewhere ({status}): it points to {to}", is_lasting=True)
    if status == 404:
        return Trouble("not found", "there is no progstore at this address (404)", is_lasting=True)
    return Trouble(f"status {status}", _said(f"it answers {status}", answer), retry_after=retry_after)


def _report(answer: Answer) -> IngestReport:
    """Nothing is held for sent that anything else than a progstore may have answered for."""
    said: Any
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        said = None
    if (
        not isinstance(said, dict)
        or type(said.get("rows")) is not int
        or not (_are_texts(said.get("refused")) and _are_texts(said.get("stop_requested")))
    ):
        raise Trouble("no answer of ours", "its answer is not that of a progstore", is_lasting=True)
    refused = tuple(map(_one_line, said["refused"]))
    return IngestReport(rows=said["rows"], refused=refused, stop_requested=tuple(said["stop_requested"]))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _said(what: str, answer: Answer) -> str:
    """`what`, with the server's own words where it is a progstore that explains."""
    try:
        detail = json.loads(answer.body)["detail"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return what
    return f"{what}: {_one_line(detail)}" if isinstance(detail, str) else what


def _one_line(text: str) -> str:
    plain = "".join(each if each.isprintable() else " " for each in text[: 10 * DETAIL_LIMIT])
    return clean.shorten(" ".join(plain.split()), DETAIL_LIMIT)


def _seconds(header: str) -> float | None:
    """What Retry-After says where it says seconds; a date is read by a clock that may be wrong, and so not at all."""
    return float(header) if header.strip().isdecimal() and len(header) < 10 else None
