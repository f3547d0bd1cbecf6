"""A PostgreSQL server for the tests: the one that PROGSTORE_TEST_POSTGRES names, or one of their own.

Their own is made where Debian's binaries are, without fsync, and is shared by all workers of one run: whoever comes
first starts it, whoever leaves last stops it.
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from progstore.store import schema, views
from progstore.store.tables import metadata

GIVEN = os.environ.get("PROGSTORE_TEST_POSTGRES")
IS_GATE = bool(os.environ.get("PROGSTORE_CI"))
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "autovacuum": "off",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "''",
    "timezone": "Asia/Kathmandu",
}
"""With a time zone that differs from UTC in hours and minutes, so that a mistake is seen."""


ROWS = ", ".join(name for name in metadata.tables if name != "store_info")
SHAPE = len(metadata.tables) + 1 + len(views.documented())
"""How many tables and views there are; one of the tables is Alembic's."""


class Server:
    """A server in a folder of its own, which a test may stop and start.

    The folder is not pytest's, for that is root's alone where the server must be another user's.
    """

    def __init__(self, folder: str = "", port: int = 0) -> None:
        self.folder = folder
        self.port = port
        self._binaries = _binaries()

    @property
    def url(self) -> str:
        """Its maintenance database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        """An empty cluster on a port that is free."""
        self.folder = tempfile.mkdtemp(prefix="progstore-postgres-")
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self._run("initdb", "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    def start(self, **settings: str) -> None:
        """Until it takes connections; `settings` in the place of those of the tests."""
        chosen = {**SETTINGS, "port": str(self.port), **settings}
        options = " ".join(f"-c {name}={value}" for name, value in chosen.items())
        self._run("pg_ctl", "-w", "-l", os.path.join(self.folder, "log"), "-o", options, "start")

    def stop(self) -> None:
        """As a crash would."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def remove(self) -> None:
        """Stop, and leave nothing behind."""
        self.stop()
        shutil.rmtree(self.folder)

    def _run(self, name: str, *arguments: str) -> None:
        as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        data = os.path.join(self.folder, "data")
        command = [*as_postgres, os.path.join(self._binaries, name), "-D", data, *arguments]
        # Its output goes to a file, for a server that stays would keep a pipe open.
        with tempfile.TemporaryFile() as out:
            done = subprocess.run(command, cwd=self.folder, stdout=out, stderr=out, check=False)
            out.seek(0)
            assert done.returncode == 0, out.read().decode(errors="replace")


@contextmanager
def shared(folder: Path) -> Iterator[str]:
    """The URL of the server that all workers share; skips, or fails in the gate, where there can be none."""
    if GIVEN:
        yield GIVEN
        return
    _binaries()
    folder.mkdir(exist_ok=True)
    with _alone(folder) as users:
        if not users:
            server = Server()
            server.make()
            server.start()
            (folder / "server").write_text(f"{server.folder} {server.port}", encoding="utf-8")
        users.append(str(os.getpid()))
    place, port = (folder / "server").read_text(encoding="utf-8").split()
    server = Server(place, int(port))
    try:
        yield server.url
    finally:
        with _alone(folder) as users:
            users.remove(str(os.getpid()))
            if not users:
                server.remove()


@contextmanager
def database(server: str, name: str) -> Iterator[str]:
    """The URL of an empty database of that name, which is there as long as the block lasts."""
    quoted = sql.Identifier(name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(quoted))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(quoted))
    try:
        yield f"{server.rpartition('/')[0]}/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(quoted))


def empty(connection: psycopg.Connection[Any]) -> None:
    """Take every row out of a store, and begin with the ids at 1 again; one that a test has spoilt goes altogether."""
    if _is_sound(connection):
        connection.execute(f"TRUNCATE {ROWS} RESTART IDENTITY CASCADE".encode())
    else:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


def _is_sound(connection: psycopg.Connection[Any]) -> bool:
    """Whether it is a store of this version's with every table and view."""
    counted = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
    if connection.execute(counted).fetchone() != (SHAPE,):
        return False
    least = connection.execute("SELECT value FROM store_info WHERE key LIKE 'min_%'").fetchall()
    return least == [(str(schema.FORMAT),)] * 2


@contextmanager
def _alone(folder: Path) -> Iterator[list[str]]:
    """The processes that use the server, to be changed by one worker at a time."""
    with (folder / "users").open("a+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        users = file.read().split()
        yield users
        file.truncate(0)
        file.write(" ".join(users))


def _binaries() -> str:
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if found:
        return os.path.dirname(found[-1])
    if on_path := shutil.which("initdb"):
        return os.path.dirname(on_path)
    said = "there is no PostgreSQL server: install it, or name one by PROGSTORE_TEST_POSTGRES"
    if IS_GATE:
        pytest.fail(said)
    pytest.skip(said)
