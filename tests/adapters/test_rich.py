"""rich's progress under `patch.install()`: drawn as ever, and each row of it on record."""

from __future__ import annotations

import contextlib
import gc
import io
import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rich.progress
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TextColumn, track

import progstore
from progstore.adapters import rows
from tests.adapters.conftest import Recorded


@pytest.fixture(autouse=True)
def patched() -> Iterator[None]:
    """As a program does at its start."""
    progstore.patch.install()
    yield
    progstore.patch.uninstall()


def quiet(*columns: Any, **options: Any) -> Progress:
    """A display on paper."""
    return Progress(*columns, console=Console(file=io.StringIO()), **options)


def told(tasks: list[progstore.TaskView]) -> list[tuple[Any, ...]]:
    """Name, status, done and total of each."""
    return [(task.name, str(task.status), task.done, task.total) for task in tasks]


def work_on_paper() -> str:
    """Uses most of what there is, and returns each character that rich has drawn."""
    paper = io.StringIO()
    console = Console(file=paper, force_terminal=True, width=80, color_system="truecolor", legacy_windows=False)
    clock = itertools.count()
    progress = Progress(console=console, auto_refresh=False, get_time=lambda: float(next(clock)))
    with progress:
        first, second = progress.add_task("[red]First", total=4), progress.add_task("Second", total=None, start=False)
        for _ in range(3):
            progress.advance(first)
            progress.refresh()
        progress.update(first, description="[blue]Changed", total=6, advance=1, refresh=True)
        progress.start_task(second)
        progress.update(second, completed=5, refresh=True)
        progress.reset(second, total=2)
        progress.console.print("said in between")
        progress.stop_task(second)
        progress.remove_task(second)
        for _ in progress.track([1, 2], description="Loop"):
            progress.refresh()
    return paper.getvalue()


def test_what_rich_draws_is_the_same_with_and_without(recorded: Recorded) -> None:
    """To the last character, and what is replaced is restored."""
    shown = work_on_paper()
    assert len(recorded()) == 3
    methods = {name: getattr(Progress, name) for name in ("start", "stop", "update", "track", "advance")}
    progstore.patch.uninstall()
    assert Progress.advance is methods["advance"]
    assert all(getattr(Progress, name) is not method for name, method in methods.items() if name != "advance")
    assert work_on_paper() == shown
    assert len(recorded()) == 3


def test_rows_are_recorded_as_they_stand(recorded: Recorded) -> None:
    """From the start of each, with what is changed on the way; names come without markup."""
    with quiet() as progress:
        one = progress.add_task("[bold red]One[/]:", total=10)
        progress.add_task("Waiting", total=5, start=False)
        many = progress.add_task("Many", total=None)
        progress.advance(one, 2.5)
        progress.update(many, advance=1e9, description="Many, slowly")
        running = recorded()
        assert told(running) == [("One", "running", 2.5, 10), ("Many", "running", 1e9, None)]
        assert [task.message for task in running] == ["", "Many, slowly"]
        progress.update(one, total=20, completed=20)
    assert told(recorded()) == [("One", "complete", 20, 20), ("Many", "complete", 1e9, None)]


def test_a_row_that_is_never_started_counts_from_its_first_update(recorded: Recorded) -> None:
    """Rich shows no time for it, and that is all."""
    with quiet() as progress:
        row = progress.add_task("Late", total=3, start=False)
        progress.update(row, advance=1)
        progress.start_task(row)
        progress.update(row, advance=2)
    assert told(recorded()) == [("Late", "complete", 3, 3)]


def test_rows_end_as_they_were_left(recorded: Recorded) -> None:
    """In a block that ends well, with less done than the total means that it was left early; an exception ends what is
    not finished.
    """
    with quiet() as progress:
        progress.advance(progress.add_task("Half", total=2))
        progress.remove_task(progress.add_task("Removed", total=1))

    def fail() -> None:
        with quiet(disable=True) as progress:
            progress.advance(progress.add_task("Done", total=1))
            progress.add_task("Failed", total=1)
            raise ValueError("bad row")

    with pytest.raises(ValueError, match="bad row"):
        fail()
    tasks = recorded()
    assert told(tasks) == [
        ("Half", "cancelled", 1, 2),
        ("Removed", "cancelled", 0, 1),
        ("Done", "complete", 1, 1),
        ("Failed", "error", 0, 1),
    ]
    assert [tasks[0].message, tasks[3].error] == ["left early", "bad row"]


def test_a_loop_is_the_innermost_task_and_ends_with_the_loop(recorded: Recorded, paper: Console) -> None:
    """Both forms of it; nested loops of any kind belong to it, and it gives what it is given, lazily."""
    given = itertools.count()
    for number in track(given, "Outer", total=3, console=paper):
        if number == 3:
            break
        list(progstore.track("ab", "Inner"))
    assert next(given) == 4
    with quiet() as progress:
        for number in progress.track(range(4), description="Left"):
            if number == 2:
                break
        list(progress.track(range(4), description="Again"))
        assert list(progress.track([], description="Empty")) == []
        row = progress.add_task("Taken up", total=9, start=False)
        assert sum(progress.track(range(5), task_id=row)) == 10
        tasks = recorded()
    assert told([task for task in tasks if task.name != "Inner"]) == [
        ("Outer", "complete", 3, 3),
        ("Left", "cancelled", 2, 4),
        ("Again", "complete", 4, 4),
        ("Empty", "complete", 0, None),
        ("Taken up", "complete", 5, 5),
    ]
    assert [task.parent_id for task in tasks if task.name == "Inner"] == [tasks[0].id] * 3


