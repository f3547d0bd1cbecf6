"""Everything that is marked for one server goes there, parcel by parcel, and off the list when the server has it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from progstore.remote.client import Client, Trouble
from progstore.store.dispatch import Dispatch
from progstore.store.documents import TooLarge, encode
from progstore.store.outgoing import START, Parcel, Place

MOST_ROWS: Final = 500
"""Rows of one parcel, and processes that it tells of."""
IN_VAIN: Final = 5
"""Single rows in a row that a server may find too large before it is the server that is wrong, and not they."""


class Sending:
    """The way from a store to a server. Nothing of it is held between two parcels but the connection to the server."""

    def __init__(self, dispatch: Dispatch, client: Client) -> None:
        self._dispatch = dispatch
        self._client = client
        self._size = MOST_ROWS
        self._kept_back: dict[Place, int] = {}
        self._too_large: list[str] = []
        self._refused: list[str] = []
        self._in_vain = 0
        self.sent = 0
        """Rows that the server has acknowledged."""

    def send_all(self, may_go_on: Callable[[], bool]) -> int:
        """Send what is marked, as long as `may_go_on` says so; returns how often the server has answered.

        Raises Trouble where it did not, Cut, and StoreError where the store cannot be read or written.
        """
        known, self._too_large = dict(self._kept_back), []
        try:
            answers = self._send_parcels(may_go_on)
        except Trouble:
            self._kept_back = known  # perhaps it is not the rows that are too large
            raise
        self._refused += self._too_large
        return answers

    def take_refused(self) -> list[str]:
        """Why rows were not taken since this was last asked, by the server's words; they are not sent again."""
        taken, self._refused = self._refused, []
        return taken

    def _send_parcels(self, may_go_on: Callable[[], bool]) -> int:
        answers, after = 0, START
        while may_go_on():
            parcel = self._dispatch.read(after, self._size, self._kept_back)
            if parcel:
                if not self._send(parcel):
                    continue
                answers += 1
            if not parcel.more:
                break
            after = parcel.last
        return answers

    def _send(self, parcel: Parcel) -> bool:
        """Whether the parcel has arrived; where it is too large, the next one is smaller."""
        try:
            report = self._client.send(encode(parcel.batch, sent_at=time.time()))
        except TooLarge as error:
            if self._size > 1:
                self._size //= 2
            else:
                self._keep_back(parcel, error)
            return False
        self._dispatch.acknowledge(parcel, report.stop_requested)
        self._in_vain = 0
        self._size = min(MOST_ROWS, self._size * 2)
        self.sent += len(parcel.sent)
        self._refused += report.refused
        return True

    def _keep_back(self, parcel: Parcel, error: TooLarge) -> None:
        """A single row that is too large stays marked, and is tried again when it changes, or by another process."""
        self._in_vain += 1
        if not parcel.sent or self._in_vain > IN_VAIN:
            raise Trouble("too large", f"it takes not even one row: {error}", is_lasting=True)
        for each in parcel.sent:
            self._kept_back[each.place] = each.rev
            self._too_large.append(str(error))
