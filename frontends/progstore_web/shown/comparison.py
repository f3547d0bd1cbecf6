"""What a comparison shows: a few tasks side by side, in what they differ, and their curves on one drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from progstore import BadFilter, Store, TaskView
from progstore_web import charts

FEWEST, MOST = 2, 10
DASHES = ("", "7 4", "2 3", "9 3 2 3", "14 4", "2 6", "5 2", "12 3 2 3 2 3", "4 6", "1 2")
"""How the lines are told apart beside their colours."""
HEIGHT = 200.0
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Line:
    """One task's curve: its letter, its dashes, the path in a box of 100 by HEIGHT, and where it ends."""

    letter: str
    dashes: str
    path: str
    end_x: float
    end_y: float


@dataclass(frozen=True, slots=True)
class Pair:
    """One key of the metadata: a value for each task, None where it has none, and whether they differ."""

    key: str
    values: tuple[Any, ...]
    differs: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """The page. `seconds` and `top` are where the drawing's axes end; `unit` is None where the tasks count different
    things: then each curve goes up to its own end.
    """

    tasks: tuple[TaskView, ...]
    lines: tuple[Line, ...]
    pairs: tuple[Pair, ...]
    seconds: float
    top: float
    unit: str | None

    @property
    def letters(self) -> str:
        """A letter for each task."""
        return ascii_uppercase[: len(self.tasks)]

    @property
    def is_drawn(self) -> bool:
        """Whether there is a curve at all."""
        return any(line.path for line in self.lines)

    def to_dict(self) -> dict[str, Any]:
        """The tasks, and in which keys of their metadata they differ, as plain JSON."""
        return {
            "tasks": [task.to_dict() for task in self.tasks],
            "differing": [pair.key for pair in self.pairs if pair.differs],
        }


def read_comparison(store: Store, ids: Sequence[int]) -> Comparison:
    """The tasks with these ids. Raises BadFilter for too few or too many, NotFound, StoreError."""
    chosen = list(dict.fromkeys(ids))
    if not FEWEST <= len(chosen) <= MOST:
        raise BadFilter(
            f"{FEWEST} to {MOST} tasks can be compared, got {len(chosen)}; choose them by their boxes on the page "
            "History, or write them as /compare?task=17&task=18"
        )
    tasks = tuple(store.task(number) for number in chosen)
    units = {task.unit for task in tasks}
    seconds = max((at for task in tasks for at, _ in task.curve), default=0.0)
    top = max((done for task in tasks for _, done in task.curve), default=0.0)
    unit = units.pop() if len(units) == 1 else None
    lines = tuple(_line(place, task, seconds, top if unit is not None else None) for place, task in enumerate(tasks))
    return Comparison(tasks, lines, _pairs(tasks), seconds, top, unit)


def _line(place: int, task: TaskView, seconds: float, top: float | None) -> Line:
    letter, dashes = ascii_uppercase[place], DASHES[place]
    path = charts.path(task.curve, right=seconds, top=top, height=HEIGHT)
    if not path:
        return Line(letter, dashes, "", 0.0, 0.0)
    x, y = path.rpartition("L")[2].split()
    return Line(letter, dashes, path, float(x), float(y))


def _pairs(tasks: Sequence[TaskView]) -> tuple[Pair, ...]:
    """Those that differ first, each in the order of their keys."""
    pairs = []
    for key in sorted({key for task in tasks for key in task.meta}):
        values = [task.meta.get(key, _ABSENT) for task in tasks]
        differs = any(value != values[0] or type(value) is not type(values[0]) for value in values)
        pairs.append(Pair(key, tuple(None if value is _ABSENT else value for value in values), differs))
    return tuple(sorted(pairs, key=lambda pair: (not pair.differs, pair.key)))
