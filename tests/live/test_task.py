"""What a tracked loop and a task by hand leave in the store, and how each way of ending shows."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import progstore
from progstore.live import state
from progstore.live.recorder import recorder
from progstore.live.views import view_of

Rows = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def task_row(rows: Rows) -> Callable[[], dict[str, Any]]:
    """The only task that was recorded."""

    def ask() -> dict[str, Any]:
        (row,) = rows("SELECT * FROM tasks")
        return row

    return ask


TaskRow = Callable[[], dict[str, Any]]


def test_an_exhausted_loop_is_complete_with_every_item_done(task_row: TaskRow) -> None:
    """Status, counts, unit and duration stand in the row."""
    for _ in progstore.track([1, 2, 3], "Ingest", unit="file"):
        pass
    task = task_row()
    assert (task["name"], task["status"], task["unit"]) == ("Ingest", "complete", "file")
    assert (task["done"], task["total"], task["total_source"]) == (3, 3, "len")
    assert task["ended_at"] is not None
    assert task["duration"] >= 0


def test_a_loop_that_is_left_early_is_cancelled_and_says_so(task_row: TaskRow) -> None:
    """The item in whose body it was left is not done."""
    for number in progstore.track(range(10), "Search"):
        if number == 4:
            break
    task = task_row()
    assert (task["status"], task["message"], task["done"]) == ("cancelled", "left early", 4)


def test_leaving_early_can_be_explained(task_row: TaskRow) -> None:
    """What the job says before it leaves stands; leaving does not change it."""
    search = progstore.track(range(10), "Search")
    for number in search:
        if number == 4:
            search.complete("found it")
            break
    task = task_row()
    assert (task["status"], task["message"], task["done"]) == ("complete", "found it", 4)


def test_an_exception_in_the_block_makes_it_an_error_with_its_traceback(task_row: TaskRow) -> None:
    """Type, text and traceback are kept, and the exception goes on."""

    def load() -> None:
        with progstore.track(range(10), "Load") as task:
            for number in task:
                if number == 5:
                    raise ValueError("bad row")

    with pytest.raises(ValueError, match="bad row"):
        load()
    row = task_row()
    assert (row["status"], row["error_type"], row["error"], row["done"]) == ("error", "ValueError", "bad row", 5)
    assert 'raise ValueError("bad row")' in row["traceback"]


def test_an_exception_that_is_caught_outside_the_loop_leaves_it_cancelled(task_row: TaskRow) -> None:
    """A bare loop cannot know why it was left; it is never complete."""

    def load() -> None:
        for number in progstore.track(range(10), "Load"):
            if number == 5:
                raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        load()
    row = task_row()
    assert (row["status"], row["message"]) == ("cancelled", "left early")


@pytest.mark.parametrize(
    ("error", "why"),
    [(KeyboardInterrupt(), "interrupted"), (GeneratorExit(), "left early"), (SystemExit(3), "SystemExit: 3")],
)
def test_being_asked_to_stop_is_no_error(task_row: TaskRow, error: BaseException, why: str) -> None:
    """What is not a failure cancels the task and says what it was."""
    with pytest.raises(type(error)), progstore.track(name="By hand", total=2):
        raise error
    row = task_row()
    assert (row["status"], row["message"], row["error"]) == ("cancelled", why, None)


def test_work_by_hand_says_how_far_it_is(task_row: TaskRow, rows: Rows) -> None:
    """update, message, metadata, a failed item and a new total all arrive."""
    with progstore.track(name="Download", total=100, unit="B") as task:
        task.update(40)
        task.update(-10)
        task.message("part 2")
        task["etag"] = {"x": [1, 2]}
        task.total = 120
        task.fail_item("row 7: bad date")
        task.update(2.5)
    row = task_row()
    assert (row["status"], row["done"], row["total"], row["failed"]) == ("complete", 33.5, 120, 1)
    assert row["message"] == "part 2"
    assert rows("SELECT key, value FROM metadata") == [{"key": "etag", "value": '{"x":[1,2]}'}]
    assert {"kind": "failed item", "message": "row 7: bad date"} in rows("SELECT kind, message FROM events")


def test_each_message_is_an_event_also_the_first_and_one_before_a_reconnect(rows: Rows) -> None:
    """The recorder gives its connections back before a fork, and gets new ones after it."""
    with progstore.track(name="Talks") as task:
        task.message("first")
        assert progstore.flush(30)
        assert recorder.stop(30)
        task.message("second")
        recorder.resume()
        assert progstore.flush(30)
        task.message("second")
        assert progstore.flush(30)
    found = [(row["kind"], row["message"]) for row in rows("SELECT kind, message FROM events ORDER BY id")]
    assert found == [("started", ""), ("message", "first"), ("message", "second"), ("complete", "")]


def test_a_failed_item_that_cannot_be_said_is_not_counted() -> None:
    """The job has its error, and may say it anew."""
    task = progstore.track(name="Check", record=False)
    with pytest.raises(TypeError, match="message"):
        task.fail_item(7)  # type: ignore[arg-type]
    assert (task.failed, task.done) == (0, 0)


def test_a_failed_item_of_a_loop_is_counted_once(task_row: TaskRow) -> None:
    """The loop counts the item as done itself; a task with failed items ends complete."""
    loop = progstore.track(range(10), "Check")
    for number in loop:
        if number % 2:
            loop.fail_item(f"{number} is odd")
    row = task_row()
    assert (row["status"], row["done"], row["failed"]) == ("complete", 10, 5)


def test_a_report_is_a_percent_said_directly(task_row: TaskRow) -> None:
    """It is kept within 0 and 100."""
    with progstore.track(name="Vendor") as task:
        task.report(45, "half way")
        assert progstore.current().name == "Vendor"
        task.report(170)
    row = task_row()
    assert (row["percent"], row["message"]) == (100, "half way")


def test_a_nested_loop_knows_its_parent(rows: Rows) -> None:
    """The parent is the innermost live task; siblings that follow one another are not nested in each other."""
    for _ in progstore.track("ab", "outer"):
        for _ in progstore.track("xyz", "inner"):
            pass
    with progstore.track(name="after"):
        pass
    found = rows(
        "SELECT t.name, p.name AS parent FROM tasks t LEFT JOIN tasks p ON p.id = t.parent_id ORDER BY t.started_at"
    )
    assert [(row["name"], row["parent"]) for row in found] == [
        ("outer", None),
        ("inner", "outer"),
        ("inner", "outer"),
        ("after", None),
    ]


def test_two_bars_made_in_a_row_are_siblings(rows: Rows) -> None:
    """Making a task does not yet mean to work in it."""
    first = progstore.track(name="first", total=1)
    second = progstore.track(name="second", total=1)
    first.update()
    second.update()
    first.close()
    second.close()
    assert [row["parent_id"] for row in rows("SELECT parent_id FROM tasks")] == [None, None]


def test_each_store_has_a_session_of_its_own(tmp_path: Path) -> None:
    """What is recorded in one store does not draw what is meant for another one after it."""
    for name in ("first", "second"):
        list(progstore.track("ab", name, store=str(tmp_path / f"{name}.db")))
    assert progstore.flush(30)
    for name in ("first", "second"):
        with progstore.open_store(str(tmp_path / f"{name}.db")) as store:
            assert [task.name for task in store.tasks()] == [name]


def test_a_parent_can_be_named(rows: Rows) -> None:
    """In a thread there is no innermost task, so it is handed over."""
    with progstore.track(name="outer") as outer:
        worker = threading.Thread(target=lambda: list(progstore.track("ab", "inner", parent=outer)))
        worker.start()
        worker.join()
    found = rows("SELECT p.name FROM tasks t JOIN tasks p ON p.id = t.parent_id")
    assert found == [{"name": "outer"}]


def test_past_a_thousand_same_named_children_further_ones_are_counted_not_stored(rows: Rows) -> None:
    """The parent says how many there were beyond."""
    for _ in progstore.track(range(1005), "outer"):
        list(progstore.track("a", "inner"))
    assert rows("SELECT count(*) AS n FROM tasks WHERE name = 'inner'") == [{"n": 1000}]
    (value,) = rows("SELECT value FROM metadata WHERE key = 'unstored children'")
    assert json.loads(value["value"]) == {"inner": 5}


def test_names_of_nested_tasks_are_counted_up_to_a_bound(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service nests a task of another name for each request; all of them are stored, and its memory does not grow."""
    monkeypatch.setattr(state, "MOST_NAMES", 3)
    with progstore.track(name="serve") as outer:
        for number in range(5):
            list(progstore.track("a", f"request {number}"))
            list(progstore.track("a", "request 0"))
    assert outer.state.children == {"request 0": 6, "request 1": 1, "request 2": 1}
    assert rows("SELECT count(*) AS n FROM tasks WHERE parent_id IS NOT NULL") == [{"n": 10}]


