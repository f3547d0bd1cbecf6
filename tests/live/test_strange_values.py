"""Values with ways of their own, of no encoding, beyond all numbers: the job sees its own errors, all is recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import progstore
from progstore import BadValue, clean
from progstore.live.process import masked
from progstore.live.task import Task


@pytest.mark.parametrize("store", ["a\0b", "lone \ud800", "x" * 5000, "postgresql://nowhere.invalid/x\ud800"])
def test_a_store_that_cannot_be_is_one_warning_and_others_are_written(
    store: str, ask: Callable[..., list[Any]], until: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The recorder goes on for what is meant for another store."""
    with progstore.track([1], "lost", store=store) as task:
        assert list(task) == [1]
    with progstore.track([1], "kept") as task:
        assert list(task) == [1]
    assert until(lambda: ask("SELECT name FROM tasks WHERE status = 'complete'")) == ["kept"]
    warned = [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert [record.exc_info for record in warned] == [None]


Ask = Callable[..., list[Any]]


class Named(Exception):
    """One whose name no store can hold."""

    __qualname__ = "lone \ud800" + "n" * 600


class Text(str):
    """Text that has ways of its own."""

    __slots__ = ()

    def isascii(self) -> bool:
        """Not to be had."""
        raise RuntimeError


class Spoken(Exception):
    """One whose text is such."""

    def __str__(self) -> str:
        return Text("said")


def odd_syntax_error() -> SyntaxError:
    """One that Python itself cannot format."""
    error = SyntaxError("said")
    for name, value in (("filename", 5), ("lineno", "a"), ("text", 5)):
        setattr(error, name, value)  # as engines of templates may
    return error


@pytest.mark.parametrize("make", [lambda: Named("said"), Spoken, odd_syntax_error], ids=["name", "text", "syntax"])
def test_the_jobs_own_error_comes_through_and_is_kept(make: Callable[[], Exception], store_path: Path) -> None:
    """Though its class, its text or its traceback cannot be had as they are."""
    error = make()
    with pytest.raises(type(error)) as caught, progstore.track(name="x"):
        raise error
    assert caught.value is error
    assert progstore.flush(10)
    with progstore.open_store(str(store_path)) as store:
        (view,) = store.tasks()
    assert (view.status, view.error) == ("error", "said")
    assert view.traceback is not None
    assert "test_strange_values" in view.traceback
    assert len(view.error_type or "") <= clean.NAME_LIMIT


def test_a_program_whose_name_is_no_text_is_recorded(run_program: Callable[..., str], store_path: Path) -> None:
    """A file name of other bytes becomes the nearest text, as session, program and argument."""
    run_program(
        """
        import sys
        sys.argv = ["/srv/caf\\udce9.py", "\\udcff"]
        import progstore
        with progstore.track([1], "work", session="lone \\ud800") as task: list(task)
        with progstore.track([1], "more") as task: list(task)
        """,
        PROGSTORE_SESSION="x\u00b2@\u00b2:1",
    )
    with progstore.open_store(str(store_path)) as store:
        assert {task.session_name for task in store.tasks()} == {"caf\ufffd", "lone \ufffd"}
        assert {session.program for session in store.sessions()} == {"caf\ufffd"}


def test_a_small_value_that_stands_for_billions_is_refused() -> None:
    """A list that holds a list twice, and so on, is not written out before that is seen."""
    value: list[Any] = []
    for _ in range(45):
        value = [value, value]
    task = progstore.track(name="x")
    with pytest.raises(BadValue, match="more values"):
        task["k"] = value


def test_keys_that_would_become_one_are_refused() -> None:
    """Nothing of what was given is lost without a word: as metadata, within it, and as tasks."""
    given = {"a\0": 1, "a\ud800": 2}
    with pytest.raises(BadValue, match="must differ"):
        progstore.track(name="x", meta=given)
    task = progstore.track(name="x")
    with pytest.raises(BadValue, match="must differ"):
        task["k"] = given
    with pytest.raises(BadValue, match="must differ"):
        progstore.Session.create(dict.fromkeys(given, "T"))


def test_what_is_kept_under_a_cleaned_key_is_found_under_what_was_said() -> None:
    """Metadata and declared tasks."""
    task = progstore.track(name="x")
    task["a\0"] = 1
    assert task["a\0"] == 1
    session = progstore.Session.create({"a\0": "A"})
    session.start("a\0")
    session.complete("a\0")
    assert [task.status for task in session.state.tasks.values()] == ["complete"]


def test_a_count_beyond_every_double_can_be_shown_and_added_to() -> None:
    """As the documentation says, it stands at the largest there is."""
    task = progstore.track(name="x", total=10)
    task.update(10**400)
    task.update(0.5)
    assert task.done == clean.LARGEST
    assert "1e+300/10" in repr(task)
    assert "1e+300" in task._repr_html_() or "1" in task._repr_html_()


@pytest.mark.parametrize("keyword", ["meta", "parent"])
@pytest.mark.parametrize("value", [5, "x", [1]])
def test_what_is_no_mapping_and_no_task_is_refused(keyword: str, value: Any) -> None:
    """With a word about what is."""
    with pytest.raises(TypeError, match=r"mapping|Task"):
        progstore.track(name="x", **{keyword: value})


def test_the_task_that_is_nothing_is_no_parent(store_path: Path) -> None:
    """What `current()` gives outside of every task leaves the new one where it would be without."""
    nothing: Task[Any] = progstore.current()
    with progstore.session("here"), progstore.track([1], "x", parent=nothing) as task:
        list(task)
    assert progstore.flush(10)
    with progstore.open_store(str(store_path)) as store:
        (view,) = store.tasks()
    assert (view.session_name, view.parent_id) == ("here", None)


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("postgresql://ann:se/cret@db/runs", "postgresql://***@db/runs"),
        ("https://ann@example.org/?q=1", "https://***@example.org/?q=1"),
        ("--to=https://example.org/~ann/mail", "--to=https://example.org/~ann/mail"),
    ],
)
def test_credentials_in_urls_are_masked(word: str, kept: str) -> None:
    """Also where a password holds a slash; addresses without any stay as they are."""
    assert masked([word]) == [kept]


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("https://h/?a=1&token=abc&b=2", "https://h/?a=1&token=***&b=2"),
        ("host=db user=u password=geheim port=1", "host=db user=u password=*** port=1"),
        ("password='two words' user=u", "password=***"),
        ("X-Auth-Token: abc", "X-Auth-Token: ***"),
        ('{"user": "u", "api_key": "two words", "n": 1}', '{"user": "u", "api_key": ***, "n": 1}'),
        ("tests/test_keys.py::TestKeys::test_token", "tests/test_keys.py::TestKeys::test_token"),
        ("the key to it, a token", "the key to it, a token"),
        (Path("/srv/photos"), "/srv/photos"),
    ],
)
def test_secrets_within_a_word_are_masked(word: object, kept: str) -> None:
    """Queries, headers, JSON and addresses of databases; what only speaks of keys stays, and words need not be text."""
    assert masked([word]) == [kept]


