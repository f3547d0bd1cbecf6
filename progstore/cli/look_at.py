"""`ls` and `show`: what runs, what ran, and one of them in full."""

from __future__ import annotations

from typing import Any

import click

from progstore.cli.exits import FINE, NOT_FOUND, STORE, USAGE, epilog, say
from progstore.cli.listing import CSV_TITLES, csv_row, session_columns, single_tasks
from progstore.cli.look import current_look
from progstore.cli.options import STATES, Place, csv_option, filter_options, json_option, store_option, with_examples
from progstore.cli.output import print_csv, print_json, print_lines, print_table, refuse_both
from progstore.cli.selection import make_filter, sessions


@with_examples(
    "progstore ls --running",
    'progstore ls --name "nightly import" --since 7d',
    "progstore ls --status lost --status error --since 2026-11-01",
    "progstore ls --limit 1000 --csv > runs.csv",
)
@click.command("ls", short_help="List sessions, newest first.", epilog=epilog(FINE, USAGE, STORE))
@filter_options(STATES)
@click.option("--running", is_flag=True, help="Only what has not ended.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=20, metavar="N", help="At most so many.  [default: 20]"
)
@json_option
@csv_option
@store_option
def ls_command(url: str | None, limit: int, as_json: bool, as_csv: bool, **wanted: Any) -> None:
    """List sessions, newest first: how they stand, how far they came, how long they took.

    ITEMS counts the items of a session with one task, and the ended tasks of a session with several. Where the output
    is no terminal, nothing is cut and times are complete.
    """
    refuse_both(as_json, as_csv)
    from progstore.store.store import open_store

    with open_store(url) as store:
        found, more = sessions(store, make_filter(**wanted), wanted["states"], limit)
        tasks = {} if as_json or as_csv else single_tasks(store, found)
    look = current_look()
    if as_json:
        print_json([{key: value for key, value in view.to_dict().items() if key != "tasks"} for view in found], look)
    elif as_csv:
        print_csv(CSV_TITLES, [csv_row(view) for view in found], look)
    elif found:
        print_table(session_columns(found, tasks, look), look)
        if more and look.terminal:
            say(f"the newest {limit} are shown; --limit {limit * 5} shows more")
    else:
        say("no session matches")


@with_examples(
    "progstore show 17               session 17",
    "progstore show 17/42            task 42 of it, with its traceback where it failed",
    "progstore show 17 --json",
)
@click.command("show", short_help="Show one session or task in full.", epilog=epilog(FINE, USAGE, STORE, NOT_FOUND))
@click.argument("place", type=Place(), metavar="ID")
@click.option(
    "--events",
    "event_limit",
    type=click.IntRange(0),
    default=20,
    metavar="N",
    help="At most so many events.  [default: 20]",
)
@click.option("--all", "whole", is_flag=True, help="On a terminal, list all tasks of a long tree.")
@json_option
@store_option
def show_command(
    *, url: str | None, place: tuple[int, int | None], event_limit: int, whole: bool, as_json: bool
) -> None:
    """Show one session with the tree of its tasks, or one task: progress, verdict, error, metadata, newest events."""
    from progstore.cli import detail
    from progstore.store.store import open_store

    look = current_look()
    session_id, task_id = place
    with open_store(url) as store:
        if task_id is None:
            session = store.session(session_id)
            events = detail.newest_events(store, event_limit, session_id=session.id)
            data, lines = session.to_dict(), detail.session_lines(session, events, look, whole=whole)
        else:
            session, task = detail.find_task(store, session_id, task_id)
            events = detail.newest_events(store, event_limit, task_id=task.id)
            data, lines = task.to_dict(), detail.task_lines(session, task, events, look, whole=whole)
    if as_json:
        print_json({**data, "events": [event.to_dict() for event in events]}, look)
    else:
        print_lines(lines, look)
