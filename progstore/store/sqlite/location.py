"""Where an SQLite file is, and what this kind of store does in its own way."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import time
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import Connection, Engine

from progstore.errors import StoreBusy, StoreDamaged, StoreError, StoreNotFound
from progstore.store.backend import GLANCE, Glance, Hold, Location, Looker, OwnerLocks
from progstore.store.faults import ADVICE, Fault, cause, classify
from progstore.store.sqlite import creation, engines, files
from progstore.store.sqlite.lockfile import MAINTENANCE, FileLocks, LockFile

if TYPE_CHECKING:
    from progstore.reports import QueryResult
    from progstore.store.cleaner import Cleaner
    from progstore.store.reader import Reader


@dataclass(frozen=True, slots=True, repr=False)
class SqliteLocation(Location):
    """An absolute path, with a word for the user about the choice of it, and the server that gets what is written."""

    path: str
    notice: str = ""
    push_to: str = ""
    dialect: ClassVar[str] = "sqlite"
    foreign: ClassVar[str] = "this SQLite database belongs to another program; choose a file of its own for progstore"

    @classmethod
    def at(cls, url: str) -> SqliteLocation:
        """The file at `url`. Raises StoreError for a URL that cannot be used and for a network file system."""
        path = files.check_path(_path(url))
        if kind := files.network_file_system(path):
            raise StoreError(
                f"{path} is on a network file system ({kind}), where SQLite loses rows silently when two machines "
                "write; choose a path on a local disk, for example with PROGSTORE_URL"
            )
        return cls(path)

    @property
    def name(self) -> str:
        """The path."""
        return self.path

    @property
    def url(self) -> str:
        """The store's URL."""
        return f"sqlite:///{self.path}"

    @property
    def wal(self) -> str:
        """The path of the write-ahead log."""
        return self.path + "-wal"

    @property
    def lock(self) -> str:
        """The path of the lock file."""
        return self.path + ".lock"

    def identity(self) -> Hashable:
        """Device and inode of the file, and whether it has a log: connections from before there was one may be such
        as never look for it.
        """
        try:
            status = os.stat(self.path)
        except OSError:
            raise StoreNotFound(
                f"there is no store at {self.path} yet; the first tracked loop creates it, or try `progstore demo`"
            ) from None
        if stat.S_ISDIR(status.st_mode):
            raise StoreError(f"{self.path} is a directory; a store is a file")
        return status.st_dev, status.st_ino, os.path.exists(self.wal)

    def exists(self) -> bool:
        """Whether there is a file."""
        return os.path.exists(self.path)

    def writer_engine(self, *, patience: float | None = None) -> Engine:
        """Its transactions begin IMMEDIATE."""
        busy_ms = engines.WRITER_BUSY_MS if patience is None else int(patience * 1000)
        return engines.writer_engine(self.path, busy_ms=busy_ms)

    def reader_engine(self) -> Engine:
        """Its connections are `mode=ro`."""
        return engines.reader_engine(self)

    def begin_reading(self, connection: Connection) -> None:
        """In autocommit it is said in words; the pool rolls back what it gets back, which ends it as COMMIT does."""
        connection.exec_driver_sql("BEGIN")

    def looker(self) -> Looker:
        """A kept connection of the driver's own."""
        return _Looker(engines.open_read_only(self))

    def hold(self) -> Hold:
        """Lock byte, inodes, checkpoints."""
        from progstore.store.sqlite.hold import SqliteHold

        return SqliteHold(self)

    def now(self, connection: Connection) -> float:  # noqa: ARG002  # there is one clock on one machine
        """This machine's clock."""
        return time.time()

    def make(self) -> None:
        """An empty file that only this user can read."""
        creation.create_file(self.path)

    def set_up(self, connection: Connection) -> None:
        """Even a transaction that is rolled back fixes how a file will be vacuumed."""
        creation.set_up_empty_file(connection)

    def tables(self, connection: Connection) -> Collection[str]:
        """All in the file."""
        return set(connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())

    def glance(self, connection: Connection) -> Glance | None:
        """Outside of a transaction, which would begin IMMEDIATE."""
        try:
            return Glance(*engines.raw_of(connection).execute(GLANCE).fetchone())
        except sqlite3.OperationalError:  # no such table; the long way says what is wrong
            return None

    @contextmanager
    def creating(self, connection: Connection) -> Iterator[None]:
        """Whoever has begun IMMEDIATE is alone."""
        creation.switch_to_wal(connection)
        with connection.begin():
            yield

    @contextmanager
    def maintenance(self, connection: Connection) -> Iterator[None]:  # noqa: ARG002  # the lock is a file's
        """A byte of the lock file. Raises StoreError where that cannot be opened."""
        try:
            lock = LockFile(self.lock, create=True)
        except OSError as error:
            raise StoreError(f"{self.lock} cannot be opened ({error}); look at its directory's rights") from error
        try:
            if not lock.try_lock(MAINTENANCE):
                raise StoreBusy(f"another process cleans up or upgrades {self.path}; try again when it is done")
            yield
        finally:
            lock.close()

    def owner_locks(self) -> OwnerLocks:
        """Bytes of the lock file."""
        return FileLocks(self.lock)

    def cleaner(self) -> Cleaner:
        """With checkpoints and incremental vacuum."""
        from progstore.store.sqlite.cleaning import SqliteCleaner

        return SqliteCleaner(self)

    def used_bytes(self, connection: Connection) -> int:
        """Pages that are not free."""
        return files.Pages.of(engines.raw_of(connection)).used

    def facts(self, connection: Connection, *, integrity: bool) -> Mapping[str, Any]:
        """Sizes of the file and of its log, and SQLite's version."""
        from progstore.store.sqlite import upkeep

        return upkeep.facts(self, connection, integrity=integrity)

    def backup(self, reader: Reader, target: str) -> int:
        """By SQLite's backup API."""
        from progstore.store.sqlite import upkeep

        return upkeep.backup(self, reader, target)

    def ask(
        self, reader: Reader, sql: str, params: Sequence[Any] | Mapping[str, Any], *, limit: int, seconds: float
    ) -> QueryResult:
        """With SQLite's authorizer; blobs come as X'…' text, numbers that JSON has no word for as text."""
        from progstore.store.sqlite import question

        return question.ask(self, reader, sql, params, limit=limit, seconds=seconds)

    def explained(self, error: Exception) -> StoreError:
        """In words of files."""
        said, path = cause(error), self.path
        match classify(error):
            case Fault.BUSY:
                return StoreBusy(f"another process holds {path} ({said}); try again")
            case Fault.NOT_A_DATABASE:
                return StoreDamaged(f"{path} is no SQLite database ({said}); choose another file with PROGSTORE_URL")
            case Fault.CORRUPT:
                return StoreDamaged(
                    f"{path} is damaged ({said}); `progstore db check` tells more, `progstore db recover` saves what "
                    "it can"
                )
            case Fault.READ_ONLY | Fault.CANNOT_OPEN:
                return StoreError(f"{path} cannot be opened ({said}); look at the rights of the file and its directory")
            case Fault.FULL:
                return StoreError(f"{path} cannot be written ({said}); the disk is full")
            case _ if said.startswith("no such"):
                return StoreError(f"{path} has an older schema ({said}); upgrade it with `progstore db upgrade`")
            case _:
                return StoreError(f"{path} cannot be used ({said}); `progstore db check` tells more")

    def advice(self, fault: Fault) -> str:
        """As it stands in `faults`."""
        return ADVICE[fault]


