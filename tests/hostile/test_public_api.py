"""What a job may hand in: kept as it is, cleaned as documented, or a clear error; its own course is untouched."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import progstore
from progstore import clean
from tests.hostile.hostility import TEXTS


class Refusal(Exception):
    """What a hostile value's own methods raise."""


def refuse(*_: object) -> Any:
    """A method that only raises."""
    raise Refusal


def hostile(base: type, *methods: str) -> type:
    """A kind of `base` whose methods raise."""
    return type(f"Hostile{base.__name__}", (base,), dict.fromkeys(methods, refuse))


METHODS = {
    str: ("isascii", "encode", "__len__", "__str__", "__format__", "__eq__", "__bool__"),
    int: ("__float__", "__int__", "__index__", "__str__", "__gt__", "__ge__", "__bool__"),
    float: ("__float__", "__lt__", "__repr__", "__bool__"),
    list: ("__iter__", "__len__", "__length_hint__", "__bool__"),
    dict: ("items", "__iter__", "__len__", "keys"),
    object: ("__str__", "__repr__", "__fspath__", "isoformat", "__float__", "__len__"),
}
STRANGE = (
    *(hostile(base, method)() for base, methods in METHODS.items() for method in methods),
    *(object(), len, int, 1j, b"x\xff", range(10**18), {1, 2}, {1: 2}, {"a": {2: 3}}, {"a": object()}, Path("x\udc80")),
    *(10**400, -(10**400), 10**5000, -(10**5000), 2**53 + 1, 1e308, -1e308, math.nan, math.inf, -math.inf, 5e-324),
    *("x" * 2**20, "\ud800", "\0", {"\0": 1, "\ud800": 2}, {"x" * 600: 1, "x" * 600 + "y": 2}),
    *TEXTS.values(),
)
"""Values that have broken, or could break, something."""
ANYTHING: st.SearchStrategy[Any] = st.sampled_from(STRANGE) | st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=30)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYWORDS = (
    "name",
    "total",
    "unit",
    "meta",
    "key",
    "parent",
    "session",
    "store",
    "bar",
    "interval",
    "record",
    "on_progress",
)


def with_keyword(name: str) -> Callable[[Any], None]:
    """Track with the value as that keyword; what would be a store of its own is not written to."""
    others: dict[str, Any] = {"record": False} if name == "store" else {}

    def call(value: Any) -> None:
        task = progstore.track(**{"name": "x", **others, name: value})
        task.complete()

    return call


def with_method(name: str) -> Callable[[Any], None]:
    """Hand the value to that method of a task."""

    def call(value: Any) -> None:
        task = progstore.track(name="x", total=10)
        with contextlib.closing(task):
            getattr(task, name)(value)
            task.update(0.5)
            assert -clean.LARGEST <= task.done <= clean.LARGEST
            repr(task)
            task._repr_html_()

    return call


def set_metadata(value: Any) -> None:
    """Keep it, and read it again."""
    task = progstore.track(name="x")
    with contextlib.closing(task):
        task["k"] = value
        json.dumps(task["k"], allow_nan=False).encode()


def name_metadata(value: Any) -> None:
    """Keep something under it: that is found under the same again."""
    task = progstore.track(name="x")
    with contextlib.closing(task):
        task[value] = 1
        assert task[value] == 1


def set_total(value: Any) -> None:
    """Say afterwards how many there are."""
    task = progstore.track(name="x")
    with contextlib.closing(task):
        task.total = value
        repr(task)


def declare(value: Any) -> None:
    """Declare tasks, and advance each by the key it was declared under."""
    session = progstore.Session.create(value)
    for key in value:
        session.start(key)
        session.complete(key)
    assert {task.status for task in session.state.tasks.values()} <= {"complete"}


def declared(value: Any) -> None:
    """End a declared task with it."""
    session = progstore.Session.create({"a": "A", "b": "B"}, meta={"v": value})
    session.complete("a", value)
    session.error("b", value)
    session.message(value)


def in_session(value: Any) -> None:
    """Open a session of that name."""
    with progstore.session(value) as session:
        session["v"] = value


