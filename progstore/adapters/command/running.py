"""A command while it runs: started with streams like ours, given the signals that we get, waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from progstore.adapters.command import signals, start
from progstore.adapters.command.output import Output
from progstore.adapters.command.pump import Channel, Pump
from progstore.adapters.command.terminal import Keyboard, copy_size, open_like

STREAMS: Final = (0, 1, 2)


class Running:
    """One command. Where our output is a terminal it has a terminal of its own, and a pipe where ours is something
    else; our input is its own.

    On a terminal of its own it is alone in front there, so that Ctrl-C and Ctrl-Z meet it as they would meet it in a
    shell; when it is stopped we stop, too. Else it is in our program group, and the terminal's signals meet us both.
    """

    def __init__(self, held: signals.Signals, on_percent: Callable[[float], None]) -> None:
        self.channels: list[Channel] = []
        self.code: int | None = None
        """How it ended: its exit code, or the negative number of a signal."""
        self.failure: int | None = None
        """Why it could not be started, as an errno."""
        self.failures: list[OSError] = []
        """Why what it printed could not be passed on."""
        self._held = held
        self._on_percent = on_percent
        self._keyboard: Keyboard | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._told = b""
        self._pid: int | None = None
        self._waiting: list[tuple[int, bool]] = []
        self._lock = threading.Lock()
        self._has_own_terminal = os.isatty(1)

    def run(self, command: Sequence[str], environment: Mapping[bytes, bytes]) -> None:
        """Start the command and be there for it until it has ended."""
        news = self._start(command, environment)
        self._held.listen(self._signalled)
        if self._keyboard is not None:
            self._keyboard.refresh()
        pump = Pump(self.channels, self._keyboard, news, lambda: self._hear(news))
        try:
            pump.run()
        finally:
            if self._keyboard is not None:
                self._keyboard.close()
        self.failures = pump.failures
        process = self._process
        assert process is not None  # it was started above
        returned = process.wait()
        self.code = returned if self.code is None else self.code
        os.close(news)

    def last_lines(self) -> dict[str, list[str]]:
        """The end of what it printed; apart where its errors went elsewhere."""
        return {
            name: lines
            for name, channel in zip(("output", "errors"), self.channels, strict=False)
            if (lines := channel.output.last_lines())
        }

    # How it is started

    def _start(self, command: Sequence[str], environment: Mapping[bytes, bytes]) -> int:
        """Start it; gives the descriptor on which it is told how it fares."""
        theirs = {0: 0, 1: self._open_channel(1)}
        theirs[2] = theirs[1] if _go_to_the_same() else self._open_channel(2)
        terminal = theirs[1] if self._has_own_terminal else -1
        if self._has_own_terminal:
            master = self.channels[0].source
            if os.isatty(0):
                theirs[0] = terminal
                self._keyboard = Keyboard(0, master, always=True)
            else:
                with suppress(OSError):  # no terminal has us
                    keys = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
                    self._keyboard = Keyboard(keys, master, always=False)
        news, told = os.pipe()
        numbers = ",".join(str(int(number)) for number in self._held.before)
        self._process = subprocess.Popen(  # noqa: S603  # running what the user asks for is what it is for
            [sys.executable, "-I", "-S", start.__file__, str(told), str(terminal), numbers, *command],
            stdin=theirs[0],
            stdout=theirs[1],
            stderr=theirs[2],
            env=environment,
            pass_fds=[told] if terminal < 0 else [told, terminal],
            start_new_session=terminal >= 0,
        )
        for fd in {told, theirs[1], theirs[2]}:
            os.close(fd)
        if theirs[0] == 0 and not os.isatty(0):
            reopen(0)  # whoever writes to it shall learn when the command reads no more
        if terminal < 0:
            self._know(self._process.pid)
        return self._also_when_it_ends(news)

    def _open_channel(self, sink: int) -> int:
        """A new stream whose end of ours is read; gives the command's."""
        if os.isatty(sink):
            ours, theirs = open_like(sink, processed=sink == 1)
        else:
            ours, theirs = os.pipe()
        self.channels.append(Channel(ours, sink, Output(self._on_percent), has_line_ends=sink == 1 and os.isatty(1)))
        return theirs

    def _also_when_it_ends(self, told: int) -> int:
        """A descriptor that says what `told` says, and is at its end when the process has ended."""
        news, end = os.pipe()
        process = self._process
        assert process is not None  # it was started before

        def wait() -> None:
            while said := os.read(told, 1024):
                os.write(end, said)
            os.close(told)
            process.wait()
            os.close(end)

        threading.Thread(target=wait, name="progstore-command", daemon=True).start()
        return news

    # How it fares

    def _hear(self, news: int) -> bool:
        """Learn what became of it; whether it still runs."""
        said = os.read(news, 1024)
        *lines, self._told = (self._told + said).split(b"\n")
        for line in lines:
            word, _, number = line.decode().partition(" ")
            if word == "started":
                self._know(int(number))
            elif word == "stopped":
                self._stopped()
            elif word == "ended":
                self.code, self._pid = int(number), None
            else:
                self.failure = int(number)
        return bool(said)

    def _know(self, pid: int) -> None:
        with self._lock:
            self._pid = pid
            waiting, self._waiting = self._waiting, []
        for number, to_group in waiting:
            self._send(number, to_group=to_group)

    def _stopped(self) -> None:
        """The command was stopped, and so are we, until somebody continues us; then it goes on as well."""
        if self._keyboard is not None:
            self._keyboard.give_back()
        signals.stop(group=True)
        self._continued()

    # Signals; in a thread of their own

    def _signalled(self, number: int, from_terminal: bool) -> None:
        if number == signal.SIGWINCH:
            self._resize()
        if number == signal.SIGCONT:
            self._continued()
        elif self._has_own_terminal:
            if number != signal.SIGWINCH or not from_terminal:
                self._send(number, to_group=from_terminal)
        else:
            # What the terminal sends, it has sent to the command as well; but of a size it must hear once we know it.
            if not from_terminal or number == signal.SIGWINCH:
                self._send(number, to_group=False)
            if number == signal.SIGTSTP:
                signals.stop(group=False)

    def _continued(self) -> None:
        if self._has_own_terminal:
            self._resize()
            if self._keyboard is not None:
                self._keyboard.refresh()
        self._send(signal.SIGCONT, to_group=self._has_own_terminal)

    def _resize(self) -> None:
        for channel in self.channels:
            if channel.is_open and os.isatty(channel.sink):
                copy_size(channel.sink, channel.source)

    def _send(self, number: int, *, to_group: bool) -> None:
        """Give it a signal, or to all that stands in front on its terminal."""
        with self._lock:
            if self._process is None or self._pid is None:
                self._waiting.append((number, to_group))
                return
            if self._process.poll() is not None:
                return
            with suppress(ProcessLookupError):
                if to_group:
                    os.killpg(self._front(), number)
                else:
                    os.kill(self._pid, number)

    def _front(self) -> int:
        assert self._pid is not None  # asked before
        try:
            return os.tcgetpgrp(self.channels[0].source)
        except OSError:
            return self._pid


def fill_closed_streams() -> None:
    """Open what our caller has closed of input, output and errors, so that no file of ours takes its number."""
    for number in STREAMS:
        try:
            os.fstat(number)
        except OSError:
            reopen(number)


def reopen(number: int) -> None:
    """Let descriptor `number` stand for nothing."""
    fd = os.open(os.devnull, os.O_RDWR)
    if fd != number:
        os.dup2(fd, number)
        os.close(fd)


def _go_to_the_same() -> bool:
    """Whether output and errors go to one place, as after 2>&1: then they are one stream, in its order."""
    output, errors = os.fstat(1), os.fstat(2)
    return (output.st_dev, output.st_ino) == (errors.st_dev, errors.st_ino)
