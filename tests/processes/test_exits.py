"""However a program ends, what it had done is kept, its exit code stays and it hears nothing of it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

import progstore

Ask = Callable[..., list[Any]]
Program = Callable[..., Any]
Until = Callable[..., Any]

PATIENCE = 30
"""Seconds; what ends by itself within a moment must have ended by then even on a machine that is busy."""
HOW_IT_STANDS = "SELECT t.status, t.done, t.message, s.end_status, p.end_reason FROM tasks t, sessions s, processes p"


def end(process: Any) -> tuple[int, str, str]:
    """Exit code, output and errors of a program that ends by itself."""
    output, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, output, errors


def test_a_program_that_ends_at_once_is_recorded_all_the_same(program: Program, ask: Ask) -> None:
    """It is over before its recorder has imported anything; the end waits for that, without a word."""
    assert end(program("import progstore\nfor x in progstore.track([1]): pass")) == (0, "", "")
    assert ask(HOW_IT_STANDS) == [("complete", 1.0, "", "complete", "exit")]


def test_nothing_is_left_open_and_nothing_warned_of_at_the_end(program: Program, ask: Ask) -> None:
    """Python in its development mode, where every warning is an error, finds nothing either."""
    process = program(
        """
        import progstore
        for x in progstore.track([1]): pass
        assert progstore.flush(30)
        """,
        PYTHONDEVMODE="1",
        PYTHONWARNINGS="error",
    )
    assert end(process) == (0, "", "")
    assert ask(HOW_IT_STANDS) == [("complete", 1.0, "", "complete", "exit")]


def test_an_exception_that_ends_the_program_ends_its_loops_and_its_session(program: Program, ask: Ask) -> None:
    """The traceback on the terminal is the program's own, and is kept with the task."""
    code, _, errors = end(
        program(
            """
            import progstore

            def work():
                for number in progstore.track(range(10)):
                    if number == 5:
                        raise ValueError("x")

            work()
            """
        )
    )
    assert code == 1
    assert errors.startswith("Traceback (most recent call last):\n")
    assert errors.endswith("ValueError: x\n")
    assert "progstore/" not in errors
    assert ask(HOW_IT_STANDS) == [("error", 5.0, "", "error", "error")]
    assert ask("SELECT error_type, error FROM tasks") == [("ValueError", "x")]
    assert ask("SELECT traceback FROM tasks") == [errors]
    assert ask("SELECT message FROM sessions") == ["ValueError: x"]


def test_an_exit_code_is_kept(program: Program, ask: Ask) -> None:
    """A loop that is left by `sys.exit` was left early."""
    assert end(
        program(
            """
            import sys, progstore
            for number in progstore.track(range(10)):
                if number == 5:
                    sys.exit(3)
            """
        )
    ) == (3, "", "")
    assert ask("SELECT status, done, message FROM tasks") == [("cancelled", 5.0, "left early")]


def test_ctrl_c_cancels_what_runs(program: Program, ask: Ask, until: Until) -> None:
    """The program dies of the signal, as it would without us."""
    process = program(
        """
        import time, progstore
        for number in progstore.track(range(1000), interval=0.05):
            time.sleep(0.05)
        """
    )
    until(lambda: ask("SELECT 1 FROM tasks WHERE done > 0"))
    process.send_signal(signal.SIGINT)
    code, output, errors = end(process)
    assert (code, output) == (-signal.SIGINT, "")
    assert errors.startswith("Traceback (most recent call last):\n")
    assert errors.endswith("KeyboardInterrupt\n")
    assert ask("SELECT t.status, t.message, s.end_status, s.message FROM tasks t, sessions s") == [
        ("cancelled", "interrupted", "cancelled", "interrupted")
    ]


@pytest.mark.parametrize("death", ["os._exit(4)", "os.kill(os.getpid(), 15)", "os.abort()"])
def test_a_program_that_runs_no_hook_at_its_end_is_lost_with_what_was_written_last(
    death: str, program: Program, ask: Ask, until: Until
) -> None:
    """Nobody says that it ended; a reader finds it out."""
    process = program(
        f"""
        import os, progstore
        for number in progstore.track(range(10)):
            if number == 5:
                assert progstore.flush(30)
                {death}
        """
    )
    until(lambda: process.poll() is not None)
    assert process.returncode in (4, -signal.SIGTERM, -signal.SIGABRT)
    with progstore.open_store() as store:
        (task,) = store.tasks()
        (session,) = store.sessions()
    assert task.verdict is not None
    assert (task.status, task.done, task.verdict.life) == ("running", 5.0, "lost")
    assert session.verdict is not None
    assert session.verdict.life == "lost"


