"""`job`: jobs listed, run here, and sessions asked to stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import progstore
from tests.conftest import Declare

if TYPE_CHECKING:
    from tests.cli.conftest import Run

JOBS = """
    import sys
    from typing import Literal


    @progstore.job("shrink")
    def shrink(task: progstore.Task, photos: int, mode: Literal["fast", "safe"] = "fast", tags: list[str] = [],
               dry_run: bool = False, token: str = "") -> None:
        '''Make photos smaller.'''
        for photo in range(photos):
            task.update()
            print(photo, mode, tags, dry_run)


    @progstore.job("fail")
    def fail() -> None:
        for row in progstore.track(range(10), "rows"):
            if row == 7:
                raise ValueError("row 7 has no date")
"""


@pytest.fixture
def folder(declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a module of jobs in it."""
    declare(JOBS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROGSTORE_JOBS", "photo_jobs")
    return tmp_path


def test_jobs_are_listed_with_what_they_take(run: Run, folder: Path) -> None:
    """In brackets what may be left out; the same as JSON."""
    done = run("job", "ls")
    assert (done.returncode, done.stderr) == (0, "")
    fail, shrink = done.stdout.splitlines()[1:]
    assert fail.split() == ["fail"]
    takes = "photos=INT [mode=fast] [tags=TEXT] [dry_run=false] [token=TEXT]"
    assert shrink == f"shrink  {takes}  Make photos smaller."
    listed = json.loads(run("job", "ls", "--jobs", "photo_jobs", "--json").stdout)
    assert [each["name"] for each in listed] == ["fail", "shrink"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("run", "grow"), 4, "there is no job 'grow'; there are fail, shrink"),
        (("run", "shrink"), 2, "photos: is needed"),
        (("run", "shrink", "photos=many"), 2, "photos: a whole number, got 'many'"),
        (("run", "shrink", "photos=1", "photos=2"), 2, "photos: is given twice"),
        (("run", "shrink", "photos"), 2, "'photos' is no argument; write NAME=VALUE"),
        (("ls", "--jobs", "no_such_module"), 2, "No module named 'no_such_module'"),
        (("stop", "7"), 3, "there is no store"),
        (("stop", "7/1"), 2, "progstore job stop 7"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, folder: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    """In one line, and nothing is recorded."""
    done = run("job", *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert not (folder / "progstore.db").exists()


def test_without_a_module_one_is_asked_for(run: Run) -> None:
    """By the option and by the variable."""
    done = run("job", "ls")
    assert done.returncode == 2
    assert "--jobs" in done.stderr


def test_a_job_runs_here_and_is_recorded(run_process: Run, folder: Path) -> None:
    """Found in the working directory; its output is its own, its arguments are kept, secrets masked."""
    done = run_process("job", "run", "shrink", "photos=2", "tags=sea", "tags=sun", "dry_run=yes", "token=hunter2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "0 fast ['sea', 'sun'] True\n1 fast ['sea', 'sun'] True\n"
    with progstore.open_store() as store:
        session = store.session(1)
        assert "hunter2" not in str(store.query("SELECT * FROM v_sessions").rows)
    (task,) = session.tasks
    assert (session.name, session.status, task.name, task.done) == ("shrink", "complete", "shrink", 2)
    assert session.meta == {
        "job": "shrink",
        "started by": "command line",
        "arguments": {"photos": 2, "tags": ["sea", "sun"], "dry_run": True, "token": "***"},
    }


def test_a_job_that_fails_is_an_error_in_each_of_its_tasks(run_process: Run, folder: Path) -> None:
    """With the traceback as Python prints it, from the job's own line on, and exit code 1."""
    done = run_process("job", "run", "fail")
    assert done.returncode == 1
    head, place, *_, last = done.stderr.splitlines()
    assert head == "Traceback (most recent call last):"
    assert "photo_jobs.py" in place
    assert last == "ValueError: row 7 has no date"
    with progstore.open_store() as store:
        session = store.session(1)
    assert session.message == "ValueError: row 7 has no date"
    assert [(task.name, task.status, task.done) for task in session.tasks] == [
        ("fail", "error", 0),
        ("rows", "error", 7),
    ]


def test_a_session_is_asked_to_stop(run: Run) -> None:
    """Whatever it is; where nothing heeds that, it is said."""
    with progstore.session("import"), progstore.track(name="rows") as task:
        assert progstore.flush(10)
        done = run("job", "stop", "1")
        assert (done.returncode, done.stdout) == (0, "asked session 1 'import' to stop\n")
        assert "nothing that runs in it has said that it stops" in done.stderr
        assert not task.stop_requested
        assert progstore.flush(10)
        done = run("job", "stop", "1", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["stop_requested_at"] > 0
    assert progstore.flush(10)
    done = run("job", "stop", "1")
    assert (done.returncode, done.stderr) == (1, "progstore: session 1 has ended already: complete\n")
