"""Functions become jobs: what their signatures may be, how they are found, and what they can be given."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

import progstore
from progstore.jobs import declaring
from tests.conftest import Declare


class Size(enum.Enum):
    """How large."""

    SMALL = 200
    LARGE = 800


@pytest.fixture(autouse=True)
def no_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test declares is forgotten after it."""
    monkeypatch.setattr(declaring, "_declared", {})


def declared(name: str) -> progstore.Job:
    """The job of that name."""
    return declaring.load_jobs()[name]


def everything(
    text: str,
    number: int,
    width: float,
    *,
    sure: bool,
    day: dt.date,
    at: dt.datetime,
    path: Path,
    mode: Literal["fast", "safe", 3],
    size: Size,
    tags: list[str],
    limit: int | None = None,
    noted: Annotated[str, "in the log"] = "",
) -> None:
    """All that a job can take.

    And more of it.
    """


def test_a_job_takes_what_its_annotations_say() -> None:
    """From text, as people type it, and from JSON; what is left out has its default."""
    progstore.job("everything")(everything)
    job = declared("everything")
    assert (job.summary, job.module) == ("All that a job can take.", __name__)
    typed = {
        "text": "a\nb", "number": " 7 ", "width": "1e3", "sure": "Yes", "day": "2026-11-30", "at": "2026-11-30T08:15",
        "path": "/srv/photos", "mode": "safe", "size": "LARGE", "tags": ["sea", "sun"], "limit": None,
    }  # fmt: skip
    meant = {
        "text": "a\nb", "number": 7, "width": 1000.0, "sure": True, "day": dt.date(2026, 11, 30),
        "at": dt.datetime(2026, 11, 30, 8, 15), "path": Path("/srv/photos"), "mode": "safe",  # noqa: DTZ001  # typed without a zone
        "size": Size.LARGE, "tags": ["sea", "sun"], "limit": None,
    }  # fmt: skip
    assert job.read(typed) == meant
    as_json = {**typed, "number": 7, "width": 1000, "sure": True, "mode": 3, "tags": "sea", "limit": 5}
    assert job.read(as_json) == {**meant, "mode": 3, "tags": ["sea"], "limit": 5}
    written = {each.name: each.write(meant[each.name]) for each in job.parameters if each.name in meant}
    assert job.read(written) == meant


@pytest.mark.parametrize(
    ("name", "given", "fault"),
    [
        ("number", "seven", "a whole number, got 'seven'"),
        ("number", 1.5, "a whole number, got 1.5"),
        ("number", True, "a whole number, got True"),
        ("number", "9" * 5000, "a whole number, got '999"),
        ("width", "nan", "a finite number, got 'nan'"),
        ("width", 10**400, "a number, got 1000"),
        ("width", [1], "a number, got [1]"),
        ("sure", "perhaps", "true or false, got 'perhaps'"),
        ("sure", 1, "true or false, got 1"),
        ("day", "30.11.2026", "a date such as 2026-11-30, got '30.11.2026'"),
        ("day", None, "a date such as 2026-11-30, got None"),
        ("at", "noon", "a time such as 2026-11-30T08:15, got 'noon'"),
        ("path", "", "a path, got ''"),
        ("path", "a\0b", "a path, got 'a\\x00b'"),
        ("mode", "slow", "one of fast, safe, 3, got 'slow'"),
        ("mode", True, "one of fast, safe, 3, got True"),
        ("size", "800", "one of SMALL, LARGE, got '800'"),
        ("text", 5, "a text, got 5"),
        ("tags", ["sea", 5], "a text, got 5"),
        ("limit", "", "a whole number, got ''"),
    ],
)
def test_what_a_parameter_does_not_take_is_a_fault_of_its_own(name: str, given: object, fault: str) -> None:
    """It says what is taken, and what was given."""
    progstore.job("everything")(everything)
    with pytest.raises(progstore.BadArguments) as error:
        declared("everything").read({name: given})
    assert error.value.faults[name].startswith(fault)
    assert len(error.value.faults[name]) < 120
    assert error.value.faults["day" if name != "day" else "path"] == "is needed"


