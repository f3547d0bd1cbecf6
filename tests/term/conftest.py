"""What the tests of `progstore top` share: a store with work in every state, and a terminal that can be read."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest

from progstore import Filter, Life, StoreNotFound, open_store

PROGRAM = str(Path(sys.executable).with_name("progstore"))
PATIENCE = 30.0

RUNNING = """
import progstore, sys
with progstore.session("cleanup"):
    for name in ("one", "two"):
        for item in progstore.track(range(3), name): pass
with progstore.session("report"):
    with progstore.track(range(50), "Pages", unit="page") as pages:
        try:
            for page in pages:
                if page == 31: raise ValueError("row 7 has no date")
        except ValueError as error:
            pages.error(error)
with progstore.session("evil \\x1b[2J [red]\\n東京"), progstore.track(name="Upload", total=8e9, unit="B") as upload:
    upload.update(2e9)
    upload.message("part 2")
    with progstore.session("nightly import"):
        with progstore.track(name="Files", total=10, unit="file") as files:
            files.update(3)
            for part in range(8):
                with progstore.track(name=f"part {part}", total=1) as done: done.update(1)
            with progstore.track(name="rows", total=20, unit="row") as rows:
                rows.update(7)
                with progstore.track(name="Vendor") as vendor:
                    vendor.simulate(until=90, message="waiting", expect=1000)
                    sys.stdin.read()
"""
LOST = """
import progstore, sys
with progstore.session("render"), progstore.track(name="Frames", total=20_000, unit="frame") as frames:
    frames.update(1975)
    sys.stdin.read()
"""
SUSPENDED = LOST.replace("render", "index").replace("Frames", "Documents")


class Stage(NamedTuple):
    """A store with running, nested, simulated, lost, suspended, failed and complete work, and the processes at it."""

    url: str
    running: int
    lost: int
    suspended: int


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """It stays as it is for all tests; nothing is written to it after this."""
    url = str(tmp_path_factory.mktemp("stage") / "jobs.db")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROGSTORE_")}
    environment = {**kept, "PROGSTORE_URL": url, "PROGSTORE_BAR": "0"}
    processes = [
        subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, env=environment)
        for source in (RUNNING, LOST, SUSPENDED)
    ]
    running, lost, suspended = processes
    try:
        with open_store(url) as store:
            _wait(lambda: _live(url) == 6)
            lost.kill()
            lost.wait()
            suspended.send_signal(signal.SIGSTOP)
            lives = {Life.LOST, Life.SUSPENDED}
            _wait(lambda: lives <= {each.verdict.life for each in store.sessions(Filter(live=True)) if each.verdict})
        yield Stage(url, running.pid, lost.pid, suspended.pid)
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _live(url: str) -> int:
    """Live tasks that are written with their counts."""
    try:
        with open_store(url) as store:
            return sum(bool(task.done or task.simulated) for task in store.tasks(Filter(live=True)))
    except StoreNotFound:
        return 0


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Pane:
    """A command on a terminal, its screen as a person sees it, and the keys."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], columns: int, lines: int) -> None:
        self.written = ""
        self._ours, theirs = pty.openpty()
        self.attributes = termios.tcgetattr(theirs)
        self._cells: list[list[str]] = []
        self._other: tuple[list[list[str]], int, int] = ([], 0, 0)
        self._row = self._column = 0
        self._rest = b""
        self._set_size(theirs, columns, lines)
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509  # this process has no other threads that hold locks
        )  # fmt: skip
        self._theirs = theirs

    @property
    def screen(self) -> list[str]:
        """The lines of the screen."""
        return ["".join(row).rstrip() for row in self._cells]

    @property
    def text(self) -> str:
        """The screen as one text."""
        return "\n".join(self.screen)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Change the size, of which the system tells the command."""
        self._set_size(self._ours, columns, lines)

    def until(self, holds: str | Callable[[], bool]) -> None:
        """Wait until a text is on the screen, or a condition holds."""
        deadline = time.monotonic() + PATIENCE
        while not (holds in self.text if isinstance(holds, str) else holds()):
            assert time.monotonic() < deadline, f"{holds!r} did not come:\n{self.text}"
            self._read(0.1)

    def ended(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        self.until(lambda: self.process.poll() is not None)
        while self._read(0):
            pass
        return int(self.process.returncode)

    def settings(self) -> list[object]:
        """How the terminal is set now: echo, whole lines or single keys, and the rest."""
        return termios.tcgetattr(self._theirs)

    def in_front(self) -> int:
        """The process group that has the terminal."""
        return os.tcgetpgrp(self._ours)

    def close(self) -> None:
        """End what still runs, and give the terminal back."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def _set_size(self, terminal: int, columns: int, lines: int) -> None:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._columns, self._lines = columns, lines
        self._cells = _blank(lines)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._ours], [], [], seconds)[0]:
            return False
        self._rest += os.read(self._ours, 65536)
        text = self._rest.decode("utf-8", "ignore")
        self._rest = b"" if self._rest.decode("utf-8", "replace") == text else self._rest
        if not self._rest:
            self.written += text
            self._obey(text)
        return True

    def _obey(self, text: str) -> None:
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.", text, re.DOTALL):
            if part.startswith("\x1b["):
                self._steer(part[2:-1], part[-1])
            elif part == "\r":
                self._column = 0
            elif part == "\n":
                self._row += 1
                if self._row == self._lines:
                    self._row -= 1
                    self._cells = [*self._cells[1:], []]
            elif part.isprintable():
                self._row = min(self._row, self._lines - 1)  # what was written before the window got smaller
                row = self._cells[self._row]
                row += [" "] * (self._column + 1 - len(row))
                row[self._column] = part
                self._column += 1

    def _steer(self, numbers: str, kind: str) -> None:
        if kind == "H":
            row, _, column = numbers.partition(";")
            self._row, self._column = min(int(row or 1), self._lines) - 1, int(column or 1) - 1
        elif kind == "J":
            self._cells = _blank(self._lines)
        elif kind == "K" and self._row < self._lines:
            self._cells[self._row] = [] if numbers == "2" else self._cells[self._row][: self._column]
        elif numbers == "?1049" and kind == "h":
            self._other = (self._cells, self._row, self._column)
            self._cells = _blank(self._lines)
        elif numbers == "?1049":
            self._cells, self._row, self._column = self._other


def _blank(lines: int) -> list[list[str]]:
    return [[] for _ in range(lines)]


def _take_terminal() -> None:
    """In the new session, make the terminal the controlling one, so that Ctrl-C reaches the process."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Open(Protocol):
    """Opens a pane with a command in it."""

    def __call__(self, *command: str, columns: int = 100, lines: int = 30, **environment: str) -> Pane:
        """The pane; the command has begun."""


@pytest.fixture
def pane() -> Iterator[Open]:
    """A way to open panes, which are closed at the end."""
    opened: list[Pane] = []

    def open_pane(*command: str, columns: int = 100, lines: int = 30, **environment: str) -> Pane:
        strangers = ("COLUMNS", "LINES", "NO_COLOR")
        kept = {name: value for name, value in os.environ.items() if name not in strangers}
        settings = {**kept, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environment}
        opened.append(Pane(command, settings, columns, lines))
        return opened[-1]

    yield open_pane
    for each in opened:
        each.close()
