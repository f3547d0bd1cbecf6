"""`check` and `wait` answer scripts and cron by their exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess

    from tests.cli.conftest import Run
    from tests.conftest import Program

JOB = """
import sys, progstore
with progstore.session("job"):
    with progstore.track(name="Work", total=1) as task:
        progstore.flush(10)
        print("started", flush=True)
        {work}
"""
WAITING = "from progstore.cli import main; main()"


@pytest.mark.usefixtures("known_store")
@pytest.mark.parametrize(
    ("name", "age", "code", "words"),
    [
        ("nightly import", "31h", 0, "'nightly import' completed 1 d 05 h ago"),
        ("nightly import", "29h", 1, "session 1; the newest run, session 2, is error"),
        ("report", "30d", 1, "'report' has never completed; the newest run, session 5, is lost"),
        ("no such", "30d", 1, "no session is called 'no such'"),
    ],
)
def test_check_says_whether_a_name_has_completed_lately(run: Run, name: str, age: str, code: int, words: str) -> None:
    """The age counts from the end of the run; one line says what was found."""
    done = run("check", name, "--max-age", age)
    assert (done.returncode, done.stderr) == (code, "")
    assert words in done.stdout
    assert done.stdout.count("\n") == 1


@pytest.mark.usefixtures("known_store")
def test_check_answers_programs_in_json(run: Run) -> None:
    """With the age in seconds and the session."""
    done = run("check", "nightly import", "--max-age", "1w", "--json")
    answer = json.loads(done.stdout)
    assert (answer["fresh"], answer["session"]) == (True, 1)
    assert answer["age"] == pytest.approx(30 * 3600 - 60, abs=60)


def test_check_needs_an_age(run: Run) -> None:
    """Without one there is no answer; a bad one is refused with right ones."""
    assert run("check", "nightly import").returncode == 2
    done = run("check", "nightly import", "--max-age", "a day")
    assert done.returncode == 2
    assert "26h" in done.stderr


def test_a_store_that_is_not_there_is_no_fresh_success(run: Run) -> None:
    """Cron hears of a wrong PROGSTORE_URL."""
    done = run("check", "nightly import", "--max-age", "26h")
    assert done.returncode == 3
    assert done.stderr.startswith("progstore: ")


@pytest.mark.usefixtures("known_store")
@pytest.mark.parametrize(
    ("place", "code", "words"),
    [
        ("1", 0, "session 1 'nightly import' is complete after 1 min 00 s"),
        ("1/5", 0, "task 1/5 'Part' is complete"),
        ("2", 1, "session 2 'nightly import' ended with an error"),
        ("3", 1, "session 3 'report' is cancelled"),
        ("5", 1, "session 5 'report' is lost: process"),
        ("5/6", 1, "task 5/6 'Render' is lost: process"),
    ],
)
def test_wait_returns_at_once_for_what_has_ended(run: Run, place: str, code: int, words: str) -> None:
    """Zero only where it is complete; work whose process died has ended, too."""
    done = run("wait", place)
    assert (done.returncode, done.stderr) == (code, "")
    assert words in done.stdout


@pytest.mark.usefixtures("known_store")
def test_wait_gives_up_when_time_runs_out(run: Run) -> None:
    """With the exit code of `timeout`."""
    done = run("wait", "6", "--timeout", "0.1s")
    assert done.returncode == 124
    assert done.stdout == ""
    assert done.stderr == "progstore: session 6 'watch' has not ended after 0.10 s: running\n"
    assert run("wait", "99").returncode == 4
    assert run("wait", "1/2").returncode == 4


@pytest.fixture
def started_job(program: Program) -> Callable[[str], subprocess.Popen[str]]:
    """Starts a job that has recorded that it runs, and does the given work once it reads a line."""

    def start(work: str) -> subprocess.Popen[str]:
        job = program(JOB.format(work=f"sys.stdin.readline(); {work}"))
        assert job.stdout is not None
        assert job.stdout.readline() == "started\n"
        return job

    return start


@pytest.mark.parametrize(
    ("place", "work", "code", "words"),
    [
        ("1", "task.update()", 0, "session 1 'job' is complete"),
        ("1/1", "raise ValueError('no')", 1, "task 1/1 'Work' ended with an error"),
    ],
)
def test_wait_ends_when_another_process_s_work_ends(
    started_job: Callable[[str], subprocess.Popen[str]],
    program: Program,
    place: str,
    work: str,
    code: int,
    words: str,
) -> None:
    """It sees the end in the store, and tells how it was."""
    job = started_job(work)
    waiting = program(WAITING, "wait", place, "--timeout", "60s")
    job.communicate("\n")
    printed, _ = waiting.communicate()
    assert waiting.returncode == code
    assert printed.startswith(words)


def test_wait_ends_when_the_work_s_process_is_killed(
    started_job: Callable[[str], subprocess.Popen[str]], program: Program
) -> None:
    """Nobody writes anything then; the waiting finds out by itself."""
    job = started_job("")
    waiting = program(WAITING, "wait", "1", "--timeout", "60s")
    job.kill()
    job.wait()
    printed, _ = waiting.communicate()
    assert waiting.returncode == 1
    assert printed.startswith("session 1 'job' is lost: process")
