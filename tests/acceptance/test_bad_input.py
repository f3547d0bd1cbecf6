"""Bad input has a defined answer each: a clear error for the caller, or a cleaned value; and it loses nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import progstore
from progstore import clean


@pytest.fixture
def store(store_path: Path) -> Callable[[], progstore.Store]:
    """The store with all that was said so far."""

    def opened() -> progstore.Store:
        assert progstore.flush(10)
        return progstore.open_store(str(store_path))

    return opened


OpenStore = Callable[[], progstore.Store]


@pytest.mark.parametrize(
    ("total", "error", "says"),
    [
        (-1, progstore.BadValue, "must not be negative"),
        (math.nan, progstore.BadValue, "got NaN"),
        (10**400, progstore.BadValue, "too large"),
        ("10", TypeError, "must be a number, got str"),
        ([], TypeError, "must be a number, got list"),
    ],
)
def test_a_total_that_cannot_be_is_refused(total: Any, error: type[Exception], says: str) -> None:
    """The message says what is accepted."""
    with pytest.raises(error, match=says):
        progstore.track(name="x", total=total)


def test_an_infinite_total_is_an_unknown_one() -> None:
    """As tqdm has it."""
    assert progstore.track(name="x", total=math.inf).total is None


def test_done_may_go_beyond_the_total_and_the_percent_does_not(store: OpenStore) -> None:
    """The count is what was counted; a percent never passes 100."""
    with progstore.track(name="x", total=10) as task:
        task.update(25)
    with store() as opened:
        (view,) = opened.tasks()
    assert (view.done, view.total, view.percent) == (25, 10, 100)


@pytest.mark.parametrize("n", ["1", None, object()])
def test_an_update_by_no_number_is_refused_and_counts_nothing(n: Any) -> None:
    """A wrong type is the caller's mistake."""
    task = progstore.track(name="x")
    with pytest.raises(TypeError, match="n must be a number"):
        task.update(n)
    assert task.done == 0


def test_an_update_by_nan_is_refused_and_counts_nothing() -> None:
    """A count that is no number would spoil all that follow."""
    task = progstore.track(name="x")
    with pytest.raises(progstore.BadValue, match="NaN"):
        task.update(math.nan)
    assert task.done == 0


def test_a_count_beyond_every_double_stands_at_the_largest(store: OpenStore) -> None:
    """10**30 is kept as a double; 10**400 as the largest count there is; the loop goes on."""
    with progstore.track(name="big") as task:
        task.update(10**30)
    with progstore.track(name="huge") as task:
        task.update(10**400)
    with store() as opened:
        done = {view.name: view.done for view in opened.tasks()}
    assert done == {"big": 1e30, "huge": clean.LARGEST}


@pytest.mark.parametrize(
    ("value", "error", "says"),
    [
        (object(), TypeError, "must be JSON, got object"),
        ({1: 2}, TypeError, "must be a string, got int"),
        ({"a": {"b": {1, 2}}}, TypeError, "must be JSON, got set"),
        ("x" * 200_000, progstore.BadValue, "at most 100,000"),
    ],
)
def test_metadata_that_json_cannot_say_is_refused(value: Any, error: type[Exception], says: str) -> None:
    """Whether it is given at the start or set later, and what was there stays."""
    with pytest.raises(error, match=says):
        progstore.track(name="x", meta={"good": 1, "bad": value})
    task = progstore.track(name="x", meta={"good": 1})
    with pytest.raises(error, match=says):
        task["bad"] = value
    assert task["good"] == 1


def test_metadata_nested_too_deep_is_refused() -> None:
    """A list that holds itself, too, ends in a clear error."""
    endless: list[Any] = []
    endless.append(endless)
    task = progstore.track(name="x")
    with pytest.raises(progstore.BadValue, match="nested deeper than 50"):
        task["loop"] = endless


def test_not_a_number_in_metadata_becomes_its_name(store: OpenStore) -> None:
    """JSON has no NaN; a loss that diverged is still a fact worth keeping."""
    with progstore.track(name="train", meta={"loss": math.nan, "best": [math.inf, -math.inf]}):
        pass
    with store() as opened:
        (view,) = opened.tasks()
    assert dict(view.meta) == {"loss": "NaN", "best": ["Infinity", "-Infinity"]}


def test_past_a_thousand_metadata_keys_further_ones_are_refused() -> None:
    """Memory stays bounded, and the message says what to do instead."""
    task = progstore.track(name="x")
    for number in range(1000):
        task[f"k{number}"] = number
    with pytest.raises(progstore.BadValue, match="at most 1000 metadata keys"):
        task["one more"] = 1
    task["k0"] = "known keys can still change"


