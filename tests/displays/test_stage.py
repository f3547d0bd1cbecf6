"""The drawing thread: it never harms the job, survives forks, and draws by whatever display was named."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import progstore
from tests.conftest import Program
from tests.displays.terminal import on_terminal

RunProgram = Callable[..., str]


@pytest.fixture
def display_package(tmp_path: Path) -> Path:
    """A folder with an installed package that brings two displays: `notes` writes down its calls, `broken` raises."""
    folder = tmp_path / "packages"
    metadata = folder / "sample_display-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sample-display\nVersion: 1\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(
        "[progstore.displays]\nnotes = sample_display:Notes\nbroken = sample_display:Broken\n", encoding="utf-8"
    )
    (folder / "sample_display.py").write_text(
        "from drawn import drawn\n"
        "print('loaded')\n"
        "class Notes:\n"
        "    def open(self, subject): print('open', subject.name)\n"
        "    def draw(self, subject):\n"
        "        print('draw', subject.done)\n"
        "        drawn[subject.done].set()\n"
        "    def close(self, subject): print('close', subject.status, subject.done)\n"
        "class Broken(Notes):\n"
        "    def draw(self, subject):\n"
        "        drawn[subject.done].set()\n"
        "        raise OSError('no paper')\n"
        "    close = draw\n",
        encoding="utf-8",
    )
    (folder / "drawn.py").write_text(
        "import collections, threading\ndrawn = collections.defaultdict(threading.Event)\n", encoding="utf-8"
    )
    return folder


def test_a_task_whose_bar_is_closed_in_the_moment_of_its_end_ends_as_ever(run_program: RunProgram) -> None:
    """A profiler stands for the thread that draws, which comes in between."""
    printed = run_program("""
        import sys
        import progstore
        from progstore.displays.stage import Stage

        task = progstore.track(name="Job", bar="log", record=False)

        def close(frame, event, argument):
            if event == "call" and frame.f_code is Stage.finish.__code__:
                sys.setprofile(None)
                task.state.display = None

        sys.setprofile(close)
        task.complete()
        print(task.state.status, sys.getprofile())
    """)
    assert printed == "complete None\n"


def test_importing_the_displays_loads_nothing_heavy(run_program: RunProgram) -> None:
    """Whoever tracks a loop pays for what draws only where something is drawn."""
    heavy = "tqdm logging threading typing enum dataclasses importlib.metadata"
    printed = run_program(f"""
        import sys
        before = set(sys.modules)
        import progstore.displays
        print([name for name in {heavy.split()} if name in set(sys.modules) - before])
    """)
    assert printed == "[]\n"


def test_a_display_of_a_package_is_loaded_when_it_is_named(run_program: RunProgram, display_package: Path) -> None:
    """It is opened, drawn until the end, and closed in the job's thread before the loop goes on."""
    printed = run_program(
        """
        import progstore
        from drawn import drawn
        list(progstore.track([1], "Unseen", bar=False))
        print("before")
        for item in progstore.track([0, 1], "Job", bar="notes", record=False): drawn[item].wait(60)
        print("after")
        """,
        PYTHONPATH=str(display_package),
    ).splitlines()
    assert printed[:3] == ["before", "loaded", "open Job"]
    assert {"draw 0", "draw 1"} == set(printed[3:-2])
    assert printed[-2:] == ["close complete 2", "after"]


def test_a_display_that_raises_is_warned_of_once(program: Program, display_package: Path) -> None:
    """The loops go on; nothing of it reaches the job."""
    process = program(
        """
        import progstore
        from drawn import drawn
        for item in progstore.track([0, 1], "Job", bar="broken", record=False): drawn[0].wait(60)
        for item in progstore.track([0, 1], "Job", bar="broken", record=False): pass
        print("through")
        """,
        PYTHONPATH=str(display_package),
    )
    printed, errors = process.communicate(timeout=60)
    assert printed.endswith("through\n")
    assert errors == "the display 'broken' failed and draws no more: OSError: no paper\n"


def test_an_unknown_display_is_warned_of_and_auto_taken(program: Program, display_package: Path) -> None:
    """The warning names those that are there."""
    process = program(
        "import progstore\nfor _ in progstore.track([1], 'Job', bar='fancy', record=False): pass",
        PYTHONPATH=str(display_package),
    )
    _, errors = process.communicate(timeout=60)
    assert errors == (
        "no display 'fancy' is installed, going on with 'auto'; there are: broken, log, notebook, notes, rich, tqdm\n"
    )


def test_the_way_to_start_processes_can_still_be_chosen() -> None:
    """A bar of tqdm's own makes a lock that settles it; ours must not, for tracking a loop says nothing about that."""
    shown = on_terminal("""
        import multiprocessing, progstore
        for item in progstore.track(range(3), "Load"): pass
        multiprocessing.set_start_method("spawn")
        print(multiprocessing.get_start_method())
    """)
    assert shown.screen[1] == "spawn"


