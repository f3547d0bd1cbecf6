"""Threads that work through items: how far they are, where they belong, and how they end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import progstore
from progstore.adapters.threads import ProgressThread, run_in_shell

Recorded = Callable[[], list[progstore.TaskView]]


class Gated(ProgressThread[int]):
    """Works on an item only when it is let."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gate = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)

    def process(self, item: int) -> None:  # noqa: ARG002  # which item does not matter
        """Say that it begins, and wait."""
        self.begun.release()
        assert self.gate.acquire(timeout=30)


class Quick(ProgressThread[Any]):
    """Works on its items by calling them."""

    def process(self, item: Callable[[ProgressThread[Any]], object]) -> None:
        """Call it."""
        item(self)


@pytest.fixture
def uncaught(monkeypatch: pytest.MonkeyPatch) -> list[threading.ExceptHookArgs]:
    """What threads raised that nobody caught."""
    seen: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    return seen


def ended(thread: ProgressThread[Any]) -> ProgressThread[Any]:
    """The thread, once it has ended."""
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    return thread


def test_an_item_in_work_is_not_done() -> None:
    """Neither before nor in between is there more than is true."""
    thread = Gated([1, 2], unit="rows")
    assert (thread.percent_done(), thread.get_progress()) == (0, "0 rows (0.00%)")
    thread.start()
    thread.begun.acquire()
    assert thread.get_progress() == "0 rows (0.00%)"
    thread.gate.release()
    thread.begun.acquire()
    assert thread.get_progress() == "1 rows (50.00%)"
    thread.gate.release()
    thread.join(30)
    assert (thread.percent_done(), thread.get_progress(), thread.task.status) == (100, "2 rows (100.00%)", "complete")


@pytest.mark.parametrize(("items", "total"), [([], None), (iter([]), None), (iter(()), 0), (iter(range(3)), None)])
def test_without_a_total_there_is_no_percent_before_the_end(items: Any, total: int | None) -> None:
    """Nothing to do, or nobody knows how much: nothing raises."""

    class Passing(ProgressThread[int]):
        unit = "rows"

        def process(self, item: int) -> None:
            """Do nothing."""

    thread = Passing(items, total=total)
    assert thread.get_progress() == "0 rows (0.00%)"
    ended(thread)
    assert thread.percent_done() == 100
    assert thread.task.status == "complete"


def test_what_an_item_counts_itself_is_not_counted_again(recorded: Recorded) -> None:
    """A failed item counts once; one may count for several; messages and metadata are kept."""

    def several(thread: ProgressThread[Any]) -> None:
        thread.advance(2)
        thread.task.message("two at once")
        thread.task["camera"] = "X1"

    ended(Quick([lambda thread: thread.task.fail_item("blurred"), several, lambda _: None], "Shrink", total=4))
    (task,) = recorded()
    assert (task.name, task.done, task.failed, task.total, task.unit) == ("Shrink", 4, 1, 4, "files")
    assert (task.message, task.meta, task.status) == ("two at once", {"camera": "X1"}, "complete")


def test_a_run_of_ones_own_says_how_far_it_is(recorded: Recorded) -> None:
    """Its task is the innermost one in it, and what is tracked in it is nested there, in the session of its start."""
    go_on = threading.Event()

    class Own(ProgressThread[int]):
        def run(self) -> None:
            assert go_on.wait(30)
            for _ in progstore.track(self.items, "Inner"):
                progstore.current().message("not mine")
                self.advance(0.5)
            progstore.current().message("mine")

    with progstore.session("made here"):
        thread = Own([1, 2, 3])
    with progstore.session("started here"), progstore.track(name="Around"):
        thread.start()
        with progstore.session("opened later"):
            go_on.set()
            thread.join(30)
    assert thread.get_progress() == "1.5 files (50.00%)"
    around, own, inner = recorded()
    assert [task.session_name for task in (around, own, inner)] == ["started here"] * 3
    assert (own.parent_id, own.name, own.message, own.status) == (around.id, "Own", "mine", "complete")
    assert (inner.parent_id, inner.done) == (own.id, 3)


