"""The command `progstore top`: the live board in a terminal, or one final table where its output goes elsewhere."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import click

import progstore

if TYPE_CHECKING:
    from progstore_term.board import Board

HELP = """Watch what runs, in this terminal: sessions with the tree of their tasks.

\b
Examples:
  progstore top                                 everything, newest first
  progstore top --store /srv/jobs.db            another store
  progstore top status:error,running since:7d   only tasks that match
  progstore top | cat                           one table, then the end
  progstore top --json is:live                  the same for programs

The filter has words and name: session: status: host: since: until: took> took< meta.KEY: in: is:root is:live, as the
history of the pages has. In the board ? lists the keys, q or Ctrl-C quits. It only reads.
"""


@click.command(help=HELP, short_help="Watch what runs, in this terminal.")
@click.argument("words", nargs=-1, metavar="[FILTER]...")
@click.option("--once", is_flag=True, help="Print one table and end, on a terminal too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and end, for programs.")
@click.option(
    "--stale-after",
    default=0.0,
    show_default="never",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Call running work stale that has not moved for so long.",
)
@click.option(
    "--interval",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0.05, 3600),
    metavar="SECONDS",
    help="Time between two looks at the store.",
)
@click.option(
    "--store", "url", metavar="URL", help="Path or URL of the store. [env: PROGSTORE_URL; default: the user's own]"
)
def top(
    words: tuple[str, ...], *, once: bool, as_json: bool, stale_after: float, interval: float, url: str | None
) -> None:
    """Show the board."""
    written = " ".join(words)
    wanted = progstore.parse_filter(written)  # a wrong one is told before the screen changes
    with progstore.open_store(url, stale_after=stale_after) as store:
        if not (once or as_json) and _is_terminal():
            _watch(store, written, interval)
            return
        from progstore_term.board import BoardReader

        board = BoardReader(store).read(time.time(), wanted)
    if as_json:
        click.echo(json.dumps(board.to_dict(), indent=2, allow_nan=False))
    else:
        _print(board)


def _is_terminal() -> bool:
    """Whether a board can be shown, and somebody is there to see it."""
    return sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _watch(store: progstore.Store, written: str, interval: float) -> None:
    from progstore_term.reading import Reading
    from progstore_term.screen import Screen, show
    from progstore_term.terminal import Terminal

    with Terminal() as terminal, Reading(store, written, interval, terminal.wake) as reading:
        show(terminal, Screen(reading, store.url.removeprefix("sqlite:///"), unicode=_has_unicode()))
    if terminal.ended_by == signal.SIGINT:
        raise KeyboardInterrupt
    if terminal.ended_by is not None:
        # The terminal is as it was; now it ends as any program does upon that signal.
        signal.signal(terminal.ended_by, signal.SIG_DFL)
        signal.raise_signal(terminal.ended_by)


def _print(board: Board) -> None:
    from progstore_term.rows import Choices, rows_of
    from progstore_term.table import Style, lines_of

    if sys.stdout is None:  # it was closed, as by `>&-`
        return
    rows = rows_of(board, Choices())
    if not rows:
        click.echo("Nothing was found.")
        return
    console: Any = None
    if sys.stdout.isatty():
        from rich.console import Console

        console = Console(highlight=False, markup=False, emoji=False)
    for line in lines_of(rows, Style(console.width if console else None, _has_unicode())):
        if console:
            console.print(line.text, no_wrap=True, overflow="ignore", crop=False)
        else:
            click.echo(line.text.plain)


def _has_unicode() -> bool:
    try:
        "●✓✗○⊘◌‖†█░▾▸…".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
