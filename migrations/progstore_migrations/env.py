"""How Alembic runs the revisions: on the connection that progstore gives it, or on the store that a URL names."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from progstore.store.backend import Location
from progstore.store.engine import locate
from progstore.store.tables import is_on, metadata


def run() -> None:
    """Migrate in one transaction, or write the SQL of it where Alembic was asked for that."""
    if context.is_offline_mode():
        _write_out(_location())
        return
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        _migrate(given)
        return
    _migrate_at(_location())


def _location() -> Location:
    return locate(context.get_x_argument(as_dictionary=True).get("url"))


def _write_out(location: Location) -> None:
    context.configure(dialect_name=location.dialect, target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def _migrate_at(location: Location) -> None:
    location.make()
    engine = location.writer_engine()
    try:
        with engine.connect() as connection, location.maintenance(connection), location.creating(connection):
            _migrate(connection)
    finally:
        engine.dispose()


def _migrate(connection: Connection) -> None:
    dialect = connection.dialect.name

    def is_ours(item: object, *_: object) -> bool:
        return is_on(dialect, item)

    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=dialect == "sqlite",
        include_object=is_ours,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
