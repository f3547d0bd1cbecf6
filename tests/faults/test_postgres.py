"""Whatever is wrong with a server, or the way to it: one warning, the job goes on, what lives is written again."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

import progstore
from tests import postgres

StartJob = Callable[..., Any]
Until = Callable[..., Any]


@pytest.fixture
def own_server() -> Iterator[postgres.Server]:
    """A server of this test's own, to be stopped and started."""
    server = postgres.Server()
    server.make()
    server.start()
    yield server
    server.remove()


def administer(url: str, *statements: str) -> None:
    """What the server's owner does."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@contextlib.contextmanager
def role(server: str, database: str, name: str, options: str) -> Iterator[None]:
    """A role of the server that may log in, for the block."""
    administer(server, f"DROP ROLE IF EXISTS {name}", f"CREATE ROLE {name} LOGIN {options}")
    try:
        yield
    finally:
        administer(database, f"DROP OWNED BY {name} CASCADE")
        administer(server, f"DROP ROLE {name}")


def written(url: str) -> tuple[str, float]:
    """How the job's loop stands."""
    with progstore.open_store(url) as store:
        (task,) = store.tasks(progstore.Filter(name="job"))
        return str(task.status), task.done


def said_since(job: Any, known: int, until: Until) -> str:
    """The one new warning."""
    until(lambda: len(job.warnings()) > known)
    (warning,) = job.warnings()[known:]
    return str(warning)


def test_a_job_outlives_what_happens_to_its_server(
    own_server: postgres.Server, start_job: StartJob, until: Until
) -> None:
    """Its connection is ended, the server becomes a standby, crashes and comes back; each is warned of once."""
    url = own_server.url
    job = start_job(PROGSTORE_URL=url)
    assert job("flush", 30)

    end_it = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'progstore'"
    administer(url, end_it)
    job("steps", 10)
    assert "; what is live is written again" in said_since(job, 0, until)
    until(lambda: job("flush", 5))
    assert written(url) == ("running", 10)

    administer(url, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    job("steps", 10)
    warning = said_since(job, 1, until)
    assert "read-only transaction; recording goes on when the server takes writes again" in warning
    assert job("flush", 0.1) is False
    administer(url, "SET default_transaction_read_only = off", "ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")
    until(lambda: job("flush", 5))
    assert written(url) == ("running", 20)

    own_server.stop()
    job("steps", 10)
    until(lambda: len(job.warnings()) > 2 and not job("flush", 0.5))
    assert job("steps", 100) < 1.0
    own_server.start()
    until(lambda: job("flush", 5))
    assert written(url) == ("running", 130)
    assert len(job.notes()) == 3
    assert 3 <= len(job.warnings()) <= 4, job.warnings()  # that it was lost, and that there is none to be had
    assert job.end() == (0, "")


def test_what_a_role_may_not_do_is_said_with_the_way_out(
    empty_database: str, postgres_server: str, start_job: StartJob, until: Until
) -> None:
    """No right to create in the schema, as is the default for new roles; once it is granted, recording begins."""
    with role(postgres_server, empty_database, "progstore_job", "PASSWORD 'secret'"):
        url = empty_database.replace("postgres@", "progstore_job:secret@")
        job = start_job(PROGSTORE_URL=url)
        warning = said_since(job, 0, until)
        assert warning.startswith("progstore cannot write to postgresql://progstore_job@127.0.0.1:")
        assert "permission denied for schema public; give its role a database, or a schema, of its own" in warning
        administer(empty_database, "GRANT ALL ON SCHEMA public TO progstore_job")
        until(lambda: job("flush", 5))
        assert job.end() == (0, "")
        assert written(url)[0] == "cancelled"


def test_a_job_for_which_there_is_no_connection_waits_for_one(
    empty_database: str, postgres_server: str, start_job: StartJob, until: Until
) -> None:
    """Its role may have none more; the one warning says so, and what was counted meanwhile is written then."""
    with role(postgres_server, empty_database, "progstore_many", "CONNECTION LIMIT 0"):
        administer(empty_database, "GRANT ALL ON SCHEMA public TO progstore_many")
        job = start_job(PROGSTORE_URL=empty_database.replace("postgres@", "progstore_many@"))
        warning = said_since(job, 0, until)
        assert "too many connections for role" in warning
        assert warning.endswith("; recording goes on when the server can be reached and lets this process in")
        job("steps", 10)
        administer(postgres_server, "ALTER ROLE progstore_many CONNECTION LIMIT -1")
        until(lambda: job("flush", 5))
        assert written(empty_database) == ("running", 10)
        assert job.end() == (0, "")


def test_a_server_that_is_not_there_holds_no_job_up(start_job: StartJob, until: Until) -> None:
    """One warning without the password, and an end that does not wait for what does not come."""
    job = start_job(PROGSTORE_URL="postgresql://me:secret@127.0.0.1:1/runs")
    warning = said_since(job, 0, until)
    assert warning.startswith("progstore cannot write to postgresql://me@127.0.0.1:1/runs: ")
    assert warning.endswith("; recording goes on when the server can be reached and lets this process in")
    assert "Connection refused" in warning
    assert "secret" not in warning
    assert job("steps", 100) < 1.0
    assert job.end() == (0, "")


def test_a_stalled_writer_blocks_nobody_for_long(postgres_store: str, start_job: StartJob, until: Until) -> None:
    """While another holds what every writer needs, progress is late; then it is exact."""
    job = start_job(PROGSTORE_URL=postgres_store)
    assert job("flush", 30)
    with psycopg.connect(postgres_store) as stalled:
        stalled.execute("UPDATE processes SET beats = beats")
        assert job("steps", 50) < 1.0
        assert job("flush", 0.2) is False
    until(lambda: job("flush", 5))
    assert written(postgres_store) == ("running", 50)
    assert job.warnings() == []


@contextlib.contextmanager
def losing_the_answer(url: str) -> Iterator[str]:
    """A way to the server that breaks off when it has told of the commit of the first batch with events."""
    to = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    has_lost = threading.Event()

    def pass_on(client: socket.socket, server: socket.socket) -> None:
        wrote = False
        with contextlib.suppress(OSError), client, server:
            while True:
                for one in select.select([client, server], [], [])[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    (server if one is client else client).sendall(data)
                    wrote = wrote or (one is client and b"INSERT INTO events" in data)
                    if wrote and one is client and b"COMMIT" in data and not has_lost.is_set():
                        assert server.recv(65536)  # it has committed
                        has_lost.set()
                        return

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((str(to.hostname), to.port or 5432))
                threading.Thread(target=pass_on, args=(client, server), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield to._replace(netloc=f"postgres@127.0.0.1:{listener.getsockname()[1]}").geturl()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    assert has_lost.is_set()


def test_a_commit_whose_answer_is_lost_is_not_made_twice(postgres_store: str, run_program: Callable[..., str]) -> None:
    """Neither its events nor its attempts are doubled: the sign of life that went with it tells that it is there."""
    with losing_the_answer(postgres_store) as url:
        run_program(
            """
            import progstore

            with progstore.track(name="job", key="chosen", total=2) as task:
                assert progstore.flush(20)
                task.update(2)
            assert progstore.flush(20)
            """,
            PROGSTORE_URL=url,
        )
    with progstore.open_store(postgres_store) as store:
        assert [(task.attempt, str(task.status), task.done) for task in store.tasks()] == [(1, "complete", 2)]
        assert [event.kind for event in store.events() if event.task_id] == ["started", "complete"]
