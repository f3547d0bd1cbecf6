"""Jobs in processes of their own: their runs, from before they begin to however they end."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import progstore
from tests.conftest import Declare, Program

WAITS = """
    import os
    import sys

    @progstore.job("wait")
    def wait(gate: str, api_key: str, home: str) -> None:
        print("reading", flush=True)
        print("and waiting", file=sys.stderr, flush=True)
        with open(gate) as opened:
            opened.read()


    @progstore.job("leave")
    def leave(task: progstore.Task) -> None:
        for _ in progstore.track(range(3), "rows"):
            print("a row")
            sys.exit("no rows left")


    @progstore.job("shout")
    def shout(task: progstore.Task) -> None:
        for number in range(1000):
            task[f"key {number}"] = number
        for _ in range(2000):
            print("x" * 99)
        sys.stdout.close()
        os.close(1)
"""


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Lets jobs be started by a shell script in Python's place."""

    def replace(script: str) -> Path:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(path))
        return path

    return replace


def run_of(run: progstore.JobRun) -> progstore.SessionView:
    """The session of a run, as the store has it."""
    with progstore.open_store() as store:
        return store.session(run.session_id)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """What a job waits at until something is written to it."""
    os.mkfifo(tmp_path / "gate")
    return tmp_path / "gate"


