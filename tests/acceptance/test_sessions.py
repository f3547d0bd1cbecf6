"""Sessions of named tasks: what a progress dialog is told, here and from any other process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import progstore
from progstore.insight.easing import completing_percent, eased_percent
from progstore.live.summary import Shown, overall_percent, overall_status
from progstore.values import Status

RunProgram = Callable[..., str]


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Ask again until it holds; what is waited for is drawn from the clock, so there is no event."""
    over = threading.Event()
    for _ in range(int(seconds * 50)):
        if condition():
            return
        over.wait(0.02)
    raise AssertionError(f"it did not come about within {seconds} s")


def test_a_created_session_waits_and_an_unknown_one_is_none() -> None:
    """Session and tasks are pending at 0 percent and say "Waiting..."."""
    session = progstore.Session.create({"a": "A", "b": "B"})
    assert session.to_dict() == {
        "overall_percent": 0,
        "session_id": session.uid,
        "status": "pending",
        "tasks": {
            "a": {"message": "Waiting...", "name": "A", "percent": 0, "status": "pending"},
            "b": {"message": "Waiting...", "name": "B", "percent": 0, "status": "pending"},
        },
    }
    assert progstore.flush(5)
    assert progstore.Session.get("00000000-0000-7000-8000-000000000000") is None
    assert progstore.Session.get(4711) is None


def test_a_completing_task_is_still_running() -> None:
    """On its way to 100 it says "Completing..."."""
    session = progstore.Session.create({"a": "A"})
    session.start("a")
    session.complete("a")
    told = session.to_dict()["tasks"]
    assert isinstance(told, dict)
    (task,) = told.values()
    assert isinstance(task, dict)
    assert (task["status"], task["message"]) == ("running", "Completing...")


def test_the_easing_follows_its_curve() -> None:
    """Ticks of 0.15 s: 0.5, 0.9912, 1.4739; 27.4754 at tick 100; 85 from tick 1578 on, and never more."""
    percents = [eased_percent(0.15 * tick) for tick in range(1, 2001)]
    assert [round(percent, 4) for percent in percents[:3]] == [0.5, 0.9912, 1.4739]
    assert round(percents[99], 4) == 27.4754
    assert percents[1576] < 85
    assert percents[1577] == 85
    assert max(percents) == 85


def test_a_completed_task_runs_up_to_a_hundred_in_34_steps() -> None:
    """From 0 percent 3 more each 0.03 s, then complete with its message."""
    steps = [completing_percent(0, 0.03 * step) for step in range(36)]
    assert steps[1] == 3
    assert steps[33] == 99
    assert steps[34] == steps[35] == 100
    session = progstore.Session.create({"a": "A", "b": "B"})
    session.complete("a")
    session.complete("b", "all 7 letters sent")
    wait_until(lambda: session.is_complete)
    told = session.to_dict()["tasks"]
    assert isinstance(told, dict)
    assert told["a"] == {"message": "A complete", "name": "A", "percent": 100, "status": "complete"}
    assert told["b"] == {"message": "all 7 letters sent", "name": "B", "percent": 100, "status": "complete"}


@pytest.mark.parametrize(
    ("statuses", "overall"),
    [
        (("error", "running"), "error"),
        (("complete", "running"), "running"),
        (("complete", "pending"), "pending"),
        (("complete", "complete"), "complete"),
        (("pending", "pending"), "pending"),
        ((), "pending"),
    ],
)
def test_the_status_of_a_session_follows_from_its_tasks(statuses: tuple[str, ...], overall: str) -> None:
    """An error outweighs all, complete needs all."""
    tasks = [Shown("t", 0.0, "", Status(status)) for status in statuses]
    assert overall_status(tasks) == overall


def test_the_overall_percent_is_the_floored_mean() -> None:
    """45.9 and 0 make 22."""
    assert overall_percent([Shown("a", 45.9, "", Status.RUNNING), Shown("b", 0.0, "", Status.PENDING)]) == 22


