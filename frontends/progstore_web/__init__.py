"""The web frontend: a live page of what runs, a page for each session, and both as JSON.

`progstore ui` serves it; `create_app(store)` gives the same as an ASGI application for a server of your own, and
`ProgstorePlugin(store)` puts it into a Litestar application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    from progstore_web.access import Access
    from progstore_web.app import create_app
    from progstore_web.plugin import ProgstorePlugin

__all__ = ["Access", "ProgstorePlugin", "create_app", "frontend"]


class WebFrontend:
    """How the command line finds the pages; nothing heavy is imported before the command runs."""

    name = "web"
    summary = "Live pages in the browser, and the same as JSON."

    def commands(self) -> Sequence[click.Command]:
        """The commands that join the command line: `ui`."""
        from progstore_web.command import ui

        return (ui,)


frontend = WebFrontend()


def __getattr__(name: str) -> Any:
    if name == "create_app":
        from progstore_web.app import create_app

        return create_app
    if name == "Access":
        from progstore_web.access import Access

        return Access
    if name == "ProgstorePlugin":
        from progstore_web.plugin import ProgstorePlugin

        return ProgstorePlugin
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
