"""Whatever a program does with its bars, what is recorded of it is right, and it gets from them what tqdm gives."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # its stubs are apart, and large
import pytest
import tqdm as original
from tqdm.contrib import tenumerate, tmap, tzip
from tqdm.contrib.concurrent import process_map, thread_map
from tqdm.contrib.itertools import product

from progstore.adapters.tqdm import tqdm
from tests.adapters.conftest import Recorded

Make = partial[tqdm[Any]]
"""Makes a bar that is drawn on paper and called like the use."""


def _write_between(make: Make) -> None:
    for _ in make(range(3)):
        tqdm.write("line", file=io.StringIO())
        with tqdm.external_write_mode(file=io.StringIO()):
            pass


def _nest(make: Make) -> None:
    for _ in make(range(2), position=0):
        list(make("ab", position=1, leave=False, record=False))


def _update_any_number(make: Make) -> None:
    with make(total=10) as bar:
        bar.update(9)
        bar.update(-3)
        bar.update(0.5)
        bar.update(np.int64(2))
        bar.update(0)


def _set_n(make: Make) -> None:
    with make(total=10) as bar:
        bar.n = 4
        bar.refresh()
        bar.last_print_n = 4
        bar.update(6)


def _grow(make: Make) -> None:
    bar = make(total=2)
    bar.update(2)
    bar.total = 5
    bar.refresh()
    bar.update(3)
    bar.close()


def _reset_with_total(make: Make) -> None:
    bar = make(total=9)
    bar.update(4)
    bar.reset(total=3)
    bar.update(3)
    bar.close()


def _say(make: Make) -> None:
    with make(total=1, postfix={"loss": 2.0}) as bar:
        bar.set_description("Second", refresh=False)
        bar.set_postfix({"b": "x"}, a=0.125)
        bar.update()


def _say_in_a_string(make: Make) -> None:
    with make(total=1) as bar:
        bar.set_description_str("Second")
        bar.set_postfix_str("as it is")
        bar.update()


def _stop_drawing(make: Make) -> None:
    bar = make(total=5)
    bar.update(2)
    bar.disable = True  # from here on tqdm counts nothing
    bar.update(2)
    bar.close()


def _pause(make: Make) -> None:
    with make(total=2) as bar:
        bar.unpause()
        bar.clear()
        bar.update(2)


def _read_a_file(make: Make) -> None:
    with io.BytesIO(b"x" * 100) as file, make(total=100, unit="B", unit_scale=True, unit_divisor=1024) as bar:
        for block in iter(partial(file.read, 30), b""):
            bar.update(len(block))


def _apply(make: Make) -> None:
    tqdm.pandas(**make.keywords)
    column: Any = pd.DataFrame({"a": range(6), "b": [1, 2] * 3})["a"]
    assert list(column.progress_apply(lambda value: value + 1)) == list(range(1, 7))


def _apply_to_groups(make: Make) -> None:
    tqdm.pandas(**make.keywords)
    groups: Any = pd.DataFrame({"a": range(6), "b": [1, 2] * 3}).groupby("b")
    assert list(groups["a"].progress_apply(sum)) == [6, 9]


def _map_in_threads(make: Make) -> None:
    assert thread_map(str, range(8), tqdm_class=tqdm, max_workers=2, **make.keywords) == list("01234567")


def _map_in_processes(make: Make) -> None:
    assert process_map(abs, range(8), tqdm_class=tqdm, max_workers=2, **make.keywords) == list(range(8))


def _update_while_disabled(make: Make) -> None:
    with make(total=10, disable=True) as bar:
        bar.update(9)
        bar.update(-3)
        bar.update(0.5)
    assert bar.n == 0


def _reset_while_disabled(make: Make) -> None:
    with make(total=10, disable=True) as bar:
        bar.update(9)
        bar.reset(total=3)
        bar.update(3)


def _say_while_disabled(make: Make) -> None:
    with make(total=1, disable=True) as bar:
        bar.set_description("Second")
        bar.set_postfix(a=1)
        bar.update()


class Case:
    """A use of a bar, and what is recorded of it."""

    def __init__(
        self, use: Callable[[Any], object], status: str, done: float, total: float | None, said: str = ""
    ) -> None:
        self.use = use
        self.expected = (status, done, total, said)


CASES = {
    "leave=False": Case(lambda make: list(make(range(3), leave=False)), "complete", 3, 3),
    "nested": Case(_nest, "complete", 2, 2),
    "write": Case(_write_between, "complete", 3, 3),
    "numbers": Case(_update_any_number, "cancelled", 8.5, 10, "left early"),
    "n": Case(_set_n, "complete", 10, 10),
    "grow": Case(_grow, "complete", 5, 5),
    "reset": Case(_reset_with_total, "complete", 3, 3),
    "say": Case(_say, "complete", 1, 1, "Second, b=x, a=0.125"),
    "say in a string": Case(_say_in_a_string, "complete", 1, 1, "Second, as it is"),
    "stop drawing": Case(_stop_drawing, "cancelled", 2, 5, "left early"),
    "pause": Case(_pause, "complete", 2, 2),
    "read": Case(_read_a_file, "complete", 100, 100),
    "unit_scale": Case(lambda make: list(make(range(9), unit_scale=9)), "complete", 9, 9),
    "initial": Case(lambda make: list(make(range(3), initial=7, total=10)), "complete", 10, 10),
    "looks": Case(
        lambda make: list(
            make(range(3), colour="red", ascii=" #", ncols=30, bar_format="{l_bar}{bar}", smoothing=0, delay=9)
        ),
        "complete",
        3,
        3,
    ),
    "bytes": Case(lambda make: list(make([1], file=io.BytesIO(), write_bytes=True)), "complete", 1, 1),
    "array": Case(lambda make: list(make(np.zeros((4, 2)))), "complete", 4, 4),
    "odd total": Case(lambda make: list(make(iter("ab"), total=np.int32(2))), "complete", 2, 2),
    "endless": Case(lambda make: list(make(iter("ab"), total=float("inf"))), "complete", 2, None),
    "empty": Case(lambda make: list(make([])), "complete", 0, 0),
    "in": Case(lambda make: 1 in make(iter(range(5))), "cancelled", 1, None, "left early"),
    "tzip": Case(lambda make: list(tzip("abc", "xyz", tqdm_class=make)), "complete", 3, 3),
    "tmap": Case(lambda make: list(tmap(str, range(3), tqdm_class=make)), "complete", 3, 3),
    "tenumerate": Case(lambda make: list(tenumerate("abc", 5, tqdm_class=make)), "complete", 3, 3),
    "tenumerate of an array": Case(lambda make: list(tenumerate(np.zeros((2, 3)), tqdm_class=make)), "complete", 6, 6),
    "product": Case(lambda make: list(product("ab", "xyz", tqdm_class=make)), "complete", 6, 6),
    "pandas": Case(_apply, "complete", 6, 6),
    "pandas, grouped": Case(_apply_to_groups, "complete", 2, 2),
    "thread_map": Case(_map_in_threads, "complete", 8, 8),
    "process_map": Case(_map_in_processes, "complete", 8, 8),
    "disabled": Case(lambda make: list(make(range(3), disable=True)), "complete", 3, 3),
    "disabled numbers": Case(_update_while_disabled, "cancelled", 6.5, 10, "left early"),
    "disabled reset": Case(_reset_while_disabled, "complete", 3, 3),
    "disabled words": Case(_say_while_disabled, "complete", 1, 1, "Second, a=1"),
}


def test_what_is_recorded_is_right_in_every_use(recorded: Recorded) -> None:
    """Status, how many are done of how many, and what was said."""
    for name, case in CASES.items():
        case.use(partial(tqdm, desc=name, file=io.StringIO()))
    found = {task.name: (str(task.status), task.done, task.total, task.message) for task in recorded()}
    assert found == {name: case.expected for name, case in CASES.items()}


@pytest.mark.parametrize("settings", [{}, {"mininterval": 0}, {"disable": True}])
def test_a_bar_is_used_as_a_value_as_tqdms_is(settings: dict[str, Any]) -> None:
    """Truth, length, membership, order, equality, text; also where tqdm has its own ideas."""

    def answers(kind: type[original.tqdm[Any]]) -> list[object]:
        make = partial(kind, file=io.StringIO(), **settings)
        first, second = make(range(3)), make([])
        said: list[object] = [bool(first), bool(second), len(first), len(make(iter("ab"), total=5)), 1 in first]
        said += [list(reversed(make([1, 2, 3]))), first == second, first < second, len({first, second})]
        said += [sorted(set(first.format_dict) - {"elapsed", "rate"}), first.n, first.total, type(first).__name__]
        questions: tuple[Callable[[], object], ...] = (
            lambda: bool(make()),
            lambda: len(make()),
            lambda: copy.deepcopy(make(io.StringIO())).n,
            lambda: bool(pickle.dumps(make([]))),
        )
        for question in questions:
            try:
                said.append(question())
            except Exception as error:  # noqa: BLE001  # whatever it is, it is an answer
                said.append(type(error))
        return said

    assert answers(tqdm) == answers(original.tqdm)


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ((), {"total": 1, "colr": "red"}),
        ((), {"total": 1, "nested": True}),
        ((5,), {}),
        (([1], "desc", 1, True, io.StringIO(), 10, 0.1, 10.0, None, None, False, "it", *[None] * 40), {}),
        ((), {"total": "many", "ncols": "wide"}),
    ],
)
def test_wrong_arguments_are_the_same_error_as_tqdms(
    arguments: tuple[Any, ...], settings: dict[str, Any], recorded: Recorded
) -> None:
    """At the same place, making or looping; and a bar that could not be made is not recorded."""

    def outcome(kind: type[original.tqdm[Any]]) -> tuple[str, str, str]:
        step = "making"
        try:
            bar = kind(*arguments, **{"file": io.StringIO(), **settings} if len(arguments) < 5 else settings)
            step = "looping"
            list(bar)
        except Exception as error:  # noqa: BLE001  # whatever it is, it must be the same
            return step, type(error).__name__, str(error)
        return step, "", ""

    ours = outcome(tqdm)
    assert ours == outcome(original.tqdm)
    if ours[0] == "making":
        assert recorded() == []


class Mine(tqdm[int]):
    """With a beginning of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


def test_a_bar_is_called_like_the_function_that_made_it(recorded: Recorded) -> None:
    """A subclass and tqdm's own helpers are passed over where a name is looked for."""

    def ingest() -> None:
        list(Mine(range(1), file=io.StringIO()))
        list(tqdm[int](range(1), file=io.StringIO()))
        list(tzip("a", tqdm_class=tqdm, file=io.StringIO()))
        with tqdm.wrapattr(io.BytesIO(b"x"), "read", file=io.StringIO()) as file:
            file.read()

    ingest()
    here = test_a_bar_is_called_like_the_function_that_made_it.__name__
    assert [task.name for task in recorded()] == [f"{here}.<locals>.ingest".partition(".<")[0]] * 4
