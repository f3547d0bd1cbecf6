"""Anybody's SQL: what may be asked, and what is refused with SQLite's own words."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from progstore import BadQuery, QueryResult
from progstore.store import questions
from progstore.store.store import Store
from tests.store.conftest import Filled

COUNTING = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n{end}) SELECT i FROM n"


@pytest.mark.sqlite
def test_a_question_is_answered_with_its_columns(filled: Filled, store: Store) -> None:
    """Parameters by place or by name."""
    filled.session("nightly")
    expected = QueryResult(("id", "who"), ((1, "nightly"),))
    assert store.query("SELECT id, name AS who FROM sessions WHERE name = ?", ["nightly"]) == expected
    assert store.query("SELECT id, name AS who FROM sessions WHERE name = :name", {"name": "nightly"}) == expected


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1;",
        "  -- a comment\nSELECT 1",
        "VALUES (1)",
        "SELECT value FROM json_each('[1]')",
        "SELECT count(*) FROM json_tree('5')",
        "SELECT 1 FROM sqlite_master LIMIT 1",
        COUNTING.format(end=" LIMIT 1"),
        "SELECT row_number() OVER (ORDER BY name) FROM sqlite_master LIMIT 1",
    ],
)
def test_whatever_only_reads_is_allowed(filled: Filled, store: Store, sql: str) -> None:
    """Common table expressions, windows, JSON and the schema too."""
    assert store.query(sql).rows == ((1,),)


@pytest.mark.sqlite
def test_a_plan_may_be_asked_for(filled: Filled, store: Store) -> None:
    """EXPLAIN QUERY PLAN changes nothing."""
    assert store.query("EXPLAIN QUERY PLAN SELECT * FROM tasks").columns[-1] == "detail"


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DELETE FROM tasks", "DELETE is not allowed"),
        ("INSERT INTO store_info VALUES ('a', 'b')", "INSERT is not allowed"),
        ("UPDATE tasks SET done = 5", "UPDATE is not allowed"),
        ("WITH x AS (SELECT 1) UPDATE tasks SET done = 5", "UPDATE is not allowed"),
        ("CREATE TABLE t (a)", "not allowed"),
        ("CREATE TEMP TABLE t (a)", "not allowed"),
        ("CREATE TEMP VIEW t AS SELECT 1", "not allowed"),
        ("DROP VIEW v_tasks", "not allowed"),
        ("ATTACH 'other.db' AS other", "ATTACH is not allowed"),
        ("VACUUM INTO 'copy.db'", "ATTACH is not allowed"),
        ("VACUUM", "not allowed"),
        ("PRAGMA query_only = OFF", "PRAGMA is not allowed"),
        ("PRAGMA user_version", "PRAGMA is not allowed"),
        ("SELECT * FROM pragma_table_info('tasks')", "not allowed"),
        ("SELECT load_extension('evil')", "not allowed"),
        ("BEGIN", "TRANSACTION is not allowed"),
        ("SAVEPOINT a", "SAVEPOINT is not allowed"),
        ("REINDEX", "not allowed"),
        ("ANALYZE", "not allowed"),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("SELECT 1; DELETE FROM tasks", "one statement at a time"),
        ("", "begin with SELECT"),
        ("-- nothing", "begin with SELECT"),
        ("SELECT missing FROM tasks", "no such column: missing"),
        ("SELEKT 1", "syntax error"),
        ("SELECT ?", "binding"),
        ("SELECT \0 1", "null character"),
        ("SELECT 'lone \ud800'", "surrogates"),
        ("SELECT zeroblob(20000000)", "too big: a value may be 284,604 long in a question of 10 s"),
        ("SELECT 'a' LIKE '" + "%a" * 600 + "'", "pattern too complex"),
        ("SELECT trim('a', hex(zeroblob(100)))", "user-defined function raised exception"),
        ("SELECT '" + "x" * 200_000 + "'", "too large"),
    ],
)
def test_whatever_is_not_a_question_is_refused(
    filled: Filled, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str, said: str
) -> None:  # fmt: skip
    """With the reason, and without a trace in the store or beside it."""
    monkeypatch.chdir(tmp_path)
    filled.task(filled.session())
    before = store.query("SELECT * FROM tasks").rows, sorted(os.listdir(tmp_path))
    with pytest.raises(BadQuery, match=said):
        store.query(sql)
    assert (store.query("SELECT * FROM tasks").rows, sorted(os.listdir(tmp_path))) == before


@pytest.mark.sqlite
@pytest.mark.parametrize("params", [[10**30], ["lone \ud800"], [object()], {"wrong": 1}, [1, 2], 5])
def test_parameters_that_sqlite_cannot_take_are_refused(
    filled: Filled, store: Store, params: Sequence[Any] | Mapping[str, Any]
) -> None:
    """Too large, no text, no value, the wrong name, too many, none at all."""
    with pytest.raises(BadQuery):
        store.query("SELECT :right", params)


@pytest.mark.sqlite
def test_a_question_ends_when_its_time_is_over(filled: Filled, store: Store) -> None:
    """One that never would: it is interrupted, and the message says what to do."""
    with pytest.raises(BadQuery, match=r"after 0\.2 s; add a condition"):
        store.query(COUNTING.format(end=""), seconds=0.2, limit=10**6)
    with pytest.raises(BadQuery, match="interrupted"):
        store.query("SELECT count(*) FROM (" + COUNTING.format(end="") + ")", seconds=0.2)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT instr(hex(zeroblob(4000000)), hex(zeroblob(2000000)) || '1')",
        "SELECT instr(hex(zeroblob(45000)), hex(zeroblob(22500)) || '1') FROM (" + COUNTING.format(end="") + ")",
        "SELECT hex(zeroblob(45000)) GLOB '*' || hex(zeroblob(495)) || '1' FROM (" + COUNTING.format(end="") + ")",
    ],
)
def test_no_function_runs_on_when_the_time_is_over(filled: Filled, store: Store, sql: str) -> None:
    """Each call of one is short, for SQLite only looks at the clock between them."""
    with pytest.raises(BadQuery, match=r"interrupted|too big"):
        store.query(sql, seconds=0.1)


@pytest.mark.sqlite
def test_text_is_trimmed_as_sqlite_does(filled: Filled, store: Store) -> None:
    """Of blanks, of the signs that are given, of nothing."""
    sql = "SELECT trim(' a '), trim('xxaxy', 'xy'), ltrim(5.5, 5), rtrim('axx', 'x'), trim('a', ''), trim(NULL, 'a')"
    assert store.query(sql).rows == (("a", "a", ".5", "a", "a", None),)


@pytest.mark.sqlite
def test_an_answer_has_so_many_rows_and_says_that_there_were_more(filled: Filled, store: Store) -> None:
    """Exactly as many as there are is not more."""
    three = COUNTING.format(end=" LIMIT 3")
    assert store.query(three, limit=2) == QueryResult(("i",), ((1,), (2,)), truncated=True)
    assert store.query(three, limit=3) == QueryResult(("i",), ((1,), (2,), (3,)), truncated=False)


@pytest.mark.sqlite
def test_an_answer_has_so_many_characters(filled: Filled, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows can be large, too; the first is always there."""
    monkeypatch.setattr(questions, "LARGEST_RESULT", 1000)
    answer = store.query("SELECT printf('%.600c', 'x') FROM (" + COUNTING.format(end=" LIMIT 9") + ")")
    assert (len(answer.rows), answer.truncated) == (1, True)


