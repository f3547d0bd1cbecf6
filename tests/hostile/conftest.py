"""What the tests of hostile input stand on: an empty store that the test fills."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.conftest import Filled


@pytest.fixture
def filled(store_path: Path) -> Iterator[Filled]:
    """This test's store, for a test that fills it row by row."""
    made = Filled(store_path)
    yield made
    made.close()