def test_a_run_is_there_at_once_and_its_secrets_nowhere(
    declare: Declare, gate: Path, until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pending before its process has imported anything; then it is that process's own, which leaves no zombie."""
    monkeypatch.setenv("PROGSTORE_TOKEN", "of the server")
    arguments = {"gate": str(gate), "api_key": "hunter2", "home": "https://ann:secret@example.org/"}
    run = declare(WAITS)["wait"].start(arguments, started_by="web")
    session = run_of(run)
    (task,) = session.tasks
    assert (session.name, session.overall_percent, task.name) == ("wait", 0, "wait")
    told = {"gate": str(gate), "api_key": "***", "home": "https://***@example.org/"}
    assert session.meta == {"job": "wait", "started by": "web", "arguments": told}
    until(lambda: run_of(run).tasks[0].meta.get("output") == "reading\nand waiting")
    session = run_of(run)
    assert (session.status, session.pid, session.kind) == ("running", run.pid, "block")
    seen = Path(f"/proc/{run.pid}/cmdline").read_bytes() + Path(f"/proc/{run.pid}/environ").read_bytes()
    assert b"hunter2" not in seen
    assert b"of the server" not in seen
    assert os.getsid(run.pid) == run.pid
    assert run.is_running
    gate.write_text("go on")
    assert run.wait(30)
    assert not Path(f"/proc/{run.pid}").exists()
    session = run_of(run)
    assert (session.status, session.overall_percent, session.ended_at is not None) == ("complete", 100, True)


def test_a_job_that_is_killed_ends_as_an_error(declare: Declare, gate: Path, until: Callable[..., Any]) -> None:
    """By which signal, with what it printed until then."""
    run = declare(WAITS)["wait"].start({"gate": str(gate), "api_key": "", "home": ""})
    until(lambda: run_of(run).tasks[0].meta.get("output"))
    os.kill(run.pid, 9)
    assert run.wait(30)
    session = run_of(run)
    assert (session.status, session.tasks[0].error) == ("error", "killed by SIGKILL")
    assert session.tasks[0].meta["output"].startswith("reading")


def test_what_leaves_by_sys_exit_ends_so(declare: Declare) -> None:
    """With its exit code and text; the loop that it left is no job that goes on."""
    run = declare(WAITS)["leave"].start()
    assert run.wait(30)
    session = run_of(run)
    assert (session.status, session.message) == ("error", "exit code 1: no rows left")
    assert [(task.name, task.status, task.done) for task in session.tasks] == [
        ("leave", "error", 0),
        ("rows", "cancelled", 0),
    ]
    assert session.tasks[0].meta["output"] == "a row"


def test_whatever_a_job_prints_and_keeps_does_not_hold_it_up(declare: Declare) -> None:
    """Not with as much metadata as a task may have, nor where it closes its own output."""
    run = declare(WAITS)["shout"].start()
    assert run.wait(30)
    (task,) = run_of(run).tasks
    assert (task.status, len(task.meta)) == ("complete", 1001)
    assert task.meta["output"].endswith("x" * 99)


def test_a_job_whose_module_is_gone_ends_as_an_error(declare: Declare, tmp_path: Path) -> None:
    """And says so; it is not pending for ever."""
    job = declare(WAITS)["leave"]
    (tmp_path / "photo_jobs.py").unlink()
    run = job.start()
    assert run.wait(30)
    (task,) = run_of(run).tasks
    assert (task.status, task.error_type) == ("error", "BadValue")
    assert "No module named 'photo_jobs'" in str(task.error)


def test_a_process_that_dies_before_it_can_tell_ends_its_run(
    declare: Declare, python: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its exit code and its last line; and where none could be started at all, with that."""
    job = declare(WAITS)["leave"]
    dying = python("echo cannot find my library >&2\nexit 127")
    run = job.start()
    assert run.wait(30)
    (task,) = run_of(run).tasks
    assert (task.status, task.error) == ("error", "exit code 127: cannot find my library")
    dying.unlink()
    for where in (str(tmp_path), str(tmp_path / "no place for what it prints")):
        monkeypatch.setattr(tempfile, "tempdir", where)
        with pytest.raises(FileNotFoundError):
            job.start()
        with progstore.open_store() as store:
            newest = next(iter(store.sessions()))
            assert (newest.status, store.session(newest.id).tasks[0].status) == ("error", "error")


def test_a_job_that_pushes_has_the_token_for_that_and_no_other(
    declare: Declare, python: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the store is a server's address, the server lets in only who has it."""
    job = declare(WAITS)["leave"]
    python("echo $PROGSTORE_TOKEN, $PROGSTORE_PUSH_TOKEN >&2")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("PROGSTORE_TOKEN", "to be let in")
    monkeypatch.setenv("PROGSTORE_PUSH_TOKEN", "of our own server")
    for store, said in (("http://127.0.0.1:9", "to be let in,"), (str(tmp_path / "here.db"), ",")):
        run = job.start(store=store)
        assert run.wait(30)
        with progstore.open_store(store) as opened:
            (task,) = opened.session(run.uid).tasks
        assert task.error == f"exit code 0: {said}"


def test_arguments_that_are_wrong_start_nothing(declare: Declare, store_path: Path) -> None:
    """No run is in the store."""
    with pytest.raises(progstore.BadArguments):
        declare(WAITS)["wait"].start({"gate": 5})
    assert not store_path.exists()


def test_a_job_goes_on_when_who_started_it_ends(
    declare: Declare, program: Program, gate: Path, until: Callable[..., Any], tmp_path: Path
) -> None:
    """Also by Ctrl-C, which reaches only the one that has the terminal."""
    declare(WAITS)
    starter = program(
        f"""
        import sys
        import progstore
        sys.path.insert(0, {str(tmp_path)!r})
        run = progstore.load_jobs("photo_jobs")["wait"].start({{"gate": {str(gate)!r}, "api_key": "", "home": ""}})
        print(run.session_id, flush=True)
        """
    )
    output, errors = starter.communicate(timeout=60)
    assert starter.returncode == 0, errors
    with progstore.open_store() as store:
        until(lambda: store.session(int(output)).tasks[0].meta.get("output"))
        gate.write_text("go on")
        until(lambda: store.session(int(output)).status == "complete")


def test_what_is_stopped_before_it_begins_does_not_begin(declare: Declare, tmp_path: Path) -> None:
    """It is cancelled, for that reason."""
    source = "from pathlib import Path\n\n@progstore.job\ndef touch(path: Path) -> None:\n    path.touch()\n"
    run = declare(source)["touch"].start({"path": str(tmp_path / "touched")})
    with progstore.open_store() as store:
        store.request_stop(run.session_id)  # its process needs longer to import what it needs
    assert run.wait(30)
    session = run_of(run)
    assert (session.status, session.message, session.tasks[0].message) == (
        "cancelled", "stop requested", "stop requested",
    )  # fmt: skip
    assert not (tmp_path / "touched").exists()
