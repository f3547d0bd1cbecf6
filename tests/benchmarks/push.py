"""What pushing costs a job while its server is dead, and how many rows a second a server takes in."""

from __future__ import annotations

import os
from pathlib import Path

from progstore import open_store
from progstore.remote.transfer import copy_to_server
from tests.benchmarks.filling import fill
from tests.benchmarks.measure import Row, in_new_process, medians, seconds
from tests.benchmarks.web import PROGRAM, running

NOBODY = "http://127.0.0.1:9"
LOOP = """
import time, progstore
progstore.configure(bar=False, interval=0.05)
began = time.perf_counter()
for number in progstore.track(range({steps}), "Work"):
    pass
spent = time.perf_counter() - began
progstore.flush(10)
print(spent)
"""


def rows(folder: Path, rounds: int, *, quick: bool) -> list[Row]:
    """Two rows: a loop whose server is dead beside one that has none, and rows over HTTP beside rows by call."""
    os.environ["XDG_DATA_HOME"] = str(folder)
    code = LOOP.format(steps=1_000_000 if quick else 30_000_000)
    loops = medians(
        {
            "dead": lambda: in_new_process(code, NOBODY),
            "none": lambda: in_new_process(code, str(folder / "none.db")),
        },
        rounds,
    )
    return [
        Row(
            "a loop that pushes to a dead server",
            f"{loops['dead']:.2f} s",
            f"recorded only {loops['none']:.2f} s",
            loops["dead"] / loops["none"],
            1.05,
        ),
        _ingest(folder, rounds, 500 if quick else 20_000),
    ]


def _ingest(folder: Path, rounds: int, count: int) -> Row:
    source, places = str(folder / "source.db"), iter(range(10**6))
    fill(source, count)

    def by_call() -> float:
        with open_store(source) as store, open_store(str(folder / f"copy{next(places)}.db")) as other:
            return seconds(lambda: store.copy(other))

    def over_http() -> float:
        target = str(folder / f"copy{next(places)}.db")
        command = [PROGRAM, "ui", "--no-open", "--port", "0", "--store", target]
        with running(*command) as (_, address):
            return seconds(lambda: copy_to_server(source, address.rstrip("/")))

    took = medians({"call": by_call, "http": over_http}, rounds)
    with open_store(source) as store:
        tables = ("processes", "sessions", "tasks", "events", "metadata")
        total = sum(store.query(f"SELECT count(*) FROM {table}").rows[0][0] for table in tables)
    return Row(
        f"{total:,} rows taken in over HTTP",
        f"{total / took['http']:,.0f} rows/s",
        f"by Store.ingest {total / took['call']:,.0f} rows/s",
        took["http"] / took["call"],
        2,
    )
