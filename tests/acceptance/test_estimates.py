"""Estimates and injected updaters: percents by the clock, exactly; updates in order; a job that no callback stops."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

import progstore
from progstore.adapters import updater
from progstore.adapters.updater import ProgressUpdater, run_task, track_progress
from progstore.values import Json, Status

YEAR = 365 * 86_400.0


class Clock:
    """The time of day, which goes on only when it is told to."""

    def __init__(self) -> None:
        self.at = float(int(time.time()))

    def __call__(self) -> float:
        """In place of `time.time`."""
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stands still while the test looks."""
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


class Store:
    """The test's store, as a reader of another process sees it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def task(self, name: str) -> progstore.TaskView:
        """The newest task of that name, after everything said so far is on disk."""
        assert progstore.flush(30)
        with progstore.open_store(str(self._path)) as opened:
            return max((task for task in opened.tasks() if task.name == name), key=lambda task: task.id)

    def percent(self, name: str) -> float:
        """How far the newest task of that name is, to three decimals."""
        percent = self.task(name).percent
        assert percent is not None
        return round(percent, 3)

    def remember(self, name: str, durations: list[float]) -> None:
        """Past runs of the history ("nightly", name) that took so many seconds; and one that failed, of a day."""
        with progstore.session("nightly"):
            for _ in durations:
                progstore.track(name=name).complete()
            progstore.track(name=name).error("no luck")
        assert progstore.flush(30)
        with closing(sqlite3.connect(self._path, timeout=10)) as connection, connection:
            ids = connection.execute("SELECT id FROM tasks WHERE name = ? ORDER BY id", [name]).fetchall()
            rows = [(seconds, each) for seconds, (each,) in zip([*durations, 86_400], ids, strict=True)]
            connection.executemany("UPDATE tasks SET duration = ? WHERE id = ?", rows)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, results wait until all is heard."""
    monkeypatch.setattr(updater, "LISTENING", 30)


@pytest.fixture
def store(store_path: Path) -> Store:
    """Reads what this process records."""
    return Store(store_path)


def test_faked_progress_is_linear_and_then_closes_in(clock: Clock, store: Store) -> None:
    """40 to 80 in an estimated 5000 ms: 48.0 at 1 s, 64.0 at 3 s, 70.296 at 4 s, 77.835 at 7 s."""

    @track_progress
    def work(progress: ProgressUpdater) -> dict[float, float]:
        progress.send_update(40, "ready")
        progress.fake_progress(progress_end=80, message="vendor call", estimated_time=5000)
        begun, seen = clock.at, dict[float, float]()
        for seconds in (0, 1, 3, 4, 7):
            clock.at = begun + seconds
            seen[seconds] = store.percent("work")
        assert (store.task("work").message, store.task("work").simulated) == ("vendor call", True)
        return seen

    assert work() == {0: 40, 1: 48.0, 3: 64.0, 4: 70.296, 7: 77.835}


def test_faked_progress_without_an_estimate_never_arrives(clock: Clock, store: Store) -> None:
    """0 to 100: 63.212 at 10 s, 86.466 at 20 s, and a year later not all of it."""

    @track_progress
    def work(progress: ProgressUpdater) -> list[float]:
        progress.fake_progress(100, "vendor call")
        begun, seen = clock.at, []
        for seconds in (10, 20, YEAR):
            clock.at = begun + seconds
            seen.append(store.percent("work"))
        return seen

    assert work() == [63.212, 86.466, 99.9]
    assert store.percent("work") == 100


def test_a_short_estimate_never_passes_its_end(clock: Clock, store: Store) -> None:
    """0 to 50 in 120 ms; the next one goes on from where this one stood, not from what was last said."""

    @track_progress
    def work(progress: ProgressUpdater) -> None:
        progress.fake_progress(50, "quick", estimated_time=120)
        begun = clock.at
        for seconds in (0.06, 0.12, 1, 60):
            clock.at = begun + seconds
            assert 0 < store.percent("work") <= 50
        progress.fake_progress(80, "and on", estimated_time=1000)
        assert store.percent("work") == 50
        clock.at += 0.5
        assert store.percent("work") == 65

    work()


def test_an_update_ends_faking_for_good(clock: Clock, store: Store) -> None:
    """99 is still 99 half a minute later, and no estimate."""

    @track_progress
    def work(progress: ProgressUpdater) -> None:
        progress.fake_progress(80, "vendor call", estimated_time=5000)
        clock.at += 3
        progress.send_update(99)
        assert store.percent("work") == 99
        clock.at += 30
        task = store.task("work")
        assert (task.percent, task.simulated, task.message) == (99, False, "vendor call")

    work()


def test_a_decorated_function_is_called_directly_or_run(store: Store) -> None:
    """Also a coroutine function; this module's annotations are postponed. "a__b" arrives as it was said."""
    heard: list[progstore.TaskView] = []

    @track_progress
    def work(number: int, progress: ProgressUpdater) -> int:
        progress.send_update(50, "a__b")
        return number * 2

    @track_progress
    async def fetch(number: int, progress: ProgressUpdater) -> int:
        progress.fake_progress(90, "a__b")
        return number * 3

    assert work(1) == work(number=1) == 2
    assert asyncio.run(fetch(1)) == 3
    assert run_task(work, kwargs={"number": 2}, on_progress=heard.append) == 4
    assert asyncio.run(run_task(fetch, kwargs={"number": 2}, on_progress=heard.append)) == 6
    assert store.task("work").message == store.task("fetch").message == "a__b"
    assert [(view.name, view.message) for view in heard if view.percent == 50] == [("work", "a__b")]
    assert [view.name for view in heard if view.status is Status.COMPLETE] == ["work", "fetch"]


