"""`prune` and `db`: keeping the store small, sound and up to date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from progstore.cli.exits import BUSY, FINE, NO, STORE, USAGE, epilog, say
from progstore.cli.look import current_look
from progstore.cli.options import Size, age_option, json_option, store_option, with_examples
from progstore.cli.output import print_json, print_lines
from progstore.cli.text import duration, one_line, plural, size, utc_time
from progstore.reports import PruneReport
from progstore.values import Status

_NOT_ALL = "less was done than asked for; stderr says why"
ENDED = tuple(str(status) for status in Status if status.is_terminal)


@with_examples(
    "progstore prune --older-than 30d",
    "progstore prune --older-than 2w --status complete --keep-last 10",
    "progstore prune --max-size 2GB",
    'progstore prune --name "smoke test" --keep-last 0 --dry-run',
    "A line for cron, each night at half past three:",
    "30 3 * * *  progstore prune --older-than 30d",
)
@click.command(
    "prune", short_help="Remove old sessions. For cron.", epilog=epilog(FINE, NO, USAGE, STORE, BUSY, no=_NOT_ALL)
)
@age_option("--older-than", "Only what ended longer ago than this, for example 30d.")
@click.option(
    "--status",
    "states",
    multiple=True,
    type=click.Choice(ENDED, case_sensitive=False),
    metavar="STATE",
    help=f"Only what ended so; may be repeated: {', '.join(ENDED)}.",
)
@click.option("--name", metavar="NAME", help="Only sessions of this name.")
@click.option("--keep-last", type=click.IntRange(0), metavar="N", help="Spare the newest N of each name.")
@click.option(
    "--max-size",
    type=Size(),
    metavar="SIZE",
    help="Only as many, the oldest, as must go so that the store takes no more, for example 2GB; without --older-than "
    "what ended within the last hour is spared.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.option("-v", "--verbose", is_flag=True, help="Print a line even where nothing was removed.")
@json_option
@store_option
@click.pass_context
def prune_command(
    ctx: click.Context,
    *,
    url: str | None,
    older_than: float | None,
    states: Sequence[str],
    name: str | None,
    keep_last: int | None,
    max_size: int | None,
    dry_run: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Remove ended sessions with all that belongs to them. What is given must hold together; something must be given.

    Running work is never touched, and writers are never kept waiting. Work that lost its process counts as an error.
    Silent where there was nothing to do.
    """
    if older_than is None and keep_last is None and name is None and max_size is None and not states:
        raise click.UsageError("Say what to remove: --older-than, --status, --name, --keep-last or --max-size.")
    from progstore.store.store import open_store

    with open_store(url) as store:
        report = store.prune(
            older_than=older_than,
            statuses=frozenset(Status(word) for word in states),
            name=name,
            keep_last=keep_last,
            max_size=max_size,
            dry_run=dry_run,
        )
    look = current_look()
    if as_json:
        print_json(report.to_dict(), look)
    elif report.sessions or report.bytes_given_back or verbose or dry_run:
        print_lines([_pruned(report)], look)
    for warning in report.warnings:
        say(warning)
    ctx.exit(NO if report.warnings else FINE)


@with_examples(
    "progstore db path",
    "progstore db check",
    "progstore db backup /backup/progstore-$(date +%F).db",
)
@click.group("db", short_help="The store's file: path, check, upgrade, backup, recover.")
def db_command() -> None:
    """Look after the file that the store is."""


@with_examples(
    'sqlite3 "$(progstore db path)" "select * from v_running"',
)
@db_command.command("path", short_help="Say where the store is.")
@json_option
@store_option
def path_command(url: str | None, as_json: bool) -> None:
    """Print the path of the store, or its URL without the password, whether it exists yet or not."""
    from progstore.store.engine import locate

    place = locate(url)
    look = current_look()
    if as_json:
        print_json({"path": place.name, "url": place.url, "exists": place.exists()}, look)
    else:
        click.echo(place.name)


