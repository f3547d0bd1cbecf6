"""Sending what ended processes have left, while somebody waits for it."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from progstore.errors import StoreBusy
from progstore.remote.client import ANSWER_SECONDS, Client, Trouble
from progstore.remote.sending import Sending
from progstore.remote.turn import Turn
from progstore.store import dispatch
from progstore.store.backend import Location
from progstore.store.dispatch import Dispatch
from progstore.store.reader import Reader
from progstore.store.watch import Watch

PAUSE: Final = 0.05
"""Seconds between two looks while another process sends, or holds the store."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: rows that the server acknowledged, rows that are still marked, why rows were not taken, and why
    the server takes nothing, or empty.
    """

    sent: int
    left: int
    refused: tuple[str, ...]
    trouble: str


def servers(location: Location) -> list[str]:
    """The servers that something in this store has yet to be sent to. Raises StoreError."""
    reader = Reader(location)
    try:
        return dispatch.servers(reader)
    finally:
        reader.close()


def send(location: Location, url: str, seconds: float) -> Outcome:
    """Send what is marked for the server at `url`, for at most so long; where a running job sends it already, wait.

    Processes that died are found out, and told of, too. Raises StoreError where the store cannot be read or written.
    """
    deadline = time.monotonic() + seconds
    with ExitStack() as stack:
        client, reader, watch = Client(url), Reader(location), Watch(location)
        for each in (client, reader, watch):
            stack.callback(each.close)
        client.seconds = min(seconds, ANSWER_SECONDS)
        marked = Dispatch(reader, url)
        sending = Sending(marked, client)
        marked.count()  # says what is wrong with the store, before a lock file is made beside it
        turn = Turn(location, url)
        stack.callback(turn.close)
        trouble = ""
        while time.monotonic() < deadline:
            try:
                if turn.take():
                    dispatch.settle_lost(reader, watch)
                    sending.send_all(lambda: time.monotonic() < deadline)
                    break
                if not marked.count():
                    break
            except StoreBusy:
                pass  # writers hold it for moments
            except Trouble as error:
                trouble = str(error)
                break
            time.sleep(PAUSE)
        return Outcome(sending.sent, marked.count(), tuple(sending.take_refused()), trouble)
