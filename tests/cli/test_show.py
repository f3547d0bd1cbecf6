"""`show` tells all about one session or task."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from progstore.cli.detail import session_lines, tree
from progstore.cli.look import Look
from progstore.store.store import open_store
from progstore.values import Status

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("known_store")


def test_a_session_is_shown_with_the_tree_of_its_tasks(run: Run) -> None:
    """A nested task stands below its parent, on a branch."""
    shown = run("show", "1").stdout
    assert shown.splitlines()[0] == "session 1  complete  nightly import"
    assert "\n  program   known.py\n" in shown
    rows = [line.split() for line in shown.splitlines() if line.strip().startswith("1/")]
    assert rows == [
        ["1/1", "complete", "Fetch", "100%", "5/5", "file", "1", "min", "00", "s"],
        ["1/5", "complete", "└", "Part", "100%", "3/3", "file", "1", "min", "00", "s"],
    ]


def test_a_failed_task_is_shown_with_its_error(run: Run) -> None:
    """Counts, metadata, the traceback line by line, and events with the time since the first."""
    shown = run("show", "2/2").stdout
    assert shown.splitlines()[0] == "task 2/2  error  Load"
    assert "\n  progress  38%  76/200 file  2 failed\n" in shown
    assert "\n  session   2 nightly import\n" in shown
    assert "\n  metadata  etag = x y\n" in shown
    assert '\nerror\n  ValueError: bad row\n  Traceback:\n    File "load.py", line 7\n  ValueError: bad row\n' in shown
    assert shown.endswith("failed item  row 7: bad date\n")


def test_events_of_a_session_name_their_task(run: Run) -> None:
    """With the time since the first one."""
    *_, first, second = run("show", "2").stdout.splitlines()
    assert first.split()[1:] == ["started"]
    assert second.split() == ["+5.00", "s", "failed", "item", "Load", "row", "7:", "bad", "date"]
    assert "started" not in run("show", "2", "--events", "1").stdout.partition("events")[2]
    assert "events" not in run("show", "2", "--events", "0").stdout


def test_lost_work_is_shown_with_the_reason(run: Run) -> None:
    """What is known about its owner, and how far it came."""
    shown = run("show", "5/6").stdout
    assert shown.splitlines()[0] == "task 5/6  lost  Render"
    assert "\n  verdict   lost since " in shown
    assert " is gone; last seen at item 12 of 40\n" in shown
    assert "12/40 file" in shown


def test_nothing_recorded_steers_the_terminal(run: Run) -> None:
    """Control characters in names and messages are shown as escapes."""
    shown = run("show", "4").stdout + run("show", "4/4").stdout
    assert "\\x1b[2Jgone" in shown
    assert not any(char in shown for char in "\x1b\x07")


def test_json_has_all_fields_and_the_events(run: Run) -> None:
    """As `to_dict()` gives them."""
    data = json.loads(run("show", "2", "--json").stdout)
    assert data["tasks"][0]["error_type"] == "ValueError"
    assert [event["kind"] for event in data["events"]] == ["started", "failed item"]
    assert json.loads(run("show", "2/2", "--json").stdout)["meta"] == {"etag": "x y"}


@pytest.mark.parametrize(
    ("place", "advice"), [("99", "progstore ls"), ("1/2", "progstore show 1"), ("99/1", "progstore ls")]
)
def test_an_unknown_id_is_not_found(run: Run, place: str, advice: str) -> None:
    """Also a task that belongs to another session; the message says where to look."""
    done = run("show", place)
    assert done.returncode == 4
    assert done.stdout == ""
    assert done.stderr.startswith("progstore: ")
    assert advice in done.stderr


@pytest.mark.parametrize("place", ["", "x", "0", "-1", "1/", "/1", "1/2/3", "1.0", "\uff19", "9" * 30])
def test_what_is_no_id_is_a_mistake(run: Run, place: str) -> None:
    """The message shows right ones."""
    done = run("show", "--", place)
    assert done.returncode == 2
    assert "17/42" in done.stderr


def test_a_long_tree_spares_a_terminal_what_went_well(known_store: str) -> None:
    """Roots, and whatever did not end well, are listed; --all and a pipe list everything."""
    with open_store(known_store) as store:
        session = store.session(1)
    root, part = session.tasks
    many = [replace(part, id=number, name=f"part {number}") for number in range(100, 150)]
    failed = replace(part, id=99, name="bad part", status=Status.ERROR)
    session = replace(session, tasks=(root, failed, *many))

    def shown(look: Look, *, whole: bool) -> list[str]:
        return list(session_lines(session, (), look, whole=whole))

    look = Look(columns=80, colour=False, unicode=True)
    short = shown(look, whole=False)
    assert [line.split()[3:5] for line in short if line.lstrip().startswith("1/")] == [
        ["Fetch", "██████████"],
        ["├", "bad"],
    ]
    assert short[-1] == "and 50 nested tasks that went well; --all lists them"
    assert len([line for line in shown(look, whole=True) if "part" in line]) == 51
    assert len([line for line in shown(replace(look, columns=None), whole=False) if "part" in line]) == 51


def test_a_tree_is_drawn_with_ascii_where_that_is_all_there_is(known_store: str) -> None:
    """Depth shows all the same."""
    with open_store(known_store) as store:
        tasks = store.session(1).tasks
    look = Look(columns=80, colour=False, unicode=False)
    assert [branch + task.name for branch, task in tree(tasks, look)] == ["Fetch", "`- Part"]
    assert [branch + task.name for branch, task in tree(tasks, look, root=1)] == ["Part"]
