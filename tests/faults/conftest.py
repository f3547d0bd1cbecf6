"""What the tests with broken stores share: asking the store from outside, and waiting for what must come."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import pytest

Answer = TypeVar("Answer")

PATIENCE = 30.0
"""Seconds after which what has not come will not come."""


@pytest.fixture
def ask(store_path: Path) -> Callable[..., list[Any]]:
    """Asks the store in SQL, each time over a fresh connection; nothing while the tables are not there yet.

    A row of one column is given as its value.
    """

    def ask(sql: str, *parameters: object) -> list[Any]:
        if not store_path.exists():
            return []
        connection = sqlite3.connect(f"file:{quote(str(store_path))}?mode=ro", uri=True, timeout=10)
        try:
            rows = connection.execute(sql, parameters).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return []
        finally:
            connection.close()
        return [row[0] if len(row) == 1 else row for row in rows]

    return ask


@pytest.fixture
def until() -> Callable[..., Any]:
    """Waits until a condition holds and gives what it said; fails where it never does."""

    def until(condition: Callable[[], Answer], seconds: float = PATIENCE) -> Answer:
        deadline = time.monotonic() + seconds
        while not (answer := condition()):
            assert time.monotonic() < deadline, f"did not come within {seconds:g} s; the last answer was {answer!r}"
            time.sleep(0.01)
        return answer

    return until
