"""Posts on their way into the store: those that wait are written together, and each is answered once it is on disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from litestar.exceptions import ServiceUnavailableException

from progstore_web.wire.translator import Arrived

MOST_WAITING: Final = 1000
"""Posts that wait for the store; further ones are sent away until it has caught up."""

_Answer = asyncio.Future[None]
_Waiting = tuple[Arrived, _Answer]


class Intake:
    """One thread that writes; it begins with the first post and ends at `close`, when all that waits is written."""

    def __init__(self, write: Callable[[Sequence[Arrived]], None]) -> None:
        self._write = write
        self._changed = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._thread: threading.Thread | None = None
        self._ended = False

    async def put(self, arrived: Arrived) -> None:
        """Return once it is written. Raises what writing raises, ServiceUnavailableException where too many wait or the
        server ends.
        """
        answer: _Answer = asyncio.get_running_loop().create_future()
        with self._changed:
            if self._ended:
                raise ServiceUnavailableException("the server ends; try again when it is back")
            if len(self._waiting) >= MOST_WAITING:
                raise ServiceUnavailableException(f"{MOST_WAITING:,} posts wait for the store; try again in a moment")
            self._waiting.append((arrived, answer))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="progstore-wire", daemon=True)
                self._thread.start()
            self._changed.notify()
        await answer

    def close(self) -> None:
        """Write what waits, and end the thread."""
        with self._changed:
            self._ended = True
            thread, self._thread = self._thread, None
            self._changed.notify()
        if thread is not None:
            thread.join()
        self._ended = False  # an application may be started again

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                taken, self._waiting = self._waiting, []
            if not taken:
                return
            try:
                self._write([arrived for arrived, _ in taken])
            except Exception as error:  # noqa: BLE001  # whoever sent it is told, and the next ones may fare better
                _tell([answer for _, answer in taken], error)
            else:
                _tell([answer for _, answer in taken], None)


def _tell(answers: Sequence[_Answer], error: Exception | None) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Answer]] = {}
    for answer in answers:
        by_loop.setdefault(answer.get_loop(), []).append(answer)
    for loop, those in by_loop.items():
        with suppress(RuntimeError):  # the loop was closed meanwhile, and nobody waits in it any more
            loop.call_soon_threadsafe(_settle, those, error)


def _settle(answers: Sequence[_Answer], error: Exception | None) -> None:
    for answer in answers:
        if answer.done():  # its client has left
            continue
        if error is None:
            answer.set_result(None)
        else:
            answer.set_exception(error)