def test_a_function_without_an_updater_is_refused_at_decoration() -> None:
    """With a ValueError, before anybody calls it."""
    with pytest.raises(ValueError, match="no parameter annotated with ProgressUpdater"):

        @track_progress
        def work(number: int) -> int:
            return number


def test_a_hundred_updates_are_heard_in_order_when_the_result_is_there() -> None:
    """It is there within a second; this waits for none."""
    heard: list[progstore.TaskView] = []

    @track_progress
    def work(progress: ProgressUpdater) -> str:
        for percent in range(100):
            progress.send_update(percent, f"step {percent}")
        return "done"

    assert run_task(work, on_progress=heard.append) == "done"
    assert [(view.percent, view.message) for view in heard[1:-1]] == [(each, f"step {each}") for each in range(100)]
    assert (heard[0].status, heard[-1].status) == (Status.RUNNING, Status.COMPLETE)


def test_a_callback_that_raises_does_not_stop_the_task(caplog: pytest.LogCaptureFixture) -> None:
    """It hears all the same, and is warned of once."""
    heard: list[float | None] = []

    def bad(view: progstore.TaskView) -> None:
        heard.append(view.percent)
        raise RuntimeError("listener")

    @track_progress
    def work(progress: ProgressUpdater) -> str:
        progress.send_update(10)
        progress.send_update(20)
        return "done"

    assert run_task(work, on_progress=bad) == "done"
    assert heard == [None, 10, 20, 100]
    assert len([record for record in caplog.records if "on_progress raised" in record.message]) == 1


def test_simulating_takes_the_median_of_the_successful_runs(clock: Clock, store: Store) -> None:
    """Of 1 to 20 s that is 10 s; it parks below its end, and past the 95th percentile, 19 s, it is late."""
    store.remember("Vendor", [float(seconds) for seconds in range(1, 21)])
    with progstore.session("nightly"), progstore.track(name="Vendor") as task:
        task.simulate(message="vendor call")
        begun = clock.at
        assert store.percent("Vendor") == 0
        for seconds, percent, message in (
            (3, 30, "vendor call"),
            (6, 60, "vendor call"),
            (19, 98.449, "vendor call"),
            (19.5, 98.631, "vendor call (late)"),
            (YEAR, 99.9, "vendor call (late)"),
        ):
            clock.at = begun + seconds
            assert (store.percent("Vendor"), store.task("Vendor").message) == (percent, message)
        task.report(50, "back")
        clock.at += 60
        assert (store.percent("Vendor"), store.task("Vendor").message) == (50, "back")


@pytest.mark.parametrize("runs", [0, 2])
def test_with_less_than_three_runs_simulating_eases(clock: Clock, store: Store, runs: int) -> None:
    """100 ticks of 0.15 s later 27.4754 of 85 percent of the way; nobody can say that it is late."""
    store.remember("Vendor", [10.0] * runs)
    with progstore.session("nightly"), progstore.track(name="Vendor") as task:
        task.simulate(until=85)
        begun = clock.at
        assert store.percent("Vendor") == 0
        clock.at = begun + 15
        assert (store.percent("Vendor"), store.task("Vendor").message) == (27.475, "Processing...")
        clock.at = begun + YEAR
        assert (store.percent("Vendor"), store.task("Vendor").message) == (85, "Finalizing...")


def test_a_callable_of_a_session_takes_as_long_as_it_usually_does(clock: Clock, store: Store) -> None:
    """Its percent parks at 85, and here as in the store it says when it is late."""
    store.remember("Vendor", [float(seconds) for seconds in range(1, 21)])
    session = progstore.Session.create({"v": "Vendor"}, "nightly")

    def shown() -> tuple[Json, Json]:
        assert progstore.flush(30)
        tasks = session.to_dict()["tasks"]
        assert isinstance(tasks, dict)
        assert isinstance(tasks["v"], dict)
        assert store.task("Vendor").message == tasks["v"]["message"]
        return tasks["v"]["percent"], tasks["v"]["message"]

    def call() -> list[tuple[Json, Json]]:
        begun, seen = clock.at, [shown()]
        for seconds in (3, 19, 19.5, YEAR):
            clock.at = begun + seconds
            seen.append(shown())
        return seen

    assert session.add_sequential("v", call).result == [
        (0, "Initializing..."),
        (25, "Processing..."),
        (83, "Finalizing..."),
        (83, "Finalizing... (late)"),
        (85, "Finalizing... (late)"),
    ]


def test_what_was_simulated_stands_still_once_the_task_has_failed(clock: Clock, store: Store) -> None:
    """Here as in the store; nobody sees it go on."""
    session = progstore.Session.create({"v": "Vendor"}, "nightly")
    session.start("v")
    clock.at += 15
    session.error("v", "no luck")
    clock.at += 60
    assert session.overall_percent == 27
    assert store.percent("Vendor") == 27.475


def test_no_thread_ticks_while_progress_is_simulated(store: Store) -> None:
    """And nothing is written: the row says from where, to where and since when."""
    with progstore.track(name="a", interval=0.01) as task:
        task.simulate(expect=60)
        before = threading.active_count()
        first = store.task("a")
        assert store.task("a").updated_at == first.updated_at
        assert threading.active_count() == before
