"""Why a loop was left: an exception that nobody caught sharpens `left early` to an error, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Ask = Callable[..., list[Any]]
Program = Callable[..., Any]

TOLD = "SELECT name, status, done, error_type, error, message FROM tasks ORDER BY id"


def test_an_uncaught_exception_is_the_error_of_every_loop_it_passed_through(program: Program, ask: Ask) -> None:
    """Of the inner and the outer one, and with the traceback down to where it was raised."""
    process = program(
        """
        import progstore

        def inner():
            for letter in progstore.track("abc", "inner"):
                int(letter)

        def outer():
            for number in progstore.track([1, 2], "outer"):
                inner()

        outer()
        """
    )
    _, errors = process.communicate()
    assert process.returncode == 1
    said = "invalid literal for int() with base 10: 'a'"
    assert ask(TOLD) == [
        ("outer", "error", 0.0, "ValueError", said, ""),
        ("inner", "error", 0.0, "ValueError", said, ""),
    ]
    assert ask("SELECT DISTINCT traceback FROM tasks") == [errors]
    assert ask("SELECT kind FROM events WHERE task_id = 1 ORDER BY id") == ["started", "cancelled", "error"]


def test_what_is_caught_outside_the_loop_leaves_it_cancelled(run_program: Callable[..., str], ask: Ask) -> None:
    """Nobody can tell it from a `break` then; it is never complete."""
    run_program(
        """
        import progstore
        try:
            for number in progstore.track(range(10), "caught"):
                if number == 5:
                    raise ValueError("x")
        except ValueError:
            pass
        """
    )
    assert ask(TOLD) == [("caught", "cancelled", 5.0, None, None, "left early")]


def test_a_break_stays_a_break_though_the_same_function_fails_later(program: Program, ask: Ask) -> None:
    """The line on which the loop was left is not the line that failed."""
    process = program(
        """
        import progstore

        def work():
            for number in progstore.track(range(10), "broken off"):
                if number == 5:
                    break
            for number in progstore.track(range(10), "failed"):
                if number == 2:
                    raise KeyError("later")

        work()
        """
    )
    process.communicate()
    assert ask(TOLD) == [
        ("broken off", "cancelled", 5.0, None, None, "left early"),
        ("failed", "error", 2.0, "KeyError", "'later'", ""),
    ]


def test_an_exception_caught_before_the_one_that_ends_the_program_is_not_mistaken_for_it(
    program: Program, ask: Ask
) -> None:
    """The loop that ended by a caught exception stays cancelled when the program ends by another one."""
    process = program(
        """
        import progstore

        def first():
            for number in progstore.track(range(10), "first"):
                raise ValueError("caught")

        try:
            first()
        except ValueError:
            pass
        raise OSError("not caught")
        """
    )
    process.communicate()
    assert ask(TOLD) == [("first", "cancelled", 0.0, None, None, "left early")]
    assert ask("SELECT end_status, message FROM sessions") == [("error", "OSError: not caught")]


def test_an_exception_that_ends_a_thread_is_the_error_of_its_loops(run_program: Callable[..., str], ask: Ask) -> None:
    """The program goes on, and another thread's loop is untouched by it."""
    run_program(
        """
        import threading, progstore

        def fails(items):
            for item in progstore.track(items, "fails"):
                raise RuntimeError("in a thread")

        for number in progstore.track(range(2), "goes on"):
            thread = threading.Thread(target=fails, args=((n for n in range(3)),))
            thread.start()
            thread.join()
        """
    )
    assert ask(TOLD + " LIMIT 2") == [
        ("goes on", "complete", 2.0, None, None, ""),
        ("fails", "error", 0.0, "RuntimeError", "in a thread", ""),
    ]
    assert ask("SELECT end_status FROM sessions") == ["complete"]


def test_a_comprehension_and_a_generator_fail_like_a_loop(program: Program, ask: Ask) -> None:
    """Whatever takes the items, the frame that began the loop is in the traceback."""
    process = program(
        """
        import threading, progstore

        def comprehension():
            return [1 // number for number in progstore.track([1, 0], "comprehension")]

        def generator():
            for number in progstore.track([1, 0], "generator"):
                yield 1 // number

        thread = threading.Thread(target=comprehension)
        thread.start()
        thread.join()
        list(generator())
        """
    )
    process.communicate()
    said = "integer division or modulo by zero"
    assert ask(TOLD) == [
        ("comprehension", "error", 1.0, "ZeroDivisionError", said, ""),
        ("generator", "error", 1.0, "ZeroDivisionError", said, ""),
    ]


def test_a_hook_that_is_called_by_hand_ends_no_loop_that_goes_on(run_program: Callable[..., str], ask: Ask) -> None:
    """As shells do to print an error."""
    run_program(
        """
        import sys, progstore
        for number in progstore.track([1, 0, 2], "goes on"):
            try:
                1 // number
            except ZeroDivisionError:
                sys.excepthook(*sys.exc_info())
        """
    )
    assert ask("SELECT t.status, t.done, s.end_status FROM tasks t, sessions s") == [("complete", 3.0, "complete")]


def test_the_hooks_that_were_there_before_are_called(program: Program, ask: Ask) -> None:
    """Ours only looks."""
    process = program(
        """
        import sys, threading
        sys.excepthook = lambda kind, error, trace: print("hook", error)
        threading.excepthook = lambda args: print("thread hook", args.exc_value)
        import progstore

        def fails(name):
            for _ in progstore.track([1], name):
                raise ValueError(name)

        thread = threading.Thread(target=fails, args=("a",))
        thread.start()
        thread.join()
        fails("b")
        """
    )
    output, errors = process.communicate()
    assert (process.returncode, output, errors) == (1, "thread hook a\nhook b\n", "")
    assert ask("SELECT status, error FROM tasks ORDER BY id") == [("error", "a"), ("error", "b")]
