"""What a kind of database must do in its own way to hold a store; everything else is one code for all of them.

SQLite and PostgreSQL are rooms of their own, each with its `Location`, from which the other parts come. No other module
asks which kind it is; how SQL is spelled on each stands in `spelling`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from sqlalchemy import Connection, Engine

if TYPE_CHECKING:
    from progstore.errors import StoreError
    from progstore.reports import QueryResult
    from progstore.store.cleaner import Cleaner
    from progstore.store.faults import Fault
    from progstore.store.reader import Reader


GLANCE = (
    "SELECT (SELECT version_num FROM alembic_version), (SELECT value FROM store_info WHERE key = 'min_reader'),"
    " (SELECT value FROM store_info WHERE key = 'min_writer')"
)


class Glance(NamedTuple):
    """The schema's revision and what the store asks of readers and writers, each None where it does not say so."""

    revision: str | None
    min_reader: str | None
    min_writer: str | None


class Location(ABC):
    """Where a store is. Made without touching it; nothing here ever shows a password."""

    notice: str = ""
    """A word for the user about the choice of the place, or empty."""
    push_to: str = ""
    """The address of the server that gets what is written there, or empty."""
    dialect: ClassVar[str]
    """SQLAlchemy's name of the kind of database."""
    foreign: ClassVar[str]
    """What is said where the place holds another program's tables."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What the store is called in messages: the path, or the server and database."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The store's URL, without a password."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    # Connections

    @abstractmethod
    def identity(self) -> Hashable:
        """What tells this store from another that takes its place; connections to the former are then of no use.

        Raises StoreNotFound or StoreError where there is none.
        """

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is something at that place, as far as can be told without asking what."""

    @abstractmethod
    def writer_engine(self, *, patience: float | None = None) -> Engine:
        """An engine whose connections can write. They wait `patience` seconds for others, by default only a moment."""

    @abstractmethod
    def reader_engine(self) -> Engine:
        """An engine with a few connections that cannot write and hold nothing between questions."""

    @abstractmethod
    def begin_reading(self, connection: Connection) -> None:
        """Begin a transaction in which everything is seen as it is at the first question."""

    @abstractmethod
    def looker(self) -> Looker:
        """A connection that only looks whether anything was committed."""

    @abstractmethod
    def hold(self) -> Hold:
        """What a process that writes will hold besides its connection."""

    @abstractmethod
    def now(self, connection: Connection) -> float:
        """The time (seconds UTC) by the clock that all readers of this store go by."""

    # The schema

    @abstractmethod
    def make(self) -> None:
        """Make what the first connection needs. Raises OSError."""

    @abstractmethod
    def set_up(self, connection: Connection) -> None:
        """Do what must come before anything else in a store that holds nothing yet; elsewhere nothing."""

    @abstractmethod
    def tables(self, connection: Connection) -> Collection[str]:
        """The names of the tables that are there, of whichever program."""

    @abstractmethod
    def glance(self, connection: Connection) -> Glance | None:
        """What GLANCE answers, asked without a lock that others queue for; None where the tables are not there."""

    @abstractmethod
    def creating(self, connection: Connection) -> AbstractContextManager[None]:
        """A transaction in which only this process creates or migrates tables."""

    @abstractmethod
    def maintenance(self, connection: Connection) -> AbstractContextManager[None]:
        """While the block lasts no other process cleans up or upgrades. Raises StoreBusy where one does."""

    # Owners

    @abstractmethod
    def owner_locks(self) -> OwnerLocks:
        """How to see whether the owners of running work hold their locks."""

    # What its owner asks and orders

    @abstractmethod
    def cleaner(self) -> Cleaner:
        """The connection over which the store is cleaned up."""

    @abstractmethod
    def used_bytes(self, connection: Connection) -> int:
        """Bytes that hold something."""

    @abstractmethod
    def facts(self, connection: Connection, *, integrity: bool) -> Mapping[str, Any]:
        """Where it is, sizes, versions, and with `integrity` whether it is sound: "ok" or what is wrong."""

    @abstractmethod
    def backup(self, reader: Reader, target: str) -> int:
        """Copy the live store to the new file `target`; returns bytes. Raises StoreError."""

    @abstractmethod
    def ask(
        self, reader: Reader, sql: str, params: Sequence[Any] | Mapping[str, Any], *, limit: int, seconds: float
    ) -> QueryResult:
        """The answer to anybody's one read-only statement. Raises BadQuery."""

    # Faults

    @abstractmethod
    def explained(self, error: Exception) -> StoreError:
        """The error for whoever asked, with the store, the cause and the way out."""

    @abstractmethod
    def advice(self, fault: Fault) -> str:
        """What a job's user is told to expect or to do."""


class Looker(ABC):
    """Tells cheaply whether a store has moved."""

    @abstractmethod
    def look(self) -> Hashable:
        """Something that is never the same again after another connection has committed."""

    @abstractmethod
    def close(self) -> None:
        """Give the connection back."""


class Hold(ABC):
    """What a process that writes holds besides its connection: its lock, and what tells that the store is the same.

    Used by one thread.
    """

    warning: str = ""
    """What is wrong with the store though it can be written, or empty."""

    @abstractmethod
    def before_connecting(self) -> None:
        """Make what the connection needs. Raises OSError."""

    @abstractmethod
    def own(self, connection: Connection, process_id: int) -> None:
        """Take the lock of process `process_id`, before the row that names it can be seen by others."""

    @abstractmethod
    def connected(self) -> None:
        """Remember which store the connection is to."""

    @abstractmethod
    def check(self) -> None:
        """Raises StoreReplaced where the store is no longer the one that was connected to."""

    @abstractmethod
    def transaction(self, connection: Connection, *, durable: bool) -> AbstractContextManager[None]:
        """A transaction; `durable` means that its commit survives a power cut, not only the death of processes."""

    @abstractmethod
    def tidy(self, connection: Connection) -> None:
        """Do what must be done between transactions from time to time."""

    @abstractmethod
    def release(self) -> None:
        """Let go of the lock, for the process ends."""


class OwnerLocks(ABC):
    """The locks that owners of running work hold as long as they live."""

    are_certain: ClassVar[bool]
    """Whether an owner on this machine that lives holds its lock for certain. Where the lock hangs on a connection, an
    owner may have lost it, and only the other way round holds: who has the lock lives.
    """

    @abstractmethod
    def held(self, connection: Connection, process_ids: Collection[int]) -> Collection[int] | None:
        """Those of these processes that hold their locks; None where that cannot be known."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what it takes to look."""