def test_what_nobody_declared_is_refused() -> None:
    """With the names that there are."""

    @progstore.job
    def shrink(width: int = 800) -> None: ...

    with pytest.raises(progstore.BadArguments, match="height: there is no such parameter; there are width"):
        declared("shrink").read({"height": "5"})


# Each with what is wrong with it.


def untyped(row) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  # that is what is wrong with it
    """It does not say what it takes."""


def positional(row: int, /) -> None:
    """Nobody can give it by name."""


def rest(*rows: int) -> None:
    """It has no names for what it takes."""


def mapping(rows: dict[str, int]) -> None:
    """It takes what has no text."""


def either(row: int | str) -> None:
    """It takes what text could mean in two ways."""


def unknown(row: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821  # that is what is wrong with it
    """It takes what is not there."""


def two_tasks(one: progstore.Task[Any], two: progstore.Task[Any]) -> None:
    """A run has only one."""


def generator(rows: int) -> Iterator[int]:
    """Nobody would loop over it."""
    yield rows


@pytest.mark.parametrize(
    ("func", "complaint"),
    [
        (untyped, "'row' has no annotation"),
        (positional, "'row' cannot be"),
        (rest, "'rows' cannot be"),
        (mapping, "'rows' is annotated dict"),
        (either, "'row' is annotated"),
        (unknown, "'Nowhere' of the job's parameter 'row' fails"),
        (two_tasks, "'two' is annotated"),
        (generator, "is a generator"),
        (Size, "decorates functions"),
    ],
)
def test_a_signature_that_nobody_can_fill_in_is_a_mistake_at_once(func: Callable[..., Any], complaint: str) -> None:
    """A TypeError, when the function is decorated, that names the parameter."""
    with pytest.raises(TypeError, match=complaint):
        progstore.job("wrong")(func)


@pytest.mark.parametrize("name", ["", "7", "a b", "a/b", "-x", "x" * 101, "<b>"])
def test_a_name_is_a_word(name: str) -> None:
    """It is typed on command lines, and stands in addresses."""
    with pytest.raises(ValueError, match="a job's name is a word"):
        progstore.job(name)(everything)


def test_a_decorated_function_stays_as_it_is() -> None:
    """Called directly it is just called; a task is its caller's to give."""

    @progstore.job("double")
    def double(number: int) -> int:
        return 2 * number

    assert double(4) == 8


def test_a_name_is_declared_once(declare: Declare) -> None:
    """Another function cannot have it; but a module that is loaded anew declares its own again."""
    source = '@progstore.job("shrink")\ndef shrink() -> None: ...\n'
    declare(source)
    assert list(declare(source)) == ["shrink"]
    with pytest.raises(progstore.BadValue, match="there is a job 'shrink' already, in photo_jobs"):
        declare(source, module="other_jobs")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (
            "import nowhere_to_be_found",
            "ModuleNotFoundError: No module named 'nowhere_to_be_found' .*photo_jobs.py, line 3",
        ),
        ("1 / 0", "ZeroDivisionError: division by zero .*photo_jobs.py, line 3"),
        ("def f(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("rows = 7", "there is no job in photo_jobs"),
    ],
)
def test_a_module_without_jobs_to_be_had_says_why(declare: Declare, source: str, complaint: str) -> None:
    """What is wrong with it, and where."""
    with pytest.raises(progstore.BadValue, match=complaint):
        declare(source)


def test_what_stands_in_main_is_offered_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other process could import it."""
    scope: dict[str, Any] = {"__name__": "__main__", "progstore": progstore}
    exec("@progstore.job\ndef lost() -> None: ...\n@progstore.job\ndef gone() -> None: ...", scope)  # noqa: S102  # as a script would
    with pytest.raises(progstore.BadValue, match="there is no job in this program"):
        progstore.load_jobs()
    found: Mapping[str, progstore.Job] = declaring._declared
    assert list(found) == ["lost", "gone"]
