"""Loops and bars: what a drop-in for tqdm draws and leaves on record."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import progstore
from progstore.adapters.tqdm import tqdm
from tests.conftest import Program
from tests.displays.terminal import on_terminal

Tasks = Callable[[], list[progstore.TaskView]]


@pytest.fixture
def tasks(store_path: Path) -> Tasks:
    """Reads the tasks of the test's store, oldest first, after everything said so far is on disk."""

    def read() -> list[progstore.TaskView]:
        assert progstore.flush(10)
        with progstore.open_store(str(store_path)) as store:
            return sorted(store.tasks(), key=lambda task: task.id)

    return read


@pytest.fixture
def commits(store_path: Path) -> Callable[[], int]:
    """How many transactions this test's processes have written to its store."""

    def count() -> int:
        with closing(sqlite3.connect(f"file:{store_path}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT sum(beats) FROM processes").fetchone()[0])

    return count


def test_a_bar_is_recorded_from_its_start_to_its_end(tasks: Tasks) -> None:
    """From 0 of 200 on, before the first step."""
    bar = tqdm(range(200), desc="Ingesting", unit="records", file=io.StringIO())
    (task,) = tasks()
    assert (task.name, task.unit, task.status, task.done, task.total) == ("Ingesting", "records", "running", 0, 200)
    for _ in bar:
        pass
    (task,) = tasks()
    assert (task.status, task.done, task.total) == ("complete", 200, 200)


def test_the_unit_stands_in_the_bar_on_the_terminal() -> None:
    """The bar is tqdm's."""
    shown = on_terminal("""
        from progstore.adapters.tqdm import tqdm
        for _ in tqdm(range(200), desc="Ingesting", unit="records"): pass
    """)
    assert shown.screen[0].startswith("Ingesting: 100%|")
    assert "200/200" in shown.screen[0]
    assert "records/s" in shown.screen[0]


def test_a_second_of_steps_is_written_a_few_times(run_program: Callable[..., str], tasks: Tasks) -> None:
    """At an interval of 0.25 s: start, four ticks, end and one to spare; the final count is exact."""
    written = run_program(
        """
        import os, sqlite3, threading, time
        import progstore
        from progstore.adapters.tqdm import tqdm
        began = time.monotonic()
        for step in tqdm(range(200), desc="Second", disable=True):
            threading.Event().wait(max(0, began + step / 200 - time.monotonic()))
        assert progstore.flush(10)
        print(sqlite3.connect(os.environ["PROGSTORE_URL"]).execute("SELECT sum(beats) FROM processes").fetchone()[0])
        """,
        PROGSTORE_INTERVAL="0.25",
    )
    assert int(written) <= 7
    assert [(task.status, task.done) for task in tasks()] == [("complete", 200)]


def test_ten_updates_and_a_close_are_written_at_once(tasks: Tasks, commits: Callable[[], int]) -> None:
    """Starts and ends are grouped; the final count is exact."""
    progstore.configure(interval=0.25)
    bar = tqdm(total=10, desc="Burst", disable=True)
    for _ in range(10):
        bar.update()
    bar.close()
    assert [(task.status, task.done) for task in tasks()] == [("complete", 10)]
    assert commits() <= 3


def test_forked_workers_that_start_at_once_have_a_task_each(run_program: Callable[..., str], tasks: Tasks) -> None:
    """With no key given, eight make eight; all in one session."""
    run_program("""
        import multiprocessing
        import progstore
        from progstore.adapters.tqdm import tqdm

        def work(together):
            together.wait(60)
            for _ in tqdm(range(5), desc="Work", disable=True): pass

        list(progstore.track([1], "Before"))
        context = multiprocessing.get_context("fork")
        together = context.Barrier(8)
        workers = [context.Process(target=work, args=(together,)) for _ in range(8)]
        for worker in workers: worker.start()
        for worker in workers: worker.join()
        assert [worker.exitcode for worker in workers] == [0] * 8
    """)
    work = [task for task in tasks() if task.name == "Work"]
    assert [(task.status, task.done) for task in work] == [("complete", 5)] * 8
    assert len({task.key for task in work}) == 8
    assert len({task.session_id for task in tasks()}) == 1


