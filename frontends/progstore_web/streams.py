"""Open streams: each watcher is sent the newest state after a change, and what he is too slow for is left out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any

from litestar.exceptions import ServiceUnavailableException

from progstore import NotFound, StoreError
from progstore_web.gate import Receive, Send
from progstore_web.problems import problem_of
from progstore_web.reader import Reader, Snapshot, Watcher

STREAMS_LIMIT = 2000
"""Streams that one server keeps open at once."""
ALIVE_EVERY = 15.0
"""Seconds after which a stream on which nothing happens says so, lest something between the two ends closes it."""
PATIENCE = 30.0
"""Seconds that a watcher may take to read what he was sent; then his stream ends."""
RETRY_AFTER = 2.0
"""Seconds between two tries to read a store that cannot be read."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is streamed: its name at the reader, how to ask for it, and the JSON that is sent of it."""

    name: Hashable
    ask: Callable[[], Awaitable[Snapshot[Any]]]
    body: Callable[[Snapshot[Any]], bytes]
    form: str
    """Names the kind of body: it is made once for all who watch."""


@dataclass(frozen=True, slots=True)
class Wire:
    """How one state, one failure and one sign of life are written."""

    media_type: bytes
    state: Callable[[str, bytes], bytes]
    failure: Callable[[bytes], bytes]
    alive: bytes


EVENTS = Wire(
    b"text/event-stream; charset=utf-8",
    lambda revision, body: b"id: %s\ndata: %s\n\n" % (revision.encode(), body),
    lambda body: b"event: problem\ndata: %s\n\n" % body,
    b": alive\n\n",
)
"""Server-sent events; the id is the state's revision."""
LINES = Wire(
    b"application/x-ndjson",
    lambda _, body: body + b"\n",
    lambda body: b'{"problem":%s}\n' % body,
    b"\n",
)
"""A JSON object on each line; an empty line is a sign of life."""


class Streams:
    """All open streams of one server, which end together when it does."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._open: set[Watcher] = set()
        self._end = threading.Event()
        self._beats_in: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._open)

    async def open(self, source: Source, wire: Wire, known: str) -> Stream:
        """A stream of `source`; its present state is sent first, unless its revision is `known`.

        Raises NotFound, StoreError, ServiceUnavailableException where too many are open.
        """
        if len(self._open) >= STREAMS_LIMIT:
            raise ServiceUnavailableException(f"{STREAMS_LIMIT:,} streams are open; poll instead, or try again later")
        await source.ask()
        return Stream(self, source, wire, known)

    def close(self) -> None:
        """End all streams, and those that are opened later. May be called from any thread, and from a signal's
        handler.
        """
        self._end.set()
        for watcher in tuple(self._open):
            watcher.loop.call_soon_threadsafe(watcher.event.set)

    def reopen(self) -> None:
        """Let streams be opened again, for an application may be started again; those that were ended stay so."""
        self._end = threading.Event()

    async def follow(self, stream: Stream, receive: Receive, send: Send) -> None:
        """Send what changes until the watcher is gone, or the server ends."""
        with self._reader.watching(stream.source.name) as watcher:
            self._open.add(watcher)
            self._keep_beating(watcher.loop)
            leaving = asyncio.ensure_future(_until_left(receive, watcher))
            try:
                await self._send_changes(stream, watcher, leaving, send)
            finally:
                self._open.discard(watcher)
                leaving.cancel()

    async def _send_changes(self, stream: Stream, watcher: Watcher, leaving: asyncio.Future[None], send: Send) -> None:
        source, wire, known, end = stream.source, stream.wire, stream.known, self._end
        while not end.is_set() and not leaving.done():
            watcher.event.clear()
            try:
                snapshot = await source.ask()
            except NotFound as gone:
                await _send(send, wire.failure(problem_of(gone)))
                break
            except StoreError as trouble:
                await _send(send, wire.failure(problem_of(trouble)))
                known = ""
                await _pause(watcher, RETRY_AFTER)
                continue
            if snapshot.revision != known:
                known = snapshot.revision
                await _send(send, snapshot.once((source.form, wire.media_type), stream.frame))
            else:
                await _send(send, wire.alive)
            await watcher.event.wait()
        await _send(send, b"", more=False)

    def _keep_beating(self, loop: asyncio.AbstractEventLoop) -> None:
        """One timer for all, for a thousand of them would cost more than what they send."""
        if self._beats_in is not loop:  # that of an earlier start is closed, and its timer with it
            self._beats_in = loop
            loop.call_later(ALIVE_EVERY, self._wake_all, loop)

    def _wake_all(self, loop: asyncio.AbstractEventLoop) -> None:
        self._beats_in = None
        for watcher in self._open:
            watcher.event.set()
        if self._open:
            self._keep_beating(loop)


class Stream:
    """One stream, as the ASGI application that sends it."""

    def __init__(self, streams: Streams, source: Source, wire: Wire, known: str) -> None:
        self.source = source
        self.wire = wire
        self.known = known
        self._streams = streams

    def frame(self, snapshot: Snapshot[Any]) -> bytes:
        """A state as it is sent."""
        return self.wire.state(snapshot.revision, self.source.body(snapshot))

    async def __call__(self, _: Any, receive: Any, send: Any) -> None:
        """Send it."""
        headers = [
            (b"content-type", self.wire.media_type),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),  # a proxy that collects what it is sent would hold back each change
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await self.follow(receive, send)

    async def follow(self, receive: Receive, send: Send) -> None:
        """Send its states, where the response has begun."""
        try:
            await self._streams.follow(self, receive, send)
        except TimeoutError:
            # He does not read; the server closes the connection of a response that was not completed.
            return


async def _send(send: Send, body: bytes, *, more: bool = True) -> None:
    async with asyncio.timeout(PATIENCE):
        await send({"type": "http.response.body", "body": body, "more_body": more})


async def _until_left(receive: Receive, watcher: Watcher) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    watcher.event.set()


async def _pause(watcher: Watcher, seconds: float) -> None:
    """Wait so long, or until the watcher leaves."""
    try:
        async with asyncio.timeout(seconds):
            await watcher.event.wait()
    except TimeoutError:
        return
