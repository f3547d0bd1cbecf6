"""How Alembic runs the revisions: on the connection that progstore gives it, or on the store that a URL names."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from progstore.errors import StoreBusy
from progstore.store import schema
from progstore.store.engine import Location, locate, writer_engine
from progstore.store.lockfile import MAINTENANCE, LockFile
from progstore.store.tables import metadata


def run() -> None:
    """Migrate in one transaction, or write the SQL of it where Alembic was asked for that."""
    if context.is_offline_mode():
        context.configure(dialect_name="sqlite", target_metadata=metadata, literal_binds=True)
        context.run_migrations()
        return
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        _migrate(given)
        return
    _migrate_at(locate(context.get_x_argument(as_dictionary=True).get("url")))


def _migrate_at(location: Location) -> None:
    schema.create_file(location)
    lock, engine = LockFile(location.lock, create=True), writer_engine(location)
    try:
        if not lock.try_lock(MAINTENANCE):
            raise StoreBusy(f"another process upgrades or cleans up {location.path}; try again when it is done")
        with engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            # Both must come before the first table; on a store that has tables they change nothing.
            raw.execute("PRAGMA auto_vacuum=INCREMENTAL")
            raw.execute("PRAGMA journal_mode=WAL")
            with connection.begin():
                _migrate(connection)
    finally:
        engine.dispose()
        lock.close()


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


run()