def test_a_command_line_of_other_things_than_text_is_recorded(run_program: Callable[..., str], ask: Ask) -> None:
    """Programs put what they like into `sys.argv`."""
    run_program(
        """
        import pathlib, sys, progstore

        sys.argv = [pathlib.Path("/opt/job.py"), 7]
        list(progstore.track([1], "x"))
        """
    )
    assert ask("SELECT argv, program, status FROM processes JOIN tasks ON process_id = processes.id") == [
        ('["/opt/job.py", "7"]', "job", "complete")
    ]


def test_a_relative_store_in_a_directory_that_was_removed_ends_no_job(
    program: Callable[..., Any], tmp_path: Path
) -> None:
    """There is one warning with the way out; who asks for the store gets the same as an exception."""
    gone = tmp_path / "gone"
    gone.mkdir()
    job = program(
        f"""
        import os, progstore

        os.chdir({str(gone)!r})
        os.rmdir({str(gone)!r})
        print(list(progstore.track("ab", "tracked")))
        with progstore.session("block"):
            print(list(progstore.track("c", "in a block")), progstore.flush(10))
        try:
            progstore.open_store()
        except progstore.StoreError as error:
            print(error)
        """,
        PROGSTORE_URL="here.db",
    )
    printed, warned = job.communicate(timeout=30)
    why = "'here.db' cannot be found: the working directory of this process was removed; give an absolute path"
    assert printed.splitlines() == ["['a', 'b']", "['c'] False", why]
    assert (warned.count("\n"), warned.count(why), job.returncode) == (1, 1, 0)
