"""A reader that never ends holds the write-ahead log, which can only grow until it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import Figures
from tests.faults.conftest import Recorded, StartJob, Until, goes_on, reading, the_one_warning, wal_size

LARGE, LARGE_SOAK = 8, 256
"""Megabytes of log that are warned of; the short form warns sooner than users are."""
CUT_BACK = 2**22
"""Bytes that a log has at most when it was moved into the database."""


def test_beside_a_reader_that_never_ends_the_log_grows_slowly_and_is_cut_back_afterwards(
    start_job: StartJob,
    store_path: Path,
    until: Until,
    recorded: Recorded,
    ask: Callable[..., list[Any]],
    soak: bool,
    figures: Callable[[Figures], None],
) -> None:
    """It is warned of once; from then on starts, ends and flushes are written as ever, and the rest with each sign of
    life.
    """
    large = LARGE_SOAK if soak else LARGE
    job = start_job()
    assert job("flush", 30)
    job("hold_large", large)
    with reading(store_path):
        while wal_size(store_path) <= large * 2**20:
            job("swell", min(large, 50))
            assert job("flush", 30)
        assert the_one_warning(job, until) == (
            f"{store_path}-wal has grown large: a reader that never ends must be holding it"
        )
        grown = wal_size(store_path)
        goes_on(job)
        until(lambda: ask("SELECT 1 FROM tasks WHERE name = 'short' AND status = 'complete'"))
        assert ask("SELECT done FROM tasks WHERE name = 'job'") == [0.0]
        assert job("flush", 30)
        assert recorded(store_path) == ("running", 100)
    until(lambda: job("flush", 5) and job("steps", 1) and wal_size(store_path) < CUT_BACK)
    assert len(job.warnings()) == 1
    seen = f"the log grew to {grown / 2**20:.0f} MB, and was {wal_size(store_path) / 2**10:.0f} kB afterwards"
    figures(Figures("a reader that never ends", "1 round", 100, 0, seen))
