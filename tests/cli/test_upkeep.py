"""`prune` is made for cron, and `db` looks after the file."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def ids(store: str) -> list[int]:
    """The sessions in a store."""
    connection = sqlite3.connect(store)
    try:
        return [number for (number,) in connection.execute("select id from v_sessions order by id")]
    finally:
        connection.close()


def test_prune_removes_what_matches_and_says_so(run: Run, known_store: str) -> None:
    """Once; the second time there is nothing to do, and nothing is said."""
    done = run("prune", "--older-than", "15h")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("removed 2 sessions, 3 tasks, 2 events: ")
    assert ids(known_store) == [3, 4, 5, 6]
    again = run("prune", "--older-than", "15h")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert run("prune", "--older-than", "15h", "-v").stdout.startswith("removed 0 sessions, 0 tasks, 0 events: ")


def test_a_dry_run_says_what_would_go_and_removes_nothing(run: Run, known_store: str) -> None:
    """Also where nothing would; what lost its process counts as an error."""
    assert run("prune", "--status", "error", "--dry-run").stdout.startswith(
        "would remove 2 sessions, 2 tasks, 2 events: "
    )
    assert run("prune", "--name", "none", "--dry-run").stdout.startswith("would remove 0 sessions")
    assert ids(known_store) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["--status", "complete", "--status", "cancelled"], [2, 5, 6]),
        (["--name", "nightly import"], [3, 4, 5, 6]),
        (["--name", "nightly import", "--keep-last", "1"], [2, 3, 4, 5, 6]),
        (["--older-than", "1h", "--status", "error"], [1, 3, 4, 5, 6]),
    ],
)
def test_all_that_is_given_must_hold(run: Run, known_store: str, arguments: list[str], left: list[int]) -> None:
    """And what runs is never touched."""
    assert run("prune", *arguments).returncode == 0
    assert ids(known_store) == left


def test_a_store_is_kept_below_a_size(run: Run, known_store: str) -> None:
    """What ended within the last hour stays, unless an age is given; where that is too much, an exit code says so."""
    assert run("prune", "--max-size", "1.5MB").stdout == ""
    forecast = run("prune", "--max-size", "0 B", "--dry-run")
    done = run("prune", "--max-size", "0 B")
    assert (forecast.returncode, done.returncode) == (1, 1)
    assert forecast.stdout.partition(": about ")[0] == done.stdout.partition(": ")[0].replace("removed", "would remove")
    assert "the store takes about" in forecast.stderr
    assert "more than the 0 asked for: what is left runs, is spared by the rule, or ended within" in done.stderr
    assert done.stderr.count("\n") == 1
    recent = ids(known_store)
    assert 0 < len(recent) < 6
    assert run("prune", "--max-size", "0B", "--older-than", "0s").returncode == 1
    assert set(ids(known_store)) < set(recent)


@pytest.mark.parametrize("size", ["2", "2G", "-1MB", "two GB", "1e3MB", "", "1,5GB"])
@pytest.mark.usefixtures("known_store")
def test_what_is_no_size_is_refused(run: Run, size: str) -> None:
    """With right examples, and nothing goes."""
    done = run("prune", "--max-size", size)
    assert (done.returncode, done.stdout) == (2, "")
    assert "as in 500MB, 2GB or 1.5GiB" in done.stderr


@pytest.mark.usefixtures("known_store")
def test_prune_without_a_condition_is_a_mistake(run: Run) -> None:
    """Nobody empties a store by leaving something out."""
    done = run("prune")
    assert done.returncode == 2
    assert "--older-than" in done.stderr
    assert run("prune", "--status", "running").returncode == 2
    assert run("prune", "--keep-last", "-1").returncode == 2


@pytest.mark.usefixtures("known_store")
def test_prune_answers_programs_in_json(run: Run) -> None:
    """Always, also where nothing was done."""
    report = json.loads(run("prune", "--name", "none", "--json").stdout)
    assert (report["sessions"], report["dry_run"]) == (0, False)


def test_the_path_of_the_store_is_printed_alone(run: Run, tmp_path: Path) -> None:
    """Ready for `sqlite3 "$(progstore db path)"`; the store need not exist."""
    done = run("db", "path", "--store", str(tmp_path / "new.db"))
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'new.db'}\n")
    told = json.loads(run("db", "path", "--store", str(tmp_path / "new.db"), "--json").stdout)
    assert told == {"path": str(tmp_path / "new.db"), "url": f"sqlite:///{tmp_path / 'new.db'}", "exists": False}


def test_a_sound_store_is_called_sound(run: Run, known_store: str) -> None:
    """With its facts, one a line."""
    done = run("db", "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert ["integrity", "ok"] in [line.split() for line in done.stdout.splitlines()]
    assert json.loads(run("db", "check", "--store", known_store, "--json").stdout)["integrity"] == "ok"


def test_what_is_no_store_is_refused(run: Run, tmp_path: Path) -> None:
    """With the exit code for it, and one line."""
    other = tmp_path / "notes.txt"
    other.write_text("no database, but long enough to be read as one" * 100, encoding="utf-8")
    for command in (
        ["ls"],
        ["show", "1"],
        ["sql", "select 1"],
        ["db", "check"],
        ["db", "upgrade"],
        ["prune", "--name", "x"],
    ):
        for store in (str(other), str(tmp_path / "none.db"), str(tmp_path)):
            done = run(*command, "--store", store)
            assert done.returncode == 3, (command, store, done)
            assert done.stdout == ""
            assert done.stderr.startswith("progstore: ")
            assert done.stderr.count("\n") == 1
    assert not (tmp_path / "none.db").exists()


def test_an_upgrade_says_where_the_schema_stands(run: Run, known_store: str) -> None:
    """Nothing to do is said too."""
    done = run("db", "upgrade")
    assert done.returncode == 0
    assert done.stdout.startswith(f"{known_store}: the schema is up to date")


def test_a_backup_is_a_whole_store(run: Run, known_store: str, tmp_path: Path) -> None:
    """A file that is there already is not written over."""
    target = tmp_path / "copy.db"
    done = run("db", "backup", str(target))
    assert done.returncode == 0
    assert done.stdout.startswith(f"{target}: ")
    assert ids(str(target)) == ids(known_store)
    again = run("db", "backup", str(target))
    assert again.returncode == 3
    assert str(target) in again.stderr


def test_what_can_be_read_of_a_damaged_store_is_saved(run: Run, known_store: str, tmp_path: Path) -> None:
    """Into a new store that is sound; the damaged file stays as it is."""
    damaged = tmp_path / "damaged.db"
    assert run("db", "backup", str(damaged)).returncode == 0
    content = bytearray(damaged.read_bytes())
    with sqlite3.connect(known_store) as connection:
        (page,) = connection.execute("select rootpage from sqlite_master where name = 'events'").fetchone()
        (size,) = connection.execute("pragma page_size").fetchone()
    connection.close()
    content[(page - 1) * size : page * size] = b"\xff" * size
    damaged.write_bytes(content)
    assert run("db", "check", "--store", str(damaged)).returncode != 0
    saved = tmp_path / "saved.db"
    done = run("db", "recover", str(damaged), str(saved))
    assert done.returncode == 0
    assert f"{saved}: 3 processes, 6 sessions, 7 tasks, " in done.stdout
    assert ids(str(saved)) == ids(known_store)
    assert run("db", "check", "--store", str(saved)).returncode == 0
    assert damaged.read_bytes() == content
    assert run("db", "recover", str(damaged), str(saved)).returncode == 3
    assert run("db", "recover", str(tmp_path / "none.db"), str(tmp_path / "new.db")).returncode == 3
