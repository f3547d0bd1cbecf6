"""A frontend as a stranger would write it: it counts sessions by status, with public names only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click


@click.command("tally", short_help="Count sessions by status.")
@click.option("--store", "url", help="Path or URL of the store.")
def tally(url: str | None) -> None:
    """Count the sessions of a store by status."""
    import progstore

    with progstore.open_store(url) as store:
        found = Counter(str(session.status) for session in store.sessions(limit=1000))
    for status, number in sorted(found.items()):
        click.echo(f"{status} {number}")


class SampleFrontend:
    """What the entry point names."""

    name = "sample"
    summary = "Counts."

    def commands(self) -> Sequence[click.Command]:
        """`tally`."""
        return (tally,)


frontend = SampleFrontend()
