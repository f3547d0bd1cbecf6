"""The terminal of a command: one of its own that is like ours, and the keys typed at ours on their way to it."""

from __future__ import annotations

import os
import termios
import threading
from contextlib import suppress
from typing import Any, Final

INPUT, OUTPUT, CONTROL, LOCAL, KEYS = 0, 1, 2, 3, 6
"""Where `tcgetattr` has what."""
MOST_TYPED: Final = 65_536
"""Bytes that wait for a command that does not read; keys beyond wait in the terminal."""
AT_ONCE: Final = 65_536


def open_like(model: int, *, processed: bool) -> tuple[int, int]:
    """A new terminal with the settings and the size of the terminal `model`; our end of it and the command's.

    Unless it is `processed`, what is printed on it comes to our end as it is.
    """
    ours, theirs = os.openpty()
    settings: list[Any] = termios.tcgetattr(model)
    if not processed:
        settings[OUTPUT] &= ~termios.OPOST
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    copy_size(model, ours)
    os.set_blocking(ours, False)
    return ours, theirs


def copy_size(model: int, ours: int) -> None:
    """Make a terminal as large as `model`; those in front of it are told by the system."""
    with suppress(termios.error):  # the terminal may be gone
        termios.tcsetwinsize(ours, termios.tcgetwinsize(model))


class Keyboard:
    """Takes over our terminal, key by key, as long as we are in front and the command shall have it.

    Where our input is the terminal it shall have it always; where it is something else, as in `cat list | less`, only
    while it has set its own terminal to read without echo or key by key. Its methods may be called from any thread.
    """

    def __init__(self, fd: int, command: int, *, always: bool) -> None:
        self.fd = fd
        self.command = command
        self._always = always
        self._lock = threading.Lock()
        self._found: list[Any] | None = None
        """The settings that are put back."""
        self._is_gone = False
        self.typed = bytearray()
        """Keys on their way to the command."""

    @property
    def is_taken(self) -> bool:
        """Whether our terminal gives keys, and shows what we print, as they are."""
        return self._found is not None

    @property
    def is_listening(self) -> bool:
        """Whether keys may be read now; there is room for them."""
        return self._found is not None and len(self.typed) < MOST_TYPED

    @property
    def may_come(self) -> bool:
        """Whether we may have to listen later, without being told."""
        return self._found is None and not self._is_gone

    def refresh(self) -> None:
        """Take the terminal over, or give it back, as it is due now."""
        with self._lock:
            if self._is_gone:
                return
            due = _is_ours(self.fd) and (self._always or self._is_asked_for())
            if due and self._found is None:
                self._take()
            elif not due and self._found is not None:
                self._give_back()

    def give_back(self) -> None:
        """Put our terminal's settings back, before we stop or end."""
        with self._lock:
            self._give_back()

    def close(self) -> None:
        """Give it back for good."""
        with self._lock:
            self._give_back()
            self._is_gone = True
        if self.fd != 0:
            os.close(self.fd)

    def read(self) -> None:
        """Read what was typed."""
        try:
            typed = os.read(self.fd, AT_ONCE)
        except OSError:
            typed = b""
        if not typed:  # the terminal was closed
            with self._lock:
                self._found, self._is_gone = None, True
        self.typed += typed

    def pass_on(self) -> None:
        """Give the command what it takes now of what was typed."""
        try:
            del self.typed[: os.write(self.command, self.typed)]
        except BlockingIOError:
            return
        except OSError:  # nobody has its terminal any more
            self.typed.clear()

    def _is_asked_for(self) -> bool:
        wanted = termios.ICANON | termios.ECHO
        try:
            return bool(termios.tcgetattr(self.command)[LOCAL] & wanted != wanted)
        except termios.error:
            return False

    def _take(self) -> None:
        try:
            found = termios.tcgetattr(self.fd)
            termios.tcsetattr(self.fd, termios.TCSADRAIN, _raw(found))
        except termios.error:
            self._is_gone = True
        else:
            self._found = found

    def _give_back(self) -> None:
        if self._found is not None and _is_ours(self.fd):
            with suppress(termios.error):  # the terminal may be gone
                termios.tcsetattr(self.fd, termios.TCSADRAIN, self._found)
        self._found = None


def _raw(settings: list[Any]) -> list[Any]:
    """Settings by which each key is given to us as it is, and what we print is shown as it is."""
    raw = [*settings[:KEYS], list(settings[KEYS])]
    translated = termios.ISTRIP | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON
    raw[INPUT] &= ~(termios.IGNBRK | termios.BRKINT | termios.PARMRK | translated)
    raw[OUTPUT] &= ~termios.OPOST
    raw[LOCAL] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    raw[KEYS][termios.VMIN], raw[KEYS][termios.VTIME] = 1, 0
    return raw


def _is_ours(fd: int) -> bool:
    """Whether we are in front on that terminal; also where it is nobody's, for then nobody else is."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return True
