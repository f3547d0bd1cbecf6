"""Copies what a command prints to where it would have gone, while it runs, and what is typed to the command."""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from progstore.adapters.command.output import Output
from progstore.adapters.command.terminal import Keyboard

AT_ONCE: Final = 65_536
"""Bytes that are read at once; a pipe holds as many."""
LOOK_EVERY: Final = 0.3
"""Seconds after which it is looked whether we have come to the front of our terminal, which nobody tells."""
QUIET: Final = 0.1
"""Seconds without output after which what a command has left running is waited for no longer."""
GRACE: Final = 0.5
"""Seconds that it is waited for altogether."""
ROUNDS: Final = 64
"""Readings at the most after its end; what it has printed itself is among the first, a terminal gives 4 kB at once."""
GONE: Final = (errno.EPIPE, errno.EIO)
"""How the system says that nobody reads a pipe or a terminal any more."""


@dataclass
class Channel:
    """One stream of the command: where it is read, where it goes, and what is kept of it."""

    source: int
    sink: int
    output: Output
    has_line_ends: bool = False
    """It is a terminal that has put a carriage return before each new line."""
    is_open: bool = True

    def close(self) -> None:
        """Read no more: the command learns by its next writing that nobody does."""
        if self.is_open:
            self.is_open = False
            os.close(self.source)


class Pump:
    """Reads and writes until the command has ended.

    `news` is a descriptor that becomes readable when there is something to learn of the command; `hear` is called then
    and says whether it still runs.
    """

    def __init__(
        self, channels: Sequence[Channel], keyboard: Keyboard | None, news: int, hear: Callable[[], bool]
    ) -> None:
        self._channels = {channel.source: channel for channel in channels}
        self._keyboard = keyboard
        self._news = news
        self._hear = hear
        self.failures: list[OSError] = []
        """Why what was printed could not be passed on, where it is not that nobody wants it."""

    def run(self) -> None:
        """Until the command has ended and what it printed is passed on."""
        runs = True
        while runs:
            ready = self._wait()
            for source in ready & self._channels.keys():
                self._copy(self._channels[source])
            if self._keyboard is not None:
                self._type(self._keyboard, ready)
            if self._news in ready:
                runs = self._hear()
        self._drain()

    def _wait(self) -> set[int]:
        """The descriptors at which there is something to do."""
        poll = select.poll()
        poll.register(self._news, select.POLLIN)
        pause = None
        for channel in self._open():
            poll.register(channel.source, select.POLLIN)
        keyboard = self._keyboard
        if keyboard is not None:
            if keyboard.is_listening:
                poll.register(keyboard.fd, select.POLLIN)
            if keyboard.typed:
                poll.register(keyboard.command, select.POLLIN | select.POLLOUT)
            pause = LOOK_EVERY * 1000 if keyboard.may_come else None
        return {fd for fd, _ in poll.poll(pause)}

    def _type(self, keyboard: Keyboard, ready: set[int]) -> None:
        if keyboard.fd in ready:
            keyboard.read()
        if keyboard.typed:
            keyboard.pass_on()
        keyboard.refresh()

    def _copy(self, channel: Channel) -> None:
        """Pass on what is there."""
        try:
            piece = os.read(channel.source, AT_ONCE)
        except BlockingIOError:
            return
        except OSError:  # how Linux says that nobody has the other end of a terminal any more
            piece = b""
        if not piece:
            channel.close()
            return
        channel.output.feed(piece)
        if channel.has_line_ends and not (self._keyboard is not None and self._keyboard.is_taken):
            piece = piece.replace(b"\r\n", b"\n")  # our terminal puts it there, as nobody has told it otherwise
        if failure := write(channel.sink, piece):
            channel.close()
            if failure.errno not in GONE:
                self.failures.append(failure)

    def _drain(self) -> None:
        """After its end: what is still under way. Others may hold the streams for ever; they are not waited for."""
        grace = GRACE
        for _ in range(ROUNDS):
            poll = select.poll()
            for channel in self._open():
                poll.register(channel.source, select.POLLIN)
            began = time.monotonic()
            if not self._open() or not (ready := poll.poll(min(QUIET, grace) * 1000)):
                break
            grace = max(0.0, grace - (time.monotonic() - began))
            for source, _ in ready:
                self._copy(self._channels[source])
        for channel in self._open():
            channel.close()

    def _open(self) -> list[Channel]:
        return [channel for channel in self._channels.values() if channel.is_open]


def write(sink: int, piece: bytes) -> OSError | None:
    """Write all of it, waiting for whoever reads it; gives the error where it cannot be written."""
    rest = memoryview(piece)
    while rest:
        try:
            rest = rest[os.write(sink, rest) :]
        except BlockingIOError:  # somebody who shares it has set it so
            select.select([], [sink], [])
        except OSError as error:
            return error
    return None