CALLS: tuple[Callable[[Any], None], ...] = (
    *map(with_keyword, KEYWORDS),
    *map(with_method, ("update", "message", "report", "simulate", "fail_item", "complete", "cancel", "error")),
    *(set_metadata, name_metadata, set_total, declare, declared, in_session),
)


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the recorder had to complain of."""
    return lambda: [record.getMessage() for record in caplog.records if "recorder failed" in record.getMessage()]


def searching(soak: bool, examples: int) -> Callable[[Any], Any]:
    """How long to look for what breaks."""
    return settings(
        max_examples=examples * 100 if soak else examples,
        deadline=None,
        database=None,
        derandomize=not soak,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def test_whatever_is_handed_in_is_kept_or_refused(
    store_path: Path, quiet: Callable[[], list[str]], soak: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By TypeError, ValueError, NotFound or what a value's own methods raise; recording goes on after all of it."""
    monkeypatch.chdir(store_path.parent)

    def hand_in(call: Callable[[Any], None], value: Any) -> None:
        with contextlib.suppress(TypeError, ValueError, progstore.NotFound, Refusal):
            call(value)

    for value in STRANGE:
        for call in CALLS if soak else CALLS[:: 1 if isinstance(value, str) else 2]:
            hand_in(call, value)
    searching(soak, 300)(given(st.sampled_from(CALLS), ANYTHING)(hand_in))()
    with progstore.track(name="the last", key="last") as task:
        task.update(1)
    assert progstore.flush(60)
    assert quiet() == []
    with progstore.open_store(str(store_path)) as store:
        views = list(pages(store))
        assert [view.done for view in views if view.key == "last"] == [1]
    for view in views:
        json.dumps(view.to_dict(), allow_nan=False).encode()


def pages(store: progstore.Store) -> Iterator[progstore.TaskView]:
    """Every task."""
    page = store.tasks(limit=1000)
    yield from page
    while page.next_cursor is not None:
        page = store.tasks(limit=1000, cursor=page.next_cursor)
        yield from page


class Items:
    """An iterable that lies about its length in some way."""

    def __init__(self, items: list[Any], length: Any, hint: Any, error: BaseException | None) -> None:
        self._items, self._length, self._hint, self._error = items, length, hint, error

    def __iter__(self) -> Iterator[Any]:
        yield from self._items
        if self._error is not None:
            raise self._error

    def __len__(self) -> Any:
        return answer(self._length)

    def __length_hint__(self) -> Any:
        return answer(self._hint)


def answer(said: Any) -> Any:
    """The length that is said, or the error that asking raises."""
    if isinstance(said, BaseException):
        raise said
    return said


LENGTHS = st.integers(-2, 12) | st.sampled_from(
    [10**400, "5", 2.5, None, Refusal(), MemoryError(), True, hostile(int, "__ge__")(3)]
)


def test_a_loop_gets_its_items_and_its_errors(store_path: Path, soak: bool) -> None:
    """The very same ones, whatever the iterable says of its length; and no count is above the truth."""
    told: dict[str, tuple[int, bool]] = {}

    def loops(items: list[Any], length: Any, hint: Any, error: BaseException | None, leave: int) -> None:
        task = progstore.track(Items(items, length, hint, error), "loop")
        got: list[Any] = []
        raised: BaseException | None = None
        try:
            for item in task:
                assert task.done <= len(got)
                got.append(item)
                if len(got) == leave:
                    break
        except Exception as caught:  # noqa: BLE001  # whatever the iterable raised
            raised = caught
        left = 0 < leave <= len(items)
        assert [id(item) for item in got] == [id(item) for item in (items[:leave] if left else items)]
        assert raised is (None if left else error)
        told[task.key] = (len(got), left or error is not None)
        del task

    errors = st.none() | st.sampled_from([Refusal("x"), ValueError("\ud800"), KeyError()])
    searching(soak, 100)(given(st.lists(ANYTHING, max_size=5), LENGTHS, LENGTHS, errors, st.integers(0, 6))(loops))()
    assert progstore.flush(60)
    with progstore.open_store(str(store_path)) as store:
        for view in pages(store):
            reached, ended_early = told[view.key]
            assert view.done <= reached
            assert ended_early or (view.done, view.status) == (reached, "complete")
