"""Runs the pages over one store until somebody ends it."""

from __future__ import annotations

import socket
import webbrowser
from threading import Thread

import uvicorn

from progstore import Store
from progstore_web.access import Access
from progstore_web.app import create_app

PATIENCE = 1
"""Seconds that an answer which is under way may take when the server ends."""


def serve(listener: socket.socket, store: Store, access: Access, *, root_path: str, browser_at: str | None) -> None:
    """Serve on `listener`; `browser_at` is the address that a browser is opened with, None for no browser.

    Raises KeyboardInterrupt when Ctrl-C ended it.
    """
    config = uvicorn.Config(
        create_app(store, root_path=root_path, auth=access),
        log_level="warning",
        ws="none",  # no page speaks it, and looking for the library takes a twentieth of the start
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=PATIENCE,
    )
    if browser_at is not None:
        # The socket listens already: the browser waits the moment that the server still needs.
        Thread(target=webbrowser.open, args=(browser_at,), daemon=True).start()
    uvicorn.Server(config).run(sockets=[listener])
