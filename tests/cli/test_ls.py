"""`ls` lists sessions: whole and plain for a pipe, fitted for a terminal, exact for programs."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from progstore.cli.listing import percent, session_columns, single_tasks
from progstore.cli.look import Look
from progstore.cli.selection import sessions
from progstore.cli.table import render
from progstore.cli.text import width
from progstore.store.store import open_store
from progstore.values import Filter

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def ids(run: Run, *arguments: str) -> list[int]:
    """The ids that `ls` with these arguments lists, in its order."""
    done = run("ls", "--json", *arguments)
    assert done.returncode == 0
    return [session["id"] for session in json.loads(done.stdout)]


@pytest.mark.usefixtures("known_store")
def test_sessions_are_listed_newest_first(run: Run) -> None:
    """By the time they started."""
    assert ids(run) == [4, 6, 5, 3, 2, 1]


@pytest.mark.usefixtures("known_store")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--name", "report"], [5, 3]),
        (["--name", "nothing"], []),
        (["--status", "complete"], [4, 1]),
        (["--status", "error", "--status", "CANCELLED"], [3, 2]),
        (["--status", "lost"], [5]),
        (["--status", "lost", "--status", "error"], [5, 2]),
        (["--status", "running"], [6]),
        (["--status", "suspended"], []),
        (["--running"], [6, 5]),
        (["--since", "3h"], [4, 6, 5]),
        (["--until", "15h"], [2, 1]),
        (["--since", "25h", "--until", "15h"], [2]),
        (["--host", "elsewhere"], []),
        (["--limit", "2"], [4, 6]),
        (["--status", "lost", "--limit", "1"], [5]),
    ],
)
def test_filters_restrict_the_list(run: Run, arguments: list[str], expected: list[int]) -> None:
    """Each alone and together; `running` means what runs as it should, `lost` what has lost its owner."""
    assert ids(run, *arguments) == expected


def test_a_pipe_gets_a_plain_and_whole_table(run_process: Run, known_store: str) -> None:
    """No symbol, no bar, no colour, no cut; times with date and zone."""
    done = run_process("ls", env={"COLUMNS": "40"})
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["ID", "STATUS", "NAME", "DONE", "ITEMS", "TOOK", "STARTED", "HOST"]
    assert rows[0].split("  ")[0].strip() == "4"
    assert "\\x1b[31mred second line" in rows[0]
    assert rows[4].split()[:8] == ["2", "error", "nightly", "import", "38%", "76/200", "file", "1"]
    assert rows[2].split()[:3] == ["5", "lost", "report"]
    assert rows[5].split()[4:7] == ["100%", "2/2", "tasks"]
    assert done.stdout.isascii()
    assert done.stdout.isprintable() is False
    assert "\x1b" not in done.stdout
    assert known_store not in done.stdout


def test_a_terminal_gets_symbols_bars_and_lines_that_fit(known_store: str) -> None:
    """At 40, 80 and 140 columns; the state is a word in each."""
    with open_store(known_store) as store:
        found, _ = sessions(store, Filter(), (), 20)
        tasks = single_tasks(store, found)
    for columns in (40, 80, 140):
        look = Look(columns=columns, colour=False, unicode=True)
        lines = render(session_columns(found, tasks, look), look)
        assert max(map(width, lines)) <= columns
        for row, state in zip(lines[1:], ("✓ complete", "● running", "† lost", "⊘ cancelled", "✗ error"), strict=False):
            assert state in row
    assert "███░░░░░░░   38%" in lines[5]


def test_a_percent_that_is_a_guess_says_so(known_store: str) -> None:
    """What is drawn from the clock has a mark; it is rounded down, and where nobody knows there is none."""
    with open_store(known_store) as store:
        task = store.task(2)
    assert percent(replace(task, percent=41.9, simulated=True)) == "~41%"
    assert percent(replace(task, percent=99.99)) == "99%"
    assert percent(replace(task, percent=None)) == ""


def test_csv_has_a_title_for_each_column(run: Run, known_store: str) -> None:
    """Times are UTC, the state is the same word as in the table."""
    rows = list(csv.DictReader(io.StringIO(run("ls", "--csv", env={"PROGSTORE_URL": known_store}).stdout)))
    assert [row["status"] for row in rows] == ["complete", "running", "lost", "cancelled", "error", "complete"]
    assert rows[0]["name"] == "\x1b[31mred\nsecond line"
    assert rows[4]["started_at"].endswith("Z")
    assert rows[4]["seconds"] == "60.0"


@pytest.mark.usefixtures("known_store")
def test_nothing_that_matches_is_said_on_stderr(run: Run) -> None:
    """The output stays empty, for a program reads it."""
    done = run("ls", "--name", "nothing")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "progstore: no session matches\n")
    assert run("ls", "--name", "nothing", "--json").stdout == "[]\n"


def test_two_formats_at_once_are_a_mistake(run: Run) -> None:
    """Neither is printed."""
    done = run("ls", "--json", "--csv")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "exclude each other" in done.stderr
