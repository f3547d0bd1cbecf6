"""The thread that reads the store for the board, so that a store that is busy or gone never holds up a key."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from progstore import Filter, ProgstoreError, Store, parse_filter
from progstore_term.board import Board, BoardReader

STILL = 1.0
"""Seconds between two readings of a store that has not moved: verdicts and percents by the clock move all the same."""
REST = 4
"""Times as long as a reading took until the next one at the earliest, so that a large board takes no whole core."""
LEAVE_PATIENCE = 0.5
"""Seconds that the end waits for a reading to be over."""


class Reading:
    """Reads boards of the store: at each look where the store has moved, and each second where something lives.

    `board` is the newest; `told` is called in the reading thread when there is a new one. `interval` is in seconds.
    """

    def __init__(self, store: Store, written: str, interval: float, told: Callable[[], None]) -> None:
        self.board: Board | None = None
        self._store = store
        self._written = written
        self._interval = interval
        self._told = told
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="progstore-top", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join(LEAVE_PATIENCE)

    @property
    def written(self) -> str:
        """The filter, as it was typed."""
        return self._written

    def ask(self, written: str) -> None:
        """Read by another filter from now on. Raises BadFilter."""
        parse_filter(written)
        self._written = written
        self._wake.set()

    def _run(self) -> None:
        reader = BoardReader(self._store)
        known: tuple[str, int] | None = None
        read_at = 0.0
        while not self._stopping:
            self._wake.clear()
            written, now = self._written, time.monotonic()
            try:
                version = self._store.data_version()
                board = self.board
                if (written, version) != known or board is None:
                    # Anew each time, for "since:1h" means an hour ago from now.
                    wanted = parse_filter(written) if written else Filter()
                    self._publish(reader.read(time.time(), wanted))
                    known, read_at = (written, version), now
                elif board.is_live and now - read_at >= STILL:
                    self._publish(reader.again(board, time.time()))
                    read_at = now
            except Exception as trouble:  # noqa: BLE001  # other programs may have written anything into the store
                known = None
                words = str(trouble) if isinstance(trouble, ProgstoreError) else _unexpected(trouble)
                self._publish(replace(self.board or Board(), trouble=words))
            self._wake.wait(max(self._interval, REST * (time.monotonic() - now)))

    def _publish(self, board: Board) -> None:
        if board != self.board or board.is_live:
            self.board = board
            self._told()


def _unexpected(trouble: Exception) -> str:
    return f"the store holds what cannot be shown ({type(trouble).__name__}: {trouble})"
