"""`push` and `copy`: what ended jobs left is sent, and stores are brought together."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

import progstore
from progstore.store.server_url import server_url
from tests.cli.conftest import Run
from tests.remote.conftest import Server, assert_same, left_in, local, rows_of, server

__all__ = ["local", "server"]  # fixtures

RunProgram = Callable[..., str]
WORK = """
    import progstore

    with progstore.session("nightly import", meta={"model": "x"}):
        for _ in progstore.track(range(3), "Ingest"):
            progstore.current().message("part")
"""


def test_push_sends_what_an_ended_job_left_and_says_so(
    run: Run, run_program: RunProgram, server: Server, local: Path
) -> None:
    """While the server is away it says why, with an exit code; with nothing to send it is silent."""
    run_program(WORK, PROGSTORE_URL=server.url)
    there = {"PROGSTORE_URL": server.url}
    away = run("push", env=there)
    assert (away.returncode, away.stdout) == (1, "")
    assert away.stderr == f"progstore: 2 rows for {server.url} left: connection refused\n"
    server.start()
    elsewhere = run("push", "--to", "https://other.example", env=there)
    assert (elsewhere.returncode, elsewhere.stdout) == (0, "")
    # A store's path will do, for the store knows where its rows are to go.
    sent = run("push", "--store", str(local))
    assert (sent.returncode, sent.stdout) == (0, f"sent 2 rows to {server.url}\n")
    assert_same(local, server.path)
    again = run("push", env=there)
    assert (again.returncode, again.stdout) == (0, "")
    assert json.loads(run("push", "--json", env=there).stdout) == []


def test_what_is_removed_before_it_was_sent_is_not_sent(
    run: Run, run_program: RunProgram, server: Server, local: Path
) -> None:
    """Nothing is left on the list of what is gone."""
    run_program(WORK, PROGSTORE_URL=server.url)
    assert run("prune", "--older-than", "0s", "--store", str(local)).returncode == 0
    assert left_in(local) == []


def test_push_where_there_is_no_store_is_an_error(run: Run, local: Path) -> None:
    """No lock file is made beside what is not there."""
    missing = run("push", env={"PROGSTORE_URL": "http://127.0.0.1:1"})
    assert missing.returncode == 3
    assert f"there is no store at {local}" in missing.stderr
    assert not local.parent.exists()


def test_an_address_that_cannot_be_is_refused_without_telling_a_secret(run: Run) -> None:
    """With what a right one looks like."""
    refused = run("ls", "--store", "https://me:secret@jobs.example")
    assert refused.returncode == 3
    assert refused.stderr == (
        "progstore: the address of a server holds no user and no password; set the token in PROGSTORE_TOKEN; write "
        "https://jobs.example.org, or https://example.org/jobs where it stands below a path\n"
    )
    for url, said in (
        ("https://jobs.example/?token=secret", "set the token in PROGSTORE_TOKEN"),
        ("https://", "cannot be read"),
        ("https://jobs example", "cannot be read"),
        ("http://jobs.example:port", "cannot be read"),
        ("https://[::1/jobs", "cannot be read"),
    ):
        with pytest.raises(progstore.StoreError, match=said) as error:
            server_url(url)
        assert "secret" not in str(error.value)


def test_an_address_is_written_in_one_way() -> None:
    """What is to go to the same server must not be kept apart for how its address is written."""
    assert server_url("HTTPS://Jobs.Example:443/a/") == server_url("https://jobs.example/a") == "https://jobs.example/a"
    assert server_url("http://[::1]:80/") == "http://[::1]"
    assert server_url("http://jobs.example:8787") == "http://jobs.example:8787"


def test_reading_commands_read_the_local_store(run: Run, run_program: RunProgram, server: Server, local: Path) -> None:
    """What is recorded is on this machine, whatever the server does."""
    run_program(WORK, PROGSTORE_URL=server.url)
    assert "nightly import" in run("ls", env={"PROGSTORE_URL": server.url}).stdout
    assert run("db", "path", "--store", f"{server.url}/jobs/").stdout == f"{local}\n"


def test_copy_brings_a_store_into_another_and_to_a_server(
    run: Run, run_program: RunProgram, server: Server, store_path: Path, tmp_path: Path
) -> None:
    """As often as one likes; and what cannot be is refused."""
    run_program(WORK)
    other = tmp_path / "other.db"
    first, second = (run("copy", str(store_path), str(other)) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout.startswith(f"{other}: 1 session, ")
    assert second.stdout == f"{other}: 1 session, 0 rows of them new or newer there\n"
    assert rows_of(other) == rows_of(store_path) != {}
    away = run("copy", str(store_path), server.url)
    assert away.returncode == 3
    assert f"{server.url} takes nothing: connection refused" in away.stderr
    server.start()
    assert json.loads(run("copy", str(store_path), server.url, "--json").stdout)["sessions"] == 1
    assert rows_of(server.path) == rows_of(store_path)
    assert "what a server has is on its own machine" in run("copy", server.url, str(other)).stderr
    assert "the same store" in run("copy", str(other), str(other)).stderr
    assert run("copy", str(tmp_path / "none.db"), str(other)).returncode == 3


@pytest.mark.parametrize(("offset", "said"), [(300, "5 min 00 s ahead; times"), (-7, "7.0 s behind; times"), (1, None)])
def test_show_says_that_the_clock_of_another_machine_is_wrong(
    run: Run, known_store: str, offset: float, said: str | None
) -> None:
    """By as much as no slow network can feign."""
    with sqlite3.connect(known_store) as store:
        store.execute("INSERT INTO remotes SELECT id, 1, ? FROM processes", (offset,))
    shown = run("show", "1").stdout
    assert ("clock" in shown) == (said is not None)
    assert said is None or said in shown
