"""A declared session is advanced by whichever process gets to it: each task has one owner, and the last word stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

import progstore

Ask = Callable[..., list[Any]]
Until = Callable[..., Any]

OTHER = """
    import json, sys
    import progstore

    if len(sys.argv) > 1:
        session = progstore.Session.get(sys.argv[1])
    else:
        session = progstore.Session.create({"a": "A", "b": "B"})
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        answer = getattr(session, method)
        if callable(answer):
            answer = answer(*arguments)
        print(json.dumps([answer, progstore.flush(30)]), flush=True)
"""


class Other(Protocol):
    """Another process, told over its input what to do with the session."""

    process: Any

    def __call__(self, method: str, *arguments: str) -> Any:
        """What the method or property said there; all that it did is on disk by then."""


@pytest.fixture
def start_other(program: Callable[..., Any]) -> Callable[..., Other]:
    """Starts a process that holds the session of that uid, or one of its own making."""

    class Told:
        def __init__(self, *uid: str) -> None:
            self.process = program(OTHER, *uid)

        def __call__(self, method: str, *arguments: str) -> Any:
            self.process.stdin.write(json.dumps([method, *arguments]) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            assert line, self.process.communicate()[1]
            answer, is_durable = json.loads(line)
            assert is_durable
            return answer

    return Told


def session_of(other: Other) -> progstore.Session:
    """The same session here."""
    session = progstore.Session.get(other("uid"))
    assert session is not None
    return session


def states(told: Any) -> dict[str, str]:
    """The status of each task in what `to_dict()` said."""
    return {key: task["status"] for key, task in told["tasks"].items()}


def test_a_session_is_advanced_by_another_process_and_both_see_it(
    start_other: Callable[..., Other], ask: Ask, until: Until
) -> None:
    """What is started and completed here is running and complete there, and the other way round."""
    other = start_other()
    session = session_of(other)
    session.start("a")
    assert states(session.to_dict()) == states(other("to_dict")) == {"a": "running", "b": "pending"}
    other("start", "b")
    assert states(session.to_dict()) == {"a": "running", "b": "running"}
    session.complete("a")
    other("complete", "b")
    until(lambda: states(session.to_dict()) == states(other("to_dict")) == {"a": "complete", "b": "complete"})
    assert progstore.flush(30)
    assert ask("SELECT key, status, attempt FROM tasks ORDER BY key") == [("a", "complete", 1), ("b", "complete", 1)]
    assert ask("SELECT count(DISTINCT process_id) FROM tasks") == [2]
    assert ask("SELECT kind FROM events WHERE task_id = 1 ORDER BY id") == ["taken over", "started", "complete"]


def test_the_former_owner_drops_what_was_taken_from_it(start_other: Callable[..., Other], ask: Ask) -> None:
    """What it still says of the task afterwards is not written over the new owner's word."""
    other = start_other()
    other("start", "a")
    session = session_of(other)
    session.error("a", "given up here")
    assert progstore.flush(30)
    other("complete", "a", "done there")
    assert ask("SELECT status, error FROM tasks WHERE key = 'a'") == [("error", "given up here")]
    assert states(other("to_dict")) == {"a": "error", "b": "pending"}


def test_the_makers_death_changes_nothing_of_what_others_do(start_other: Callable[..., Other], until: Until) -> None:
    """What has ended stays ended, what runs elsewhere runs on, and what was never started can still be."""
    other = start_other()
    session = session_of(other)
    session.start("a")
    session.complete("a")
    session.start("b")
    assert progstore.flush(30)
    other.process.kill()
    other.process.wait()
    until(lambda: states(session.to_dict()) == {"a": "complete", "b": "running"})
    with progstore.open_store() as store:
        verdicts = {task.key: task.verdict for task in store.session(session.uid).tasks}
    assert verdicts["a"] is None
    assert verdicts["b"] is not None
    assert verdicts["b"].life == "alive"
    session.complete("b")
    until(lambda: session.is_complete)


def test_a_task_whose_taker_dies_is_lost_and_can_be_started_again(
    start_other: Callable[..., Other], ask: Ask, until: Until
) -> None:
    """Lost counts as an error and ends a stream; the next one who starts it takes it over."""
    session = progstore.Session.create({"a": "A"})
    assert progstore.flush(30)
    other = start_other(session.uid)
    other("start", "a")
    other.process.kill()
    other.process.wait()
    assert json.loads(list(session.stream(0.01))[-1])["status"] == "error"
    session.start("a")
    assert states(session.to_dict()) == {"a": "running"}
    session.complete("a")
    assert progstore.flush(30)
    assert ask("SELECT status FROM tasks") == ["complete"]


def test_a_stream_in_another_process_advances_and_ends(start_other: Callable[..., Other]) -> None:
    """The first line at once, the last one when all is complete."""
    other = start_other()
    lines = session_of(other).stream(0.01)
    assert states(json.loads(next(lines))) == {"a": "pending", "b": "pending"}
    for key in ("a", "b"):
        other("start", key)
        while states(json.loads(next(lines)))[key] != "running":
            pass
        other("complete", key)
    *_, last = lines
    assert json.loads(last)["status"] == "complete"
    assert json.loads(last)["overall_percent"] == 100


def test_of_many_that_take_a_task_at_once_one_has_the_last_word(
    run_program: Callable[..., str], ask: Ask, until: Until
) -> None:
    """Each of eight processes completes it; it ends once, by one of them."""
    session = progstore.Session.create({"a": "A"})
    assert progstore.flush(30)
    run_program(
        """
        import os, sys
        import progstore

        session = progstore.Session.get(sys.argv[1])
        children = []
        for number in range(8):
            child = os.fork()
            if child == 0:
                session.complete("a", f"by {number}")
                raise SystemExit(not progstore.flush(30))
            children.append(child)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
        """,
        session.uid,
    )
    assert ask("SELECT status, count(*) FROM tasks") == [("complete", 1)]
    ends = ask("SELECT message FROM events WHERE kind = 'complete'")
    assert ends == ask("SELECT message FROM tasks")
    until(lambda: session.is_complete)


def test_what_is_tracked_after_its_session_was_deleted_is_recorded(
    store_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The session is written anew, with all that is known of it; what was deleted with it stays deleted."""
    with progstore.session("nightly", meta={"host": "db1"}), progstore.open_store(str(store_path)) as store:
        for item in progstore.track("ab", "outer"):
            if item == "a":
                assert progstore.flush(10)
                store.delete(sessions=[1], force=True)
                list(progstore.track("c", "inner"))
                assert progstore.flush(10)
        list(progstore.track("d", "after"))
        assert progstore.flush(10)
        (session,) = store.sessions()
        assert (session.name, session.meta, session.status) == ("nightly", {"host": "db1"}, "running")
        assert {(task.name, task.status, task.parent_id) for task in store.tasks()} == {
            ("inner", "complete", None),
            ("after", "complete", None),
        }
    assert not caplog.records


def test_a_session_that_was_deleted_while_it_ran_stays_so(store_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What it still says of itself, and its end, is nobody's any more."""
    with progstore.open_store(str(store_path)) as store, progstore.session("nightly") as session:
        list(progstore.track("ab", "tracked"))
        assert progstore.flush(10)
        store.delete(sessions=[1], force=True)
        for text in ("nearly done", "done"):
            session.message(text)
            session["rows"] = text
            assert progstore.flush(10)
    assert progstore.flush(10)
    with progstore.open_store(str(store_path)) as store:
        assert not store.sessions().items
    assert not caplog.records
