"""What the SQL page shows: the views that can be asked, examples, and the answer to a question."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any, NamedTuple

from progstore import BadQuery, QueryResult, Store, StoreNotFound

SECONDS = 5.0
"""How long one question may take."""
ROWS_SHOWN = 1000
"""Rows on the page; with many columns fewer, see CELLS_SHOWN."""
CELLS_SHOWN = 20_000
"""Values on the page: more of them make a browser slow."""
ROWS_IN_FILES = 10_000
"""Rows as JSON or CSV."""
AT_ONCE = 2
"""Questions that are answered at once, so that slow ones leave threads to everything else."""
CELL_SHOWN = 200
"""Characters of a value on the page; TITLE_SHOWN when the mouse rests on it."""
TITLE_SHOWN = 2000
LINE_SHOWN = 40
"""Characters that stand in one line of a cell; longer values are broken."""

_DAYS_AGO = re.compile(r"datetime\('now', '-(\d+) days'\)")
_POSTGRES_DAYS_AGO = r"to_char(now() - interval '\1 days', 'YYYY-MM-DD HH24:MI:SS')"


class Example(NamedTuple):
    """A question that is worth asking."""

    title: str
    sql: str


EXAMPLES = (
    Example(
        "Running now",
        "SELECT session_id, session, name, percent, done, total, unit, host, started\nFROM v_running\nORDER BY started",
    ),
    Example(
        "Failed this week",
        "SELECT session_id, session, name, error_type, error, started\nFROM v_tasks\n"
        "WHERE status = 'error' AND started > datetime('now', '-7 days')\nORDER BY started_at DESC\nLIMIT 100",
    ),
    Example(
        "Errors by type",
        "SELECT error_type, count(*) AS tasks, max(ended) AS last, max(session_id) AS session_id\nFROM v_history\n"
        "WHERE status = 'error'\nGROUP BY error_type\nORDER BY tasks DESC",
    ),
    Example(
        "Slowest names",
        "SELECT session, name, count(*) AS runs, round(CAST(avg(seconds) AS numeric), 2) AS mean, max(seconds) AS longest\n"
        "FROM v_history\nWHERE status = 'complete'\nGROUP BY session, name\nORDER BY mean DESC\nLIMIT 20",
    ),
    Example(
        "Slower than usual",
        "WITH usual AS (\n  SELECT session, name, avg(seconds) AS mean FROM v_history\n"
        "  WHERE status = 'complete' GROUP BY session, name HAVING count(*) > 4\n)\n"
        "SELECT session_id, session, name, seconds, round(CAST(mean AS numeric), 2) AS mean, round(CAST(seconds / mean AS numeric), 1) AS times\n"
        "FROM v_history JOIN usual USING (session, name)\nWHERE seconds > 2 * mean\nORDER BY task_id DESC\nLIMIT 50",
    ),
    Example(
        "Success by name",
        "SELECT session, name, runs, round(CAST(100 * success_rate AS numeric), 1) AS percent, median_seconds, p90_seconds\n"
        "FROM v_names\nORDER BY success_rate, runs DESC\nLIMIT 50",
    ),
    Example(
        "Hours by day",
        "SELECT substr(started, 1, 10) AS day, count(*) AS tasks, round(CAST(sum(seconds) / 3600 AS numeric), 2) AS hours\n"
        "FROM v_tasks\nWHERE parent_id IS NULL AND started > datetime('now', '-30 days')\n"
        "GROUP BY day\nORDER BY day DESC",
    ),
    Example(
        "Curve of the last task",
        "SELECT seconds, done\nFROM v_curves\nWHERE task_id = (SELECT max(id) FROM v_tasks)",
    ),
)


class Column(NamedTuple):
    """A view's column and what it means."""

    name: str
    meaning: str


