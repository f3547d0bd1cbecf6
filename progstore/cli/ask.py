"""`check` and `wait`: questions of scripts and cron, answered by exit codes."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from progstore.cli.exits import FINE, NO, NOT_FOUND, STORE, TIMEOUT, USAGE, epilog, say
from progstore.cli.look import current_look
from progstore.cli.options import Place, age_option, json_option, store_option, with_examples
from progstore.cli.output import print_json, print_lines
from progstore.cli.text import duration, local_time, one_line
from progstore.errors import NotFound
from progstore.values import Filter, Life, SessionView, Status, TaskView
from progstore.wording import state

if TYPE_CHECKING:
    from progstore.store.store import Store

LOOK_EVERY = 0.2
"""Seconds between two looks whether the store changed, which cost microseconds."""
READ_EVERY = 1.0
"""Seconds after which work is read again though the store did not change, for its owner may have died."""
RECENT = 100
"""Successful runs among which the last to end is looked for; runs may overlap."""

_CHECK_CODES = epilog(FINE, NO, USAGE, STORE, fine="it has", no="it has not")
_WAIT_CODES = epilog(
    FINE, NO, USAGE, STORE, NOT_FOUND, TIMEOUT, fine="complete", no="ended with an error, cancelled or lost"
)


@with_examples(
    'progstore check "nightly import" --max-age 26h',
    'progstore check "nightly import" --max-age 26h || mail -s "import is late" ops@example.org',
)
@click.command("check", short_help="Has NAME succeeded lately? For cron.", epilog=_CHECK_CODES)
@click.argument("name")
@age_option("--max-age", "How long ago the last success may have ended, for example 26h.", required=True)
@json_option
@store_option
@click.pass_context
def check_command(ctx: click.Context, url: str | None, name: str, max_age: float, as_json: bool) -> None:
    """Say whether a session called NAME has completed within --max-age, in one line and by the exit code."""
    from progstore.store.store import open_store

    with open_store(url) as store:
        complete = store.sessions(Filter(session_name=name, statuses=frozenset({Status.COMPLETE})), limit=RECENT)
        newest = next(iter(store.sessions(Filter(session_name=name), limit=1)), None)
    last = max(complete, key=_ended_at, default=None)
    past = None if last is None else max(time.time() - _ended_at(last), 0.0)
    fresh = past is not None and past <= max_age
    sentence = _answer(name, last, past, newest)
    look = current_look()
    if as_json:
        found = None if last is None else last.id
        print_json({"name": name, "fresh": fresh, "session": found, "age": past, "message": sentence}, look)
    else:
        print_lines([sentence], look)
    ctx.exit(FINE if fresh else NO)


@with_examples(
    "progstore wait 17 && ./report.sh",
    "progstore wait 17/42 --timeout 2h",
)
@click.command("wait", short_help="Wait until a session or task ends.", epilog=_WAIT_CODES)
@click.argument("place", type=Place(), metavar="ID")
@age_option("--timeout", "Give up after so long, for example 15m; without it, wait for ever.")
@json_option
@store_option
@click.pass_context
def wait_command(
    ctx: click.Context, url: str | None, place: tuple[int, int | None], timeout: float | None, as_json: bool
) -> None:
    """Wait until session 17, or task 17/42, has ended, and tell by the exit code how: 0 where it is complete.

    Work whose process died counts as ended: it is lost, and the exit code is 1.
    """
    from progstore.store.store import open_store

    with open_store(url) as store:
        view = _wait(store, place, None if timeout is None else time.monotonic() + timeout)
    look = current_look()
    if as_json:
        print_json(view.to_dict(), look)
    elif has_ended(view):
        print_lines([_ending(view)], look)
    if not has_ended(view):
        say(f"{_called(view)} has not ended after {duration(timeout)}: {state(view)}")
        ctx.exit(TIMEOUT)
    ctx.exit(FINE if view.status is Status.COMPLETE else NO)


def has_ended(view: SessionView | TaskView) -> bool:
    """True where nothing more will come: the work ended, or its owner is gone."""
    return view.status.is_terminal or state(view) is Life.LOST


def _wait(store: Store, place: tuple[int, int | None], until: float | None) -> SessionView | TaskView:
    """The work as it stood when it ended, or when time ran out."""
    version = store.data_version()
    view = _read(store, place)
    if sys.stderr.isatty() and not has_ended(view):
        say(f"waiting for {_called(view)}; Ctrl-C stops the waiting, not the work")
    read_at = time.monotonic()
    while not has_ended(view):
        now = time.monotonic()
        if until is not None and now >= until:
            break
        time.sleep(LOOK_EVERY if until is None else min(LOOK_EVERY, until - now))
        seen = store.data_version()
        if seen != version or time.monotonic() - read_at >= READ_EVERY:
            version, view, read_at = seen, _read(store, place), time.monotonic()
    return view


def _read(store: Store, place: tuple[int, int | None]) -> SessionView | TaskView:
    session_id, task_id = place
    if task_id is None:
        return store.session(session_id)
    task = store.task(task_id)
    if task.session_id != session_id:
        raise NotFound(f"session {session_id} has no task {task_id}; `progstore show {session_id}` lists its tasks")
    return task


def _ending(view: SessionView | TaskView) -> str:
    how = state(view)
    text = f"{_called(view)} is {how}" if how is not Status.ERROR else f"{_called(view)} ended with an error"
    if how is Life.LOST and view.verdict:
        text += f": {view.verdict.reason}"
    elif view.duration is not None:
        text += f" after {duration(view.duration)}"
    return text


def _called(view: SessionView | TaskView) -> str:
    if isinstance(view, TaskView):
        return f"task {view.session_id}/{view.id} {one_line(view.name)!r}"
    return f"session {view.id} {one_line(view.name)!r}"


def _ended_at(view: SessionView) -> float:
    return view.ended_at or 0.0


def _answer(name: str, last: SessionView | None, past: float | None, newest: SessionView | None) -> str:
    if newest is None:
        return f"no session is called {name!r}; `progstore ls` lists them"
    if last is None or past is None:
        return f"{name!r} has never completed; the newest run, session {newest.id}, is {state(newest)}"
    text = f"{name!r} completed {duration(past)} ago ({local_time(last.ended_at, full=True)}), session {last.id}"
    if newest.id != last.id:
        text += f"; the newest run, session {newest.id}, is {state(newest)}"
    return text
