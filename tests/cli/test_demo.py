"""`demo` does real work over real files, and leaves the record that it says it leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from progstore.cli.demo import as_many_as_fit, find_files, thin
from progstore.store.store import open_store
from progstore.values import Filter, Status

if TYPE_CHECKING:
    from tests.cli.conftest import Run, RunInTerminal

PROGRAM = str(Path(sys.executable).with_name("progstore"))
BARS = {"PROGSTORE_BAR": "auto"}


def test_the_demo_leaves_what_it_tells_of(run_process: Run, store_path: Path) -> None:
    """A loop with a failed item, a pool, a loop in a loop, a step; and the commands that look at them."""
    done = run_process("demo", "--files", "40")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Hashing and compressing 40 files" in done.stdout
    with open_store(str(store_path)) as store:
        session = store.session(1)
        tasks = {task.name: task for task in session.tasks}
        (check,) = (store.session(each.id) for each in store.sessions(Filter(name="progstore demo, check")))
    assert (session.name, session.status) == ("progstore demo", Status.COMPLETE)
    assert session.meta["files"] == 40
    assert (tasks["Hash"].done, tasks["Hash"].total, tasks["Hash"].failed) == (41, 41, 1)
    assert (tasks["Compress"].done, tasks["Compress"].failed) == (40, 0)
    assert len(tasks["Hash"].meta["sha256"]) == 64
    nested = [task for task in session.tasks if task.parent_id == tasks["Pack folders"].id]
    assert len(nested) == tasks["Pack folders"].total
    assert {task.status for task in (*session.tasks, *check.tasks)} == {Status.COMPLETE}
    assert "\n  progstore show 1\n" in done.stdout


def test_the_commands_that_the_demo_names_work(run: Run) -> None:
    """As they stand there."""
    told = run("demo", "--files", "5").stdout
    for line in told.partition("again:\n")[2].splitlines():
        _, command, *arguments = line.split(maxsplit=2)
        if command != "ui":
            assert run(command, *(argument.strip('"') for argument in arguments)).returncode == 0


def test_the_demo_draws_bars_on_a_terminal(run_in_terminal: RunInTerminal) -> None:
    """One for each of its loops, and they stay."""
    code, printed = run_in_terminal([PROGRAM, "demo", "--files", "40"], env=BARS)
    assert code == 0
    for bar in ("Hash: 100%", "Compress: 100%", "Pack folders: 100%", "1 failed"):
        assert bar in printed
    assert "Traceback" not in printed


def test_the_demo_says_lines_where_there_is_no_terminal(run_process: Run) -> None:
    """So that a log of it tells something."""
    done = run_process("demo", "--files", "40", env=BARS)
    assert "Hash: complete, 41 of 41 file" in done.stderr
    assert "1 failed" in done.stderr


def test_ctrl_c_ends_the_demo_with_one_line_and_a_record(run_in_terminal: RunInTerminal, store_path: Path) -> None:
    """Cancelled, with how far it came; the exit code is 130."""
    code, printed = run_in_terminal(
        [PROGRAM, "demo", "--seconds", "60"], env=BARS, interrupt_at=r"Compress: +[2-9]\d?%"
    )
    assert code == 130
    assert printed.splitlines()[-1] == "progstore: stopped by Ctrl-C; `progstore show 1` says how far it came"
    assert "Traceback" not in printed
    with open_store(str(store_path)) as store:
        session = store.session(1)
    assert session.status is Status.CANCELLED
    assert {task.name: task.status for task in session.tasks} == {
        "Hash": Status.COMPLETE,
        "Compress": Status.CANCELLED,
    }


def test_sigint_ends_the_demo_where_nobody_looks_on(store_path: Path) -> None:
    """As from a supervisor."""
    with subprocess.Popen(
        [PROGRAM, "demo", "--seconds", "60"], env={**os.environ, **BARS}, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        while "Compress" not in (line := process.stderr.readline()):
            assert line, "the demo ended by itself"
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in rest
    with open_store(str(store_path)) as store:
        assert store.session(1).status is Status.CANCELLED


@pytest.mark.parametrize("env", [{"PROGSTORE_RECORD": "0"}, {"PROGSTORE_URL": "/dev/null/no.db"}])
def test_a_demo_that_cannot_record_says_so(run_process: Run, env: dict[str, str]) -> None:
    """The work is done all the same; no traceback."""
    done = run_process("demo", "--files", "5", env=env)
    assert done.returncode == 3
    assert "not recorded" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_the_demo_takes_files_evenly_from_all() -> None:
    """As many as asked for, or as fit the time; all of them real, none from the tests of Python."""
    paths = find_files()
    assert all(Path(path).is_file() for path in paths[:50])
    assert not any("/test/" in path for path in paths)
    assert thin(paths, 10**6) == paths
    assert len(thin(paths, 10)) == len(set(thin(paths, 10))) == 10
    few = as_many_as_fit(paths, 0.1)
    assert 1 <= len(few) < len(paths)
