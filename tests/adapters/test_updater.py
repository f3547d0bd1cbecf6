"""Dara's progress updater: injected by annotation, faking by the clock, run with a callback."""

from __future__ import annotations

import asyncio
import functools
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import progstore
from progstore.adapters.updater import ProgressUpdater, run_task, track_progress
from progstore.values import Status
from tests.adapters.conftest import Recorded


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, results wait until all is heard."""
    monkeypatch.setattr("progstore.adapters.updater.LISTENING", 30)


@track_progress
def at_the_top(number: int, updater: ProgressUpdater) -> int:
    """A function that workers can find by its name."""
    updater.send_update(50, "half way")
    return number * 2


def test_each_call_is_a_task_that_is_named_after_its_function(recorded: Recorded) -> None:
    """Whichever way the arguments are given; the updates are messages of it."""
    assert at_the_top(1) == 2
    assert at_the_top(number=2) == 4
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(pickle.loads(pickle.dumps(at_the_top)), 3).result() == 6  # noqa: S301  # its own pickle
    assert [(task.name, task.status, task.message) for task in recorded()] == [
        ("at_the_top", "complete", "half way")
    ] * 3


def test_the_updater_stands_wherever_it_is_annotated() -> None:
    """First, keyword only, optional, quoted twice, or under a name that only type checkers know."""

    @track_progress
    def first(updater: ProgressUpdater, number: int) -> tuple[type, int]:
        return type(updater), number

    @track_progress
    def keyword(number: int, *, updater: "ProgressUpdater | None" = None) -> tuple[type, int]:  # noqa: UP037  # the test
        return type(updater), number

    scope: dict[str, Any] = {"track_progress": track_progress}
    exec("@track_progress\ndef text(n: int, u: 'progstore.adapters.updater.ProgressUpdater'): return type(u), n", scope)  # noqa: S102  # a module without the name
    assert first(1) == keyword(1) == scope["text"](1) == (ProgressUpdater, 1)


def test_methods_and_an_updater_of_the_callers() -> None:
    """So that a test can watch it."""

    class Reports:
        @track_progress
        def write(self, updater: ProgressUpdater) -> tuple[object, ProgressUpdater]:
            return self, updater

    reports, mine = Reports(), ProgressUpdater(progstore.track(name="mine", record=False))
    assert reports.write(mine) == reports.write(updater=mine) == (reports, mine)
    assert run_task(reports.write)[0] is reports


def test_what_has_no_updater_or_is_no_function_is_refused_at_decoration() -> None:
    """Not at the first call; a parameter that only sounds like it is none."""

    def plain(updater: int) -> None:
        """Nothing."""

    with pytest.raises(ValueError, match=r"plain has no parameter annotated with ProgressUpdater"):
        track_progress(plain)
    with pytest.raises(TypeError, match="decorates functions, got NoneType"):
        track_progress(None)  # type: ignore[arg-type]  # what the test is about


def test_bad_updates_are_refused_where_they_are_made(recorded: Recorded) -> None:
    """And what was said before stays."""

    @track_progress
    def work(updater: ProgressUpdater) -> None:
        updater.send_update(progress=140, message="kept within 100")
        for bad in ("5", None, float("nan")):
            with pytest.raises((TypeError, progstore.BadValue)):
                updater.send_update(bad)  # type: ignore[arg-type]  # what the test is about
        with pytest.raises(progstore.BadValue, match="expect must not be negative"):
            updater.fake_progress(50, "x", estimated_time=-5)
        with pytest.raises(TypeError, match="message must be a string"):
            updater.send_update(5, 5)  # type: ignore[arg-type]  # what the test is about
        raise KeyError("work")

    with pytest.raises(KeyError, match="work"):
        work()
    (task,) = recorded()
    assert (task.status, task.error_type, task.message) == ("error", "KeyError", "kept within 100")


def test_run_task_hands_on_arguments_results_and_errors(recorded: Recorded) -> None:
    """Of functions that are decorated, bound, or have never heard of us."""
    assert run_task(at_the_top, [4]) == run_task(functools.partial(at_the_top, 4)) == 8
    assert run_task(divmod, (7, 2)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        run_task(divmod, (7, 0))
    assert [(task.name, task.status) for task in recorded()] == [
        ("at_the_top", "complete"),
        ("at_the_top", "complete"),
        ("divmod", "complete"),
        ("divmod", "error"),
    ]


@pytest.mark.usefixtures("patience")
def test_only_the_task_that_is_run_is_heard() -> None:
    """Not those that it calls in turn, nor those that are called afterwards."""
    heard: list[progstore.TaskView] = []

    @track_progress
    def outer(updater: ProgressUpdater) -> int:
        updater.send_update(10, "calling")
        return at_the_top(1)

    assert run_task(outer, on_progress=heard.append) == 2
    assert at_the_top(1) == 2
    assert [(view.status, view.message) for view in heard] == [
        (Status.RUNNING, ""),
        (Status.RUNNING, "calling"),
        (Status.COMPLETE, "calling"),
    ]


@pytest.mark.usefixtures("patience")
def test_coroutine_functions_are_run_side_by_side(caplog: pytest.LogCaptureFixture) -> None:
    """Each with its own callback, which may ask the loop that runs them."""

    @track_progress
    async def fetch(number: int, updater: ProgressUpdater) -> int:
        updater.send_update(number, f"fetch {number}")
        await asyncio.sleep(0)
        return number

    async def main() -> dict[int, list[str]]:
        loop, heard = asyncio.get_running_loop(), dict[int, list[str]]({1: [], 2: []})

        async def note(number: int, message: str) -> None:
            heard[number].append(message)

        def listen(number: int, view: progstore.TaskView) -> None:
            asyncio.run_coroutine_threadsafe(note(number, view.message), loop).result(10)

        calls = (run_task(fetch, kwargs={"number": n}, on_progress=functools.partial(listen, n)) for n in (1, 2))
        assert await asyncio.gather(*calls) == [1, 2]
        told = {number: list(said) for number, said in heard.items()}
        assert await asyncio.to_thread(run_task, at_the_top, (3,)) == 6
        assert await fetch(3) == 3
        return told

    assert asyncio.run(main()) == {number: ["", f"fetch {number}", f"fetch {number}"] for number in (1, 2)}
    assert not caplog.records  # no callback had to give up waiting for the loop


def test_what_run_task_cannot_do_is_refused_before_anything_runs() -> None:
    """A generator has no result yet, and nobody would await a callback."""

    @track_progress
    def rows(updater: ProgressUpdater) -> Iterator[int]:
        updater.send_update(1)
        yield 1

    async def listen(view: progstore.TaskView) -> None:
        """Never called."""

    with pytest.raises(TypeError, match="rows is a generator"):
        run_task(rows)
    assert list(rows()) == [1]
    with pytest.raises(TypeError, match="must be a plain function"):
        run_task(at_the_top, (1,), on_progress=listen)


def test_a_callback_that_hangs_does_not_keep_the_result() -> None:
    """It is waited for, but not for long."""
    release = threading.Event()
    assert run_task(at_the_top, (1,), on_progress=lambda _: release.wait(30)) == 2
    assert not release.is_set()
    release.set()


def test_daras_own_workers_hand_in_their_way_to_the_page(recorded: Recorded) -> None:
    """They know the function by its decorator's name; what is said is shown by them and recorded by us."""
    sent: list[tuple[float, str]] = []

    @track_progress
    def work(number: int, updater: ProgressUpdater) -> int:
        updater.send_update(40, "a__b")
        updater.fake_progress(progress_end=80, message="vendor", estimated_time=5000)
        return number

    assert work.__wrapped_by__.__name__ == "track_progress"  # type: ignore[attr-defined]  # what Dara looks at
    assert work(7, __send_update=lambda *update: sent.append(update)) == 7
    assert sent == [(40, "a__b"), (80, "FAKE_PROGRESS__5000__vendor")]
    assert [task.status for task in recorded()] == ["complete"]