def test_what_a_sequential_function_raises_is_kept_for_whoever_asks() -> None:
    """The call returns, the task is an error, and `result` raises that very exception."""
    trouble = ValueError("boom")

    def fail() -> None:
        raise trouble

    session = progstore.Session.create({"a": "A", "b": "B"})
    outcome = session.add_sequential("a", fail)
    assert outcome.failed
    with pytest.raises(ValueError, match="boom") as caught:
        _ = outcome.result
    assert caught.value is trouble
    assert session.add_sequential("b", divmod, 7, 2).result == (3, 1)
    assert session.has_error
    assert progstore.flush(5)
    with progstore.open_store() as store:
        (failed,) = [task for task in store.session(session.uid).tasks if task.key == "a"]
    assert (failed.error_type, failed.error) == ("ValueError", "boom")
    assert failed.traceback is not None
    assert "raise trouble" in failed.traceback


def test_a_future_is_running_until_it_ends_and_then_ends_as_it_did() -> None:
    """Running, then complete, error or cancelled, with no thread of ours for it."""
    session = progstore.Session.create({"slow": "Slow", "bad": "Bad", "never": "Never"})
    release = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        session.add_parallel("slow", pool.submit(release.wait))
        session.add_parallel("bad", pool.submit(int, "x"))
        never = session.add_parallel("never", pool.submit(int))
        assert session.is_running
        assert never.cancel()
        release.set()
    assert progstore.flush(5)
    with progstore.open_store() as store:
        ended = {task.key: task.status for task in store.session(session.uid).tasks}
    assert ended == {"slow": Status.COMPLETE, "bad": Status.ERROR, "never": Status.CANCELLED}
    assert session.has_error


def test_a_future_that_has_already_ended_is_taken_as_it_is() -> None:
    """Nothing waits for an end that was."""
    done: Future[int] = Future()
    done.set_result(7)
    session = progstore.Session.create({"a": "A"})
    assert session.add_parallel("a", done).result() == 7
    wait_until(lambda: session.is_complete)


def test_a_stream_tells_at_once_and_ends_with_the_session() -> None:
    """Each chunk is a JSON object and a newline; the last one is complete."""
    session = progstore.Session.create({"a": "A"})
    stream = session.stream(poll_interval=0.01)
    assert json.loads(next(stream))["status"] == "pending"
    session.start("a")
    assert json.loads(next(stream))["status"] == "running"
    session.complete("a")
    chunks = list(stream)
    assert all(chunk.endswith("\n") for chunk in chunks)
    assert json.loads(chunks[-1])["status"] == "complete"
    percents = [json.loads(chunk)["overall_percent"] for chunk in chunks]
    assert percents == sorted(percents)
    assert progstore.flush(5)
    assert progstore.Session.get(session.uid) is not None


def test_a_session_advances_and_ends_in_another_process(run_program: RunProgram) -> None:
    """The other process reads it, starts its task, completes it, and the stream here ends with that."""
    session = progstore.Session.create({"a": "A", "b": "B"}, "import")
    session.start("b")
    session.complete("b")
    assert progstore.flush(5)
    told = run_program(
        f"""
        import progstore
        session = progstore.Session.get({session.uid!r})
        print(session.to_dict()["tasks"]["a"]["status"])
        session.start("a")
        session.complete("a", "done elsewhere")
        """
    )
    assert told.strip() == "pending"
    last = json.loads(list(session.stream(poll_interval=0.01))[-1])
    assert last["status"] == "complete"
    assert last["tasks"]["a"]["message"] == "done elsewhere"


def test_a_session_is_found_long_after_and_by_its_number(run_program: RunProgram) -> None:
    """History does not expire: a session of a process that ended is there, by uid and by integer id."""
    uid = run_program(
        """
        import progstore
        session = progstore.Session.create({"a": "A"}, "old")
        session.complete("a")
        print(session.uid)
        """
    ).strip()
    by_uid = progstore.Session.get(uid)
    by_number = progstore.Session.get(1)
    assert by_uid is not None
    assert by_number is not None
    assert by_uid.uid == by_number.uid == uid
    wait_until(lambda: by_uid.is_complete)


