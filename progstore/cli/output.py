"""Printing what a command found: a table for people, JSON or CSV for programs."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from progstore.cli.look import Look
from progstore.cli.table import Column, fits, records, render
from progstore.store.export import no_formula


def print_lines(lines: Iterable[str], look: Look) -> None:
    """Print text that may be coloured."""
    text = "\n".join(lines)
    if text:
        click.echo(text, color=look.colour)


def print_table(columns: Sequence[Column], look: Look) -> None:
    """Print a table for people."""
    print_lines(render(columns, look), look)


def print_answer(columns: Sequence[Column], look: Look) -> None:
    """Print a table that has any number of columns: turned where the terminal is too narrow for it."""
    turned = bool(columns[0].cells) and not fits(columns, look)
    print_lines(records(columns, look) if turned else render(columns, look), look)


def print_json(value: Any, look: Look) -> None:
    """Print JSON."""
    print_data([json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False), "\n"], look)


def print_csv(titles: Sequence[str], rows: Iterable[Sequence[Any]], look: Look) -> None:
    """Print CSV with a line of titles; None is an empty cell, and no text is a formula."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(titles)
    writer.writerows([no_formula(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    print_data([buffer.getvalue()], look)


def print_data(chunks: Iterable[str], look: Look) -> None:
    """Write text for programs: as it is and in UTF-8, but on a terminal with control characters as escapes."""
    if look.terminal:
        for chunk in chunks:
            click.echo("\n".join(map(_visible, chunk.split("\n"))), nl=False)
        return
    for chunk in chunks:
        sys.stdout.buffer.write(chunk.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def refuse_both(as_json: bool, as_csv: bool) -> None:
    """Raises UsageError where two formats are asked for at once."""
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other; give one of them.")


def _visible(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in line)