@with_examples(
    'progstore db check || progstore db recover "$(progstore db path)" saved.db',
)
@db_command.command(
    "check", short_help="Say whether the store is sound.", epilog=epilog(FINE, NO, STORE, fine="sound", no="not sound")
)
@json_option
@store_option
@click.pass_context
def check_command(ctx: click.Context, url: str | None, as_json: bool) -> None:
    """Check the file's integrity, and print its size, rows and versions."""
    from progstore.store.store import open_store

    with open_store(url) as store:
        facts = store.check()
    look = current_look()
    if as_json:
        print_json(dict(facts), look)
    else:
        print_lines(_check_lines(facts), look)
    ctx.exit(FINE if facts["integrity"] == "ok" else NO)


@db_command.command("upgrade", short_help="Bring the tables to this version.", epilog=epilog(FINE, STORE, BUSY))
@store_option
def upgrade_command(url: str | None) -> None:
    """Bring the store's tables to this version of progstore, in one transaction.

    Recording programs do this by themselves; readers never do.
    """
    from progstore.store import schema
    from progstore.store.engine import locate
    from progstore.store.reader import faults_explained

    place = locate(url)
    place.identity()  # which says so where there is nothing to upgrade
    with faults_explained(place):
        before, after = schema.upgrade(place)
    change = "is up to date" if before == after else f"went from {before or 'nothing'} to {after}"
    click.echo(f"{place.name}: the schema {change}{f' ({after})' if before == after else ''}")


@with_examples(
    "progstore db backup /backup/progstore-$(date +%F).db",
)
@db_command.command("backup", short_help="Copy the store while it is in use.", epilog=epilog(FINE, STORE, BUSY))
@click.argument("target", type=click.Path(dir_okay=False))
@store_option
def backup_command(url: str | None, target: str) -> None:
    """Copy the store to the new file TARGET while programs go on recording; plain copies of the file lose rows."""
    from progstore.store.store import open_store

    with open_store(url) as store:
        written = store.backup(target)
    click.echo(f"{target}: {size(written)}")


@with_examples(
    'progstore db recover "$(progstore db path)" saved.db',
)
@db_command.command("recover", short_help="Save what can be read of a damaged store.", epilog=epilog(FINE, STORE))
@click.argument("source", type=click.Path(dir_okay=False))
@click.argument("target", type=click.Path(dir_okay=False))
def recover_command(source: str, target: str) -> None:
    """Copy every row of SOURCE that can still be read into the new store TARGET; SOURCE stays as it is."""
    from progstore.store.sqlite.salvage import recover

    saved = recover(source, target)
    click.echo(f"{target}: {_counts(saved)}")


def _pruned(report: PruneReport) -> str:
    verb = "would remove" if report.dry_run else "removed"
    what = f"{plural(report.sessions, 'session')}, {plural(report.tasks, 'task')}, {plural(report.events, 'event')}"
    about = "about " if report.dry_run else ""
    given_back = f", {size(report.bytes_given_back)} given back" if report.bytes_given_back else ""
    return f"{verb} {what}: {about}{size(report.bytes_freed)}{given_back}, in {duration(report.seconds)}"


def _counts(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {one_line(name)}" for name, number in numbers.items())


def _check_lines(facts: Mapping[str, Any]) -> list[str]:
    longest = max(map(len, facts))
    return [f"{name.replace('_', ' '):<{longest}}  {_fact(name, value)}" for name, value in facts.items()]


def _fact(name: str, value: Any) -> str:
    if not value and not isinstance(value, int):
        return "none"
    if isinstance(value, dict):
        return _counts(value)
    if isinstance(value, int) and ("size" in name or "bytes" in name):
        return f"{size(value)} ({value:,} bytes)"
    if isinstance(value, float):
        return utc_time(value)
    return one_line(str(value))
