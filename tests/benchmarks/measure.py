"""Medians of interleaved rounds: what is compared is run turn by turn, so that a busy machine slows all of it alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what we cost, what the peer costs, and how much of that the budget allows."""

    what: str
    ours: str
    peer: str
    measured: float
    budget: float
    unit: str = "x"

    @property
    def within(self) -> bool:
        """Whether the measured figure is inside its budget."""
        return self.measured <= self.budget


def table(rows: list[Row]) -> str:
    """The rows with their budgets, as text."""
    lines = [("what", "progstore", "beside", "measured", "budget", "")]
    lines += [
        (
            row.what,
            row.ours,
            row.peer,
            f"{row.measured:.2f} {row.unit}",
            f"{row.budget:g} {row.unit}",
            "ok" if row.within else "OVER",
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def medians(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median of what each way returns, over `rounds` in which each has its turn; the first round warms up."""
    figures: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            figure = way()
            if turn:
                figures[name].append(figure)
    return {name: statistics.median(values) for name, values in figures.items()}


def seconds(function: Callable[[], object]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def in_new_process(code: str, store: str) -> float:
    """The number that `code` prints, in a Python of its own that records into `store`."""
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PROGSTORE_URL": store},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(answer.stdout)
