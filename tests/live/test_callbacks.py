"""`on_progress`: what is told, in which order, and that neither a slow nor a bad callback holds anything up."""

from __future__ import annotations

import logging
import sys
import threading
from asyncio import CancelledError
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from types import FrameType
from typing import Any

import pytest

import progstore
from progstore.live import callbacks
from progstore.values import Status

Until = Callable[..., Any]
Run = Callable[..., str]


def told(heard: list[progstore.TaskView]) -> list[tuple[str, str]]:
    """Who was told of, and as what."""
    return [(view.name, str(view.status)) for view in heard]


def test_start_reports_and_end_are_told_at_once_and_in_order(until: Until) -> None:
    """No tick is waited for, and nothing that was told is told again."""
    heard: list[progstore.TaskView] = []
    with progstore.track(name="A", interval=3600, on_progress=heard.append, record=False) as task:
        task.report(20, "a")
        task.report(20, "a")
        task.simulate(until=50, message="vendor call", expect=60)
    task.report(99, "after the end")
    task.update(5)
    assert progstore.flush(30)
    until(lambda: len(heard) == 5)
    assert [view.message for view in heard] == ["", "a", "a", "vendor call", "vendor call"]
    assert [view.percent for view in heard[:3]] == [None, 20, 20]
    assert heard[3].simulated
    assert (heard[4].status, heard[4].percent) == (Status.COMPLETE, 100)


def test_counts_and_messages_are_told_once_per_interval(until: Until) -> None:
    """And failed items; 100,000 of them make no 100,000 calls."""
    heard: list[progstore.TaskView] = []
    with progstore.track(name="A", interval=0.05, on_progress=heard.append, record=False) as task:
        for _ in range(100_000):
            task.update()
        until(lambda: heard and heard[-1].done == 100_000)
        assert len(heard) < 100
        task.message("half way")
        until(lambda: heard[-1].message == "half way")
        task.fail_item("row 7")
        until(lambda: heard[-1].failed == 1)
    until(lambda: heard[-1].status is Status.COMPLETE)


def test_what_others_begin_and_end_makes_no_more_calls(until: Until) -> None:
    """Each of them is written at once, and each flush is a look at all tasks; the end is told with all of it."""
    heard: list[progstore.TaskView] = []
    with progstore.track(name="A", interval=3600, on_progress=heard.append) as task:
        for _ in range(3):
            task.update()
            list(progstore.track([1], "short"))
            assert progstore.flush(30)
    until(lambda: heard and heard[-1].status is Status.COMPLETE)
    assert [view.done for view in heard] == [0, 3]


def test_a_session_hears_of_all_its_tasks_and_a_task_may_be_heard_beside_it(until: Until) -> None:
    """Nested ones, too; the task's own callback hears only of it."""
    heard: list[progstore.TaskView] = []
    own: list[progstore.TaskView] = []
    with progstore.session("nightly", on_progress=heard.append), progstore.track(name="outer"):
        worker = threading.Thread(target=lambda: progstore.track(name="thread").complete())
        worker.start()
        worker.join()
        with pytest.raises(ValueError, match="boom"), progstore.track(name="inner", on_progress=own.append):
            raise ValueError("boom")
    progstore.track(name="elsewhere").complete()
    until(lambda: len(heard) == 6)
    assert told(heard) == [
        ("outer", "running"),
        ("thread", "running"),
        ("thread", "complete"),
        ("inner", "running"),
        ("inner", "error"),
        ("outer", "complete"),
    ]
    until(lambda: len(own) == 2)
    assert own[-1].error == "boom"


def test_a_declared_session_hears_what_becomes_of_its_tasks(until: Until) -> None:
    """Not that they wait; a second attempt, a failed function and a cancelled future, too."""
    heard: list[progstore.TaskView] = []
    session = progstore.Session.create({"a": "A", "b": "B", "c": "C"}, on_progress=heard.append)
    session.add_sequential("a", int, "x")
    session.start("a")
    session.complete("a", "well")
    future: Future[None] = Future()
    session.add_parallel("b", future)
    future.cancel()
    until(lambda: len(heard) == 6)
    assert told(heard) == [
        ("A", "running"),
        ("A", "error"),
        ("A", "running"),
        ("A", "complete"),
        ("B", "running"),
        ("B", "cancelled"),
    ]
    assert (heard[0].percent, heard[0].simulated) == (0, True)
    assert (heard[3].message, heard[3].attempt) == ("well", 2)


def test_what_is_complete_is_told_as_readers_see_it(until: Until) -> None:
    """At 100 percent, whatever the counts say."""
    heard: list[progstore.TaskView] = []
    with progstore.track(name="A", total=10, on_progress=heard.append) as task:
        task.update(3)
    until(lambda: heard and heard[-1].status is Status.COMPLETE)
    assert (heard[-1].done, heard[-1].percent) == (3, 100)


