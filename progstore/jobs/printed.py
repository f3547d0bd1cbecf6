"""Keeps the last lines that this process and its children print, as metadata of a task."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from progstore import clean
from progstore.adapters.command.output import Output
from progstore.live.task import Task

KEY: Final = "output"
KEEP_EVERY: Final = 1.0
"""Seconds between two looks at what was printed, so that of a process that is killed little is missing."""
AT_ONCE: Final = 65_536


class Printed:
    """For a `with` block: what is printed on output and errors goes to the task `task`, as its last lines."""

    def __init__(self, task: Task[Any]) -> None:
        self._task = task
        self._output = Output(lambda _: None)
        self._is_over = False
        self._is_kept = True
        self._due = 0.0
        self._before: list[int] = []
        self._source = self._sink = -1
        self._thread = threading.Thread(target=self._read, name="progstore-printed", daemon=True)

    def __enter__(self) -> Self:
        self._before = [os.dup(fd) for fd in (1, 2)]
        self._source, self._sink = os.pipe()
        os.set_blocking(self._source, False)
        for fd in (1, 2):
            os.dup2(self._sink, fd)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(line_buffering=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # the job may have closed it
                stream.flush()
        self._is_over = True
        os.write(self._sink, b"\n")  # which wakes the thread, also where the job has closed its output
        for fd, before in zip((1, 2), self._before, strict=True):
            os.dup2(before, fd)
            os.close(before)
        self._thread.join()
        os.close(self._source)
        os.close(self._sink)

    def _read(self) -> None:
        while not self._is_over:
            pause = None if self._is_kept else max(0.0, self._due - time.monotonic())
            if select.select([self._source], [], [], pause)[0]:
                self._take()
            if not self._is_kept and time.monotonic() >= self._due:
                self._keep()
        while self._take():
            pass
        self._keep()

    def _take(self) -> bool:
        """Whether anything was there."""
        try:
            piece = os.read(self._source, AT_ONCE)
        except BlockingIOError:
            return False
        self._output.feed(piece)
        self._is_kept = self._is_kept and not piece
        return bool(piece)

    def _keep(self) -> None:
        self._is_kept = True
        self._due = time.monotonic() + KEEP_EVERY
        if lines := self._output.last_lines():
            self._task.state.keep(KEY, clean.metadata("\n".join(lines), KEY))
