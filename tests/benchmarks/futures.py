"""What a future costs: `progstore.as_completed` and `progstore.map` beside concurrent.futures itself, recording on."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import progstore
from tests.benchmarks.measure import Row, medians, seconds

BUDGET = 1.15
"""What so many short futures may take with us, as a multiple of what they take without."""
WORKERS = 4


def rows(number: int, rounds: int) -> list[Row]:
    """A row each for `number` futures that do next to nothing."""
    cost = medians(
        {
            "as_completed, bare": lambda: _walk(lambda pool: concurrent.futures.as_completed(_submitted(pool, number))),
            "as_completed": lambda: _walk(lambda pool: progstore.as_completed(_submitted(pool, number), "futures")),
            "map, bare": lambda: _walk(lambda pool: pool.map(abs, range(number))),
            "map": lambda: _walk(lambda pool: progstore.map(pool, abs, range(number), name="futures")),
        },
        rounds,
    )
    return [
        Row(
            f"{way} over {number:,} short futures",
            f"{cost[way]:.2f} s",
            f"bare {cost[f'{way}, bare']:.2f} s",
            cost[way] / cost[f"{way}, bare"],
            BUDGET,
        )
        for way in ("as_completed", "map")
    ]


def _submitted(pool: ThreadPoolExecutor, number: int) -> list[concurrent.futures.Future[int]]:
    return [pool.submit(abs, each) for each in range(number)]


def _walk(results: Callable[[ThreadPoolExecutor], Iterable[object]]) -> float:
    def walk() -> None:
        for _ in results(pool):
            pass

    with ThreadPoolExecutor(WORKERS) as pool:
        return seconds(walk)
