"""What it costs to begin: the import, the first tracked loop, and each one after it."""

from __future__ import annotations

import os
from typing import TextIO

from tqdm import tqdm

import progstore
from tests.benchmarks.measure import Row, in_new_process, medians, seconds

IMPORT = "import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
FIRST = """
import time, progstore
started = time.perf_counter()
loop = progstore.track([1], "First")
print(time.perf_counter() - started)
for _ in loop: pass
"""
CALLS = 200


def rows(store: str, rounds: int) -> list[Row]:
    """The import beside tqdm's, the first `track()`, later ones beside `tqdm()`."""
    imports = medians(
        {
            "ours": lambda: in_new_process(IMPORT.format(module="progstore"), store),
            "tqdm": lambda: in_new_process(IMPORT.format(module="tqdm"), store),
        },
        rounds,
    )
    first = medians({"ours": lambda: in_new_process(FIRST, store)}, rounds)["ours"]
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        later = medians({"ours": _tracks, "tqdm": lambda: _bars(nowhere)}, rounds)
    return [
        Row(
            "import progstore",
            f"{imports['ours'] * 1e3:.2f} ms",
            f"import tqdm {imports['tqdm'] * 1e3:.1f} ms",
            imports["ours"] / imports["tqdm"],
            0.2,
        ),
        Row("the first track() returning", f"{first * 1e3:.2f} ms", "", first * 1e3, 2, "ms"),
        Row(
            "each later track()",
            f"{later['ours'] / CALLS * 1e6:.0f} µs",
            f"tqdm() {later['tqdm'] / CALLS * 1e6:.0f} µs",
            later["ours"] / later["tqdm"],
            1,
        ),
    ]


def _tracks() -> float:
    loops: list[progstore.Task[int]] = []
    taken = seconds(lambda: loops.extend(progstore.track([1], "Later") for _ in range(CALLS)))
    for loop in loops:
        for _ in loop:
            pass
    return taken


def _bars(nowhere: TextIO) -> float:
    bars: list[tqdm[int]] = []
    taken = seconds(lambda: bars.extend(tqdm([1], file=nowhere) for _ in range(CALLS)))
    for bar in bars:
        bar.close()
    return taken
