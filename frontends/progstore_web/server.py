"""Runs the pages over one store until somebody ends it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import uvicorn

from progstore import Job, Store
from progstore_web.access import Access
from progstore_web.app import create_app
from progstore_web.problems import BODY_LIMIT
from progstore_web.retention import Retention

PATIENCE = 1
"""Seconds that an answer which is under way may take when the server ends."""


class _Server(uvicorn.Server):
    """A server that says when it answers, from when on Ctrl-C is its own to handle, and whose streams end at once."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._end_streams = end_streams

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._end_streams()
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _web_socket(*args: Any, **options: Any) -> asyncio.Protocol:
    """What speaks web sockets; loading it takes a twentieth of the start, and few servers ever need it."""
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    return WebSocketsSansIOProtocol(*args, **options)


def serve(
    listener: socket.socket,
    store: Store,
    access: Access,
    *,
    root_path: str,
    retention: float,
    jobs: Mapping[str, Job],
    jobs_at_once: int,
    ready: Callable[[], None],
) -> None:
    """Serve on `listener`; `ready` is called once pages are answered. What ended more than `retention` seconds ago is
    removed meanwhile; 0 keeps it.

    Raises KeyboardInterrupt when Ctrl-C ended it.
    """
    app = create_app(store, root_path=root_path, auth=access, jobs=jobs, jobs_at_once=jobs_at_once)
    config = uvicorn.Config(
        app,
        log_level="warning",
        ws=_web_socket,  # type: ignore[arg-type]  # it is only ever called
        ws_max_size=BODY_LIMIT,
        ws_per_message_deflate=False,  # what is sent to many watchers would be packed for each of them
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=PATIENCE,
    )
    with Retention(store, retention):
        _Server(config, ready, app.end_streams).run(sockets=[listener])