def test_the_dict_has_exactly_the_promised_fields() -> None:
    """overall_percent, session_id, status, tasks; and for each task message, name, percent, status."""
    told = progstore.Session.create({"a": "A"}).to_dict()
    assert set(told) == {"overall_percent", "session_id", "status", "tasks"}
    assert isinstance(told["tasks"], dict)
    assert isinstance(told["tasks"]["a"], dict)
    assert set(told["tasks"]["a"]) == {"message", "name", "percent", "status"}


def test_a_cancelled_task_counts_as_error_and_ends_the_stream() -> None:
    """Nobody waits for ever for work that was given up."""
    session = progstore.Session.create({"a": "A"})
    future: Future[Any] = Future()
    session.add_parallel("a", future)
    future.cancel()
    assert json.loads(list(session.stream(poll_interval=0.01))[-1])["status"] == "error"


def test_an_unknown_key_says_which_there_are() -> None:
    """A mistake of the caller is a clear exception."""
    session = progstore.Session.create({"a": "A", "b": "B"})
    with pytest.raises(progstore.NotFound, match=r"no task 'c'; it has a, b"):
        session.start("c")


def test_a_session_that_is_not_written_yet_is_not_complete(run_program: RunProgram) -> None:
    """A child that was forked at once sees none of its tasks, and does not take that for an end."""
    told = run_program(
        """
        import os, progstore

        session = progstore.Session.create({"a": "A"})
        if not (child := os.fork()):
            told = session.to_dict()
            print(told["status"], told["tasks"], session.is_complete, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        """,
        PROGSTORE_RECORD="0",
    )
    assert told.strip() == "pending {} False"


def test_another_processs_session_that_cannot_be_read_says_why(run_program: RunProgram, store_path: Path) -> None:
    """Nothing is concluded from a store that does not answer, and the fault is not taken for a wrong key."""
    uid = run_program("import progstore; print(progstore.Session.create({'a': 'A'}).uid)").strip()
    session = progstore.Session.get(uid)
    assert session is not None
    store_path.write_bytes(b"this is no database" * 100)
    with pytest.raises(progstore.StoreError, match="no SQLite database"):
        next(session.stream())
    with pytest.raises(progstore.StoreError, match="no SQLite database"):
        session.complete("a")
    assert progstore.Session.create({"b": "B"}).status == "pending", "one's own is known without the store"
    store_path.unlink()
    assert not session.is_complete
    assert json.loads(next(session.stream()))["status"] == "pending"


def test_a_session_without_tasks_ends_its_stream_as_it_ends_itself(run_program: RunProgram) -> None:
    """Where nothing was declared nothing is waited for; a block without tasks ends with the block."""
    assert json.loads(list(progstore.Session.create({}).stream())[-1])["status"] == "complete"
    with progstore.session("empty") as session:
        assert session.status == "pending"
    assert session.is_complete
    assert progstore.flush(5)
    told = run_program(f"import progstore; print(list(progstore.Session.get({session.uid!r}).stream())[-1])")
    assert json.loads(told)["status"] == "complete"


def test_what_is_tracked_in_a_block_belongs_to_its_session(store_path: Path) -> None:
    """Also in threads, for it is the only open one of the process."""
    with progstore.session("nightly import", meta={"host": "db1"}) as session:
        list(progstore.track("ab", "here"))
        worker = threading.Thread(target=lambda: list(progstore.track("ab", "in a thread")))
        worker.start()
        worker.join()
    assert progstore.flush(5)
    with progstore.open_store(str(store_path)) as store:
        found = store.session(session.uid)
    assert (found.name, found.status, dict(found.meta)) == ("nightly import", Status.COMPLETE, {"host": "db1"})
    assert {task.name for task in found.tasks} == {"here", "in a thread"}