class View(NamedTuple):
    """A view: what it holds, and its columns."""

    name: str
    purpose: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as the page shows it: its text, all of it where it was shortened, and where a number of ours leads."""

    text: str
    title: str = ""
    kind: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Columns and rows; `truncated` where there are more rows than were asked for."""

    result: QueryResult
    limit: int

    @property
    def numeric(self) -> tuple[bool, ...]:
        """For each column, whether it holds numbers only."""
        found = []
        for column in zip(*self.result.rows, strict=True):
            given = [value for value in column if value is not None]
            found.append(bool(given) and all(isinstance(value, int | float) for value in given))
        return tuple(found) or (False,) * len(self.result.columns)

    def cells(self) -> Iterator[list[Cell]]:
        """The rows as the page shows them."""
        for row in self.result.rows:
            by_name = dict(zip(self.result.columns, row, strict=True))
            yield [_cell(value, _link(name, by_name)) for name, value in zip(self.result.columns, row, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain JSON."""
        return {
            "columns": list(self.result.columns),
            "rows": [list(row) for row in self.result.rows],
            "truncated": self.result.truncated,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sql:
    """The page: the question as it was typed, and its answer or what is wrong with it."""

    q: str
    views: tuple[View, ...] = ()
    answer: Answer | None = None
    fault: str = ""
    missing: bool = False


class Asker:
    """Asks one store; a few questions at once."""

    def __init__(self, store: Store, *, seconds: float = SECONDS) -> None:
        self._store = store
        self._seconds = seconds
        self._places = BoundedSemaphore(AT_ONCE)

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Whether there is one; it is held as long as the block lasts."""
        is_free = self._places.acquire(blocking=False)
        try:
            yield is_free
        finally:
            if is_free:
                self._places.release()

    def answer(self, q: str, rows: int) -> Answer:
        """The answer within a place, with at most so many rows. Raises BadQuery, StoreError."""
        return Answer(result=self._store.query(q, limit=rows, seconds=self._seconds), limit=rows)

    def shown(self, q: str) -> Sql:
        """The page within a place. Raises StoreError."""
        try:
            views = read_views(self._store)
        except StoreNotFound:
            return Sql(q=q, missing=True)
        if not q.strip():
            return Sql(q=q, views=views)
        try:
            return Sql(q=q, views=views, answer=_narrowed(self.answer(q, ROWS_SHOWN)))
        except BadQuery as error:
            return Sql(q=q, views=views, fault=str(error))


def read_views(store: Store) -> tuple[View, ...]:
    """The views as the store explains them. Raises StoreError."""
    return tuple(
        View(view.name, view.purpose, tuple(Column(*column) for column in view.columns)) for view in store.views()
    )


def examples(store: Store) -> tuple[Example, ...]:
    """Questions that are worth asking, in the words of the store's database."""
    if not store.url.startswith("postgresql:"):
        return EXAMPLES
    return tuple(Example(each.title, _DAYS_AGO.sub(_POSTGRES_DAYS_AGO, each.sql)) for each in EXAMPLES)


def _narrowed(answer: Answer) -> Answer:
    """The answer with as many rows as a page can hold."""
    result = answer.result
    most = max(CELLS_SHOWN // max(len(result.columns), 1), 1)
    if len(result.rows) <= most:
        return answer
    return Answer(result=QueryResult(result.columns, result.rows[:most], truncated=True), limit=most)


def _link(name: str, row: dict[str, Any]) -> str:
    session, number = row.get("session_id"), row.get(name)
    if not isinstance(session, int) or not isinstance(number, int):
        return ""
    if name == "session_id":
        return f"/sessions/{session}"
    return f"/sessions/{session}/tasks/{number}" if name == "task_id" else ""


def _cell(value: Any, link: str) -> Cell:
    if value is None:
        return Cell("NULL", kind="null")
    text = str(value)
    kind = "long" if len(text) > LINE_SHOWN or "\n" in text else ""
    if len(text) <= CELL_SHOWN:
        return Cell(text, kind=kind, link=link)
    title = text if len(text) <= TITLE_SHOWN else f"{text[:TITLE_SHOWN]}…"
    return Cell(f"{text[:CELL_SHOWN]}…", title, kind)
