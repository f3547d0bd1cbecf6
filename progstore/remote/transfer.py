"""A whole store to a server, in the same documents as from store to store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from progstore.errors import StoreError
from progstore.remote.client import Client, TooLarge, Trouble
from progstore.store.store import Store
from progstore.values import CopyReport, IngestReport


def copy_to_server(store: Store, url: str) -> CopyReport:
    """Send every session of `store` to the server at `url`; what is there already and as new stays as it is.

    Raises StoreError where the server takes nothing, and what reading raises.
    """
    client = Client(url)
    try:
        return store.copy_by(lambda document: _send(client, document))
    except Trouble as trouble:
        raise StoreError(f"{url} takes nothing: {trouble}") from trouble
    finally:
        client.close()


def _send(client: Client, document: Mapping[str, Any]) -> IngestReport:
    """In halves where the server finds it too large; a row that is too large by itself is left out."""
    try:
        return client.send(document)
    except TooLarge as error:
        lists = {name: rows for name, rows in document.items() if isinstance(rows, list)}
        if sum(map(len, lists.values())) <= 1:
            return IngestReport(rows=0, refused=(str(error),))
        head = {name: rows[: (len(rows) + 1) // 2] for name, rows in lists.items()}
        tail = {name: rows[(len(rows) + 1) // 2 :] for name, rows in lists.items()}
        parts = [_send(client, {**document, **half}) for half in (head, tail)]
        return IngestReport(
            rows=sum(each.rows for each in parts), refused=tuple(reason for each in parts for reason in each.refused)
        )
