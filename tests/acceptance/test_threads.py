"""Threads watched from the shell."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable

import pytest

import progstore
from progstore.adapters import threads
from progstore.adapters.threads import ProgressThread, run_in_shell

Program = Callable[..., "subprocess.Popen[str]"]


def test_three_of_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """37.5 percent, in words `3 files (37.50%)`; recorded as they stand."""
    reached, go_on = threading.Event(), threading.Event()

    class Shrink(ProgressThread[str]):
        def process(self, item: str) -> None:
            if item == "3.jpg":
                reached.set()
                assert go_on.wait(30)

    with progstore.session("photos"):
        thread = Shrink([f"{number}.jpg" for number in range(8)])
        thread.start()
        assert reached.wait(30)
        assert (thread.percent_done(), thread.get_progress()) == (37.5, "3 files (37.50%)")
        go_on.set()
        thread.join()
    assert (thread.percent_done(), thread.get_progress()) == (100.0, "8 files (100.00%)")
    assert progstore.flush(10)
    with progstore.open_store() as store:
        (task,) = store.tasks()
    assert (task.session_name, task.name, task.done, task.total, task.unit) == ("photos", "Shrink", 8, 8, "files")


def test_nothing_of_nothing_raises_nothing() -> None:
    """Before and after, with nothing to do."""

    class Idle(ProgressThread[str]):
        def process(self, item: str) -> None:
            raise AssertionError(item)

    thread = Idle([])
    assert (thread.percent_done(), thread.get_progress()) == (0.0, "0 files (0.00%)")
    thread.start()
    thread.join()
    assert (thread.percent_done(), thread.get_progress()) == (100.0, "0 files (100.00%)")


def test_the_shell_runner_prints_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One at the start, one each second, and at the end."""
    assert threads.LINE_EVERY == 1
    monkeypatch.setattr(threads, "LINE_EVERY", 0.01)
    seen: list[str] = []

    class Shrink(ProgressThread[int]):
        def process(self, item: int) -> None:
            # Until the watching thread has told of this state twice.
            told = f"{item} files ({25 * item:.2f}%)"
            while seen.count(told) < 2:
                seen.extend(capsys.readouterr().out.splitlines())

    thread = run_in_shell(Shrink, range(4))
    assert not thread.is_alive()
    lines = [*seen, *capsys.readouterr().out.splitlines()]
    assert lines[0] == "Shrink: started, 4 files to do"
    assert lines[-2:] == ["4 files (100.00%)", "Shrink: complete"]
    assert list(dict.fromkeys(lines[1:-2])) >= ["0 files (0.00%)", "1 files (25.00%)"]


def test_ctrl_c_stops_the_shell_runner(program: Program, ask: Callable[..., list[object]]) -> None:
    """After the item it works on; it is cancelled, and the program goes on."""
    process = program(
        """
        import threading
        from progstore.adapters.threads import ProgressThread, run_in_shell

        class Shrink(ProgressThread):
            def process(self, item):
                if item == 2:
                    input()

        thread = run_in_shell(Shrink, [1, 2, 3])
        print(thread.is_alive(), thread.task.status)
        """
    )
    assert process.stdout is not None
    while "1 files" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    while "stopping" not in process.stdout.readline():
        pass
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    output = process.stdout.read()
    assert process.wait() == 0
    assert output.splitlines()[-3:] == ["2 files (66.67%)", "Shrink: cancelled", "False cancelled"]
    assert ask("SELECT status, done FROM tasks") == [("cancelled", 2)]
