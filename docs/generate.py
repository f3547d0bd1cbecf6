"""Writes the pages that the code knows best: every command's help, every view's columns, every exit code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from progstore.cli import main
from progstore.cli.exits import MEANINGS
from progstore.store.views import documented

WIDTH = 88
"""Columns that fit on a page."""


def write(folder: Path) -> None:
    """Write all generated pages into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "commands.md").write_text(commands_page(), encoding="utf-8")
    (folder / "views.md").write_text(views_page(), encoding="utf-8")
    (folder / "exit-codes.md").write_text(exit_codes_page(), encoding="utf-8")


def commands_page() -> str:
    """The help of every command, in the order in which `progstore --help` lists them."""
    parts = ["# Commands", "", "Made from each command's own `--help`.", ""]
    for path, text in command_helps(main):
        parts += [f"## {path}", "", "```text", text, "```", ""]
    return "\n".join(parts)


def command_helps(command: click.Command, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    """The full name and the help of `command` and of all commands below it."""
    name = command.name if parent else "progstore"
    context = click.Context(command, parent=parent, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            child = command.get_command(context, each)
            if child is not None and not child.hidden:
                yield from command_helps(child, context)


def views_page() -> str:
    """Every view with its purpose and the meaning of its columns."""
    parts = ["# Views", "", "Within a major version columns are only added, at the end.", ""]
    for name, view in documented().items():
        parts += [f"## {name}", "", view.purpose, "", "| column | meaning |", "|---|---|"]
        parts += [f"| `{column.name}` | {column.meaning} |" for column in view.columns]
        parts.append("")
    return "\n".join(parts)


def exit_codes_page() -> str:
    """What each exit code of the command line means."""
    parts = [
        "# Exit codes",
        "",
        "The same for every command; errors are one line on stderr.",
        "",
        "| code | meaning |",
        "|---|---|",
    ]
    return "\n".join([*parts, *(f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()), ""])