def test_lone_surrogates_and_nul_are_replaced_everywhere(store: OpenStore) -> None:
    """What no store can hold becomes U+FFFD; all around it is kept."""
    bad = "a\ud800b\0c"
    with progstore.session(bad), progstore.track([1], bad, unit=bad, key=bad, meta={bad: bad}) as task:
        task.message(bad)
        task.fail_item(bad)
        list(task)
    with store() as opened:
        (view,) = opened.tasks()
        events = opened.events(task_id=view.id)
    good = "a\ufffdb\ufffdc"
    assert (view.name, view.unit, view.key, view.message, dict(view.meta)) == (good, good, good, good, {good: good})
    assert view.session_name == good
    assert good in {event.message for event in events}


def test_a_message_of_a_megabyte_is_cut_and_says_so(store: OpenStore) -> None:
    """Its beginning is kept, with a word about its length."""
    with progstore.track(name="x") as task:
        task.message("m" * 2**20)
    with store() as opened:
        (view,) = opened.tasks()
    assert len(view.message) == clean.MESSAGE_LIMIT
    assert view.message.endswith("… [cut, 1,048,576 characters]")


def test_an_error_of_a_megabyte_keeps_the_end_of_its_traceback(store: OpenStore) -> None:
    """There the error stands."""
    with pytest.raises(ValueError, match="eee"), progstore.track(name="x"):
        raise ValueError("e" * 2**20 + "the end")
    with store() as opened:
        (view,) = opened.tasks()
    assert view.error is not None
    assert view.traceback is not None
    assert len(view.error) == clean.MESSAGE_LIMIT
    assert view.traceback.rstrip().endswith("the end")


def test_an_exception_whose_text_cannot_be_had_is_still_kept(store: OpenStore) -> None:
    """The user's error goes on, not one of ours."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    with pytest.raises(Mute), progstore.track(name="x"):
        raise Mute
    with store() as opened:
        (view,) = opened.tasks()
    assert view.error_type is not None
    assert view.error_type.endswith("Mute")
    assert view.error is not None
    assert "cannot be had" in view.error


@pytest.mark.parametrize("keyword", ["name", "key", "unit"])
def test_a_name_that_is_no_string_is_refused(keyword: str) -> None:
    """And the message says how to make it one."""
    arguments: dict[str, Any] = {"name": "x", keyword: 7}
    with pytest.raises(TypeError, match=rf"{keyword} must be a string, got int; use str"):
        progstore.track(**arguments)


def test_a_duplicate_key_in_a_session_is_a_new_attempt(store: OpenStore) -> None:
    """Both runs are kept, numbered."""
    with progstore.session("twice"):
        for _ in range(2):
            list(progstore.track("ab", "same", key="k"))
    with store() as opened:
        assert sorted(view.attempt for view in opened.tasks()) == [1, 2]


@pytest.mark.parametrize("interval", [-1, "soon", math.nan, 10**9])
def test_an_interval_that_cannot_be_is_refused(interval: Any) -> None:
    """Seconds, up to an hour."""
    with pytest.raises(ValueError, match=r"interval|could not convert"):
        progstore.track(name="x", interval=interval)


def test_a_setting_that_does_not_exist_is_refused() -> None:
    """The message names those that do."""
    with pytest.raises(TypeError, match="no setting 'intervall'; it has bar"):
        progstore.configure(intervall=1)


def test_an_environment_variable_that_cannot_be_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """PROGSTORE_INTERVAL=abc: the default holds, and one warning names the variable; 1.5 is 1.5."""
    monkeypatch.setenv("PROGSTORE_INTERVAL", "abc")
    for _ in range(3):
        assert progstore.track(name="x").state.interval == 0.5
    assert [record.message for record in caplog.records if "PROGSTORE_INTERVAL" in record.message] == [
        "PROGSTORE_INTERVAL='abc' is not used: could not convert string to float: 'abc'; going on with 0.5"
    ]
    monkeypatch.setenv("PROGSTORE_INTERVAL", "1.5")
    assert progstore.track(name="x").state.interval == 1.5


def test_a_keyword_wins_over_configure_and_that_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearer to the call, the stronger."""
    monkeypatch.setenv("PROGSTORE_INTERVAL", "3")
    assert progstore.track(name="x").state.interval == 3
    progstore.configure(interval=2)
    assert progstore.track(name="x").state.interval == 2
    assert progstore.track(name="x", interval=1).state.interval == 1
    progstore.configure(interval=None)
    assert progstore.track(name="x").state.interval == 3


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(), message=st.text(), value=st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists)
)
def test_whatever_text_and_json_is_said_arrives(store: OpenStore, name: str, message: str, value: Any) -> None:
    """No text and no JSON value makes a row that cannot be written."""
    with progstore.track(name=name, meta={"value": value}) as task:
        task.message(message)
    key = task.key
    with store() as opened:
        (view,) = [view for view in opened.tasks(limit=1000) if view.key == key]
    assert view.name == clean.printable(name)
    assert view.message == clean.printable(message)
