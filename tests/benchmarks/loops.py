"""What an iteration costs: `progstore.track` and the drop-in tqdm beside tqdm itself, recording on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from tqdm import tqdm

import progstore
from progstore.adapters.tqdm import tqdm as dropin
from tests.benchmarks.measure import Row, medians, seconds

EXACT = 0.05
"""Budget, as a part of what tqdm adds, for lists, tuples and ranges."""
OTHER = 0.12
"""Budget for everything else."""


def rows(steps: int, rounds: int) -> list[Row]:
    """Two rows for each kind of iterable, of `steps` items."""
    numbers = list(range(steps))
    as_tuple = tuple(numbers)
    as_dict = dict.fromkeys(numbers)
    kinds: dict[str, tuple[Callable[[], Iterable[object]], float]] = {
        "list": (lambda: numbers, EXACT),
        "tuple": (lambda: as_tuple, EXACT),
        "range": (lambda: range(steps), EXACT),
        "generator": (lambda: _generate(steps), OTHER),
        "zip": (lambda: zip(numbers, numbers, strict=True), OTHER),
        "enumerate": (lambda: enumerate(numbers), OTHER),
        "dict": (lambda: as_dict, OTHER),
    }
    return [row for kind, (make, budget) in kinds.items() for row in _rows_of(kind, make, budget, steps, rounds)]


def _rows_of(kind: str, make: Callable[[], Iterable[object]], budget: float, steps: int, rounds: int) -> list[Row]:
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        cost = medians(
            {
                "bare": lambda: _walk(make()),
                "tqdm": lambda: _walk(tqdm(make(), total=steps, file=nowhere)),
                "track": lambda: _walk(progstore.track(make(), kind, total=steps)),
                "drop-in": lambda: _walk(dropin(make(), desc=kind, total=steps, file=nowhere)),
            },
            rounds,
        )
    added = {name: (value - cost["bare"]) / steps * 1e9 for name, value in cost.items()}
    return [
        Row(
            f"{name} over a {kind}, added per iteration",
            f"{added[name]:.1f} ns",
            f"tqdm {added['tqdm']:.1f} ns",
            added[name] / added["tqdm"],
            budget,
        )
        for name in ("track", "drop-in")
    ]


def _walk(items: Iterable[object]) -> float:
    def walk() -> None:
        for _ in items:
            pass

    return seconds(walk)


def _generate(steps: int) -> Iterator[int]:
    yield from range(steps)
