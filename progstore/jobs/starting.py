"""Starts a job in a process of its own, and sees to it that its run ends even where that process cannot begin."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, BinaryIO, Final

from progstore import config
from progstore.adapters.command import signal_name
from progstore.adapters.command.output import KEPT, text_lines
from progstore.errors import ProgstoreError, StoreBusy
from progstore.jobs.declaring import Job
from progstore.jobs.working import KEY, described
from progstore.live import ambient
from progstore.live.adoption import own
from progstore.live.identity import VARIABLE
from progstore.live.recorder import recorder
from progstore.live.session import Session
from progstore.live.state import SessionState, TaskState
from progstore.store.server_url import is_server
from progstore.store.store import Store, open_store

PATIENCE: Final = 5.0
"""Seconds that a start waits for the store."""

_TOKEN: Final = re.compile("PROGSTORE_([A-Z]+_)?TOKEN")
_log = logging.getLogger("progstore")


class JobRun:
    """A job that was started in a process of its own: `session_id` in its store, `uid` in every one, and `pid`."""

    def __init__(
        self, process: subprocess.Popen[bytes], state: SessionState, session_id: int, printed: BinaryIO
    ) -> None:
        self.uid = state.uid
        self.session_id = session_id
        self.pid = process.pid
        self._state = state
        self._process = process
        self._printed = printed
        self._is_over = threading.Event()
        # Somebody must take note of the process's end, or the system keeps it as a zombie.
        threading.Thread(target=self._attend, name=f"progstore-job-{process.pid}", daemon=True).start()

    @property
    def is_running(self) -> bool:
        """Whether its process has not ended."""
        return not self._is_over.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait at most `timeout` seconds until its process has ended and the store tells how; whether it has."""
        return self._is_over.wait(timeout)

    def __repr__(self) -> str:
        return f"<JobRun {self._state.name!r} session {self.session_id} process {self.pid}>"

    def _attend(self) -> None:
        try:
            code = self._process.wait()
            self._settle(f"exit code {code}" if code >= 0 else f"killed by {signal_name(-code)}")
        except ProgstoreError as error:
            _log.warning("how the job %r ended could not be recorded: %s", self._state.name, error)
        finally:
            self._printed.close()
            self._is_over.set()

    def _settle(self, reason: str) -> None:
        """Write down how the process ended, where it could not do so itself."""
        with open_store(self._state.store) as store:
            view = store.session(self.uid)
        if any(task.key == KEY and not task.status.is_terminal for task in view.tasks):
            _fail(self._state, reason, self._last_lines())

    def _last_lines(self) -> list[str]:
        """What the process said before it could keep what it prints."""
        size = self._printed.seek(0, os.SEEK_END)
        self._printed.seek(max(0, size - KEPT))
        return text_lines(self._printed.read())


def start(job: Job, arguments: Mapping[str, Any], *, store: Store | str | None, started_by: str) -> JobRun:
    """Start the job. Its run is in the store, pending, before its process begins, which then makes the run its own.

    Raises BadArguments, StoreError, and OSError where the system starts no process.
    """
    values = job.read(arguments)
    url = store.given_url if isinstance(store, Store) else ambient.store_url(store)
    state = SessionState(job.name, "declared", store=url, joined=True)
    state.put_all(described(job, values, started_by))
    task = TaskState(state, job.name, key=KEY, record=True, interval=config.setting("interval"))
    recorder.watch_session(state)
    recorder.begin(task)
    if not recorder.flush(PATIENCE):
        task.end("error", "it was not started, for the store could not be written in time")
        raise StoreBusy(f"the job {job.name!r} was not started, for its run could not be written to the store in time")
    with open_store(url) as opened:
        session_id = opened.session(state.uid).id
    written = {each.name: each.write(values[each.name]) for each in job.parameters if each.name in values}
    with ExitStack() as stack:
        try:
            printed = stack.enter_context(tempfile.TemporaryFile())
            process = _spawn(job, state, written, printed)
        except OSError as error:
            _fail(state, f"its process could not be started: {error}", [])
            raise
        stack.pop_all()  # the run closes it
    return JobRun(process, state, session_id, printed)


def _spawn(job: Job, state: SessionState, arguments: Mapping[str, Any], printed: BinaryIO) -> subprocess.Popen[bytes]:
    """The process, in a session of its own: what ends ours, or is typed at it, does not reach it."""
    command = [sys.executable, "-m", "progstore", "job", "run", job.name, "--jobs", job.module, "--as", state.uid]
    with tempfile.TemporaryFile() as handed_over:
        # Not on the command line, nor in the environment: what stands there others can read.
        handed_over.write(json.dumps({"arguments": arguments, "path": sys.path}).encode())
        handed_over.seek(0)
        return subprocess.Popen(  # noqa: S603  # our own program; what users give is in the file
            command,
            stdin=handed_over,
            stdout=printed,
            stderr=printed,
            env=_environment(state.store),
            start_new_session=True,
        )


def _environment(store: str | None) -> dict[str, str]:
    """Ours, without the session that we stand in and without the tokens of our server, and always recorded. What is to
    push to another one keeps the token for that.
    """
    dropped = {VARIABLE, *filter(_TOKEN.fullmatch, os.environ)}
    if store is not None and is_server(store):
        dropped.discard("PROGSTORE_TOKEN")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    environment |= {"PROGSTORE_BAR": "0", "PROGSTORE_RECORD": "1"}
    if store is not None:
        environment["PROGSTORE_URL"] = store
    return environment


def _fail(state: SessionState, reason: str, last_lines: list[str]) -> None:
    """End a run whose process could not end it."""
    session = Session.get(state.uid, store=state.store)
    if session is None:  # somebody has deleted it
        return
    own(session.state, KEY).traceback = "\n".join(last_lines) or None
    session.error(KEY, f"{reason}: {last_lines[-1]}" if last_lines else reason)
