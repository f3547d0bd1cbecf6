"""A whole store to a server, in the same documents as from store to store."""

from __future__ import annotations

from contextlib import closing

from progstore.errors import StoreError
from progstore.remote.client import Client, Trouble
from progstore.reports import CopyReport
from progstore.store import copying
from progstore.store.engine import locate
from progstore.store.reader import Reader


def copy_to_server(source: str, url: str) -> CopyReport:
    """Send every session of the store at `source` to the server at `url`; what is there already and as new stays as it
    is.

    Raises StoreError where the server takes nothing, and what reading raises.
    """
    with closing(Reader(locate(source))) as reader, closing(Client(url)) as client:
        try:
            return copying.copy(reader, client.send)
        except Trouble as trouble:
            raise StoreError(f"{url} takes nothing: {trouble}") from trouble