def test_the_next_attempt_is_heard_too(until: Until) -> None:
    """A loop over the same iterable again."""
    heard: list[progstore.TaskView] = []
    items = progstore.track("ab", "loop", on_progress=heard.append)
    list(items)
    list(items)
    until(lambda: [view.attempt for view in heard if view.status is Status.COMPLETE] == [1, 2])


def test_a_task_that_another_process_took_over_is_told_no_more(until: Until) -> None:
    """What is done to it here stays here."""
    heard: list[progstore.TaskView] = []
    given, kept = (progstore.track(name=name, on_progress=heard.append) for name in ("given away", "kept"))
    until(lambda: len(heard) == 2)
    given.state.give_away()
    given.report(50)
    given.complete()
    kept.complete()
    until(lambda: len(heard) == 3)
    assert heard[-1].name == "kept"


def test_of_too_many_reports_the_oldest_are_dropped_and_the_ends_last(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, until: Until
) -> None:
    """A callback that hangs costs a bounded amount of memory, and is warned of once."""
    monkeypatch.setattr(callbacks, "MOST_WAITING", 10)
    heard: list[progstore.TaskView] = []
    begun, release = threading.Event(), threading.Event()

    def slow(view: progstore.TaskView) -> None:
        heard.append(view)
        begun.set()
        release.wait(30)

    with caplog.at_level(logging.WARNING, "progstore"), progstore.session("slow", on_progress=slow):
        with progstore.track(name="first"):
            assert begun.wait(10)
        with progstore.track(name="second") as task:
            for percent in range(100):
                task.report(percent)
    release.set()
    until(lambda: told(heard)[-1:] == [("second", "complete")])
    assert told(heard[:2]) == [("first", "running"), ("first", "complete")]
    assert [view.percent for view in heard[2:-1]] == list(range(92, 100))
    assert len([record for record in caplog.records if "slower than the job" in record.message]) == 1


