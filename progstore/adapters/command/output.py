"""What a command prints, as far as it is kept: the last percent in it, and its last lines."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Final

from progstore import clean

LINES: Final = 20
"""Lines that are kept of a command's output."""
CHARACTERS: Final = 4000
"""Characters that they may have together."""
KEPT: Final = 16_384
"""Bytes from the end of which they are taken: colours and bars that were drawn over take their place, too."""
NEWEST: Final = 4096
"""Bytes of what was read at once in which a percent is looked for."""
SPLIT: Final = 16
"""Bytes before those, for a number may have come in two pieces."""

_PERCENT = re.compile(rb"(?<![\d.,])(\d{1,3}(?:[.,]\d+)?) ?%(?!\d)")
_FULL_SCREEN = re.compile(r"(?:^|\x1b\[\?1049h)(?:(?!\x1b\[\?1049h).)*?\x1b\[\?1049l|\x1b\[\?1049h.*\Z", re.DOTALL)
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, movements
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\Z)"  # titles and other strings
    r"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)
_OVERSTRUCK = re.compile(r"[^\x08]\x08")


class Output:
    """The end of what was printed on one stream; `on_percent` is called with each new percent."""

    def __init__(self, on_percent: Callable[[float], None]) -> None:
        self._on_percent = on_percent
        self._percent: float | None = None
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._before = b""

    def feed(self, piece: bytes) -> None:
        """Take note of what was printed next."""
        newest = piece[-KEPT:]
        self._pieces.append(newest)
        self._size += len(newest)
        while self._size - len(self._pieces[0]) >= KEPT:
            self._size -= len(self._pieces.popleft())
        newest = newest[-NEWEST:]
        if b"%" in newest:
            self._look(newest, self._before if len(newest) == len(piece) else b"")
        self._before = (self._before + newest)[-SPLIT:]

    def last_lines(self) -> list[str]:
        """The last lines as they were left standing, without colours; none of what is no text."""
        end = b"".join(self._pieces)[-KEPT:]
        return [] if b"\0" in end else text_lines(end)

    def _look(self, newest: bytes, before: bytes) -> None:
        for found in reversed(list(_PERCENT.finditer(before + newest))):
            percent = float(found[1].replace(b",", b"."))
            if found.end() > len(before) and percent <= 100:
                if percent != self._percent:
                    self._percent = percent
                    self._on_percent(percent)
                return


def text_lines(printed: bytes) -> list[str]:
    """The last LINES lines of what was printed, in CHARACTERS at most, as a terminal has them in the end: of a line
    that was drawn over only what was drawn last, nothing of what had the whole screen, no empty lines at the end.
    """
    text = _ESCAPES.sub("", _FULL_SCREEN.sub("", printed.decode("utf-8", "replace")))
    lines = [_left_standing(line) for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    kept: deque[str] = deque()
    room = CHARACTERS
    for line in reversed(lines[-LINES:]):
        if len(line) >= room:
            if not kept:
                kept.append(clean.shorten_front(line, CHARACTERS))
            break
        kept.appendleft(line)
        room -= len(line) + 1
    return list(kept)


def _left_standing(line: str) -> str:
    drawn = [part for part in line.split("\r") if part.strip()]
    shown = drawn[-1] if drawn else ""
    while "\b" in shown:
        shown, changes = _OVERSTRUCK.subn("", shown)
        if not changes:
            break
    return "".join(letter for letter in clean.printable(shown).expandtabs() if letter.isprintable()).rstrip()