class _Looker(Looker):
    """`PRAGMA data_version` tells in microseconds whether another connection has committed."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    def look(self) -> Hashable:
        """SQLite's own number."""
        (number,) = self._raw.execute("PRAGMA data_version").fetchone()
        return int(number)

    def close(self) -> None:
        """Close the connection."""
        self._raw.close()


def default_location() -> SqliteLocation:
    """The user's own store. Raises StoreError where there is no local disk to have it on."""
    import platformdirs

    path = os.path.join(platformdirs.user_data_dir("progstore", appauthor=False), "progstore.db")
    kind = files.network_file_system(path)
    if kind is None:
        return SqliteLocation(path)
    if sys.platform == "win32":
        raise StoreError(f"{path} is on a network file system ({kind}); choose a local path with PROGSTORE_URL")
    # Checked just below to be this user's own, and made private.
    local = f"/var/tmp/progstore-{os.getuid()}/progstore.db"  # noqa: S108
    if os.path.exists(os.path.dirname(local)) and os.stat(os.path.dirname(local)).st_uid != os.getuid():
        raise StoreError(f"{os.path.dirname(local)} belongs to someone else; choose a local path with PROGSTORE_URL")
    return SqliteLocation(local, f"{path} is on a network file system ({kind}); the store is {local} instead")


def _path(url: str) -> str:
    _, separator, rest = url.partition("://")
    if not separator:
        return files.absolute(url)
    path = rest.removeprefix("/")
    if rest and not rest.startswith("/"):
        raise StoreError(f"{url} names a host; write sqlite:///relative/path or sqlite:////absolute/path")
    if path in ("", ":memory:"):
        raise StoreError("a store in memory would be lost with its process; give the path of a file")
    return files.absolute(path)
