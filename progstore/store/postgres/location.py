"""Where a PostgreSQL store is, and what this kind of store does in its own way."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, ProgrammingError

from progstore import clean
from progstore.errors import MissingExtra, StoreBusy, StoreError
from progstore.store.backend import GLANCE, Glance, Hold, Location, Looker, OwnerLocks
from progstore.store.faults import ADVICE, Fault, driver_errors
from progstore.store.postgres import engines, faults, locks
from progstore.store.tables import complete_for_postgresql

if TYPE_CHECKING:
    from progstore.reports import QueryResult
    from progstore.store.cleaner import Cleaner
    from progstore.store.reader import Reader

_UNDEFINED_TABLE = "42P01"
_UNREADABLE = "that PostgreSQL URL cannot be read; write postgresql://user@host:5432/database"


@dataclass(frozen=True, slots=True, repr=False)
class PostgresLocation(Location):
    """A schema of a database of a server: the first of the connection's search_path."""

    _address: URL = field(repr=False)
    dialect: ClassVar[str] = "postgresql"
    foreign: ClassVar[str] = (
        "this schema holds another program's tables; give progstore a database of its own, or a schema of its own with "
        "?options=-csearch_path%3Dprogstore at the end of the URL"
    )

    @classmethod
    def at(cls, url: str) -> PostgresLocation:
        """The store at `url`. Raises StoreError for a URL that cannot be read, MissingExtra without psycopg."""
        _, _, rest = url.partition("://")
        if clean.printable(rest) != rest:
            raise StoreError(_UNREADABLE)
        try:
            address = make_url(f"postgresql+psycopg://{rest}")
        except (ArgumentError, ValueError):
            # From None, for the cause would repeat the URL, and the password in it.
            raise StoreError(_UNREADABLE) from None
        if find_spec("psycopg") is None:
            raise MissingExtra(engines.INSTALL)
        complete_for_postgresql()
        return cls(address)

    @property
    def name(self) -> str:
        """User, server and database."""
        return self._shown().set(query={}).render_as_string(hide_password=False)

    @property
    def url(self) -> str:
        """All but what is secret."""
        return self._shown().render_as_string(hide_password=False)

    def _shown(self) -> URL:
        query = {key: value for key, value in self._address.query.items() if "pass" not in key and "secret" not in key}
        address = self._address
        return URL.create(
            "postgresql", address.username, None, address.host, address.port, address.database, query=query
        )

    def identity(self) -> Hashable:
        """One server stays the same."""
        return self.url

    def exists(self) -> bool:
        """Whether the server lets one in to that database and there are tables; nothing else is told."""
        engine = self.reader_engine()
        try:
            with engine.connect() as connection:
                return bool(self.tables(connection))
        except driver_errors():
            return False
        finally:
            engine.dispose()

    def writer_engine(self, *, patience: float | None = None) -> Engine:
        """See `engines`."""
        return engines.writer_engine(self._address, lock_seconds=patience or engines.LOCK_SECONDS)

    def reader_engine(self) -> Engine:
        """See `engines`."""
        return engines.reader_engine(self._address)

    def begin_reading(self, connection: Connection) -> None:
        """It has begun with the first statement."""

    def looker(self) -> Looker:
        """A kept connection in autocommit."""
        return _Looker(engines.looking_engine(self._address))

    def hold(self) -> Hold:
        """An advisory lock."""
        from progstore.store.postgres.hold import PostgresHold

        return PostgresHold()

    def now(self, connection: Connection) -> float:
        """The server's clock, for readers on several machines have clocks of their own."""
        return engines.now(connection)

    def make(self) -> None:
        """Databases are made by whoever runs the server."""

    def set_up(self, connection: Connection) -> None:
        """There is nothing to set."""

    def tables(self, connection: Connection) -> Collection[str]:
        """All in the schema."""
        found = connection.exec_driver_sql("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        return set(found.scalars())

    def glance(self, connection: Connection) -> Glance | None:
        """Readers and writers never wait for one another."""
        try:
            return Glance(*connection.exec_driver_sql(GLANCE).one())
        except ProgrammingError as error:
            connection.rollback()
            if getattr(error.orig, "sqlstate", None) != _UNDEFINED_TABLE:
                raise
            return None

    @contextmanager
    def creating(self, connection: Connection) -> Iterator[None]:
        """An advisory lock to the end of the transaction, which may take as long as a migration does."""
        connection.rollback()
        with connection.begin():
            locks.wait_in_transaction(connection, locks.CREATION)
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            yield

    @contextmanager
    def maintenance(self, connection: Connection) -> Iterator[None]:
        """An advisory lock of the connection."""
        if not locks.try_lock(connection, locks.MAINTENANCE):
            raise StoreBusy(f"another process cleans up or upgrades {self.name}; try again when it is done")
        connection.commit()
        try:
            yield
        finally:
            if not (connection.closed or connection.invalidated):
                connection.rollback()
                locks.unlock(connection, locks.MAINTENANCE)
                connection.commit()

    def owner_locks(self) -> OwnerLocks:
        """Advisory locks."""
        return locks.ServerLocks()

    def cleaner(self) -> Cleaner:
        """With the server's own VACUUM."""
        from progstore.store.postgres.cleaning import PostgresCleaner

        return PostgresCleaner(self)

    def used_bytes(self, connection: Connection) -> int:
        """Of the rows that are there; an estimate."""
        from progstore.store.postgres import upkeep

        return upkeep.used(connection)

    def facts(self, connection: Connection, *, integrity: bool) -> Mapping[str, Any]:
        """Sizes and the server's version."""
        from progstore.store.postgres import upkeep

        return upkeep.facts(self.name, connection, integrity=integrity)

    def backup(self, reader: Reader, target: str) -> int:  # noqa: ARG002  # whatever is asked for
        """Raises StoreError, always: PostgreSQL has a tool for it."""
        raise StoreError(f"{self.name} is copied by PostgreSQL's own tool: pg_dump --format=custom --file={target} …")

    def ask(
        self, reader: Reader, sql: str, params: Sequence[Any] | Mapping[str, Any], *, limit: int, seconds: float
    ) -> QueryResult:
        """In a read-only transaction, after the server itself has told what the statement uses."""
        from progstore.store.postgres import question

        return question.ask(self._address, reader, sql, params, limit=limit, seconds=seconds)

    def explained(self, error: Exception) -> StoreError:
        """In words of servers."""
        return faults.explained(self.name, error)

    def advice(self, fault: Fault) -> str:
        """In words of servers."""
        return faults.ADVICE.get(fault, ADVICE[fault])


class _Looker(Looker):
    """Asks for the snapshot: which transactions are seen.

    While it is the same, the same is seen, so nothing was committed; it takes no lock, writes nothing and costs writers
    nothing. It differs too when something was committed in another database of the server, which costs a reading.
    """

    def __init__(self, engine: Engine) -> None:
        self._connection = engine.connect()

    def look(self) -> Hashable:
        """As text."""
        return str(self._connection.exec_driver_sql("SELECT pg_current_snapshot()::text").scalar_one())

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