def test_sigterm_is_answered_where_that_was_asked_for(program: Program, ask: Ask, until: Until) -> None:
    """The last state is written, and the program dies of the signal all the same."""
    process = program(
        """
        import time, progstore
        progstore.configure(handle_sigterm=True, interval=0.05)
        for number in progstore.track(range(1000)):
            time.sleep(0.05)
        """
    )
    until(lambda: ask("SELECT 1 FROM tasks WHERE done > 0"))
    process.send_signal(signal.SIGTERM)
    assert end(process) == (-signal.SIGTERM, "", "")
    (told,) = ask(HOW_IT_STANDS)
    assert told[0::2] == ("cancelled", "the program ended first", "signal")
    assert ask("SELECT end_status, message FROM sessions") == [("cancelled", "ended by a signal")]


def test_a_programs_own_answer_to_sigterm_is_heard_once_the_state_is_written(program: Program, ask: Ask) -> None:
    """It may go on, or end as it likes, and what it does until then is recorded, too."""
    process = program(
        """
        import signal, sys, progstore

        def answer(number, frame):
            print("asked to end", flush=True)

        signal.signal(signal.SIGTERM, answer)
        progstore.configure(handle_sigterm=True, interval=3600)
        with progstore.session("served"):
            for line in progstore.track(sys.stdin, "lines"):
                print(line, flush=True)
        """
    )
    process.stdin.write("a\nb\n")
    process.stdin.flush()
    assert [process.stdout.readline() for _ in range(4)] == ["a\n", "\n", "b\n", "\n"]
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "asked to end\n"
    assert ask("SELECT status, done FROM tasks") == [("running", 1.0)]
    assert end(process) == (0, "", "")
    assert ask(HOW_IT_STANDS) == [("complete", 2.0, "", "complete", "exit")]


def test_loops_in_daemon_threads_end_with_the_program(program: Program, ask: Ask) -> None:
    """They are stopped in the middle, and it is said so."""
    process = program(
        """
        import threading, time, progstore

        def loop(items, name):
            for item in progstore.track(items, name):
                begun.release()
                time.sleep(1000)

        begun = threading.Semaphore(0)
        for items, name in ((range(9), "range"), ((n for n in range(9)), "generator"), ([1, 2], "list")):
            threading.Thread(target=loop, args=(items, name), daemon=True).start()
            begun.acquire()
        """
    )
    assert end(process) == (0, "", "")
    assert ask("SELECT name, status, done, message FROM tasks ORDER BY name") == [
        ("generator", "cancelled", 0.0, "the program ended first"),
        ("list", "cancelled", 0.0, "the program ended first"),
        ("range", "cancelled", 0.0, "the program ended first"),
    ]


def test_what_is_still_live_at_the_end_is_ended_with_the_program(program: Program, ask: Ask) -> None:
    """A task that nobody closed, an iterator that nobody exhausted, a session that nobody left."""
    process = program(
        """
        import progstore

        session = progstore.session("never left")
        session.__enter__()
        by_hand = progstore.track(name="by hand", total=10)
        by_hand.update(3)
        loop = iter(progstore.track(x for x in range(10)))
        next(loop), next(loop)
        """
    )
    assert end(process) == (0, "", "")
    assert ask("SELECT status, done, message FROM tasks ORDER BY id") == [
        ("cancelled", 3.0, "the program ended first"),
        ("cancelled", 1.0, "the program ended first"),
    ]
    assert ask("SELECT name, end_status FROM sessions") == [("never left", "complete")]


def test_a_thread_that_begins_its_first_loop_after_the_main_thread_has_ended_is_recorded(
    program: Program, ask: Ask
) -> None:
    """Some Pythons start no further thread then, so the recorder's work is done at the very end."""
    process = program(
        """
        import threading, progstore

        def work():
            threading.main_thread().join()
            for _ in progstore.track([1, 2, 3]):
                pass

        threading.Thread(target=work).start()
        """
    )
    assert end(process) == (0, "", "")
    assert ask(HOW_IT_STANDS) == [("complete", 3.0, "", "complete", "exit")]


def test_what_is_tracked_while_the_program_ends_disturbs_nothing(program: Program, ask: Ask) -> None:
    """A hook that was registered before ours runs after it; then it is too late to record, and that is all."""
    process = program(
        """
        import atexit

        def last():
            for _ in progstore.track("ab", "last"):
                pass
            print("ended")

        atexit.register(last)
        import progstore
        for _ in progstore.track("ab", "first"):
            pass
        atexit.register(lambda: list(progstore.track("ab", "before us")))
        """
    )
    assert end(process) == (0, "ended\n", "")
    assert ask("SELECT name, status FROM tasks WHERE name <> 'last' ORDER BY id") == [
        ("first", "complete"),
        ("before us", "complete"),
    ]


def test_a_store_that_cannot_be_written_neither_holds_up_the_end_nor_changes_the_exit_code(program: Program) -> None:
    """The warning is one line; the program's own exit code stays."""
    process = program(
        "import progstore, sys\nfor x in progstore.track([1]): pass\nsys.exit(7)", PROGSTORE_URL="/proc/no/progstore.db"
    )
    code, output, errors = end(process)
    assert (code, output) == (7, "")
    assert errors.count("\n") == 1
    assert "progstore cannot write to /proc/no/progstore.db: No such file or directory: /proc/no" in errors
