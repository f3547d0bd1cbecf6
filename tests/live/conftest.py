"""What the tests of live work read: the rows that were recorded, straight from the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import progstore

Rows = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def rows(store_path: Path) -> Rows:
    """Asks the file itself, after everything said so far is on disk."""

    def ask(sql: str) -> list[dict[str, Any]]:
        assert progstore.flush(10)
        with closing(sqlite3.connect(f"file:{store_path}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql)]

    return ask
