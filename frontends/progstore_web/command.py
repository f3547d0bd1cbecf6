"""The command `progstore ui`: says where the pages are, opens a browser, and serves until Ctrl-C."""

from __future__ import annotations

import gc
import os
import re
import sys
import webbrowser
from collections.abc import Mapping
from threading import Thread
from typing import TYPE_CHECKING

import click

import progstore
from progstore_web.access import Access, host_name, is_token, parse_tokens
from progstore_web.listening import address, has_display, is_loopback, is_wildcard, listen, own_names

if TYPE_CHECKING:
    from progstore import Job

PORT = 8787
ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]+", re.ASCII)

HELP = """Open a live page of what runs and what ran, in the browser.

\b
Examples:
  progstore ui                                  this machine only, in your browser
  progstore ui --store /srv/jobs.db --no-open   another store, only the address
  progstore ui --jobs photos.jobs               jobs can be started here, too
  PROGSTORE_TOKEN=… progstore ui --host 0.0.0.0 for others, who need the token

Looking changes nothing in the store; a clean-up that you confirm does, --retention, and what you start or stop.
The same as JSON is under /api/v1, for example /api/v1/sessions?status=error. Progressista's clients may post to
/progress.
Ctrl-C ends it.
"""


@click.command(help=HELP)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option(
    "--port",
    default=PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; the next free one if it is taken, any free one if 0.",
)
@click.option(
    "--token",
    envvar="PROGSTORE_TOKEN",
    metavar="TOKEN",
    help="Let in only who knows it; several with commas between. [env: PROGSTORE_TOKEN, hidden from other users]",
)
@click.option(
    "--view-token",
    envvar="PROGSTORE_VIEW_TOKEN",
    metavar="TOKEN",
    help="Let who knows it read, but not delete, start or stop. [env: PROGSTORE_VIEW_TOKEN]",
)
@click.option(
    "--push-token",
    envvar="PROGSTORE_PUSH_TOKEN",
    metavar="TOKEN",
    help="Let who knows it send progress, and nothing else. [env: PROGSTORE_PUSH_TOKEN]",
)
@click.option("--no-auth", is_flag=True, help="Listen on other addresses without a token.")
@click.option("--allow-host", "names", multiple=True, metavar="NAME", help="A further name of this server.")
@click.option(
    "--allow-origin", "origins", multiple=True, metavar="ORIGIN", help="A site that may show what is shared, or *."
)
@click.option(
    "--stale-after",
    default=0.0,
    show_default="never",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Call running work stale that has not moved for so long.",
)
@click.option(
    "--retention",
    default="0",
    show_default="keep all",
    metavar="AGE",
    callback=lambda _context, _option, given: 0.0 if given == "0" else progstore.parse_age(given),
    help="Remove what ended longer ago, as in 7d or 26h; what runs is kept.",
)
@click.option(
    "--jobs",
    "modules",
    multiple=True,
    envvar="PROGSTORE_JOBS",
    metavar="MODULE",
    help="Let who may delete start the jobs of this module, too; may be repeated. [env: PROGSTORE_JOBS]",
)
@click.option(
    "--jobs-at-once",
    default=4,
    show_default=True,
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Jobs that this server runs at once.",
)
@click.option("--root-path", default="", metavar="PATH", help="Where a proxy shows the pages, as in /jobs.")
@click.option("--no-open", is_flag=True, help="Open no browser.")
@click.option(
    "--store", "url", metavar="URL", help="Path or URL of the store. [env: PROGSTORE_URL; default: the user's own]"
)
def ui(
    host: str,
    port: int,
    token: str | None,
    view_token: str | None,
    push_token: str | None,
    *,
    no_auth: bool,
    names: tuple[str, ...],
    origins: tuple[str, ...],
    stale_after: float,
    retention: float,
    modules: tuple[str, ...],
    jobs_at_once: int,
    root_path: str,
    no_open: bool,
    url: str | None,
) -> None:
    """Serve the pages."""
    tokens, view_tokens = _tokens("--token", token), _tokens("--view-token", view_token)
    push_tokens = _tokens("--push-token", push_token)
    _check(host, tokens, {"--view-token": view_tokens, "--push-token": push_tokens}, no_auth=no_auth)
    for origin in origins:
        if origin != "*" and not ORIGIN.fullmatch(origin):
            raise click.UsageError(f"--allow-origin is a site as in https://shop.example, or *; got {origin}")
    if root_path and (not root_path.startswith("/") or root_path.startswith("//")):
        raise click.UsageError(f'--root-path begins with one "/", as in /jobs; got {root_path}')
    access = Access(
        tokens=tokens,
        view_tokens=view_tokens,
        push_tokens=push_tokens,
        origins=frozenset(origins),
        hosts=own_names(host) | {host_name(name) for name in names},
        any_address=is_wildcard(host),
    )
    jobs = _jobs(modules)
    try:
        gc.disable()  # until it answers all that is made stays, and looking through it takes a tenth of the start
        from progstore_web.server import serve  # not at the top, so that `--help` stays quick

        with progstore.open_store(url, stale_after=stale_after) as store, listen(host, port) as listener:
            where = _where(host, port, listener.getsockname()[1], root_path)
            opens = not no_open and has_display()
            serve(
                listener,
                store,
                access,
                root_path=root_path,
                retention=retention,
                jobs=jobs,
                jobs_at_once=jobs_at_once,
                ready=lambda: _say(where, opens=opens),
            )
    except KeyboardInterrupt:
        click.echo()  # Ctrl-C is how one ends a server, and no failure


def _jobs(modules: tuple[str, ...]) -> Mapping[str, Job]:
    """The jobs that may be started; modules are found as `python -m` finds them, in the working directory first."""
    if not modules:
        return {}
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    return progstore.load_jobs(*modules)


def _tokens(option: str, given: str | None) -> tuple[str, ...]:
    found = parse_tokens(given or "")
    if given is not None and not found:
        raise click.UsageError(f"{option} is empty; give one, or leave it out")
    if not all(map(is_token, found)):
        raise click.UsageError(f"{option} holds what no header can carry: a token is of printable ASCII")
    return found


def _check(host: str, tokens: tuple[str, ...], others: dict[str, tuple[str, ...]], *, no_auth: bool) -> None:
    """Nobody opens the pages to others, or closes them to himself, without having said so. `others` are the tokens
    that let one do less, by option.
    """
    for option, given in others.items():
        if given and not tokens:
            lets = "read" if option == "--view-token" else "send progress"
            raise click.UsageError(f"{option} lets one {lets}; give a --token too, of who may delete")
    if tokens and no_auth:
        raise click.UsageError(
            "--no-auth lets everybody read, and a token does not: leave one out (or unset PROGSTORE_TOKEN)"
        )
    if not tokens and not no_auth and not is_loopback(host):
        raise click.UsageError(
            f"on {host} others can reach the pages: give a --token, or --no-auth to let everybody read and delete.\n"
            "A good token: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )


def _where(host: str, wanted: int, found: int, root_path: str) -> str:
    if wanted not in (0, found):
        click.echo(f"port {wanted} is taken, so it is {found}", err=True)
    return address(host, found, root_path)


def _say(where: str, *, opens: bool) -> None:
    gc.enable()
    click.echo(f"progstore ui: {where}  (Ctrl-C ends it)")
    if opens:
        # A browser of the terminal stays until it is left: the pages are served meanwhile.
        Thread(target=webbrowser.open, args=(where,), daemon=True).start()
