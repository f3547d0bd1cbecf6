"""A real terminal for tests: a program runs on a pseudo-terminal, and what it leaves on the screen can be read."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import textwrap
from dataclasses import dataclass

PRELUDE = """
import sys, threading
_news, _written, _write = threading.Condition(), [], sys.stderr.write

def _tell(text):
    with _news:
        _written.append(text)
        _news.notify_all()
    return _write(text)

sys.stderr.write = _tell

def until(text):
    "Wait until this was drawn since it was last waited for."
    with _news:
        assert _news.wait_for(lambda: text in "".join(_written), 30), text
        _written.clear()

"""
PARTS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\r\n\x1b]+")


@dataclass(frozen=True)
class Shown:
    """What a program did on the terminal: its exit code, all that it wrote, and the screen when it ended."""

    code: int
    written: str
    screen: list[str]


def on_terminal(source: str, *, columns: int = 100, **environment: str) -> Shown:
    """Run Python source on a terminal of so many columns, nothing recorded and bars where nobody says otherwise.

    The program has a function `until(text)` that waits for what is drawn.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    settings = {"PROGSTORE_RECORD": "0", "PROGSTORE_BAR": "auto", "TERM": "xterm", "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(source)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **settings, **environment},
        start_new_session=True,
    ) as process:
        os.close(theirs)
        written = b""
        while chunk := _read(ours):
            written += chunk
    os.close(ours)
    text = written.decode("utf-8", "replace")
    return Shown(process.returncode, text, screen_after(text))


def screen_after(written: str) -> list[str]:
    """The lines of a screen on which this was written: carriage returns, new lines and cursor up are obeyed."""
    lines: list[str] = [""]
    row = column = 0
    for part in PARTS.findall(written):
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[A":
            row = max(0, row - 1)
        elif not part.startswith("\x1b"):
            line = lines[row].ljust(column)
            lines[row] = line[:column] + part + line[column + len(part) :]
            column += len(part)
    return [line.rstrip() for line in lines]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says EIO once nobody holds the other end
        return b""
