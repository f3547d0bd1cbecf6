"""`sql` and `export` hand out the data itself."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("known_store")


def test_a_question_is_answered_as_a_table(run: Run) -> None:
    """Numbers to the right, NULL as nothing."""
    done = run("sql", "select id, name, total from v_tasks where id in (2, 7) order by id")
    assert done.stdout.splitlines() == ["ID  NAME  TOTAL", " 2  Load  200.0", " 7  Look       "]


def test_a_question_is_answered_as_json(run: Run) -> None:
    """One object a row; a column name that comes twice gets a number; bytes and infinity are text."""
    done = run("sql", "select 1 as n, 'ü' as n, x'00ff' as raw, 9e999 as big, null as none", "--json")
    assert json.loads(done.stdout) == [{"n": 1, "n_2": "ü", "raw": "X'00FF'", "big": "Infinity", "none": None}]


def test_a_question_is_answered_as_csv(run: Run) -> None:
    """Also without rows there is the line of titles."""
    assert run("sql", "select 'a,b' as x, null as y", "--csv").stdout == 'x,y\n"a,b",\n'
    assert run("sql", "select id from v_tasks where 0", "--csv").stdout == "id\n"


def test_a_question_may_come_by_the_input(run: Run) -> None:
    """`-` as with other tools."""
    assert run("sql", "-", "--csv", input="select count(*) as n\nfrom v_tasks\n").stdout == "n\n7\n"


@pytest.mark.parametrize(
    "statement",
    [
        "delete from tasks",
        "select * from no_such_table",
        "selec",
        "",
        "select 1; select 2",
        "attach 'x.db' as x",
        "pragma journal_mode=delete",
    ],
)
def test_what_writes_or_is_wrong_is_refused(run: Run, statement: str) -> None:
    """One line, and nothing changed."""
    done = run("sql", statement)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("progstore: ")
    assert done.stderr.count("\n") == 1
    assert run("sql", "select count(*) as n from v_tasks", "--csv").stdout == "n\n7\n"


def test_an_endless_question_is_stopped(run: Run) -> None:
    """After the seconds it was given."""
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
    done = run("sql", endless, "--seconds", "0.2")
    assert done.returncode == 2
    assert done.stderr.startswith("progstore: ")


def test_rows_left_out_are_told_of(run: Run) -> None:
    """On stderr, so that the output stays what a program reads."""
    done = run("sql", "select id from v_tasks order by id", "--limit", "2", "--csv")
    assert done.stdout == "id\n1\n2\n"
    assert done.stderr == "progstore: there are more rows; --limit 20 shows more than these 2\n"


def test_nothing_in_an_answer_steers_the_terminal(run: Run) -> None:
    """A table shows control characters as escapes; JSON has its own."""
    assert "\\x1b[2Jgone" in run("sql", "select name from v_tasks where id = 4").stdout
    assert "\\u001b[2Jgone" in run("sql", "select name from v_tasks where id = 4", "--json").stdout


def test_an_export_has_every_task_oldest_first(run: Run) -> None:
    """As one JSON object a line."""
    rows = [json.loads(line) for line in run("export").stdout.splitlines()]
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert rows[1]["error"] == "bad row"


def test_an_export_may_be_filtered_and_csv(run: Run) -> None:
    """By the options of `ls`, over tasks; what is concluded, such as lost, is no filter here."""
    rows = list(csv.DictReader(io.StringIO(run("export", "--format", "csv", "--status", "error").stdout)))
    assert [row["name"] for row in rows] == ["Load"]
    assert run("export", "--name", "nothing").stdout == ""
    assert run("export", "--status", "lost").returncode == 2


def test_an_export_is_utf8_whatever_the_terminal_speaks(run_process: Run) -> None:
    """A file that is read elsewhere must not depend on where it was written."""
    for encoding in ("ascii", "latin-1", "utf-8"):
        done = run_process("export", env={"PYTHONIOENCODING": encoding})
        assert json.loads(done.stdout.splitlines()[3])["name"] == "\x1b[2Jgone"
