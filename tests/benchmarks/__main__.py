"""Prints the budgets beside their peers: `python -m tests.benchmarks [--quick] [--web | --databases]`.

Loops, futures, start-up, recording and pushing; with `--web` the wire and the pages, over a million tasks that take
minutes to make; with `--databases` PostgreSQL beside SQLite.

Ratios of medians of interleaved rounds, all in one run; nothing is asserted, for time depends on the machine.
"""

from __future__ import annotations

import atexit
import platform
import shutil
import sys
import tempfile
from pathlib import Path

import tqdm

import progstore
from tests.benchmarks import databases, futures, loops, push, recorder, start, web, wire
from tests.benchmarks.measure import table


def pages(*, quick: bool) -> None:
    """Measure the web and print."""
    with tempfile.TemporaryDirectory() as folder:
        print(table(web.rows(Path(folder), 1 if quick else 5, quick=quick)))
        print(table(wire.rows(Path(folder), quick=quick)))


def both(*, quick: bool) -> None:
    """Measure both kinds of database and print."""
    with tempfile.TemporaryDirectory() as folder:
        print(table(databases.rows(Path(folder), 1 if quick else 5, quick=quick)))


def main(*, quick: bool) -> None:
    """Measure and print; `quick` is for seeing that the benchmark itself still runs."""
    steps, rounds, seconds = (200_000, 1, 1.0) if quick else (3_000_000, 9, 10.0)
    folder = Path(tempfile.mkdtemp())
    # Registered before anything is tracked, so that it is removed after the last state was written.
    atexit.register(shutil.rmtree, folder)
    progstore.configure(store=str(folder / "loops.db"))
    rows = loops.rows(steps, rounds)
    rows += futures.rows(steps // 30, rounds)
    rows += start.rows(str(folder / "start.db"), max(rounds, 3))
    progstore.flush(10)
    rows += recorder.rows(folder, seconds, 1 if quick else 3)
    rows += push.rows(folder, 1 if quick else 3, quick=quick)
    print(f"Python {platform.python_version()}, tqdm {tqdm.__version__}, {rounds} rounds of {steps:,} steps")
    print(table(rows))


if __name__ == "__main__":
    measure = pages if "--web" in sys.argv[1:] else both if "--databases" in sys.argv[1:] else main
    measure(quick="--quick" in sys.argv[1:])
