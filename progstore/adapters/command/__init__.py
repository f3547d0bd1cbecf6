"""Any command as a recorded run: how long it took, how it ended, what it said last and how far it said it was."""

from __future__ import annotations

import errno
import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from progstore.adapters.command.running import Running, fill_closed_streams
from progstore.adapters.command.signals import Signals
from progstore.adapters.command.start import own_environment
from progstore.live import ambient, identity
from progstore.live.process import masked
from progstore.live.session import session
from progstore.live.task import Task
from progstore.live.tracking import track
from progstore.values import Status

UNWRITTEN: Final = 1
"""What most commands give where their output cannot be written."""
NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
BY_SIGNAL: Final = 128
"""What shells give as exit codes; to the last the number of the signal is added."""


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    """As shells give it: 127 and 126 where it could not be started, 128 and its number for a signal. UNWRITTEN in place
    of 0 where what it printed is lost.
    """
    status: Status
    reason: str
    """Why it is no success."""
    was_refused: bool = False
    """It could not be started."""
    signal: int | None = None
    """What it died of."""
    losses: Sequence[str] = ()
    """Why what it printed could not be passed on."""


def run(
    command: Sequence[str], *, name: str | None = None, meta: Mapping[str, Any] | None = None, store: str | None = None
) -> Ended:
    """Run `command` with our own input, output and errors, as a task of a session called `name`, or like its program.

    Within the session of a running program, and without a `name`, it is a task of that session. The process is the
    command's until it ends: signals are passed on, and the terminal is its own. Raises TypeError and BadValue for
    metadata that JSON cannot say; a store that cannot be used raises nothing here.
    """
    program = os.path.basename(command[0]) or shlex.quote(command[0])
    described = {"command": shlex.join(masked(list(command)))}
    # Both before the recorder's thread begins, which opens files, and must hold the signals back as well.
    fill_closed_streams()
    with Signals() as held:
        if name is None and store is None and _is_within_a_session():
            return _run(command, held, program, {**(meta or {}), **described}, None)
        with session(name or program, meta=meta, store=store) as around:
            ended = _run(command, held, program, described, store)
            if ended.status is not Status.COMPLETE:
                around.state.end(ended.status, ended.reason)
            return ended


def _run(command: Sequence[str], held: Signals, program: str, meta: Mapping[str, Any], store: str | None) -> Ended:
    """Run it as a task of the session that is meant here."""
    with track(name=program, meta=meta, store=store, bar=False) as task:
        running = Running(held, task.report)
        running.run(command, _environment(store))
        ended = _ending(running, command)
        _keep(task, ended, running.last_lines())
        return ended


def _is_within_a_session() -> bool:
    found = identity.inherited()
    return found is not None and found[1]


def _environment(store: str | None) -> Mapping[bytes, bytes]:
    """What the command gets: our own, so that what it tracks goes to the session that stands in it, in our store."""
    environment = own_environment()
    if store is not None:
        environment[b"PROGSTORE_URL"] = os.fsencode(ambient.store_url(store) or store)
    return environment


def _keep(task: Task[Any], ended: Ended, last: Mapping[str, Sequence[str]]) -> None:
    """Let the task know how the command ended, and what it said at last."""
    for stream, lines in last.items():
        task[stream] = "\n".join(lines)
    task["exit_code"] = ended.code
    said = next((last[stream][-1] for stream in ("errors", "output") if stream in last), "")
    if ended.status is Status.COMPLETE:
        task.complete(said)
    elif ended.status is Status.CANCELLED:
        task.cancel(ended.reason)
    else:
        if said:
            task.message(said)
            task.state.traceback = "\n".join(line for lines in last.values() for line in lines)
        task.error(ended.reason)


def _ending(running: Running, command: Sequence[str]) -> Ended:
    if running.failure == errno.ENOENT:
        return Ended(NOT_FOUND, Status.ERROR, f"{command[0]}: {_not_found(command[0])}", was_refused=True)
    if running.failure is not None:
        return Ended(NOT_EXECUTABLE, Status.ERROR, f"{command[0]}: {_refused(running, command[0])}", was_refused=True)
    losses = [str(failure.strerror) for failure in running.failures]
    number = running.code or 0
    died_of = -number if number < 0 else None
    code = number if died_of is None else BY_SIGNAL + died_of
    if code == 0 and losses:  # it could not know: to us it was written
        code, status, reason = UNWRITTEN, Status.ERROR, f"what it printed could not be written: {losses[0]}"
    elif code == 0:
        status, reason = Status.COMPLETE, ""
    elif code == BY_SIGNAL + signal.SIGINT:
        status, reason = Status.CANCELLED, "interrupted"
    else:
        status, reason = Status.ERROR, f"exit code {code}" if died_of is None else f"killed by {signal_name(died_of)}"
    return Ended(code, status, reason, signal=died_of, losses=losses)


def _not_found(program: str) -> str:
    if "/" not in program:
        return "command not found"
    return "the program that its first line names was not found" if os.path.exists(program) else "no such file"


def _refused(running: Running, program: str) -> str:
    return "is a directory" if os.path.isdir(program) else os.strerror(running.failure or 0)


def signal_name(number: int) -> str:
    """`SIGTERM`; of those without a name `signal 40`."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
