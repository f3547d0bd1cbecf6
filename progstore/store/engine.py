"""From a URL to the place of a store; which kind of database it is, is decided here and nowhere else."""

from __future__ import annotations

from typing import Final

from progstore import config
from progstore.errors import StoreError
from progstore.store.backend import Location

SQLITE: Final = frozenset({"sqlite", "sqlite+pysqlite"})
POSTGRES: Final = frozenset({"postgresql", "postgresql+psycopg", "postgres"})


def locate(url: str | None = None) -> Location:
    """The place of the store at `url`, or of the configured or default one.

    Raises StoreError for a URL that this version cannot use and for a file on a network file system, MissingExtra where
    the packages that it takes are not installed.
    """
    chosen = config.setting("store", url)
    if chosen is None:
        from progstore.store.sqlite.location import default_location

        return default_location()
    scheme, separator, _ = chosen.partition("://")
    if not separator or scheme in SQLITE:
        from progstore.store.sqlite.location import SqliteLocation

        return SqliteLocation.at(chosen)
    if scheme in POSTGRES:
        from progstore.store.postgres.location import PostgresLocation

        return PostgresLocation.at(chosen)
    raise StoreError(
        f"this version cannot use {scheme}:// URLs; give a path, sqlite:///path or postgresql://user@host/database"
    )
