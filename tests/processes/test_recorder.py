"""The recorder beside jobs of all kinds: it never holds them up, and it does not grow with what is over."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import progstore
from progstore.live import outbox
from progstore.live import recorder as notes
from progstore.live.outbox import Outbox
from progstore.live.recorder import recorder
from progstore.live.state import SessionState, TaskState
from progstore.store.sqlite.lockfile import LockFile, owner_byte

Ask = Callable[..., list[Any]]
Program = Callable[..., Any]
Until = Callable[..., Any]


def test_the_end_of_a_session_is_written_however_soon_it_comes_after_its_last_task(ask: Ask) -> None:
    """Also where it comes while that task is being written."""
    for number in range(50):
        with progstore.session(f"session {number}"):
            for _ in progstore.track([1]):
                pass
            time.sleep(number / 5000)
    assert progstore.flush(30)
    assert ask("SELECT end_status, count(*) FROM sessions GROUP BY 1") == [("complete", 50)]


def test_a_task_whose_parent_is_over_before_it_is_first_written_keeps_it(ask: Ask) -> None:
    """Its thread was held up between its beginning and the note of it, while the parent ended in another one."""
    with progstore.track(name="outer", record=True) as outer:
        inner = TaskState(outer.state.session, "inner", record=True, interval=0.5, parent=outer.state)
        inner.begin()
    assert progstore.flush(30)
    recorder.begin(inner)
    inner.end("complete")
    recorder.end(inner)
    assert progstore.flush(30)
    assert ask("SELECT p.name FROM tasks t JOIN tasks p ON p.id = t.parent_id") == ["outer"]


def test_sessions_that_are_over_take_no_more_memory_and_no_more_time(ask: Ask) -> None:
    """A server declares them by the thousand; what waits to be started elsewhere is nothing to look at either."""
    for _ in range(300):
        session = progstore.Session.create({"a": "A", "b": "never started"})
        session.start("a")
        session.complete("a")
    assert progstore.flush(30)
    (outbox,) = recorder._outboxes._by_store.values()
    assert outbox.watched() == []
    assert outbox._sessions == {}
    assert ask("SELECT status, count(*) FROM tasks GROUP BY 1") == [("complete", 300), ("pending", 300)]
    session["later"] = "said"
    session.start("b")
    session.message("still there")
    assert progstore.flush(30)
    assert ask("SELECT message FROM sessions ORDER BY id DESC LIMIT 1") == ["still there"]
    assert ask("SELECT value FROM metadata") == ['"said"']
    assert ask("SELECT session_id, key, status FROM tasks WHERE status = 'running'") == [(300, "b", "running")]


def test_a_task_that_is_not_recorded_reports_and_touches_no_store(store_path: Path, until: Until) -> None:
    """Its callback hears of the end, and nothing of it is kept."""
    heard: list[progstore.TaskView] = []
    for _ in progstore.track(range(3), record=False, on_progress=heard.append, interval=0.05):
        pass
    until(lambda: heard and heard[-1].status is progstore.Status.COMPLETE)
    assert heard[-1].done == 3
    until(lambda: not recorder.live())
    assert not store_path.exists()


def test_a_callback_is_told_though_the_store_cannot_be_written(until: Until) -> None:
    """Progress is the job's, whatever becomes of the record."""
    heard: list[progstore.TaskView] = []
    for _ in progstore.track(range(3), store="/proc/no/progstore.db", on_progress=heard.append, interval=0.05):
        pass
    until(lambda: heard and heard[-1].status is progstore.Status.COMPLETE)


def test_the_end_of_a_task_is_written_however_many_others_go_on(monkeypatch: pytest.MonkeyPatch, ask: Ask) -> None:
    """Only of ended ones there are too many, and only while the store is not to be had."""
    monkeypatch.setattr(outbox, "MOST_WAITING", 2)
    tasks = [progstore.track(name=str(number)) for number in range(5)]
    assert progstore.flush(30)
    for task in tasks:
        task.complete()
    assert progstore.flush(30)
    assert ask("SELECT status, count(*) FROM tasks GROUP BY 1") == [("complete", 5)]


def test_what_begins_faster_than_it_can_be_noted_is_counted_and_no_flush_promises_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ask: Ask
) -> None:
    """The recorder may still be busy to import what it needs; a task takes one place, though it begins and ends."""
    monkeypatch.setattr(notes, "MOST_NOTES", 10)
    monkeypatch.setattr(outbox, "MOST_WAITING", 5)
    monkeypatch.setattr(recorder, "has_lost", False)  # also afterwards
    assert recorder.stop(30)
    for number in range(10):
        list(progstore.track([1], str(number)))
    assert not recorder.has_lost
    for number in range(3):
        list(progstore.track([1], f"too many {number}"))
    recorder.resume()
    assert not progstore.flush(30)
    assert ask("SELECT count(*), count(*) FILTER (WHERE done = 1 AND status = 'complete') FROM tasks") == [(10, 10)]
    assert ask("SELECT dropped_events FROM processes") == [3]
    assert "3 tasks were begun faster than progstore can note them" in caplog.text


def test_a_store_that_fails_for_days_is_still_tried_again() -> None:
    """The pause between two tries has an end, however many there were."""
    outbox = Outbox("/proc/no/progstore.db")
    outbox.add_session(SessionState("session", "block", store=None))
    for _ in range(1500):
        assert not outbox.write(hurry=True, end_reason=None)
    assert outbox._health._retry_at <= time.monotonic() + 30


def test_garbage_collected_at_any_moment_ends_its_loops_and_holds_up_nobody(program: Program, ask: Ask) -> None:
    """Loops in reference cycles end wherever the collector runs, within the recorder's own code too."""
    process = program(
        """
        import gc, progstore

        class Cycle:
            def __init__(self, loop):
                self.me, self.loop = self, loop
                next(loop)

        gc.set_threshold(1, 1, 1)
        for number in range(1000):
            Cycle(iter(progstore.track([1, 2, 3], f"loop {number}")))
        gc.collect()
        print(progstore.flush(30))
        """
    )
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "True\n", "")
    told = ask("SELECT status, message, count(*) FROM tasks GROUP BY 1, 2")
    assert told == [("cancelled", "left early", 1000)]


def test_a_signal_handler_may_interrupt_what_a_job_says_anywhere(program: Program, until: Until) -> None:
    """The last state is written from within the handler, while the thread it interrupts is in the middle of saying
    something.
    """
    for _ in range(3):
        process = program(
            """
            import progstore
            progstore.configure(handle_sigterm=True)
            assert progstore.flush(30)
            print("ready", flush=True)
            while True:
                for _ in progstore.track([1], "quick", interval=0.05):
                    pass
            """
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (-signal.SIGTERM, "")


def test_a_forked_child_does_not_keep_its_parents_lock(
    program: Program, store_path: Path, ask: Ask, until: Until
) -> None:
    """The byte by which a reader in another container knows that the parent lives falls with the parent."""
    process = program(
        """
        import os, sys, time, progstore
        for _ in progstore.track([1, 2]):
            assert progstore.flush(30)
            child = os.fork()
            if child == 0:
                time.sleep(1000)
            print(child, flush=True)
            sys.stdin.read()
        """
    )
    child = int(process.stdout.readline())
    try:
        (process_id,) = ask("SELECT id FROM processes")
        lock = LockFile(f"{store_path}.lock", create=False)
        assert lock.is_locked(owner_byte(process_id))
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: not lock.is_locked(owner_byte(process_id)))
        os.kill(child, 0)
        lock.close()
    finally:
        os.kill(child, signal.SIGKILL)