def test_a_task_for_another_session_is_nested_in_none_of_this_one(store_path: Path) -> None:
    """So the other session has a task to show."""
    with progstore.track(name="outer"), progstore.track(name="inner", total=10, session="other") as inner:
        inner.update(5)
        assert progstore.flush(30)
        with progstore.open_store(str(store_path)) as store:
            assert [session.overall_percent for session in store.sessions() if session.name == "other"] == [50]


def test_a_session_may_be_entered_again_while_it_is_open(rows: Rows) -> None:
    """The outermost block ends it."""
    session = progstore.session("S")
    with session:
        with session:
            list(progstore.track("a", "inner"))
        list(progstore.track("a", "outer"))
        assert rows("SELECT end_status FROM sessions") == [{"end_status": None}]
    assert rows("SELECT name, end_status FROM sessions") == [{"name": "S", "end_status": "complete"}]
    assert rows("SELECT count(DISTINCT session_id) AS n FROM tasks") == [{"n": 1}]


def test_a_session_of_which_nothing_is_recorded_needs_no_recorder(run_program: Callable[..., str]) -> None:
    """It costs no thread, and no import of what writes."""
    run_program(
        """
        import threading, progstore
        with progstore.session("S"):
            pass
        assert threading.enumerate() == [threading.main_thread()]
        """,
        PROGSTORE_RECORD="0",
    )


