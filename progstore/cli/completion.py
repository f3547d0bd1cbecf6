"""`completion`: the script by which a shell completes our commands and options."""

from __future__ import annotations

import click

from progstore.cli.options import with_examples

VARIABLE = "_PROGSTORE_COMPLETE"
"""The variable by which the script asks us for completions, as click names it for `progstore`."""


@with_examples(
    '~/.bashrc                                   eval "$(progstore completion bash)"',
    '~/.zshrc                                    eval "$(progstore completion zsh)"',
    "~/.config/fish/completions/progstore.fish   progstore completion fish | source",
    title="Put one of these where it belongs",
)
@click.command("completion", short_help="Print the shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print the script that makes the shell complete commands and options."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click completes no {shell}")
    click.echo(kind(ctx.find_root().command, {}, "progstore", VARIABLE).source())
