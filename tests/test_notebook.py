"""`attach()`: any run, alive or dead, from any process; and its live picture in a real kernel."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import progstore
from progstore.values import Life, SessionView, TaskView
from tests.conftest import Program

JOB = """
import progstore, sys
with progstore.session("import <b>"):
    with progstore.track(name="Files", total=4, unit="file") as files:
        with progstore.track(name="rows", total=10) as rows:
            for line in iter(sys.stdin.readline, "end\\n"):
                rows.update(1)
                files.update(1)
                progstore.flush(10)
"""


def more(job: subprocess.Popen[str], line: str = "") -> None:
    """Let the job go one step further, or with "end" to its end."""
    assert job.stdin is not None
    job.stdin.write(f"{line}\n")
    job.stdin.flush()


def test_a_run_is_found_by_id_uid_name_and_task_while_it_lives_and_when_it_is_lost(
    program: Program, until: Callable[..., Any]
) -> None:
    """From another process; what there is not is told; `wait` ends with a run that was killed."""
    job = program(JOB)
    more(job)
    until(lambda: attached("import <b>") is not None and rows_done() == 1)
    run = progstore.attach("import <b>")
    view = run.view
    assert isinstance(view, SessionView)
    assert [task.name for task in view.tasks] == ["Files", "rows"]
    same = [progstore.attach(run.id), progstore.attach(int(run.id)), progstore.attach(view.uid)]
    assert {each.id for each in same} == {run.id}
    task = progstore.attach(f"{run.id}/{view.tasks[1].id}")
    seen = task.view
    assert isinstance(seen, TaskView)
    assert (seen.name, seen.done) == ("rows", 1)
    assert not run.is_over
    assert run.wait(0) is False
    assert repr(run).startswith(f"<Run {run.id} import <b>: running, ")
    assert "\n" not in repr(run)
    assert [line.split(":")[0] for line in str(run).splitlines()[:3]] == ["import <b>", "  Files", "    rows"]
    assert "1 of 4 file" in str(run)
    assert ", as of " in run._repr_html_()
    assert "<b>" not in run._repr_html_()
    for wrong in ("nobody", 99, "99", 0, -1, 10**30, "1/99", f"9/{view.tasks[0].id}", "x/y"):
        with pytest.raises(progstore.NotFound):
            progstore.attach(wrong)
    with pytest.raises(TypeError, match="a run is an id such as 17"):
        progstore.attach(None)  # type: ignore[arg-type]  # the mistake that is tested
    with pytest.raises(progstore.StoreNotFound):
        progstore.attach(1, store="nowhere.db")
    job.kill()
    assert run.wait(30)
    assert task.is_over
    lost = run.view.verdict
    assert lost is not None
    assert lost.life is Life.LOST
    assert "lost" in str(run)
    assert f"process {job.pid} is gone; last seen at item 1 of 4" in run._repr_html_()
    assert ", as of " not in run._repr_html_()


def attached(name: str) -> object:
    """The run of that name, None while there is none."""
    try:
        return progstore.attach(name)
    except (progstore.NotFound, progstore.StoreNotFound):
        return None


def rows_done() -> float:
    """How far the inner task is."""
    with progstore.open_store() as store:
        return next((task.done for task in store.tasks() if task.name == "rows"), 0.0)


def test_the_newest_of_a_name_is_taken_and_what_this_process_has_just_begun_is_found() -> None:
    """Nobody has to wait until it is written."""
    for number in range(2):
        with progstore.session("again") as session:
            session.message(f"number {number}")
            view = progstore.attach("again").view
            assert view.message == f"number {number}"
    run = progstore.attach("again")
    assert run.wait(10)
    with progstore.open_store() as store:
        store.delete(sessions=[int(run.id)])
    assert "there is no session" in repr(run)
    with pytest.raises(progstore.NotFound):
        _ = run.view


def test_in_a_kernel_it_is_shown_and_goes_on_by_itself_until_the_run_has_ended(
    program: Program, until: Callable[..., Any]
) -> None:
    """The kernel is free or busy meanwhile; no update comes after the end, nor after `stop()`."""
    job = program(JOB)
    more(job)
    until(lambda: attached("import <b>") is not None and rows_done() == 1)
    cells = (
        "import progstore, sys, threading, time\nrun = progstore.attach('import <b>'); run",
        "stopped = progstore.attach('import <b>'); display(stopped); stopped.stop()",
        """
def follower(): return [each for each in threading.enumerate() if each.name == "progstore-notebook"]
assert len(follower()) == 1
print("go", flush=True)
assert run.wait(30)
while follower(): time.sleep(0.01)
""",
    )
    v4: Any = nbformat.v4  # it has no types
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])

    class Client(NotebookClient):
        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            if msg["content"].get("text", "").startswith("go"):
                more(job)
                more(job, "end")
            return super().process_message(msg, cell, cell_index)

    Client(notebook, kernel_name="python3", timeout=60).execute()
    live, stopped = (cell.outputs[0]["data"] for cell in notebook.cells[:2])
    assert "2 of 4 file" in live["text/html"]
    assert "complete" in live["text/html"]
    assert ", as of " not in live["text/html"]
    assert "import &lt;b&gt;" in live["text/html"]
    assert "import <b>: complete" in live["text/plain"]
    assert "1 of 4 file" in stopped["text/html"]
    assert ", as of " in stopped["text/html"]
