"""`exec`: runs any command and records it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

import click

from progstore.cli.exits import FINE, NO, USAGE, epilog, leave, say
from progstore.cli.options import store_option, with_examples

_CODES = (
    f"{epilog(FINE, NO, USAGE, fine='the command ended well', no='it did, but what it printed could not be written')}\n"
    "  126  the command cannot be executed\n"
    "  127  the command was not found\n"
    "  any other: the command's own; who dies of a signal here does so there"
)


class Metadata(click.ParamType["tuple[str, str]"]):
    """KEY=VALUE, as a pair."""

    name = "key=value"
    what = "metadata"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Fails where there is no `=`, or nothing before it."""
        key, equals, text = str(value).partition("=")
        if not (key and equals):
            self.fail(f"{value!r} is no {self.what}; write {self.name.upper()}", param, ctx)
        return key, text


@with_examples(
    "progstore exec -- rsync -a --info=progress2 photos/ nas:photos/",
    'progstore exec --name "nightly backup" -- pg_dump -Fc shop > shop.dump',
    "A line for cron, each night at half past two:",
    '30 2 * * *  progstore exec --name "nightly backup" -- /usr/local/bin/backup.sh',
)
@click.command(
    "exec",
    short_help="Run any command, and record it.",
    epilog=_CODES,
    context_settings={"allow_interspersed_args": False},
)
@click.option("--name", metavar="NAME", help="What the session is called; by default like the program.")
@click.option(
    "--meta", "pairs", type=Metadata(), multiple=True, metavar="KEY=VALUE", help="Keep this with it; may be repeated."
)
@store_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def exec_command(
    ctx: click.Context, url: str | None, name: str | None, pairs: Sequence[tuple[str, str]], command: Sequence[str]
) -> None:
    """Run COMMAND as it would run without, and record when it ran, how it ended, its exit code and its last lines.

    The last `NN%` that it prints is its percent. It has the terminal, its input, output and signals as ever; where the
    store cannot be used it runs all the same. What it tracks itself belongs to the same session.
    """
    from progstore.adapters.command import run
    from progstore.adapters.command.signals import die_of
    from progstore.live.exits import end_process

    _let_warnings_begin_a_line()
    ended = run(command, name=name, meta=dict(pairs), store=url)
    for loss in ended.losses:
        say(f"what {command[0]} printed could not be written: {loss}")
    if ended.was_refused:
        leave(ended.code, ended.reason)
    if ended.signal is not None:
        end_process()
        die_of(ended.signal)
    ctx.exit(ended.code)


def _let_warnings_begin_a_line() -> None:
    """Warnings of the recorder may come while the command has the terminal for itself, where a new line does not
    begin at the left.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("progstore: %(message)s"))
    if sys.stderr is not None and sys.stderr.isatty():
        handler.terminator = "\r\n"
    logging.getLogger("progstore").addHandler(handler)