def test_whoever_holds_tqdms_lock_may_end_a_task() -> None:
    """The drawing thread must not wait for that lock while the job waits for the thread."""
    shown = on_terminal("""
        import progstore
        from tqdm import tqdm
        for item in progstore.track(range(5), "Outer"):
            until(f"| {item}/5 [")
            with tqdm.get_lock():
                # Some frames go by meanwhile, in which the thread would like to draw.
                for each in progstore.track(range(2), "inner"): threading.Event().wait(0.12)
        print("after")
    """)
    assert shown.screen[0].startswith("Outer: 100%")
    assert shown.screen[1] == "after"


def test_tasks_of_many_threads_have_a_line_each() -> None:
    """All end states are there, whole."""
    shown = on_terminal("""
        import progstore
        together = threading.Barrier(4)
        def work(name):
            for item in progstore.track(range(3), name): together.wait()
        threads = [threading.Thread(target=work, args=(f"loop {n}",)) for n in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print("after")
    """)
    assert sorted(line[:11] for line in shown.screen[:4]) == [f"loop {n}: 100" for n in range(4)]
    assert shown.screen[4] == "after"


def test_what_still_lives_when_the_program_ends_gets_its_last_line() -> None:
    """With the reason, for nobody closed it."""
    shown = on_terminal(
        """
        import progstore
        task = progstore.track(name="Load", total=10)
        task.update(3)
        """,
        PROGSTORE_RECORD="1",
    )
    assert shown.code == 0
    assert "3/10" in shown.screen[0]
    assert "✗ cancelled: the program ended" in shown.screen[0]
    assert shown.screen[1:] == [""]


def test_a_daemon_threads_bar_gets_its_last_line_too() -> None:
    """The thread is never heard of again; what the shell prints next has a line of its own."""
    shown = on_terminal("""
        import threading
        import progstore
        def work():
            for item in progstore.track(range(10), "Load"): threading.Event().wait(item and 600)
        threading.Thread(target=work, daemon=True).start()
        until("| 1/10 [")
    """)
    assert shown.code == 0
    assert "1/10" in shown.screen[0]
    assert shown.screen[1:] == [""]


def test_a_forked_child_leaves_the_parents_bar_alone_and_has_its_own() -> None:
    """What was inherited is drawn by the parent only, also at the child's end."""
    shown = on_terminal("""
        import os
        import progstore
        for item in progstore.track(range(2), "Parent"):
            until(f"| {item}/2 [")
            if item == 0:
                child = os.fork()
                if child == 0:
                    for each in progstore.track(range(2), "Child"): until(f"| {each}/2 [")
                    raise SystemExit
                assert os.waitpid(child, 0) == (child, 0)
        print("after")
    """)
    assert [line.partition(":")[0] for line in shown.screen] == ["Child", "Parent", "after", ""]


@pytest.mark.parametrize("prelude", ["", "import logging"])
def test_a_child_forked_while_the_display_is_loaded_can_draw_too(program: Program, prelude: str) -> None:
    """One that found imports half done, or a lock held, would hang in its own."""
    process = program(
        f"""
        {prelude}
        import os, threading
        import progstore
        loop = iter(progstore.track(range(3), "Load", bar=True, record=False))
        for moment in range(12):
            next(loop, None)
            threading.Event().wait(0.02)
            child = os.fork()
            if child == 0:
                list(progstore.track(range(3), "Child", bar=True, record=False))
                os._exit(0)
            assert os.waitpid(child, 0) == (child, 0)
        """,
        PYTHONWARNINGS="error::DeprecationWarning",  # which newer versions give where a fork meets threads
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert errors.count("Child: 100%") == 12


def test_a_terminal_that_goes_away_does_not_stop_the_job(tmp_path: Path) -> None:
    """The window was closed; the loop's result is written all the same."""
    ours, theirs = pty.openpty()
    result = tmp_path / "result"
    source = f"""
import signal, sys, threading
import progstore
signal.signal(signal.SIGHUP, signal.SIG_IGN)
sys.stdin.readline()
for item in progstore.track(range(4), "Load", bar=True, record=False): threading.Event().wait(0.12)
open({str(result)!r}, "w").write("through")
"""
    with subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        os.close(ours)
        process.communicate(b"go\n", timeout=60)
    assert result.read_text(encoding="utf-8") == "through"


@pytest.mark.parametrize("stand_in", ["None", "object()", "open('/dev/null', 'w')"])
def test_whatever_stands_in_for_stderr_harms_nobody(run_program: RunProgram, stand_in: str) -> None:
    """Daemons have none, and some frameworks put half a stream there."""
    printed = run_program(f"""
        import sys
        import progstore
        sys.stderr = {stand_in}
        print(sum(progstore.track([1, 2, 3], "Load", bar="auto", record=False)))
        print(sum(progstore.track([1, 2, 3], "Load", bar=True, record=False)))
        sys.stderr = sys.__stderr__
    """)
    assert printed == "6\n6\n"


def test_a_task_that_is_not_shown_keeps_no_display() -> None:
    """And ending it asks nobody."""
    task = progstore.track(name="x", bar=False, record=False)
    assert task.state.display is None
    task.complete()
