"""`run`: runs a Python program and records it, with no line of it changed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NoReturn

import click

from progstore.cli.exec import Metadata
from progstore.cli.exits import FINE, USAGE, Handover, epilog, say
from progstore.cli.options import store_option, with_examples

_CODES = (
    f"{epilog(FINE, USAGE, fine='the program ended well')}\n"
    "  any other: the program's own; who dies of a signal here does so there"
)


@with_examples(
    "progstore run train.py --epochs 3",
    "progstore run -m package.module --flag",
    'progstore run --name "nightly import" import.py',
)
@click.command(
    "run",
    short_help="Run a Python program, and record its bars.",
    epilog=_CODES,
    context_settings={"allow_interspersed_args": False},
)
@click.option("-m", "is_module", is_flag=True, help="PROGRAM is a module, as for `python -m`.")
@click.option("--name", metavar="NAME", help="What the session is called; by default like the script or module.")
@click.option(
    "--meta", "pairs", type=Metadata(), multiple=True, metavar="KEY=VALUE", help="Keep this with it; may be repeated."
)
@click.option("--interval", type=click.FloatRange(0, 3600), metavar="S", help="Seconds between two writes.")
@store_option
@click.argument("program", type=click.Path())
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run_command(
    *,
    url: str | None,
    is_module: bool,
    name: str | None,
    pairs: Sequence[tuple[str, str]],
    interval: float | None,
    program: str,
    arguments: Sequence[str],
) -> NoReturn:
    """Run PROGRAM, a script, or a folder or zip file with a `__main__.py`, as `python PROGRAM` would, and record it.

    The bars of tqdm and rich in it are drawn as ever, and each is a task; so is all that it tracks itself. A `--`
    before its ARGUMENTS is left out.
    """
    if url is not None:
        os.environ["PROGSTORE_URL"] = url if "://" in url else os.path.abspath(os.path.expanduser(url))
    if interval is not None:
        os.environ["PROGSTORE_INTERVAL"] = str(interval)
    rest = arguments[1:] if arguments[:1] == ("--",) else arguments
    raise Handover(partial(_run, program, rest, is_module=is_module, name=name, meta=dict(pairs)))


def _run(
    program: str, arguments: Sequence[str], *, is_module: bool, name: str | None, meta: Mapping[str, str]
) -> NoReturn:
    from progstore import patch
    from progstore.adapters.script import find_module, find_script

    patch.install()
    try:
        found = (find_module if is_module else find_script)(program, arguments)
    except (ImportError, OSError) as error:
        say(f"cannot run {program}: {getattr(error, 'strerror', None) or error}")
        raise SystemExit(USAGE) from None
    found.run(name=name, meta=meta)
