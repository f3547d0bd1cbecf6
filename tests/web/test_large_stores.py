"""A store of fifty thousand tasks is shown with as little work for the database as one of a thousand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, event

from tests.benchmarks.filling import fill
from tests.web.conftest import Serve

STEPS = 100
"""Instructions of SQLite's machine after which its progress handler is called."""
ALLOWED = 15
"""Times the work; ten thousand rows are sorted or counted where a hundred times as many were recorded."""
SLACK = 200_000
"""Instructions that bounded counting may take besides; to look at each of the rows takes many times as much."""
PAGES = (
    "/",
    "/history",
    "/history?q=status:error",
    "/history?q=session:report",
    "/sessions/50",
    "/names",
    "/timeline?span=24h",
    "/store",
)


class Work:
    """What the database did, in instructions; the same on every machine, as its time is not."""

    def __init__(self) -> None:
        self.instructions = 0

    def listen(self, connection: Any, _: object) -> None:
        """Count what this connection does."""
        connection.set_progress_handler(self._count, STEPS)

    def _count(self) -> int:
        self.instructions += STEPS
        return 0


@pytest.fixture
def work() -> Iterator[Work]:
    """Counts what all connections do that are made from now on."""
    counted = Work()
    event.listen(Engine, "connect", counted.listen)
    yield counted
    event.remove(Engine, "connect", counted.listen)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small store and a large one."""
    folder = tmp_path_factory.mktemp("stores")
    made = {"small": folder / "small.db", "large": folder / "large.db"}
    fill(str(made["small"]), 1000)
    fill(str(made["large"]), 50_000)
    return made


def test_pages_do_no_more_for_a_large_store(serve: Serve, stores: dict[str, Path], work: Work) -> None:
    """The first of each list, with and without a filter; what is counted is counted among the newest."""
    cost: dict[str, dict[str, int]] = {}
    for size, path in stores.items():
        site: httpx.Client = serve(path=path)
        for page in PAGES:
            before = work.instructions
            answer = site.get(page, timeout=60)
            assert answer.status_code == 200, page
            cost.setdefault(page, {})[size] = work.instructions - before
    grown = {
        page: (each["small"], each["large"])
        for page, each in cost.items()
        if each["large"] > ALLOWED * each["small"] + SLACK
    }
    assert not grown


def test_looking_changes_nothing_in_the_store(serve: Serve, stores: dict[str, Path]) -> None:
    """Neither its file nor its log, whichever page is opened, by whomever may do everything."""
    path = stores["small"]
    site = serve(path=path)
    site.get("/")
    before = {each.name: each.read_bytes() for each in path.parent.glob("small.db*") if not each.name.endswith("-shm")}
    for page in (*PAGES, "/sessions/50/tasks/500", "/compare?task=1&task=2", "/delete?session=1", "/sql", "/metrics"):
        assert site.get(page, timeout=60).status_code == 200, page
    after = {each.name: each.read_bytes() for each in path.parent.glob("small.db*") if not each.name.endswith("-shm")}
    assert after == before
