"""joblib: what Parallel gives is what it gives without us, and its batches are counted with every backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import joblib  # type: ignore[import-untyped]  # it has no types
import pytest
from joblib.externals.loky import get_reusable_executor  # type: ignore[import-untyped]  # the same

import progstore
from progstore.adapters.joblib import track
from tests.adapters.conftest import Recorded


def fail_at_seven(number: int) -> int:
    """What is computed: it goes wrong once."""
    if number == 7:
        raise ValueError("seven")
    return number


def track_something(number: int) -> int:
    """What is computed, and reports progress of its own."""
    for _ in progstore.track(range(number), "inner"):
        pass
    return number


def calls(items: Any) -> Iterator[Any]:
    """What Parallel is given."""
    return (joblib.delayed(fail_at_seven)(item) for item in items)


@pytest.mark.parametrize("backend", ["threading", "multiprocessing", "sequential"])
@pytest.mark.parametrize("cast", [list, iter], ids=["list", "generator"])
def test_results_are_those_of_joblib(backend: str, cast: Callable[..., Any], recorded: Recorded) -> None:
    """In order, of what has a length and what has none; all of it is done and counted."""
    with track("Fit", unit="fold"):
        got = joblib.Parallel(n_jobs=2, backend=backend, batch_size=3)(cast(calls(range(7))))
    assert got == list(range(7))
    (task,) = recorded()
    assert (task.name, task.status, task.done, task.total, task.unit) == ("Fit", "complete", 7, 7, "fold")


def test_several_calls_in_one_block_are_one_task(recorded: Recorded) -> None:
    """As those that a library makes; a Parallel may be used again, also after the block, where nothing counts."""
    parallel = joblib.Parallel(n_jobs=2, backend="threading")
    with track() as task:
        assert parallel(calls([1, 2])) == [1, 2]
        assert parallel(calls([3])) == [3]
        assert list(joblib.Parallel(n_jobs=2, backend="threading", return_as="generator")(calls([4]))) == [4]
        assert task.done == 4
    assert parallel(calls([5])) == [5]
    (recorded_task,) = recorded()
    assert (recorded_task.status, recorded_task.done, recorded_task.total) == ("complete", 4, 4)
    assert recorded_task.name == "test_several_calls_in_one_block_are_one_task"


def test_a_parallel_within_an_item_is_not_counted_beside_it(recorded: Recorded) -> None:
    """It is the item's own work."""

    def nested(number: int) -> int:
        return sum(joblib.Parallel(n_jobs=1)(calls([number] * 3)))

    with track("Outer", total=2):
        assert joblib.Parallel(n_jobs=1)(joblib.delayed(nested)(number) for number in (1, 2)) == [3, 6]
    assert [(task.done, task.total) for task in recorded()] == [(2, 2)]


@pytest.mark.parametrize("backend", ["threading", "sequential"])
def test_a_call_that_fails_ends_the_block_as_an_error(backend: str, recorded: Recorded) -> None:
    """The caller gets the exception; no more is counted than was done."""
    with pytest.raises(ValueError, match="seven"), track("Fit"):
        joblib.Parallel(n_jobs=2, backend=backend, batch_size=1)(calls([5, 6, 7, 8, 9]))
    (task,) = recorded()
    assert (task.status, task.error) == ("error", "seven")
    assert task.done <= 4


def test_an_input_that_raises_ends_the_block_as_an_error(recorded: Recorded) -> None:
    """As any error in the block."""
    with pytest.raises(ZeroDivisionError), track("Fit"):
        joblib.Parallel(n_jobs=2, backend="threading")(calls(1 // number for number in (1, 0)))
    assert (recorded()[0].status, recorded()[0].error_type) == ("error", "ZeroDivisionError")


def test_joblibs_own_reports_are_printed_as_ever(capfd: pytest.CaptureFixture[str], recorded: Recorded) -> None:
    """Also those of a class of somebody's own."""
    seen = []

    class Loud(joblib.Parallel):  # type: ignore[misc]  # it has no types
        def print_progress(self) -> None:
            seen.append(self.n_completed_tasks)
            super().print_progress()

    with track("Fit"):
        Loud(n_jobs=1, verbose=60)(calls([1, 2]))
    assert seen[:2] == [1, 2]
    assert "Done   2 out of   2" in capfd.readouterr().out
    assert recorded()[0].done == 2


def test_what_kept_workers_track_joins_the_session_of_the_block(
    request: pytest.FixtureRequest, recorded: Recorded
) -> None:
    """Loky keeps its processes from call to call; what they do belongs to where it was asked for."""
    request.addfinalizer(lambda: get_reusable_executor().shutdown(wait=True))
    assert joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(number) for number in range(2)) == [0, 1]
    for name in ("first", "second"):
        with progstore.session(name), track("Fit"):
            got = joblib.Parallel(n_jobs=2)(joblib.delayed(track_something)(number) for number in (1, 2))
        assert got == [1, 2]
    assert sorted((task.session_name, task.name, task.done, task.total) for task in recorded()) == [
        ("first", "Fit", 2, 2),
        ("first", "inner", 1, 1),
        ("first", "inner", 2, 2),
        ("second", "Fit", 2, 2),
        ("second", "inner", 1, 1),
        ("second", "inner", 2, 2),
    ]