def test_an_explicit_key_is_kept_as_given(tasks: Tasks) -> None:
    """Whatever it looks like."""
    list(tqdm(range(3), key="run-7:rank-3", disable=True))
    assert [task.key for task in tasks()] == ["run-7:rank-3"]


@pytest.mark.parametrize("disable", [True, None])
def test_a_disabled_bar_hands_out_every_item_draws_nothing_and_is_recorded(
    disable: bool | None, tasks: Tasks, capfd: pytest.CaptureFixture[str]
) -> None:
    """None means disabled off a terminal, as here."""
    assert list(tqdm(range(7), desc="Quiet", disable=disable)) == list(range(7))
    by_hand = tqdm(total=4, desc="Quiet by hand", disable=disable)
    by_hand.update(4)
    by_hand.close()
    assert capfd.readouterr() == ("", "")
    assert [(task.name, task.done, task.status) for task in tasks()] == [
        ("Quiet", 7, "complete"),
        ("Quiet by hand", 4, "complete"),
    ]


@pytest.mark.parametrize("disable", [True, None])
def test_a_disabled_bar_with_record_false_leaves_nothing(disable: bool | None, store_path: Path) -> None:
    """Only then."""
    assert list(tqdm(range(7), disable=disable, record=False)) == list(range(7))
    assert progstore.flush(10)
    assert not store_path.exists()


def failing_block() -> None:
    """A loop in a block, with an exception at the sixth of ten items."""
    with tqdm(range(10), desc="Block", file=io.StringIO()) as bar:
        for item in bar:
            if item == 5:
                raise ValueError("x")


def test_an_exception_in_a_block_is_an_error_with_its_traceback(tasks: Tasks) -> None:
    """At the item that was worked on."""
    with pytest.raises(ValueError, match="x"):
        failing_block()
    (task,) = tasks()
    assert (task.status, task.done, task.total) == ("error", 5, 10)
    assert (task.error_type, task.error) == ("ValueError", "x")
    assert "in failing_block" in (task.traceback or "")


BARE = """
    import io, sys
    from progstore.adapters.tqdm import tqdm
    from progstore import track
    make = {"tqdm": lambda: tqdm(range(10), desc="Bare", file=io.StringIO()), "track": lambda: track(range(10), "Bare"),
            "steps": lambda: tqdm(range(10), desc="Bare", file=io.StringIO(), mininterval=0)}

    def work():
        for item in make[sys.argv[1]]():
            if item == 5:
                raise ValueError("x")

    if sys.argv[2] == "caught":
        try: work()
        except ValueError: pass
    else:
        work()
"""


@pytest.mark.parametrize("loop", ["tqdm", "steps", "track"])
def test_an_exception_out_of_a_bare_loop_that_ends_the_program_is_an_error(
    loop: str, program: Program, tasks: Tasks
) -> None:
    """The program ends as it would have; its traceback is printed and recorded."""
    process = program(BARE, loop, "uncaught")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "ValueError: x" in errors
    (task,) = tasks()
    assert (task.status, task.done) == ("error", 5)
    assert (task.error_type, task.error) == ("ValueError", "x")
    assert "in work" in (task.traceback or "")


@pytest.mark.parametrize("loop", ["tqdm", "steps", "track"])
def test_an_exception_that_is_caught_outside_the_loop_leaves_it_cancelled(
    loop: str, run_program: Callable[..., str], tasks: Tasks
) -> None:
    """Left early, and never complete."""
    run_program(BARE, loop, "caught")
    (task,) = tasks()
    assert (task.status, task.message, task.done) == ("cancelled", "left early", 5)


def test_metadata_survives_updates_completion_and_a_restart(store_path: Path, run_program: Callable[..., str]) -> None:
    """It is said once; whoever reads later finds it."""
    meta: dict[str, Any] = {"model": "all-MiniLM"}
    with tqdm(total=3, desc="Embed", key="k", meta=meta, disable=True) as bar:
        for _ in range(3):
            bar.update()
            assert progstore.flush(10)
    reads = f"""
        import progstore
        with progstore.open_store({str(store_path)!r}) as store:
            print(*[(str(task.status), dict(task.meta)) for task in store.tasks()])
    """
    assert run_program(reads) == f"('complete', {meta})\n"
    run_program("import progstore\nlist(progstore.track([1], 'Another'))")
    assert run_program(reads).count(str(meta)) == 1