def test_an_exception_ends_it_as_an_error(recorded: Recorded, uncaught: list[threading.ExceptHookArgs]) -> None:
    """With its traceback; the thread dies of it as any thread does."""

    def fail(_: object) -> None:
        raise ValueError("no camera")

    thread = ended(Quick([lambda _: None, fail, lambda _: None], "Shrink"))
    assert [(args.exc_type, args.thread) for args in uncaught] == [(ValueError, thread)]
    (task,) = recorded()
    assert (task.status, task.error_type, task.error, task.done) == ("error", "ValueError", "no camera", 1)
    assert "in process" in str(task.traceback)


def test_cancelling_lets_the_item_end() -> None:
    """After it the thread ends as cancelled; where all was done by then, as complete."""
    thread = Gated([1, 2])
    thread.start()
    thread.begun.acquire()
    thread.cancel()
    assert thread.is_cancelled
    thread.gate.release()
    thread.join(30)
    assert (thread.task.status, thread.get_progress()) == ("cancelled", "1 files (50.00%)")
    assert ended(Quick([lambda thread: thread.cancel()])).task.status == "complete"


def test_it_starts_once(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """As any thread; a start that the system refuses is an error, and may be tried again."""
    thread = Quick([lambda _: None])
    with monkeypatch.context() as patch:
        patch.setattr(threading, "_start_joinable_thread", _no_threads, raising=False)
        patch.setattr(threading, "_start_new_thread", _no_threads, raising=False)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            thread.start()
    ended(thread)
    with pytest.raises(RuntimeError, match="only be started once"):
        thread.start()
    assert [task.status for task in recorded()] == ["error", "complete"]


def _no_threads(*_: object, **__: object) -> None:
    raise RuntimeError("can't start new thread")


def test_two_at_once_count_for_themselves(recorded: Recorded) -> None:
    """Two threads of one class, started in one session."""
    with progstore.session("both"):
        pair = [Gated(range(50), name) for name in ("One", "Two")]
        for thread in pair:
            thread.gate.release(50)
            thread.start()
        for thread in pair:
            thread.join(30)
    assert [(task.name, task.done, task.session_name) for task in recorded()] == [
        ("One", 50, "both"),
        ("Two", 50, "both"),
    ]


def test_bad_arguments_say_what_to_do() -> None:
    """At once, before anything is begun."""

    class Nothing(ProgressThread[int]):
        pass

    with pytest.raises(TypeError, match=r"Nothing does nothing: override process\(item\), or run\(\)"):
        Nothing([1])
    with pytest.raises(TypeError, match="items must be something to loop over, got int"):
        Quick(7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="total must be a number"):
        Quick([], total="many")  # type: ignore[arg-type]
    with pytest.raises(progstore.BadValue, match="total must not be negative"):
        Quick([], total=-1)


def test_run_without_a_thread_counts(recorded: Recorded) -> None:
    """Called directly it works in the caller's thread, and is not recorded."""
    thread = Quick([lambda _: None] * 4)
    thread.run()
    assert thread.get_progress() == "4 files (100.00%)"
    assert recorded() == []


def test_the_shell_runner_tells_of_an_error(
    capsys: pytest.CaptureFixture[str], uncaught: list[threading.ExceptHookArgs]
) -> None:
    """In its last line; the thread is given back."""

    def fail(_: object) -> None:
        raise ValueError("no camera")

    thread = run_in_shell(Quick, (each for each in [lambda _: None, fail]), "Shrink")
    assert thread.task.status == "error"
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Shrink: started"
    assert lines[-2:] == ["1 files (0.00%)", "Shrink: error: ValueError: no camera"]
    assert len(uncaught) == 1