@pytest.mark.parametrize("limits", [{"limit": 0}, {"limit": 10**7}, {"seconds": 0}, {"seconds": float("nan")}])
def test_limits_have_limits(filled: Filled, store: Store, limits: dict[str, Any]) -> None:
    """The message says which."""
    with pytest.raises(BadQuery, match="from"):
        store.query("SELECT 1", **limits)


@pytest.mark.sqlite
def test_what_is_no_text_is_shown_as_text(filled: Filled, store: Store) -> None:
    """Blobs, broken UTF-8 and infinities; an answer can always be made JSON of."""
    sql = "SELECT x'00ff', CAST(x'61ff62' AS TEXT), 9e999, -9e999, NULL, 1.5"
    assert store.query(sql).rows == (("X'00FF'", "a\ufffdb", "Infinity", "-Infinity", None, 1.5),)
    ((blob,),) = store.query("SELECT zeroblob(5000)").rows
    assert blob.endswith("… [cut, 5,000 bytes]")


def test_a_question_holds_nothing_up_and_is_not_held_up(filled: Filled, store: Store) -> None:
    """A writer writes while somebody asks, and the next answer has it."""
    filled.session()
    assert store.query("SELECT count(*) FROM sessions").rows == ((1,),)
    filled.session()
    assert store.query("SELECT count(*) FROM sessions").rows == ((2,),)