def test_a_total_may_be_withdrawn_while_it_is_looked_at() -> None:
    """A profiler stands for the job's thread, which comes in between."""
    task = progstore.track(name="A", total=10, record=False)
    task.update(5)

    def withdraws(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name == "done":
            sys.setprofile(None)
            task.total = None

    sys.setprofile(withdraws)
    view = view_of(task.state)
    assert (view.percent, view.done) == (50, 5)


def test_iterating_again_is_a_new_attempt(rows: Rows) -> None:
    """Key and name stay, and both attempts are history."""
    loop = progstore.track([1, 2, 3], "Twice")
    assert [*loop, *loop] == [1, 2, 3, 1, 2, 3]
    found = rows("SELECT key, attempt, status, done FROM tasks ORDER BY id")
    assert [(row["attempt"], row["status"], row["done"]) for row in found] == [(1, "complete", 3), (2, "complete", 3)]
    assert len({row["key"] for row in found}) == 1


def test_a_new_start_under_a_chosen_key_is_a_new_attempt(rows: Rows) -> None:
    """Also while the first still runs: each start has a row of its own."""
    with progstore.track(name="a", key="run-7:rank-3"):
        list(progstore.track("xy", "b", key="run-7:rank-3"))
    list(progstore.track("xy", "c", key="run-7:rank-3"))
    found = rows("SELECT key, attempt, name FROM tasks ORDER BY attempt")
    assert [(row["attempt"], row["name"]) for row in found] == [(1, "a"), (2, "b"), (3, "c")]
    assert {row["key"] for row in found} == {"run-7:rank-3"}


def test_a_terminal_status_never_changes_back(task_row: TaskRow) -> None:
    """The first end counts; later ones change nothing."""
    task = progstore.track(name="once", total=3)
    task.error("no")
    task.complete()
    task.close()
    assert (task_row()["status"], task_row()["error"]) == ("error", "no")


def test_closing_by_hand_below_the_total_is_cancelled(rows: Rows) -> None:
    """Complete is only what did all of its total, or never knew one."""
    for total, done in ((10, 10), (10, 4), (None, 4)):
        task = progstore.track(name=f"{total}", total=total)
        task.update(done)
        task.close()
    assert [row["status"] for row in rows("SELECT status FROM tasks ORDER BY id")] == [
        "complete",
        "cancelled",
        "complete",
    ]


def test_several_threads_count_one_task_exactly(task_row: TaskRow) -> None:
    """No update is lost between threads."""
    with progstore.track(name="shared", total=80_000) as task:

        def work() -> None:
            for _ in range(10_000):
                task.update()

        workers = [threading.Thread(target=work) for _ in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert task_row()["done"] == 80_000


def test_current_outside_of_any_task_does_nothing(store_path: Any) -> None:
    """Library code may say what it does without asking whether anybody tracks it."""
    nobody = progstore.current()
    nobody.update()
    nobody.message("nobody hears this")
    nobody.fail_item("nor this")
    nobody["x"] = 1
    assert progstore.flush(5)
    assert not store_path.exists()


def test_length_hints_are_taken_where_there_is_no_length(task_row: TaskRow) -> None:
    """An iterator over a list knows how much is left."""
    list(progstore.track(iter([1, 2, 3]), "hinted"))
    assert (task_row()["total"], task_row()["total_source"]) == (3, "hint")


def test_whatever_len_raises_is_not_the_loops(task_row: TaskRow) -> None:
    """A bare loop never asks for the length, so its failure changes nothing."""

    class Odd:
        def __len__(self) -> int:
            raise RuntimeError("no")

        def __iter__(self) -> Iterator[int]:
            return iter([1, 2])

    assert [number for number in progstore.track(Odd(), "odd")] == [1, 2]  # noqa: C416  # list() would ask
    assert (task_row()["total"], task_row()["done"]) == (None, 2)


def test_a_task_that_is_not_recorded_leaves_no_file(store_path: Any) -> None:
    """It is counted all the same."""
    task = progstore.track([1, 2], "quiet", record=False)
    assert list(task) == [1, 2]
    assert task.done == 2
    assert progstore.flush(5)
    assert not store_path.exists()


def test_recording_can_be_switched_off_from_outside(store_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """PROGSTORE_RECORD=0 counts and writes nothing."""
    monkeypatch.setenv("PROGSTORE_RECORD", "0")
    assert list(progstore.track([1, 2])) == [1, 2]
    with progstore.session("quiet"):
        list(progstore.track([1, 2]))
    assert progstore.flush(5)
    assert not store_path.exists()


def test_a_loop_without_a_name_is_called_after_its_function(rows: Rows) -> None:
    """A lambda or comprehension takes the name of the function around it."""

    def ingest() -> list[int]:
        return [number for number in progstore.track([1, 2])]  # noqa: C416  # the comprehension is what is tested

    ingest()
    (row,) = rows("SELECT name FROM tasks")
    assert row["name"].endswith("called_after_its_function.<locals>.ingest") or row["name"].startswith("test_a_loop")


def test_on_progress_hears_every_report_in_order() -> None:
    """In a thread of its own, with the task as it was at that moment."""
    heard: list[float] = []
    all_heard = threading.Event()

    def listen(view: progstore.TaskView) -> None:
        heard.extend(() if view.percent is None else [view.percent])
        if view.percent == 99:
            all_heard.set()

    with progstore.track(name="told", on_progress=listen) as task:
        for percent in range(100):
            task.report(percent, f"at {percent}")
        assert all_heard.wait(10)
    assert heard == sorted(heard)
    assert set(heard) == set(range(100))


def test_a_callback_that_raises_stops_nothing(caplog: pytest.LogCaptureFixture, task_row: TaskRow) -> None:
    """It is warned of once."""
    called = threading.Semaphore(0)

    def bad(_: progstore.TaskView) -> None:
        called.release()
        raise RuntimeError("listener")

    with progstore.track(name="told", on_progress=bad) as task:
        task.report(1)
        task.report(2)
        assert called.acquire(timeout=10)
        assert called.acquire(timeout=10)
    assert task_row()["status"] == "complete"
    assert [record.message for record in caplog.records if "on_progress" in record.message] == [
        "on_progress raised; it is called on, this is said once"
    ]


def test_a_loop_over_nothing_says_what_to_do() -> None:
    """A task by hand cannot be iterated."""
    with pytest.raises(TypeError, match="pass an iterable"):
        iter(progstore.track(name="by hand"))
