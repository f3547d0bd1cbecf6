"""What recording costs beside the job: the processor time of 100 live tasks, and of one batch beside raw sqlite3."""

from __future__ import annotations

import sqlite3
import statistics
from pathlib import Path

from progstore import open_store
from tests.benchmarks.measure import Row, in_new_process, medians

TASKS = 100
FAST = 0.05
"""Seconds between two batches where the cost of one is measured; the default is ten times as long."""

LIVE = """
import contextlib, time, progstore
with contextlib.ExitStack() as stack:
    tasks = [
        stack.enter_context(progstore.track(name=str(n), total=1e9, bar=False, record={record}, interval={interval}))
        for n in range({tasks})
    ]
    progstore.flush(10)
    wall, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < {seconds}:
        for task in tasks:
            task.update(1)
        time.sleep({interval} / 2)
    print((time.process_time() - cpu) / (time.perf_counter() - wall))
"""

RAW = """
import sqlite3, sys, time
connection = sqlite3.connect({path!r}, isolation_level=None)
connection.execute("PRAGMA synchronous=NORMAL")
connection.execute("PRAGMA wal_autocheckpoint=0")
columns = [row[1] for row in connection.execute("PRAGMA table_info(tasks)") if row[1] not in {fixed!r}]
update = f"UPDATE tasks SET {{', '.join(f'{{name}} = ?' for name in columns)}} WHERE id = ? AND rev < ?"
rows = [list(row) for row in connection.execute(f"SELECT {{', '.join(columns)}}, id FROM tasks LIMIT {tasks}")]
done, rev = columns.index("done"), columns.index("rev")
spent, batches = 0.0, 0
while batches < {batches}:
    cpu = time.process_time()
    for row in rows:
        row[done] += 1
        row[rev] += 1
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(update, [(*row, row[rev]) for row in rows])
    connection.execute("COMMIT")
    spent += time.process_time() - cpu
    batches += 1
    time.sleep({pause})
print(spent / batches)
"""

FIXED = ("id", "session_id", "key", "attempt", "process_id", "parent_id", "session_name", "name", "unit", "lost_at")
"""Columns of a task that an update leaves alone; the raw statement sets all others, as the recorder does."""


def rows(folder: Path, seconds: float, rounds: int) -> list[Row]:
    """Two rows: the part of a core that 100 live tasks take, and a batch of 100 updates beside raw sqlite3."""
    calm = _parts_of_a_core(str(folder / "calm.db"), seconds, rounds, interval=0.5)
    return [
        Row(
            f"{TASKS} live tasks at the default interval",
            f"{calm['recording'] * 100:.2f} % of a core",
            f"not recording {calm['counting'] * 100:.2f} %",
            (calm["recording"] - calm["counting"]) * 100,
            1,
            "%",
        ),
        _batch(folder, seconds, rounds),
    ]


def _batch(folder: Path, seconds: float, rounds: int) -> Row:
    path = folder / "batch.db"
    parts = _parts_of_a_core(str(path), seconds, rounds, interval=FAST)
    raw_path = folder / "raw.db"
    with open_store(str(path)) as store:
        batches = statistics.median(row[0] for row in store.query("SELECT beats FROM processes").rows)
        store.backup(str(raw_path))
    ours = (parts["recording"] - parts["counting"]) * seconds / batches
    code = RAW.format(path=str(raw_path), fixed=FIXED, tasks=TASKS, batches=int(seconds / FAST), pause=FAST)
    raw = medians({"raw": lambda: in_new_process(code, str(raw_path))}, rounds)["raw"]
    return Row(
        f"a batch of {TASKS} updates, processor time",
        f"{ours * 1e3:.2f} ms",
        f"sqlite3 {sqlite3.sqlite_version} {raw * 1e3:.2f} ms",
        ours / raw,
        2,
    )


def _parts_of_a_core(store: str, seconds: float, rounds: int, interval: float) -> dict[str, float]:
    def run(record: bool) -> float:
        return in_new_process(
            LIVE.format(tasks=TASKS, record=record, interval=interval, seconds=seconds),
            store,
        )

    return medians({"recording": lambda: run(record=True), "counting": lambda: run(record=False)}, rounds)
