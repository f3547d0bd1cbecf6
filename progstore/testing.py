"""For your own tests: a pytest fixture that gives each test a store of its own.

pytest loads this module by itself once progstore is installed, so it imports nothing but pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from progstore import Store

FLUSH_SECONDS = 10.0
"""How long a test waits for what it recorded to reach its store."""


class RecordedStore:
    """The store of one test: `url` is where it lies, `store` is opened when it is first asked for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._opened: Store | None = None

    def __repr__(self) -> str:
        return f"RecordedStore({self.url!r})"

    @property
    def store(self) -> Store:
        """The store, holding all that this process has recorded so far.

        Raises StoreError where that cannot be written within FLUSH_SECONDS, StoreNotFound where nothing was recorded.
        """
        import progstore

        if not progstore.flush(FLUSH_SECONDS):
            raise progstore.StoreError(f"what was recorded did not reach {self.url} within {FLUSH_SECONDS:g} s")
        if self._opened is None:
            self._opened = progstore.open_store(self.url)
        return self._opened

    def close(self) -> None:
        """Give back the connections, of reading and of recording."""
        from progstore.live.exits import leave_store

        leave_store(self.url)
        if self._opened is not None:
            self._opened.close()
            self._opened = None


@pytest.fixture
def progstore_store(tmp_path: Path) -> Iterator[RecordedStore]:
    """A store of its own in `tmp_path` that this test, and the processes it starts, record into.

    It is empty, and the file is made by the first thing recorded. Recording is on even where PROGSTORE_RECORD=0 turns
    it off for the rest of the tests. After the test all settings are as they were.

        def test_each_file_is_counted(progstore_store):
            ingest(["a.csv", "b.csv"])                    # your code, with progstore.track in it
            (task,) = progstore_store.store.tasks()
            assert (task.name, task.done, task.status) == ("Ingest", 2, "complete")
    """
    url = str(tmp_path / "progstore.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROGSTORE_URL", url)  # processes that the test starts find it by the environment
        patch.setenv("PROGSTORE_RECORD", "1")
        # Set, then deleted: so that what progstore publishes there during the test is gone after it.
        patch.setenv("PROGSTORE_SESSION", "")
        patch.delenv("PROGSTORE_SESSION")
        # Settings made in code win over the environment, so they step aside, and come back as they were.
        patch.setattr("progstore.config._installed", {})
        patch.setattr("progstore.config._configured", {})
        recorded = RecordedStore(url)
        yield recorded
        recorded.close()
