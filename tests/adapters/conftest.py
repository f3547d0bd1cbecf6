"""What the tests of adapters read: the tasks as they stand in the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import progstore

Recorded = Callable[[], list[progstore.TaskView]]


@pytest.fixture
def recorded(store_path: Path) -> Recorded:
    """Reads all tasks of the test's store, oldest first, after everything said so far is on disk."""

    def read() -> list[progstore.TaskView]:
        assert progstore.flush(10)
        if not store_path.exists():
            return []
        with progstore.open_store(str(store_path)) as store:
            return sorted(store.tasks(), key=lambda task: task.id)

    return read
