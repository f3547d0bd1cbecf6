"""The command `progstore` itself: finds the other commands when they are asked for, and turns errors into exits."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from progstore._version import __version__
from progstore.cli.exits import MEANINGS, MISSING, Handover, epilog, errors_as_exits, leave, say

if TYPE_CHECKING:
    from progstore.frontends import Loaded

# Command: the module that holds it. In the order of the help text: looking, running, asking, tidying, trying out.
_CORE = {
    "ls": "look_at",
    "show": "look_at",
    "run": "run",
    "exec": "exec",
    "job": "job",
    "check": "ask",
    "wait": "ask",
    "sql": "data",
    "export": "data",
    "push": "sending",
    "copy": "sending",
    "prune": "upkeep",
    "db": "upkeep",
    "demo": "demo",
    "completion": "completion",
}

HELP = """Progress bars that leave a record: what ran, how far it came, how it ended.

\b
A first look:
  progstore demo                  real work for some seconds, recorded
  progstore ls                    what runs and what ran, newest first
  progstore show 17               session 17 with its tasks
  progstore sql "select * from v_running"

Every command reads the store at --store, else at PROGSTORE_URL, else the user's own one (`progstore db path` says where
that is). `progstore COMMAND --help` has examples; `progstore completion --help` tells how the shell completes commands.
"""


class CommandLine(click.Group):
    """A group whose commands are imported when they are used: the core's by name, the frontends' by entry point."""

    _loaded: Loaded | None = None

    def main(self, *args: Any, **extra: Any) -> Any:
        """Parse and do it. What a command hands over to is called when nothing of the command line stands around it."""
        streams = [stream for stream in (sys.stdout, sys.stderr) if hasattr(stream, "reconfigure")]
        errors = [stream.errors for stream in streams]
        try:
            return super().main(*args, **extra)
        except Handover as handover:
            program = handover.program
        for stream, as_it_was in zip(streams, errors, strict=True):
            stream.reconfigure(errors=as_it_was)
        return program()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The core's commands, then those of the frontends."""
        return [*_CORE, *sorted(self._frontends(ctx).offers)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; the core's win, so that they cost no look at the frontends."""
        if module := _CORE.get(cmd_name):
            command: click.Command = getattr(import_module(f"progstore.cli.{module}"), f"{cmd_name}_command")
            return command
        offer = self._frontends(ctx).offers.get(cmd_name)
        return offer.command if offer else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` begin with; an unknown one is answered with near names and what is not installed."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            hints = "".join(f"\n{sentence}" for sentence in self._frontends(ctx).missing.values())
            raise click.exceptions.NoSuchCommand(
                error.command_name,
                f"No such command {error.command_name!r}.{hints}",
                possibilities=self.list_commands(ctx),
                ctx=ctx,
            ) from None

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse; the help text is printed here already, so a closed pipe is met here too."""
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # what the terminal's encoding lacks is escaped, never an error
                stream.reconfigure(errors="backslashreplace")
        with errors_as_exits():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with errors_as_exits():
            try:
                return super().invoke(ctx)
            except ModuleNotFoundError as error:
                if sentence := self._install_line(ctx, error):
                    leave(MISSING, sentence)
                raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, and of frontends whose packages are missing."""
        super().format_commands(ctx, formatter)
        if missing := self._frontends(ctx).missing:
            with formatter.section("Not installed"):
                formatter.write_dl(sorted(missing.items()))

    def _frontends(self, ctx: click.Context) -> Loaded:
        """The frontends, loaded on first use; what was left out is said once, but not while a shell completes."""
        if self._loaded is None:
            from progstore.frontends import load

            self._loaded = load(_CORE.keys())
            for warning in () if ctx.resilient_parsing else self._loaded.warnings:
                say(f"warning: {warning}")
        return self._loaded

    def _install_line(self, ctx: click.Context, error: ModuleNotFoundError) -> str | None:
        from progstore.frontends import missing_extra

        offer = self._frontends(ctx).offers.get(ctx.invoked_subcommand or "")
        lacking = missing_extra(offer.entry_point, error) if offer else None
        return str(lacking) if lacking else None


main = CommandLine(
    name="progstore",
    help=HELP,
    epilog=epilog(*MEANINGS),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
click.version_option(__version__, "-V", "--version", prog_name="progstore", message="%(prog)s %(version)s")(main)
