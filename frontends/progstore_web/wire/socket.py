"""The web socket on which a watcher is sent all tasks, at once and after each change."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs

from litestar.exceptions import ServiceUnavailableException

from progstore import StoreError
from progstore_web.gate import Message, Receive, Send
from progstore_web.problems import reason_of
from progstore_web.site import Site
from progstore_web.streams import Source, Wire

BAD_TOKEN: Final = 4401
TRY_AGAIN: Final = 1013
MESSAGES: Final = Wire(b"", lambda _, body: body, lambda body: b'{"problem":%s}' % body, b"")
"""A state is a message; signs of life are the pings of the protocol."""


class Socket:
    """Answers those who open it, as an ASGI application."""

    def __init__(self, site: Site, source: Source) -> None:
        self._site = site
        self._source = source

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Send one watcher what there is, until he leaves or the server ends."""
        if (await receive())["type"] != "websocket.connect":
            return
        await send({"type": "websocket.accept"})  # first, for who is refused before is not told why
        if not self._may_read(scope):
            await send({"type": "websocket.close", "code": BAD_TOKEN, "reason": "a token is needed"})
            return
        try:
            stream = await self._site.streams.open(self._source, MESSAGES, known="")
        except (StoreError, ServiceUnavailableException) as error:
            await send({"type": "websocket.close", "code": TRY_AGAIN, "reason": _short(reason_of(error))})
            return
        await stream.follow(_as_request(receive), _as_response(send))

    def _may_read(self, scope: Any) -> bool:
        if self._site.access.role(dict(scope["headers"])).may_read:
            return True
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        return any(self._site.access.role_of(token).may_read for token in given)


# The streams write responses; here each piece of one is a message.


def _as_request(receive: Receive) -> Receive:
    async def heard() -> Message:
        message = await receive()
        return {"type": "http.disconnect"} if message["type"] == "websocket.disconnect" else message

    return heard


def _as_response(send: Send) -> Send:
    async def told(message: Message) -> None:
        if message["body"]:
            await send({"type": "websocket.send", "text": message["body"].decode()})
        elif not message["more_body"]:
            await send({"type": "websocket.close", "code": 1001, "reason": "the server ends"})

    return told


def _short(reason: str) -> str:
    """As much of it as a close may carry."""
    return reason.encode()[:120].decode(errors="ignore")
