"""`@tracked`: each call of a function is a task, which the function may ask for."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Generator
from typing import Annotated, Any

import pytest

import progstore
from progstore import Task
from tests.adapters.conftest import Recorded


def test_each_call_is_a_task(recorded: Recorded) -> None:
    """Called like the function, which returns what it returns."""

    @progstore.tracked
    def report(number: int) -> int:
        return number * 2

    assert [report(1), report(number=2)] == [2, 4]
    assert [(task.name, task.status) for task in recorded()] == [("report", "complete")] * 2


def test_a_name_and_the_keywords_of_track_may_be_given(recorded: Recorded) -> None:
    """For every call alike."""

    @progstore.tracked("Report", total=3, unit="page", meta={"a": 1}, session="nightly")
    def report() -> None:
        progstore.current().update(3)

    report()
    (task,) = recorded()
    assert (task.name, task.done, task.total, task.unit) == ("Report", 3, 3, "page")
    assert (dict(task.meta), task.session_name) == ({"a": 1}, "nightly")


def test_what_it_raises_is_raised_and_recorded(recorded: Recorded) -> None:
    """With type and text."""

    @progstore.tracked("Report")
    def report() -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        report()
    (task,) = recorded()
    assert (task.status, task.error_type, task.error) == ("error", "ValueError", "x")


def test_what_it_tracks_is_nested_in_it(recorded: Recorded) -> None:
    """And so is a tracked function that it calls."""

    @progstore.tracked
    def inner() -> None:
        list(progstore.track([1], "loop"))

    @progstore.tracked
    def outer() -> None:
        inner()

    outer()
    first, second, third = recorded()
    assert (second.parent_id, third.parent_id) == (first.id, second.id)


def test_a_parameter_annotated_task_is_given_the_task() -> None:
    """Wherever it stands; this module's annotations are all postponed."""

    @progstore.tracked("First")
    def first(task: Task, number: int) -> tuple[str, int]:
        return task.name, number

    @progstore.tracked("Second")
    def second(number: int, task: progstore.Task[Any]) -> tuple[str, int]:
        return task.name, number

    @progstore.tracked("Keyword")
    def keyword(number: int, *, task: Task | None = None) -> tuple[str, int]:
        assert task is not None
        return task.name, number

    @progstore.tracked("Positional")
    def positional(task: Task, /, number: int = 5) -> tuple[str, int]:
        return task.name, number

    @progstore.tracked
    def several(tasks: list[Task], more: Annotated[int, "Task"] = 0) -> tuple[list[Task], int]:
        return tasks, more

    assert several([]) == ([], 0), "nobody has several tasks to give"
    assert first(1) == first(number=1) == ("First", 1)
    assert second(1) == second(number=1) == ("Second", 1)
    assert keyword(1) == ("Keyword", 1)
    assert (positional(), positional(6)) == (("Positional", 5), ("Positional", 6))


def test_a_name_that_only_type_checkers_know_is_understood() -> None:
    """`if TYPE_CHECKING: from progstore import Task` is common."""
    source = (
        "from __future__ import annotations\nimport progstore\n"
        "@progstore.tracked('Text')\ndef report(number: int, task: Task[Missing]) -> object: return task.name, number\n"
    )
    scope: dict[str, Any] = {}
    exec(source, scope)  # noqa: S102  # a module in which the name is not there
    assert scope["report"](1) == ("Text", 1)


def test_quoted_and_plain_annotations_are_understood_too() -> None:
    """Not every module postpones them."""
    scope: dict[str, Any] = {"progstore": progstore, "Task": Task}
    for annotation in ("Task", "'progstore.Task'", "Task | None", "Task[int]"):
        exec(f"@progstore.tracked('Text')\ndef report(task: {annotation}): return task.name", scope)  # noqa: S102  # as above
        assert scope["report"]() == "Text"


def test_a_task_that_the_caller_passes_is_taken() -> None:
    """So that a test can watch it."""

    @progstore.tracked("Report")
    def report(task: Task) -> str:
        return task.name

    mine = progstore.track(name="Mine", record=False)
    assert report(mine) == report(task=mine) == "Mine"


def test_methods_may_be_tracked(recorded: Recorded) -> None:
    """The instance comes first, as ever."""

    class Reports:
        @progstore.tracked
        def write(self, task: Task, number: int) -> tuple[object, str, int]:
            return self, task.name, number

    reports = Reports()
    assert reports.write(3) == (reports, "Reports.write", 3)
    assert recorded()[0].name == "Reports.write"


def test_the_signature_does_not_show_the_task() -> None:
    """What fills in arguments by it would be at a loss; the rest of the function's face is kept."""

    @progstore.tracked
    def report(number: int, task: Task) -> None:
        """Writes it."""

    assert list(inspect.signature(report).parameters) == ["number"]
    assert (report.__name__, report.__doc__) == ("report", "Writes it.")


def test_coroutine_functions_may_be_tracked(recorded: Recorded) -> None:
    """Side by side, each is the innermost task of its own."""

    @progstore.tracked("Fetch")
    async def fetch(number: int, task: Task) -> int:
        await asyncio.sleep(0)
        assert progstore.current().state is task.state
        task.update(number)
        return number

    async def main() -> list[int]:
        return list(await asyncio.gather(*(fetch(number) for number in range(3))))

    assert inspect.iscoroutinefunction(fetch)
    assert asyncio.run(main()) == [0, 1, 2]
    assert sorted((task.done, str(task.status)) for task in recorded()) == [(n, "complete") for n in range(3)]


def test_a_cancelled_coroutine_is_cancelled(recorded: Recorded) -> None:
    """It did not fail."""

    @progstore.tracked("Fetch")
    async def fetch() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(fetch(), 0.01)

    asyncio.run(main())
    assert recorded()[0].status == "cancelled"


def test_a_generators_task_lasts_as_long_as_its_iteration(recorded: Recorded) -> None:
    """What is sent in and what it returns go through."""

    @progstore.tracked("Rows")
    def rows(task: Task) -> Generator[int, None, str]:
        for number in range(3):
            task.update(1)
            yield number
        return "end"

    def consumer() -> Generator[int, None, None]:
        end = yield from rows()
        assert end == "end"

    assert list(consumer()) == [0, 1, 2]
    for _ in rows():
        break
    assert [(task.status, task.done) for task in recorded()] == [("complete", 3), ("cancelled", 1)]


def test_an_async_generators_task_too(recorded: Recorded) -> None:
    """Its own clean-up runs before the task ends."""
    closed = []

    @progstore.tracked("Rows")
    async def rows(task: Task) -> AsyncIterator[int]:
        try:
            for number in range(3):
                task.update(1)
                yield number
        finally:
            closed.append(task.status)

    async def main() -> list[int]:
        return [number async for number in rows()]

    assert asyncio.run(main()) == [0, 1, 2]
    assert closed == ["running"]
    assert [(task.status, task.done) for task in recorded()] == [("complete", 3)]


@pytest.mark.parametrize("thing", [len, print])
def test_what_has_no_annotations_may_be_tracked(thing: Any, recorded: Recorded) -> None:
    """Functions of C, for one."""
    progstore.tracked("C")(thing)("abc")
    assert recorded()[0].status == "complete"


def test_there_must_be_something_to_call() -> None:
    """Said when it is decorated, not at the first call."""
    with pytest.raises(TypeError, match="decorates functions, got int"):
        progstore.tracked("x")(5)  # type: ignore[arg-type]  # what the test is about