@pytest.mark.parametrize("error", [SystemExit(3), CancelledError(), KeyboardInterrupt()])
def test_a_callback_that_exits_its_thread_is_called_on(
    error: BaseException, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """It is as if it had raised anything else."""
    heard: list[progstore.TaskView] = []

    def leave(view: progstore.TaskView) -> None:
        heard.append(view)
        raise error

    progstore.track(name="A", on_progress=leave).complete()
    until(lambda: len(heard) == 2)
    assert len([record for record in caplog.records if "on_progress raised" in record.message]) == 1


def test_a_callback_that_tracks_is_not_told_of_what_it_tracks(until: Until) -> None:
    """Else each call would make the next two; other callbacks hear of it."""
    heard: list[progstore.TaskView] = []
    own: list[progstore.TaskView] = []

    def tracks(view: progstore.TaskView) -> None:
        heard.append(view)
        if len(heard) < 10:
            for _ in progstore.track(range(2), "within", on_progress=own.append, record=False, bar=False):
                pass

    with progstore.session("S", on_progress=tracks):
        with progstore.track(name="A", record=False):
            pass
        until(lambda: len(own) >= 4)
    assert told(heard) == [("A", "running"), ("A", "complete")]
    assert sorted(told(own)) == sorted([("within", "running"), ("within", "complete")] * 2)


def test_two_that_tell_at_a_time_do_not_wait_for_each_other() -> None:
    """While one tells of a task the garbage collector, for which a profiler stands here, may end another task, of which
    a second thread tells just then.
    """
    progstore.configure(bar=False, record=False)
    with progstore.session("S", on_progress=lambda _: None):
        first, second = (progstore.track(name=name, on_progress=lambda _: None) for name in "AB")
        is_telling = threading.Event()

        def second_tells() -> None:
            sys.setprofile(lambda frame, *_: is_telling.set() if frame.f_code.co_name == "put" else None)
            second.report(10)

        other = threading.Thread(target=second_tells, daemon=True)

        views = count(1)

        def collected(frame: FrameType, event: str, _: object) -> None:
            # The second is the view for the session's callback, which is told of both tasks.
            if event == "call" and frame.f_code.co_name == "view_of" and next(views) == 2:
                sys.setprofile(None)
                other.start()
                is_telling.wait(0.2)
                second.complete()

        def first_tells() -> None:
            sys.setprofile(collected)
            first.report(20)

        one = threading.Thread(target=first_tells, daemon=True)
        one.start()
        one.join(10)
        assert not one.is_alive()
        other.join(10)
        assert not other.is_alive()
        first.complete()


def test_a_signal_handler_that_ends_the_process_waits_for_no_lock(caplog: pytest.LogCaptureFixture) -> None:
    """A profiler stands for it: it comes upon a report that is just being told, and writes and delivers all."""
    heard: list[progstore.TaskView] = []
    flushed: list[bool] = []
    task = progstore.track(name="A", interval=0.05, on_progress=heard.append, bar=False)
    task.update()

    def ends(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name == "view_of":
            sys.setprofile(None)
            task.update()
            flushed.append(progstore.flush(5))
            task.complete()
            callbacks.deliver_all(5)

    sys.setprofile(ends)
    task.report(20)
    assert flushed == [True]
    assert heard[-1].status is Status.COMPLETE
    assert not caplog.records


def test_a_thread_that_has_ended_is_started_again(monkeypatch: pytest.MonkeyPatch, until: Until) -> None:
    """It does not linger for ever, nor after the end of a task."""
    monkeypatch.setattr(callbacks, "LINGER", 0.01)
    threads: list[threading.Thread] = []
    with progstore.track(name="A", on_progress=lambda _: threads.append(threading.current_thread())) as task:
        until(lambda: threads and not threads[0].is_alive())
        task.report(5)
        until(lambda: len(threads) == 2 and not threads[1].is_alive())
        monkeypatch.setattr(callbacks, "LINGER", 3600)
        task.report(6)
        until(lambda: len(threads) == 3)
        task.report(7)
        until(lambda: len(threads) == 4)
    until(lambda: len(threads) == 5 and not threads[4].is_alive())
    assert threads[2] is threads[3] is threads[4]


def test_where_no_thread_can_be_started_the_end_of_the_process_delivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job is not told of it by an exception."""
    heard: list[progstore.TaskView] = []

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as crowded:
        crowded.setattr(threading.Thread, "start", start)
        with progstore.track(name="A", on_progress=heard.append) as task:
            task.report(5)
    assert not heard
    callbacks.deliver_all(10)
    assert [view.percent for view in heard] == [None, 5, 100]


def test_ctrl_c_within_a_callback_that_is_called_at_the_end_ends_the_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There it runs in the thread that ends the process, which is the one that is meant."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    keys = [KeyboardInterrupt()]

    def interrupted(_: progstore.TaskView) -> None:
        if keys:
            raise keys.pop()

    with monkeypatch.context() as crowded:
        crowded.setattr(threading.Thread, "start", start)
        progstore.track(name="A", on_progress=interrupted).complete()
    with pytest.raises(KeyboardInterrupt):
        callbacks.deliver_all(10)


def test_a_callback_that_hangs_does_not_hang_the_end_of_the_process(caplog: pytest.LogCaptureFixture) -> None:
    """It is said that it has not heard all."""
    release = threading.Event()
    progstore.track(name="A", on_progress=lambda _: release.wait(30)).complete()
    callbacks.deliver_all(0.05)
    release.set()
    assert "before it has heard all" in caplog.text
    callbacks.deliver_all(10)


@pytest.mark.parametrize("bad", [5, "text"])
def test_a_callback_must_be_callable(bad: Any) -> None:
    """Said where it is given, not from a thread."""
    with pytest.raises(TypeError, match="must be a function of one TaskView"):
        progstore.track(name="A", on_progress=bad)
    with pytest.raises(TypeError, match="must be a function of one TaskView"):
        progstore.session("S", on_progress=bad)


def test_a_coroutine_function_is_refused_and_told_the_way() -> None:
    """Nobody would await it."""

    async def listen(view: progstore.TaskView) -> None:
        """Never called."""

    with pytest.raises(TypeError, match="run_coroutine_threadsafe"):
        progstore.Session.create({"a": "A"}, on_progress=listen)


def test_at_exit_all_is_heard_and_what_lives_is_heard_to_end(run_program: Run) -> None:
    """A callback that takes its time, a task that is still live. What a forked child inherited is not told there."""
    printed = run_program(
        """
        import os, threading, time, progstore

        def listen(view):
            time.sleep(0.01)
            os.write(1, f"{os.getpid() == parent} {view.name} {view.percent:g} {view.status}\\n".encode())

        parent = os.getpid()
        session = progstore.session("nightly", on_progress=listen)
        session.__enter__()
        loop = progstore.track("ab", "loop")
        list(loop)
        while any(thread.name == "progstore-on-progress" for thread in threading.enumerate()):
            time.sleep(0.01)
        task = progstore.track(name="A", total=10)
        child = os.fork()
        if not child:
            list(loop)
            task.report(77)
            progstore.track(name="child's").complete()
            raise SystemExit
        os.waitpid(child, 0)
        for percent in range(1, 21):
            task.report(percent)
        """,
        PYTHONWARNINGS="ignore",
    )
    lines = [line for line in printed.splitlines() if "loop" not in line or line.startswith("False")]
    assert lines[0] == "True A 0 running"
    assert lines[1:21] == [f"True A {percent} running" for percent in range(1, 21)]
    assert lines[21:] == ["True A 20 cancelled"]
