"""Every promise names a test that exists, every module that breaks things is named, and the figures are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("faults", "processes")
NAMED = re.compile(r"`((?:faults|processes)/test_\w+\.py)::(test_\w+)`")


def _rows() -> list[str]:
    """The rows of the page's tables, without their heads."""
    lines = (ROOT / "docs" / "promises.md").read_text("utf-8").splitlines()
    tables = [line for line in lines if line.startswith("|")]
    return [line for line in tables if not line.startswith(("| fault |", "|---"))]


def test_each_promise_names_a_test_that_exists() -> None:
    """One in each row, by its whole name; and each row says what may be lost."""
    tests: dict[str, set[str]] = {}
    for row in _rows():
        cells = row.strip("|").split(" | ")
        named = NAMED.fullmatch(cells[-1].strip())
        assert len(cells) == 6, row
        assert named, row
        if named[1] not in tests:
            tree = ast.parse((ROOT / "tests" / named[1]).read_text("utf-8"))
            tests[named[1]] = {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
        assert named[2] in tests[named[1]], row


def test_each_module_that_breaks_things_is_named() -> None:
    """A fault that is tried and not promised would be a promise that nobody knows of."""
    named = {path for row in _rows() for path, _ in NAMED.findall(row)}
    assert named == {f"{room}/{path.name}" for room in ROOMS for path in (ROOT / "tests" / room).glob("test_*.py")}


def test_the_figures_of_the_long_run_say_when_and_where_and_that_nothing_was_lost() -> None:
    """As the run wrote them."""
    where, _, table = (ROOT / "docs" / "long-run.md").read_text("utf-8").partition("\n")
    assert re.fullmatch(r"Measured on \d{4}-\d\d-\d\d with Python [\d.]+, SQLite [\d.]+, Linux \S+, \d+ cores\.", where)
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert {row[3] for row in rows} == {"0"}
    for what in ("SIGKILL of jobs", "SIGKILL of upgrades", "SIGKILL of clean-ups", "power cuts", "64 writers"):
        assert any(row[0].startswith(what) for row in rows), what
