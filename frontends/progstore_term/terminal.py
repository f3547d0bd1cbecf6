"""The terminal while the board has it: keys without Enter, another screen, and everything as before when it is left."""

from __future__ import annotations

import codecs
import errno
import os
import re
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
"""Another screen, no cursor, no wrapping of long lines."""
LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
ESCAPE_PATIENCE = 0.05
"""Seconds after which an Escape is the key, and not the beginning of another key's sequence."""

_KEY = re.compile(r"\x1b\[[0-9;]*[A-Za-z~]|\x1bO[A-Za-z]|\x1b\x1b?|.", re.DOTALL)
_NAMES = {
    "\x1b[A": "up", "\x1bOA": "up", "\x1b[B": "down", "\x1bOB": "down",
    "\x1b[C": "right", "\x1bOC": "right", "\x1b[D": "left", "\x1bOD": "left",
    "\x1b[H": "home", "\x1bOH": "home", "\x1b[1~": "home", "\x1b[F": "end", "\x1bOF": "end", "\x1b[4~": "end",
    "\x1b[5~": "page up", "\x1b[6~": "page down", "\x1b": "escape", "\x1b\x1b": "escape",
    "\r": "enter", "\n": "enter", "\x7f": "backspace", "\x08": "backspace", "\x15": "clear", "\x0c": "redraw",
}  # fmt: skip
"""What keys send, and how they are called here; any other key is called by its letter."""


class Terminal:
    """The terminal as a context manager: what is shown in it is gone afterwards, whatever ended the block.

    `ended_by` is the signal that asks for the end, None while there is none. Use it in the main thread.
    """

    def __init__(self) -> None:
        self.ended_by: int | None = None
        self._output = sys.stdout.fileno()
        self._input: int | None = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._woken, self._wake = os.pipe()
        self._attributes: list[Any] | None = None
        self._handlers: dict[int, Any] = {}
        self._shown: list[str] | None = None
        self._size: os.terminal_size | None = None

    def __enter__(self) -> Self:
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)
        handlers = dict.fromkeys(ENDING, self._end) | {
            signal.SIGTSTP: self._suspend, signal.SIGCONT: self._resume, signal.SIGWINCH: self._wake_up,
        }  # fmt: skip
        for number, handler in handlers.items():
            self._handlers[number] = signal.signal(number, handler)
        self._take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        os.close(self._woken)
        wake, self._wake = self._wake, -1
        os.close(wake)

    def size(self) -> os.terminal_size:
        """Columns and lines, as they are now; 80 by 24 where the terminal does not say."""
        with suppress(OSError):
            size = os.get_terminal_size(self._output)
            if size.columns > 0 and size.lines > 0:
                return size
        return os.terminal_size((80, 24))

    def show(self, lines: Sequence[str]) -> None:
        """Draw these lines from the top; only those that differ from what is there are written."""
        size = self.size()
        before = self._shown if size == self._size else None
        parts = [] if before is not None else ["\x1b[0m\x1b[2J"]
        for at in range(size.lines):
            line = lines[at] if at < len(lines) else ""
            if line != (before[at] if before is not None and at < len(before) else ""):
                parts.append(f"\x1b[{at + 1};1H\x1b[2K{line}\x1b[0m")
        self._shown, self._size = list(lines[: size.lines]), size
        if parts:
            self._write("".join(parts))

    def redraw(self) -> None:
        """Draw everything the next time, for something else may have written here."""
        self._shown = None

    def typed(self, timeout: float | None = None) -> list[str]:
        """Wait for keys, a signal, a new size or `wake`; the names of the keys that were typed."""
        sources = [self._woken] if self._input is None else [self._woken, self._input]
        ready, _, _ = select.select(sources, [], [], timeout)
        if self._woken in ready:
            with suppress(BlockingIOError):
                os.read(self._woken, 4096)
        if self._input is None or self._input not in ready:
            return []
        return self._read(self._input)

    def wake(self) -> None:
        """Let `typed` return; may be called in any thread, and after the end."""
        with suppress(OSError):  # the pipe is full, so it will wake anyway, or closed
            os.write(self._wake, b"\0")

    def _read(self, source: int) -> list[str]:
        try:
            data = os.read(source, 4096)
            if data.endswith(b"\x1b") and select.select([source], [], [], ESCAPE_PATIENCE)[0]:
                data += os.read(source, 4096)
        except OSError:  # the terminal went away; a signal tells of it
            data = b""
        if not data:
            self._input = None
        return [_NAMES.get(key, key) for key in _KEY.findall(self._decoder.decode(data))]

    # The state of the terminal

    def _take(self) -> None:
        if self._input is not None:
            if self._attributes is None:
                self._attributes = termios.tcgetattr(self._input)
            source = self._input
            _insist(lambda: tty.setcbreak(source, termios.TCSADRAIN))  # which leaves Ctrl-C and Ctrl-Z to the system
        self._write(ENTER)
        self.redraw()

    def _give_back(self) -> None:
        with suppress(OSError):  # there may be no terminal any more
            self._write(LEAVE)
        if self._attributes is not None and self._input is not None:
            source, attributes = self._input, self._attributes
            _insist(lambda: termios.tcsetattr(source, termios.TCSADRAIN, attributes))

    def _write(self, text: str) -> None:
        data = text.encode(sys.stdout.encoding or "utf-8", "replace")
        while data:
            data = data[os.write(self._output, data) :]

    # Signals

    def _end(self, number: int, _: FrameType | None) -> None:
        if self.ended_by is not None:  # asked twice: something does not get on, such as a terminal that was stopped
            raise KeyboardInterrupt
        self.ended_by = number
        self.wake()

    def _suspend(self, number: int, _: FrameType | None) -> None:
        """Ctrl-Z: the shell gets its terminal as it was."""
        self._give_back()
        own = signal.signal(number, signal.SIG_DFL)
        signal.pthread_kill(threading.get_ident(), number)  # stops here, until `fg`
        signal.signal(number, own)
        self._resume(number, None)

    def _resume(self, _number: int, _: FrameType | None) -> None:
        self._take()
        self.wake()

    def _wake_up(self, _number: int, _: FrameType | None) -> None:
        self.wake()


def _insist(change: Callable[[], object]) -> None:
    """Change how the terminal is set. In the background the system stops us there until we are in front again."""
    while True:
        try:
            change()
        except termios.error as error:
            if error.args[0] == errno.EINTR:
                continue
            # The terminal went away; a signal tells of it.
        return
