"""What runs in the process of a job: the job's session with its one root task, which ends as the job ends."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any, BinaryIO, Final, NamedTuple

from progstore import clean
from progstore.jobs.declaring import Job, find_job, load_jobs
from progstore.jobs.parameters import Parameter
from progstore.jobs.printed import Printed
from progstore.live import ambient, exits
from progstore.live.adoption import own
from progstore.live.process import MASK, without_credentials
from progstore.live.reasons import STOP_REQUESTED
from progstore.live.session import Session, session
from progstore.live.state import SessionState
from progstore.live.task import Task
from progstore.live.tracking import track
from progstore.store.store import open_store
from progstore.values import Json

KEY: Final = "job"
"""Key of a job's root task; among a session's metadata, the job's name."""
FINE: Final = 0
FAILED: Final = 1
STOPPED: Final = 1
"""Exit codes of a job's process; where the job ends it by `sys.exit`, it is the job's own."""


class _Outcome(NamedTuple):
    """How a job ended: the exit code, and what it raised."""

    code: int
    error: Exception | None = None


def run_here(job: Job, values: Mapping[str, Any], *, started_by: str, store: str | None = None) -> int:
    """Run a job in this process, with its bars, and give the exit code; what it raises is printed as Python does."""
    exits.handle_sigterm()
    drawn = None if job.task_parameter else False
    with (
        session(job.name, meta=described(job, values, started_by), store=store) as around,
        track(name=job.name, key=KEY, store=store, bar=drawn) as task,
    ):
        outcome = _work(job, values, task, around.state)
    if outcome.error is not None:
        traceback.print_exception(outcome.error)
    return _exit_code(outcome, task)


def run_started(name: str, modules: tuple[str, ...], session_uid: str, handed_over: BinaryIO) -> int:
    """Run a job in this process as the run that whoever started it has put into the store; gives the exit code.

    `handed_over` has the arguments, and where modules are found; all that fails here is told by the run.
    """
    given = json.load(handed_over)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    sys.path[:] = given["path"]
    exits.handle_sigterm()
    state = SessionState(name, "block", store=ambient.store_url(), uid=session_uid)
    task = Task[Any](None, own(state, KEY), bar=False)
    with Session(state), task:
        task.begin()
        if _is_stopped_already(state):
            task.cancel(STOP_REQUESTED)
            return STOPPED
        with Printed(task):
            try:
                job = find_job(load_jobs(*modules), name)
                values = job.read(given["arguments"])
            except Exception as error:  # noqa: BLE001  # whatever it is, it is why the job did not run
                outcome = _failed(error, task, state)
            else:
                outcome = _work(job, values, task, state)
    return _exit_code(outcome, task)


def described(job: Job, values: Mapping[str, Any], started_by: str) -> dict[str, Json]:
    """What a session keeps of how its job was started; values that look like secrets are masked."""
    arguments = {
        parameter.name: _masked(parameter, values[parameter.name])
        for parameter in job.parameters
        if parameter.name in values
    }
    return {KEY: job.name, "arguments": arguments, "started by": started_by}


def _masked(parameter: Parameter, value: Any) -> Json:
    if parameter.is_secret:
        return MASK
    said = parameter.write(value)
    if isinstance(said, list):
        return [without_credentials(each) if isinstance(each, str) else each for each in said]
    return without_credentials(said) if isinstance(said, str) else said


def _is_stopped_already(state: SessionState) -> bool:
    with open_store(state.store) as store:
        return bool(store.stop_requests([state.uid]))


def _work(job: Job, values: Mapping[str, Any], task: Task[Any], state: SessionState) -> _Outcome:
    try:
        job.call(task, values)
    except SystemExit as ended:
        return _exited(ended.code, task, state)
    except Exception as error:  # noqa: BLE001  # it is the job's, and ends its run and its process
        return _failed(error, task, state)
    if state.was_stopped:  # by a loop within it
        task.cancel(STOP_REQUESTED)
    return _Outcome(FINE)


def _failed(error: Exception, task: Task[Any], state: SessionState) -> _Outcome:
    error.__traceback__ = _of_job(error.__traceback__)
    exits.fail_process(error, error.__traceback__)  # for the loops that it has left
    task.error(error)
    state.fail(error)
    return _Outcome(FAILED, error)


def _exited(code: object, task: Task[Any], state: SessionState) -> _Outcome:
    """The job has called `sys.exit`."""
    if code in (None, 0):
        return _Outcome(FINE)
    said = f"exit code {code:d}" if isinstance(code, int) else f"exit code 1: {code}"
    said = clean.shorten(clean.printable(said), clean.MESSAGE_LIMIT)
    task.error(said)
    state.end("error", said)
    return _Outcome(code if isinstance(code, int) else FAILED)


def _exit_code(outcome: _Outcome, task: Task[Any]) -> int:
    return outcome.code or (FINE if task.status == "complete" else STOPPED)


def _of_job(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames in front that are ours."""
    inside = trace
    while inside is not None and inside.tb_frame.f_globals.get("__name__", "").startswith("progstore.jobs."):
        inside = inside.tb_next
    return inside or trace
