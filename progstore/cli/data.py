"""`sql` and `export`: the recorded data itself, for other programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from progstore.cli.exits import FINE, STORE, USAGE, epilog, say
from progstore.cli.look import Look, current_look
from progstore.cli.options import STORED, csv_option, filter_options, json_option, store_option, with_examples
from progstore.cli.output import print_answer, print_csv, print_data, print_json, refuse_both
from progstore.cli.selection import make_filter
from progstore.cli.table import Column
from progstore.cli.text import one_line


@with_examples(
    'progstore sql "select * from v_running"',
    'progstore sql "select session, name, median_seconds from v_names order by runs desc"',
    "progstore sql \"select started, error from v_tasks where status = 'error'\" --csv > errors.csv",
)
@click.command("sql", short_help="Ask the store in SQL, read-only.", epilog=epilog(FINE, USAGE, STORE))
@click.argument("statement", metavar="SQL")
@click.option(
    "--limit", type=click.IntRange(1), default=10_000, metavar="N", help="At most so many rows.  [default: 10000]"
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    metavar="S",
    help="Give up after so many seconds.  [default: 10]",
)
@json_option
@csv_option
@store_option
def sql_command(*, url: str | None, statement: str, limit: int, seconds: float, as_json: bool, as_csv: bool) -> None:
    """Answer one SQL statement, read-only; `-` reads it from the input.

    The views v_sessions, v_tasks, v_running, v_history, v_names and v_events are the documented interface; they stay
    as they are. Their times are UTC.
    """
    refuse_both(as_json, as_csv)
    from progstore.store.store import open_store

    if statement == "-":
        statement = sys.stdin.read()
    with open_store(url) as store:
        answer = store.query(statement, limit=limit, seconds=seconds)
    look = current_look()
    titles = _distinct(answer.columns)
    if as_json:
        print_json([dict(zip(titles, row, strict=True)) for row in answer.rows], look)
    elif as_csv:
        print_csv(answer.columns, answer.rows, look)
    elif answer.columns:
        print_answer(_columns(titles, answer.rows, look), look)
    if answer.truncated:
        say(f"there are more rows; --limit {limit * 10} shows more than these {limit}")


@with_examples(
    "progstore export > tasks.ndjson",
    "progstore export --format csv --since 30d --status error > errors.csv",
)
@click.command("export", short_help="Write out all that was recorded.", epilog=epilog(FINE, USAGE, STORE))
@filter_options(STORED)
@click.option(
    "--format",
    type=click.Choice(["ndjson", "csv"]),
    default="ndjson",
    show_default=True,
    help="A JSON object per line, or CSV with a line of titles.",
)
@store_option
def export_command(url: str | None, format: str, **wanted: Any) -> None:
    """Write all matching tasks with their session's name and host, oldest first, to the output.

    Text is UTF-8 whatever the terminal's encoding; times are UTC, in ndjson as seconds since 1970.
    """
    from progstore.store.store import open_store

    with open_store(url) as store:
        chunks = store.export(make_filter(**wanted), format="csv" if format == "csv" else "ndjson")
        print_data(chunks, current_look())


def _distinct(titles: Sequence[str]) -> list[str]:
    """Titles as keys: a second `id` becomes `id_2`."""
    seen: dict[str, int] = {}
    keys = []
    for title in titles:
        seen[title] = seen.get(title, 0) + 1
        keys.append(title if seen[title] == 1 else f"{title}_{seen[title]}")
    return keys


def _columns(titles: Sequence[str], rows: Sequence[Sequence[Any]], look: Look) -> list[Column]:
    columns = []
    for index, title in enumerate(titles):
        values = [row[index] for row in rows]
        numbers = all(value is None or isinstance(value, int | float) for value in values)
        cells = [_cell(value, look) for value in values]
        columns.append(Column(title=one_line(title), cells=cells, right=numbers, least=None if numbers else 8))
    return columns


def _cell(value: Any, look: Look) -> str:
    if isinstance(value, float) and look.terminal and abs(value) < 1e15:
        return f"{value:.3f}".rstrip("0").rstrip(".")  # a pipe gets all digits
    return "" if value is None else one_line(str(value))
