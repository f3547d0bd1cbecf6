"""Hostile text in a real browser: no script of it runs, nothing is loaded, and no page complains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import progstore
from tests.browser.conftest import Pages, Visit
from tests.hostile.hostility import EVERYTHING, addresses, hostile_store
from tests.store.conftest import Filled

FILES = (".json", ".csv", "/api/", "/metrics", "/live/")
"""Parts of addresses that are no pages."""


@pytest.fixture
def filled(store_path: Path) -> Iterator[Filled]:
    """This test's store."""
    made = Filled(store_path)
    yield made
    made.close()


def test_no_page_runs_what_is_stored(filled: Filled, server: Pages, visit: Visit) -> None:
    """Every page over a store full of it; dialogs, errors, warnings and requests elsewhere are what `visit` watches."""
    hostile_store(filled, EVERYTHING)
    with progstore.open_store(filled.location.url) as store:
        first, *others = [each for each in addresses(store) if not any(part in each for part in FILES)]
    page = visit(server.address + first)
    for address in (first, *others):
        answered = page.goto(server.address + address)
        assert answered is not None
        assert answered.status == 200, address
        assert page.locator("[onerror], [onload], [onmouseover], script:not([src])").count() == 0, address
        assert page.locator("img:not([src^='/']), iframe, object, embed").count() == 0, address
