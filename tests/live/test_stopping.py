"""A session that is asked to stop: what heeds that ends as cancelled, what does not goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import progstore
from progstore.live import listener
from progstore.store.engine import locate
from tests.live.conftest import Rows

DEADLINE = 30.0


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits a second in a test."""
    assert listener.LOOK_EVERY == 1
    monkeypatch.setattr(listener, "LOOK_EVERY", 0.02)


def ask(session: progstore.Session) -> None:
    """Ask it to stop, as another process would."""
    assert progstore.flush(10)
    with progstore.open_store() as store:
        store.request_stop(session.uid)


def endless() -> Iterator[int]:
    """Numbers, slowly, until nobody would wait for more."""
    until = time.monotonic() + DEADLINE
    number = 0
    while time.monotonic() < until:
        yield number
        number += 1
        time.sleep(0.001)


def test_a_stoppable_loop_ends_as_cancelled_when_its_session_is_asked_to(rows: Rows) -> None:
    """After an item that is whole, none lost; so is the session, and the program goes on after the loop."""
    items = endless()
    seen = []
    with progstore.session("import") as session:
        task = progstore.track(items, "rows", stoppable=True)
        for item in task:
            seen.append(item)
            if item == 3:
                ask(session)
        assert (task.status, task.stop_requested) == ("cancelled", True)
    assert len(seen) > 3
    assert next(items) == len(seen)
    (stored,) = rows("SELECT name, status, message, done FROM v_tasks")
    assert stored == {"name": "rows", "status": "cancelled", "message": "stop requested", "done": len(seen)}
    assert rows("SELECT status, message FROM v_sessions") == [{"status": "cancelled", "message": "stop requested"}]
    kinds = [row["kind"] for row in rows("SELECT kind FROM v_events")]
    assert kinds == ["started", "stop requested", "cancelled"]


def test_a_loop_that_begins_afterwards_does_nothing(rows: Rows) -> None:
    """The sign is looked at before the first item."""
    with progstore.session("import") as session:
        ask(session)
        session.state.stop.set()
        assert list(progstore.track(range(3), "rows", stoppable=True)) == []
    assert rows("SELECT status, done FROM v_tasks") == [{"status": "cancelled", "done": 0}]


def test_work_by_hand_looks_and_ends(rows: Rows) -> None:
    """In a block that ends by itself, and in a loop that is left."""
    with progstore.session("import") as session:
        with progstore.track(name="by hand", total=10**9) as task:
            before = task.stop_requested
            ask(session)
            while not task.stop_requested:
                task.update()
        assert before is False
        for _ in (loop := progstore.track(range(5), "left")):
            if progstore.current().stop_requested:
                break
        assert loop.done == 0
    assert rows("SELECT name, status, message FROM v_tasks") == [
        {"name": "by hand", "status": "cancelled", "message": "stop requested"},
        {"name": "left", "status": "cancelled", "message": "stop requested"},
    ]


def test_what_does_not_look_goes_on(rows: Rows) -> None:
    """To its end, and is complete; nothing says that it could be stopped."""
    with progstore.session("import") as session:
        for number in progstore.track(range(20), "rows"):
            if number == 3:
                ask(session)
        assert not session.state.listens
    assert rows("SELECT status, done, meta FROM v_tasks") == [{"status": "complete", "done": 20, "meta": "{}"}]
    assert rows("SELECT status FROM v_sessions") == [{"status": "complete"}]


def test_what_was_done_before_the_stop_was_seen_is_complete(rows: Rows) -> None:
    """All of the total is done: nothing was cut off."""
    with progstore.session("import") as session, progstore.track(name="by hand", total=3) as task:
        task.update(3)
        session.state.stop.set()
        assert task.stop_requested
    assert rows("SELECT status FROM v_tasks") == [{"status": "complete"}]
    assert rows("SELECT status FROM v_sessions") == [{"status": "complete"}]


def test_an_error_after_the_stop_is_an_error(rows: Rows) -> None:
    """Whatever was asked before."""

    def fail() -> None:
        with progstore.session("import") as session, progstore.track(name="by hand") as task:
            session.state.stop.set()
            assert task.stop_requested
            raise ValueError("row 7")

    with pytest.raises(ValueError, match="row 7"):
        fail()
    assert rows("SELECT status, error FROM v_tasks") == [{"status": "error", "error": "row 7"}]


def test_a_long_interval_does_not_keep_it_waiting(rows: Rows, store_path: Any) -> None:
    """What is asked is asked between two writes."""
    with progstore.session("import") as session:
        for number in progstore.track(endless(), "rows", interval=3600, stoppable=True):
            if number == 3:
                ask(session)
    assert rows("SELECT status FROM v_tasks") == [{"status": "cancelled"}]


def test_only_what_goes_on_can_be_asked(rows: Rows, until: Callable[..., Any]) -> None:
    """By id or uid, as often as one likes; the first time counts."""
    with progstore.open_store() as store:
        with pytest.raises(progstore.StoreNotFound):
            store.request_stop(1)
        with progstore.session("import") as session, progstore.track(name="rows"):
            ask(session)
            first = store.session(1).stop_requested_at
            assert first is not None
            store.request_stop(1)
            assert store.session(1).stop_requested_at == first
        assert progstore.flush(10)
        with pytest.raises(progstore.AlreadyEnded, match="session 1 has ended already: complete"):
            store.request_stop(1)
        with pytest.raises(progstore.NotFound):
            store.request_stop(2)
    assert [row["kind"] for row in rows("SELECT kind FROM v_events")].count("stop requested") == 1


def test_a_request_needs_no_turn_among_clean_ups(rows: Rows) -> None:
    """Somebody who cleans up for hours must not keep a job from being stopped."""
    with progstore.session("import") as session, progstore.track(name="rows"):
        assert progstore.flush(10)
        with locate(None).cleaner():
            ask(session)
