"""Streams: each change once, to whoever watches, however many there are and however slowly some of them read."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import progstore
from progstore_web import create_app
from progstore_web import streams as module
from tests.web.conftest import running

Until = Callable[..., Any]
EVENTS = {"accept": "text/event-stream"}
LINES = {"accept": "application/x-ndjson"}


class Watching:
    """A stream that is read: what it sent, one after another."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()

    def event(self) -> dict[str, str]:
        """The next event's fields; signs of life are passed over."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line and fields:
                return fields
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
        raise EOFError

    def state(self) -> Any:
        """What the next event holds."""
        return json.loads(self.event()["data"])

    def line(self) -> Any:
        """The next line of JSON; signs of life are passed over."""
        return json.loads(next(line for line in self._lines if line))


@contextmanager
def watching(site: httpx.Client, path: str, headers: dict[str, str]) -> Iterator[Watching]:
    """A stream that is open within."""
    with site.stream("GET", path, headers=headers, timeout=30) as answer:
        yield Watching(answer)


def test_a_session_is_streamed_from_its_present_state_to_its_end(site: httpx.Client, ingest: Any) -> None:
    """Each change is an event whose id is the state's tag; nothing heavy is sent again and again."""
    with watching(site, "/api/v1/sessions/1/stream", EVENTS) as stream:
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        assert stream.answer.headers["cache-control"] == "no-store"
        first = stream.event()
        session = json.loads(first["data"])
        assert (session["name"], session["tasks"][0]["done"]) == ("nightly import", 3)
        assert first["id"] == site.get("/api/v1/sessions/1").headers["etag"].strip('"')
        assert not {"curve", "traceback"} & session["tasks"][0].keys()
        ingest.go_on(4)
        while session["tasks"][0]["done"] < 7:
            session = stream.state()
        ingest.end()
        while session["status"] != "complete":
            session = stream.state()


def test_the_board_is_streamed_and_goes_on_after_what_was_seen(site: httpx.Client, ingest: Any) -> None:
    """Who comes again with the last id he had is sent nothing until there is something new."""
    ingest.end()
    with watching(site, "/api/v1/now/stream", EVENTS) as stream:
        seen = stream.event()
        assert "complete" in seen["data"]
    with watching(site, "/api/v1/now/stream", {**EVENTS, "last-event-id": seen["id"]}) as stream:
        assert next(iter(stream.answer.iter_lines())) == ": alive"


def test_lines_of_json_are_sent_to_who_accepts_them(site: httpx.Client, ingest: Any) -> None:
    """The same states, one on each line."""
    with watching(site, "/api/v1/sessions/1/stream", LINES) as stream:
        assert stream.answer.headers["content-type"] == "application/x-ndjson"
        assert stream.line()["tasks"][0]["done"] == 3
        ingest.go_on(1)
        assert stream.line()["tasks"][0]["done"] == 4


def test_a_page_is_told_only_that_it_changed(site: httpx.Client, ingest: Any) -> None:
    """It fetches what it shows."""
    for page in ("now", "sessions/1"):
        with watching(site, f"/live/{page}/changes", EVENTS) as stream:
            said = stream.event()
            assert json.loads(said["data"]) == said["id"]


def test_a_session_that_is_not_there_has_no_stream(site: httpx.Client, ingest: Any) -> None:
    """It is a problem before anything was sent; one that is deleted meanwhile ends its stream with the reason."""
    answer = site.get("/api/v1/sessions/9/stream", headers=EVENTS)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    ingest.end()
    with watching(site, "/api/v1/sessions/1/stream", EVENTS) as stream:
        stream.event()
        with progstore.open_store() as store:
            store.delete(sessions=[1])
        last = stream.event()
        while last.get("event") != "problem":
            last = stream.event()
        assert "no session 1" in json.loads(last["data"])["detail"]
        with pytest.raises(EOFError):
            stream.event()


def test_slow_watchers_hold_up_nobody_and_are_told_too(site: httpx.Client, ingest: Any) -> None:
    """Two hundred that read nothing of what they are sent, some of which left without a word."""
    address = urlsplit(str(site.base_url))
    request = b"GET /api/v1/sessions/1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    slow = []
    for _ in range(200):
        connection = socket.create_connection((address.hostname, address.port))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.sendall(request)
        slow.append(connection)
    for connection in slow[:50]:
        connection.close()
    with watching(site, "/api/v1/sessions/1/stream", EVENTS) as stream:
        assert stream.state()["tasks"][0]["done"] == 3
        for done in (4, 5, 6):
            ingest.go_on(1)
            while stream.state()["tasks"][0]["done"] < done:
                pass
    for connection in slow[50:]:
        connection.settimeout(30)
        received = b""
        while b'"done":6' not in received:
            received += connection.recv(65536)
        connection.close()


def test_more_streams_than_a_server_may_keep_are_refused(
    site: httpx.Client, ingest: Any, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do instead; and one that ends makes room."""
    monkeypatch.setattr(module, "STREAMS_LIMIT", 1)
    path = "/api/v1/sessions/1/stream"
    with watching(site, path, EVENTS) as stream:
        stream.event()
        refused = site.get(path, headers=EVENTS)
        assert refused.status_code == 503
        assert "poll instead" in refused.json()["detail"]

    def opened() -> bool:
        with site.stream("GET", path, headers=EVENTS) as answer:
            return answer.status_code == 200

    assert until(opened, bool)


def test_a_stream_shows_that_it_lives(site: httpx.Client, ingest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while nothing happens, lest a proxy closes it."""
    monkeypatch.setattr(module, "ALIVE_EVERY", 0.05)
    ingest.end()
    with watching(site, "/api/v1/sessions/1/stream", EVENTS) as stream:
        lines = iter(stream.answer.iter_lines())
        assert sum(line == ": alive" for line, _ in zip(lines, range(12), strict=False)) >= 2


def test_an_application_that_is_started_again_streams_again(ingest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its streams send what there is and show that they live, though the loop of the first start is closed."""
    ingest.end()
    with progstore.open_store() as store:
        app = create_app(store)
        with running(app) as first, watching(first, "/api/v1/sessions/1/stream", EVENTS) as stream:
            stream.event()
        monkeypatch.setattr(module, "ALIVE_EVERY", 0.05)
        with running(app) as second, watching(second, "/api/v1/sessions/1/stream", EVENTS) as stream:
            lines = iter(stream.answer.iter_lines())
            assert next(lines).startswith("id: ")
            assert next(line for line in lines if line.startswith(":")) == ": alive"
