"""`push` and `copy`: what was recorded goes to a server, or from store to store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from progstore.cli.exits import BUSY, FINE, NO, STORE, TIMEOUT, USAGE, epilog, say
from progstore.cli.look import current_look
from progstore.cli.options import json_option, store_option, with_examples
from progstore.cli.output import print_json, print_lines
from progstore.cli.text import one_line, plural

if TYPE_CHECKING:
    from progstore.remote.leftovers import Outcome
    from progstore.reports import CopyReport

PATIENCE = 60.0

_PUSH_CODES = epilog(
    FINE, NO, USAGE, STORE, TIMEOUT, fine="all was sent, or nothing was left", no="a server does not take it"
)
_COPY_CODES = epilog(FINE, NO, USAGE, STORE, BUSY, fine="copied", no="some rows were refused")


@with_examples(
    "progstore push",
    "progstore push --to https://jobs.example.org",
    "A line for cron, every ten minutes:",
    "*/10 * * * *  progstore push",
)
@click.command("push", short_help="Send what ended jobs left. For cron.", epilog=_PUSH_CODES)
@click.option("--to", "server", metavar="URL", help="Only what is to go to this server.")
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(0, min_open=True),
    default=PATIENCE,
    metavar="S",
    help=f"Give up after so many seconds.  [default: {PATIENCE:.0f}]",
)
@json_option
@store_option
@click.pass_context
def push_command(ctx: click.Context, *, url: str | None, server: str | None, seconds: float, as_json: bool) -> None:
    """Send what jobs with a server as their store have recorded and could not send, because the server was away or the
    jobs ended first. The token is PROGSTORE_TOKEN.

    Silent where there is nothing to send. Running jobs send by themselves; this waits until they have.
    """
    from progstore.remote import leftovers
    from progstore.store.engine import locate
    from progstore.store.server_url import server_url

    location = locate(url)
    only = server_url(server) if server is not None else location.push_to
    servers = [each for each in leftovers.servers(location) if only in ("", each)]
    outcomes = {each: leftovers.send(location, each, seconds) for each in servers}
    look = current_look()
    if as_json:
        print_json([_document(each, outcome) for each, outcome in outcomes.items()], look)
    else:
        print_lines([_sent(each, outcome) for each, outcome in outcomes.items() if outcome.sent], look)
    for each, outcome in outcomes.items():
        for reason in outcome.refused[:1]:
            say(f"{each} does not take {plural(len(outcome.refused), 'row')}: {reason}")
        if outcome.trouble or outcome.left:
            why = outcome.trouble or "the time is over"
            say(f"{plural(outcome.left, 'row')} for {each} left: {why}")
    ctx.exit(_code(outcomes))


def _code(outcomes: Mapping[str, Outcome]) -> int:
    if any(each.trouble or each.refused for each in outcomes.values()):
        return NO
    return TIMEOUT if any(each.left for each in outcomes.values()) else FINE


def _sent(server: str, outcome: Outcome) -> str:
    return one_line(f"sent {plural(outcome.sent, 'row')} to {server}")


def _document(server: str, outcome: Outcome) -> dict[str, Any]:
    return {
        "server": server,
        "sent": outcome.sent,
        "left": outcome.left,
        "refused": list(outcome.refused),
        "trouble": outcome.trouble or None,
    }


@with_examples(
    "progstore copy old.db new.db",
    "progstore copy laptop.db https://jobs.example.org",
)
@click.command("copy", short_help="Copy a store into another.", epilog=_COPY_CODES)
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@json_option
def copy_command(source: str, target: str, *, as_json: bool) -> None:
    """Write every session of the store SRC into the store DST, with its tasks, events and metadata. Each is a path or a
    URL; DST may be the address of a server, which is sent PROGSTORE_TOKEN.

    What is there already and as new stays as it is: a copy may be repeated, and stores may be merged. SRC stays as it
    is. DST gives what is new numbers of its own.
    """
    from progstore.store.server_url import is_server

    if is_server(source):
        raise click.UsageError("SRC is the path or URL of a store; what a server has is on its own machine.")
    report = _copied(source, target)
    if as_json:
        print_json(report.to_dict(), current_look())
    else:
        what = f"{plural(report.sessions, 'session')}, {plural(report.rows, 'row')} of them new or newer there"
        click.echo(one_line(f"{target}: {what}"))
    if report.refused:
        say(f"{target} does not take {plural(len(report.refused), 'row')}: {report.refused[0]}")
        raise click.exceptions.Exit(NO)


def _copied(source: str, target: str) -> CopyReport:
    from progstore.store.server_url import is_server, server_url
    from progstore.store.store import open_store

    if is_server(target):
        from progstore.remote.transfer import copy_to_server

        return copy_to_server(source, server_url(target))
    with open_store(source) as store, open_store(target) as other:
        if store.url == other.url:
            raise click.UsageError("SRC and DST are the same store.")
        return store.copy(other)