@pytest.fixture
def paper() -> Console:
    """What `track` draws on."""
    return Console(file=io.StringIO())


def test_an_exception_in_a_loop_is_told_if_nobody_catches_it(
    run_program: Callable[..., str], program: Callable[..., Any], recorded: Recorded, paper: Console
) -> None:
    """Caught, the loop was left early; an iterable that raises is an error in any case."""

    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("from the iterable")

    with pytest.raises(ValueError, match="from the iterable"):
        list(track(broken(), "Iterable", console=paper))
    with contextlib.suppress(KeyError):
        for _ in track([1, 2], "Caught", console=paper):
            raise KeyError
    process = program("""
        import progstore
        progstore.patch.install()
        from rich.progress import track

        for _ in track([1, 2], "Uncaught"):
            raise ValueError("x")
    """)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, "progstore" in errors, errors[-14:]) == (1, False, "ValueError: x\n")
    tasks = recorded()
    assert told(tasks) == [
        ("Iterable", "error", 1, None),
        ("Caught", "cancelled", 0, 2),
        ("Uncaught", "error", 0, 2),
    ]
    assert [task.error for task in tasks] == ["from the iterable", None, "x"]


def test_a_finished_row_ends_though_its_display_goes_on(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich never says that a row is over. One whose total grows again soon enough is the same attempt, later a new
    one.
    """
    with quiet() as progress:
        row = progress.add_task("Queue", total=1)
        progress.advance(row)
        assert told(recorded()) == [("Queue", "running", 1, 1)]
        progress.update(row, total=2, advance=1)
        assert told(recorded()) == [("Queue", "running", 2, 2)]
        monkeypatch.setattr(rows, "SETTLED", 0.0)
        recorded()
        assert told(recorded()) == [("Queue", "complete", 2, 2)]
        progress.update(row, total=3)
        assert told(recorded()) == [("Queue", "complete", 2, 2), ("Queue", "running", 2, 3)]
        progress.reset(row, total=1)
        progress.update(row, completed=1)
    tasks = recorded()
    assert told(tasks) == [("Queue", "complete", 2, 2), ("Queue", "complete", 1, 1)]
    assert [task.attempt for task in tasks] == [1, 2]


def test_a_pause_of_the_display_makes_a_new_attempt(recorded: Recorded) -> None:
    """Programs stop it to ask something; what was finished stays so. Letting go of a display stops it."""
    progress = quiet()
    done, half = progress.add_task("Done", total=1), progress.add_task("Half", total=2)
    progress.start()
    progress.advance(done)
    progress.advance(half)
    progress.stop()
    progress.start()
    progress.advance(half)
    progress.stop()
    assert told(recorded()) == [("Done", "complete", 1, 1), ("Half", "cancelled", 1, 2), ("Half", "complete", 2, 2)]
    progress.add_task("Forgotten", total=1)
    del progress
    gc.collect()
    assert told(recorded())[3:] == [("Forgotten", "cancelled", 0, 1)]


def test_bytes_are_counted_as_bytes(recorded: Recorded, tmp_path: Path, paper: Console) -> None:
    """Files that are read through rich, and rows beside a column that shows bytes."""
    (tmp_path / "file").write_bytes(b"x" * 2000)
    with rich.progress.open(tmp_path / "file", "rb", description="Read", console=paper) as file:
        assert len(file.read()) == 2000
    with (tmp_path / "file").open("rb") as raw, rich.progress.wrap_file(raw, 2000, console=paper) as wrapped:
        wrapped.read(500)
    with quiet(DownloadColumn()) as progress:
        progress.add_task("Download", total=None)
    assert [(task.name, task.unit, task.done) for task in recorded()] == [
        ("Read", "B", 2000),
        ("Reading...", "B", 500),
        ("Download", "B", 0),
    ]


def test_rows_may_be_advanced_from_many_threads(recorded: Recorded) -> None:
    """None is lost."""
    with quiet() as progress:
        row = progress.add_task("Shared", total=4000)
        threads = [
            threading.Thread(target=lambda: [progress.advance(row) for _ in range(1000)])  # type: ignore[func-returns-value]  # it is for its effect
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert told(recorded()) == [("Shared", "complete", 4000, 4000)]


def test_odd_values_do_no_harm(recorded: Recorded) -> None:
    """What rich takes, it gets; what cannot be recorded of it is left out."""
    with quiet(TextColumn("{task.description}", markup=False)) as progress:
        odd = progress.add_task("[/broken] markup", total=float("inf"))
        progress.update(odd, completed=float("nan"))
        progress.add_task("")
    assert [(task.name, task.total, task.done) for task in recorded()] == [
        ("[/broken] markup", None, 0),
        ("test_odd_values_do_no_harm", 100, 0),
    ]


def test_what_cannot_be_recorded_is_said_once_and_rich_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """A class of its own, whose rows cannot be found, for another reason each time."""
    reasons = iter(("none of your business", "nor of anybody else's", "go away"))

    class Hidden(Exception):
        pass

    class Odd(Progress):
        def __getattribute__(self, name: str) -> Any:
            if name == "columns":
                raise Hidden(next(reasons))
            return super().__getattribute__(name)

    with caplog.at_level(logging.WARNING, "progstore"):
        progress = quiet(disable=True)
        progress.__class__ = Odd
        row = progress.add_task("Odd", total=2)
        progress.update(row, advance=2)
        progress.stop()
    assert progress.finished
    assert [record.getMessage() for record in caplog.records] == [
        "a progress of rich's is not recorded as it should be: Hidden: none of your business"
    ]
