"""Create, compare and upgrade what is on disk; safe for many processes at once.

The version is read by plain SQL, and Alembic, which takes 200 ms to import, only where there is something to migrate.
Readers never migrate.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, text

from progstore._version import __version__
from progstore.errors import StoreDamaged, StoreError, StoreTooNew
from progstore.store.backend import Glance, Location
from progstore.store.tables import metadata, store_info
from progstore.store.views import create_views

HEAD = "0002"
"""The newest migration, which a fresh schema equals."""
FORMAT = 1
"""What this code can read and write; a store says the least that a reader and a writer need."""
CREATE_PATIENCE = 10.0
"""Seconds that creating may wait for another process that is at it."""


class Versions(NamedTuple):
    """What a store says of itself; `revision` is None where it holds nothing yet."""

    revision: str | None
    min_reader: int
    min_writer: int
    created_by: str


def versions(connection: Connection, location: Location) -> Versions:
    """What the store says of itself. Raises StoreError where the place belongs to another program, StoreDamaged
    where it does not say it.
    """
    names = location.tables(connection)
    if "store_info" not in names:
        if names:
            raise StoreError(location.foreign)
        return Versions(None, FORMAT, FORMAT, "")
    info: dict[str, str] = dict(connection.exec_driver_sql("SELECT key, value FROM store_info").all())
    revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    try:
        return Versions(revision, int(info["min_reader"]), int(info["min_writer"]), info["created_by"])
    except (KeyError, TypeError, ValueError) as error:
        raise StoreDamaged(f"the table store_info lacks what it must say ({error}); restore the store") from error


def is_known(least: object) -> bool:
    """Whether this code knows the format that a store asks for; what is no number may be anybody's."""
    try:
        return int(str(least)) <= FORMAT
    except ValueError:
        return False


def check_readable(found: Versions, location: Location) -> None:
    """Raises StoreTooNew where this code may not read the store."""
    if found.min_reader > FORMAT:
        raise _too_new(location, "read", found.min_reader)


def check_writable(found: Versions, location: Location) -> None:
    """Raises StoreTooNew where this code may not write to the store."""
    if found.min_writer > FORMAT:
        raise _too_new(location, "write to", found.min_writer)


def prepare(connection: Connection, location: Location) -> None:
    """Make sure that a writer finds its tables: create them where there is nothing, refuse a newer store, upgrade an
    older.

    Raises StoreTooNew, StoreError, StoreBusy.
    """
    is_current = _is_current(location.glance(connection))
    connection.rollback()
    if is_current:
        return
    location.set_up(connection)
    found = versions(connection, location)
    connection.rollback()
    if found.revision is None:
        _create(connection, location)
        found = versions(connection, location)
        connection.rollback()
    check_writable(found, location)
    if found.revision is not None and found.revision < HEAD:
        upgrade(location)


def upgrade(location: Location) -> tuple[str | None, str]:
    """Migrate the store to this code's schema in one transaction; returns the revision before and after.

    Raises StoreBusy while another process migrates or cleans up, StoreTooNew for a store that is ahead of this code.
    """
    engine = location.writer_engine(patience=CREATE_PATIENCE)
    try:
        with engine.connect() as connection, location.maintenance(connection):
            location.set_up(connection)
            found = versions(connection, location)
            connection.rollback()
            check_writable(found, location)
            if found.revision is None:
                _create(connection, location)
            elif found.revision < HEAD:
                from progstore_migrations import migrate

                with location.creating(connection):
                    migrate(connection)
        return found.revision, max(found.revision or HEAD, HEAD)
    finally:
        engine.dispose()


def _is_current(glance: Glance | None) -> bool:
    """Whether the store is just as this code makes it."""
    return glance is not None and glance.revision == HEAD and is_known(glance.min_writer)


def _create(connection: Connection, location: Location) -> None:
    with location.creating(connection):
        if versions(connection, location).revision is not None:
            return
        metadata.create_all(connection, checkfirst=False)
        create_views(connection)
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
        connection.execute(
            store_info.insert(),
            [
                {"key": "created_by", "value": __version__},
                {"key": "min_reader", "value": str(FORMAT)},
                {"key": "min_writer", "value": str(FORMAT)},
            ],
        )


def _too_new(location: Location, verb: str, needed: int) -> StoreTooNew:
    return StoreTooNew(
        f"{location.name} needs store format {needed} to {verb} it, and progstore {__version__} knows format {FORMAT}; "
        "upgrade with `pip install --upgrade progstore`"
    )
