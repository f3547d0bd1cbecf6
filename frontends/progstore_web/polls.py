"""Answers who asks again for what he has already, from the reader's memory and before any routing.

Most requests of a page or program that waits are of this kind; this takes half the time of a handler that does nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from progstore_web.access import Access
from progstore_web.conditional import headers_of, is_among
from progstore_web.reader import BOARD, Reader

_SESSION = "/api/v1/sessions/"


class Polls:
    """Knows, of what is followed, whether it is still what the client has."""

    def __init__(self, reader: Reader, access: Access) -> None:
        self._reader = reader
        self._access = access

    def unchanged(self, path: str, headers: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]] | None:
        """The headers of the answer that nothing changed; None where it did, or where a handler has to look."""
        given = headers.get(b"if-none-match")
        name = _name_of(path)
        if given is None or name is None:
            return None
        snapshot = self._reader.at_hand(name)
        if snapshot is None or not is_among(given, snapshot.revision) or not self._access.role(headers).may_read:
            return None
        return [(key.encode(), value.encode()) for key, value in headers_of(snapshot.revision).items()]


def _name_of(path: str) -> Hashable | None:
    """What the reader calls that which is at this address."""
    if path.startswith(_SESSION):
        number = path[len(_SESSION) :]
        return int(number) if number.isascii() and number.isdigit() and len(number) < 19 else None
    return BOARD if path == "/api/v1/now" else None
