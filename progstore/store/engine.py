"""From a URL to the place of a store; which kind of database it is, is decided here and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from progstore import config
from progstore.errors import StoreError
from progstore.store.backend import Location
from progstore.store.server_url import is_server, server_url

SQLITE: Final = frozenset({"sqlite", "sqlite+pysqlite"})
POSTGRES: Final = frozenset({"postgresql", "postgresql+psycopg", "postgres"})


def locate(url: str | None = None) -> Location:
    """The place of the store at `url`, or of the configured or default one. What goes to a server is in the default
    one first.

    Raises StoreError for a URL that this version cannot use and for a file on a network file system, MissingExtra where
    the packages that it takes are not installed.
    """
    chosen = config.setting("store", url)
    if chosen is None or is_server(chosen):
        from progstore.store.sqlite.location import default_location

        return default_location() if chosen is None else replace(default_location(), push_to=server_url(chosen))
    scheme, separator, _ = chosen.partition("://")
    if not separator or scheme in SQLITE:
        from progstore.store.sqlite.location import SqliteLocation

        return SqliteLocation.at(chosen)
    if scheme in POSTGRES:
        from progstore.store.postgres.location import PostgresLocation

        return PostgresLocation.at(chosen)
    raise StoreError(
        f"this version cannot use {scheme}:// URLs; give a path, sqlite:///path, postgresql://user@host/database, or "
        "the https:// address of a progstore server"
    )
