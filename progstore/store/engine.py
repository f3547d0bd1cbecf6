"""From a URL to engines: where a store is, and how it is connected to for writing and for reading.

Two engines, both sync: the writer is one connection whose transactions begin IMMEDIATE; readers are `mode=ro`,
answer in autocommit and hold nothing between questions.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from progstore import config
from progstore.errors import StoreError, StoreNotFound

WRITER_BUSY_MS = 250
READER_BUSY_MS = 2000
READER_POOL = 4
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "lustre", "gpfs", "beegfs", "glusterfs", "fuse.sshfs"}
)


@dataclass(frozen=True, slots=True)
class Location:
    """Where a store is: an absolute path of an SQLite file. `notice` is a word for the user about the choice, or
    empty.
    """

    path: str
    notice: str = ""

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


def locate(url: str | None = None) -> Location:
    """The place of the store at `url`, or of the configured or default one.

    Raises StoreError for a URL that this version cannot use and for a file on a network file system.
    """
    chosen = config.setting("store", url)
    if chosen is None:
        return _default_location()
    location = Location(_path(chosen))
    if kind := network_file_system(location.path):
        raise StoreError(
            f"{location.path} is on a network file system ({kind}), where SQLite loses rows silently when two machines "
            "write; choose a path on a local disk, for example with PROGSTORE_URL"
        )
    return location


def network_file_system(path: str, mounts: str = "/proc/self/mountinfo") -> str | None:
    """The type of the network file system that `path` is on, or None where it is local or cannot be told."""
    try:
        lines = Path(mounts).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    target = os.path.realpath(path)
    longest, kind = "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        mount = before.split()[4].encode().decode("unicode_escape") if len(before.split()) > 4 else ""
        inside = target == mount or target.startswith(mount.rstrip("/") + "/")
        # A later line of the same mount point hides the earlier one.
        if inside and len(mount) >= len(longest):
            longest, kind = mount, after.split()[0]
    return kind if kind in NETWORK_FILE_SYSTEMS else None


def writer_engine(location: Location, *, busy_ms: int = WRITER_BUSY_MS) -> Engine:
    """An engine whose transactions begin IMMEDIATE and whose connections never checkpoint by themselves.

    SQLite before 3.51.3 can corrupt a WAL database when two connections write around a checkpoint; without automatic
    checkpoints and with one elected checkpointer it does not.
    """

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            location.path, isolation_level=None, check_same_thread=False, timeout=busy_ms / 1000
        )
        try:
            for pragma in ("synchronous=NORMAL", "wal_autocheckpoint=0", "journal_size_limit=0", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def begin_immediate(connection: object) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]  # a Connection; the hook is untyped

    return engine


def reader_engine(location: Location) -> Engine:
    """An engine whose connections can only read.

    Raises StoreNotFound, when it connects, where there is no file.
    """
    return create_engine(
        "sqlite://",
        creator=lambda: open_read_only(location),
        poolclass=QueuePool,
        pool_size=READER_POOL,
        max_overflow=8,
    ).execution_options(isolation_level="AUTOCOMMIT")


def open_read_only(location: Location) -> sqlite3.Connection:
    """A connection that cannot write. In a directory where SQLite may not create its helper files the file is read
    as it stands, which is right as long as nobody writes to it.

    Raises StoreNotFound where there is no file.
    """
    if not os.path.exists(location.path):
        raise StoreNotFound(
            f"there is no store at {location.path} yet; the first tracked loop creates it, or try `progstore demo`"
        )
    address = "file:" + quote(location.path)
    connection = _connect_uri(f"{address}?mode=ro")
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        cannot_open = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        if not cannot_open or os.path.exists(location.wal):
            raise
        connection = _connect_uri(f"{address}?immutable=1")
    except BaseException:
        connection.close()
        raise
    connection.execute("PRAGMA query_only=ON")
    return connection


def _connect_uri(address: str) -> sqlite3.Connection:
    return sqlite3.connect(
        address, uri=True, isolation_level=None, check_same_thread=False, timeout=READER_BUSY_MS / 1000
    )


def _path(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        return os.path.abspath(os.path.expanduser(url))
    if scheme in ("sqlite", "sqlite+pysqlite"):
        path = rest.removeprefix("/")
        if rest and not rest.startswith("/"):
            raise StoreError(f"{url} names a host; write sqlite:///relative/path or sqlite:////absolute/path")
        if path in ("", ":memory:"):
            raise StoreError("a store in memory would be lost with its process; give the path of a file")
        return os.path.abspath(os.path.expanduser(path))
    raise StoreError(
        f"this version keeps its store in an SQLite file and cannot use {scheme}:// URLs; give a path or sqlite:///path"
    )


def _default_location() -> Location:
    import platformdirs

    path = os.path.join(platformdirs.user_data_dir("progstore", appauthor=False), "progstore.db")
    kind = network_file_system(path)
    if kind is None:
        return Location(path)
    if sys.platform == "win32":
        raise StoreError(f"{path} is on a network file system ({kind}); choose a local path with PROGSTORE_URL")
    # Checked just below to be this user's own, and made private.
    local = f"/var/tmp/progstore-{os.getuid()}/progstore.db"  # noqa: S108
    if os.path.exists(os.path.dirname(local)) and os.stat(os.path.dirname(local)).st_uid != os.getuid():
        raise StoreError(f"{os.path.dirname(local)} belongs to someone else; choose a local path with PROGSTORE_URL")
    return Location(local, f"{path} is on a network file system ({kind}); the store is {local} instead")
