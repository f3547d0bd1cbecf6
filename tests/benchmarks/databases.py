"""What PostgreSQL costs beside SQLite: a tick of the recorder, rows taken in, and the first page of a history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from progstore import open_store
from tests import postgres
from tests.benchmarks.filling import fill
from tests.benchmarks.measure import Row, in_new_process, medians, seconds

TASKS = 100
Said = Callable[[float], str]
TICK = """
import contextlib, statistics, time, progstore
from progstore.live.recorder import recorder
with contextlib.ExitStack() as stack:
    tasks = [
        stack.enter_context(progstore.track(name=str(n), total=1e9, bar=False, interval=3600)) for n in range({tasks})
    ]
    assert progstore.flush(30)
    took = []
    for _ in range({ticks}):
        for task in tasks:
            task.update()
        began = time.perf_counter()
        assert recorder.flush(30, at_once=True)
        took.append(time.perf_counter() - began)
print(statistics.median(took))
"""
"""Seconds until 100 changed tasks are on disk: a flush is durable, so both wait for the disk as they do at an end."""


def rows(folder: Path, rounds: int, *, quick: bool) -> list[Row]:
    """Three rows, PostgreSQL beside SQLite; the server is made for them, with fsync, and removed again."""
    with _server() as url:
        return [
            _ticks(folder, url, rounds, 5 if quick else 100),
            *_stores(folder, url, rounds, 500 if quick else 20_000),
        ]


def _ticks(folder: Path, url: str, rounds: int, ticks: int) -> Row:
    code = TICK.format(tasks=TASKS, ticks=ticks)
    with postgres.database(url, "ticks") as database:
        took = medians(
            {
                "postgres": lambda: in_new_process(code, database),
                "sqlite": lambda: in_new_process(code, str(folder / "ticks.db")),
            },
            rounds,
        )
    return _row(f"{TASKS} changed tasks on disk", took, lambda spent: f"{spent * 1e3:.1f} ms")


def _stores(folder: Path, url: str, rounds: int, count: int) -> list[Row]:
    source, places = str(folder / "source.db"), iter(range(10**6))
    fill(source, count)
    with open_store(source) as store:
        tables = ("processes", "sessions", "tasks", "events", "metadata")
        total = sum(store.query(f"SELECT count(*) FROM {table}").rows[0][0] for table in tables)

    def taken_in(target: str) -> float:
        with open_store(source) as store, open_store(target) as other:
            return seconds(lambda: store.copy(other))

    def taken_in_by_postgres() -> float:
        with postgres.database(url, "copy") as database:
            return taken_in(database)

    copied = medians(
        {"postgres": taken_in_by_postgres, "sqlite": lambda: taken_in(str(folder / f"copy{next(places)}.db"))}, rounds
    )
    with postgres.database(url, "history") as database, open_store(database) as theirs, open_store(source) as ours:
        ours.copy(theirs)
        read = medians({"postgres": lambda: seconds(theirs.tasks), "sqlite": lambda: seconds(ours.tasks)}, rounds * 5)
    return [
        _row(f"{total:,} rows taken in", copied, lambda spent: f"{total / spent:,.0f} rows/s"),
        _row(f"the newest 50 of {count:,} tasks", read, lambda spent: f"{spent * 1e3:.1f} ms"),
    ]


def _row(what: str, took: dict[str, float], said: Said) -> Row:
    return Row(
        what,
        f"PostgreSQL {said(took['postgres'])}",
        f"SQLite {said(took['sqlite'])}",
        took["postgres"] / took["sqlite"],
        5,
    )


@contextmanager
def _server() -> Iterator[str]:
    server = postgres.Server()
    server.make()
    server.start(fsync="on", full_page_writes="on")
    try:
        yield server.url
    finally:
        server.remove()
