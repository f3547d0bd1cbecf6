"""`job`: what may be started by name, run it here, and ask any session to stop."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import click

from progstore.cli.exec import Metadata
from progstore.cli.exits import FINE, INTERRUPTED, NO, NOT_FOUND, STORE, USAGE, Handover, epilog, say
from progstore.cli.look import current_look
from progstore.cli.options import Place, json_option, store_option, with_examples
from progstore.cli.output import print_json, print_lines, print_table
from progstore.cli.table import Column
from progstore.errors import BadArguments, BadFilter, ProgstoreError
from progstore.values import Status

if TYPE_CHECKING:
    from progstore.jobs.declaring import Job
    from progstore.jobs.parameters import Parameter

_RUN_CODES = (
    f"{epilog(FINE, NO, USAGE, NOT_FOUND, fine='the job is complete', no='it failed or was stopped')}\n"
    "  any other: what the job gave to sys.exit"
)
_STOP_CODES = epilog(FINE, NO, USAGE, STORE, NOT_FOUND, fine="it was asked", no="it has ended already")

jobs_option = click.option(
    "--jobs",
    "modules",
    multiple=True,
    required=True,
    envvar="PROGSTORE_JOBS",
    metavar="MODULE",
    help="A module that declares jobs, as in package.module; may be repeated. [env: PROGSTORE_JOBS]",
)


class Argument(Metadata):
    """NAME=VALUE, as a pair."""

    name = "name=value"
    what = "argument"


@with_examples(
    "progstore job ls --jobs photos.jobs",
    "progstore job run reindex --jobs photos.jobs folder=/srv/photos width=800",
    "progstore job stop 17",
    "PROGSTORE_JOBS says in the environment where jobs are.",
)
@click.group("job", short_help="Start work by its name, and ask it to stop.")
def job_command() -> None:
    """Start what `@progstore.job` declares, and ask sessions to stop. On the board: `progstore ui --jobs MODULE`."""


@with_examples("progstore job ls --jobs photos.jobs")
@job_command.command("ls", short_help="List the jobs of a module.", epilog=epilog(FINE, USAGE))
@jobs_option
@json_option
def ls_command(modules: Sequence[str], *, as_json: bool) -> None:
    """List the jobs that --jobs declares, with what they take."""
    jobs = _load(modules)
    look = current_look()
    if as_json:
        print_json([each.to_dict() for each in jobs.values()], look)
        return
    print_table(
        [
            Column(title="name", cells=list(jobs)),
            Column(title="takes", cells=[" ".join(map(_usage, each.parameters)) for each in jobs.values()], least=20),
            Column(title="what it does", cells=[each.summary for each in jobs.values()], least=12),
        ],
        look,
    )


@with_examples(
    "progstore job run reindex --jobs photos.jobs folder=/srv/photos width=800",
    "A list takes one item each time: tag=sea tag=sun.",
)
@job_command.command("run", short_help="Run a job here.", epilog=_RUN_CODES)
@jobs_option
@store_option
@click.option("--as", "session_uid", hidden=True, help="Be this run; the arguments come on the standard input.")
@click.argument("name")
@click.argument("arguments", nargs=-1, type=Argument(), metavar="[NAME=VALUE]...")
def run_command(
    *, modules: Sequence[str], url: str | None, session_uid: str | None, name: str, arguments: Sequence[tuple[str, str]]
) -> NoReturn:
    """Run the job NAME in this process, with its bars, and record it; its arguments are given as NAME=VALUE."""
    if session_uid is not None:
        raise Handover(partial(_be, name, tuple(modules), session_uid))
    from progstore.jobs.declaring import find_job

    job = find_job(_load(modules), name)
    values = job.read(_collected(job, arguments))
    raise Handover(partial(_run, job, values, url))


@with_examples("progstore job stop 17", title="Example")
@job_command.command("stop", short_help="Ask a session to stop.", epilog=_STOP_CODES)
@click.argument("place", type=Place(), metavar="ID")
@json_option
@store_option
def stop_command(place: tuple[int, int | None], url: str | None, *, as_json: bool) -> None:
    """Ask session ID to stop, whoever started it.

    Loops tracked with stoppable=True end within about a second, as cancelled, and so does what looks at
    task.stop_requested. What does neither goes on, and is not harmed.
    """
    from progstore.store.store import open_store

    session_id, task_id = place
    if task_id is not None:
        raise BadFilter(f"a whole session is asked to stop: progstore job stop {session_id}")
    with open_store(url) as store:
        store.request_stop(session_id)
        session = store.session(session_id)
    look = current_look()
    if as_json:
        print_json(session.to_dict(), look)
    else:
        print_lines([f"asked session {session.id} {session.name!r} to stop"], look)
    if not any(task.stoppable for task in session.tasks) and session.status is not Status.PENDING:
        say("nothing that runs in it has said that it stops when it is asked to")


def _load(modules: Sequence[str]) -> Mapping[str, Job]:
    """The jobs; modules are found as `python -m` finds them, in the working directory first."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    from progstore.jobs.declaring import load_jobs

    return load_jobs(*modules)


def _collected(job: Job, arguments: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The arguments by name; what may be many is a list. Raises BadArguments where one is given twice."""
    many = {parameter.name for parameter in job.parameters if parameter.many}
    collected: dict[str, Any] = {}
    for name, text in arguments:
        if name in many:
            collected.setdefault(name, []).append(text)
        elif name in collected:
            raise BadArguments.of({name: "is given twice"})
        else:
            collected[name] = text
    return collected


def _run(job: Job, values: Mapping[str, Any], url: str | None) -> NoReturn:
    from progstore.jobs.working import run_here

    try:
        code = run_here(job, values, started_by="command line", store=url)
    except KeyboardInterrupt:
        say(f"{job.name} was stopped by Ctrl-C")
        code = INTERRUPTED
    raise SystemExit(code)


def _be(name: str, modules: tuple[str, ...], session_uid: str) -> NoReturn:
    from progstore.jobs.working import run_started

    try:
        code = run_started(name, modules, session_uid, sys.stdin.buffer)
    except ProgstoreError as error:
        say(str(error))
        code = STORE
    raise SystemExit(code)


def _usage(parameter: Parameter) -> str:
    """`width=800`, `folder=PATH`; in brackets what may be left out."""
    kind = "|".join(parameter.choices) or parameter.kind.upper()
    if parameter.required:
        return f"{parameter.name}={kind}{' …' if parameter.many else ''}"
    default = None if parameter.is_secret else parameter.write(parameter.default)
    shown = kind if default in (None, "", []) else str(default).lower() if isinstance(default, bool) else default
    return f"[{parameter.name}={shown}]"
