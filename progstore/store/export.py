"""All matching tasks as text, in chunks that each are read by themselves, so that no reading lasts long."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from progstore.values import TaskView

CHUNK: Final = 64 * 1024
"""Characters of one chunk, about."""
COLUMNS: Final = (
    "id", "session_id", "session_name", "host", "name", "status", "verdict", "percent", "done", "total", "unit",
    "failed", "active", "cancelled", "message", "error_type", "error", "started_at", "updated_at", "ended_at",
    "duration", "rate", "key", "attempt", "parent_id", "pid", "meta",
)  # fmt: skip
"""The columns of CSV; ndjson has these and all the rest."""
_TIMES: Final = ("started_at", "updated_at", "ended_at")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

Pages = Iterator[Sequence[TaskView]]


def ndjson(pages: Pages) -> Iterator[str]:
    """One JSON object a line; times are seconds UTC."""

    def lines() -> Iterator[str]:
        for page in pages:
            for task in page:
                yield json.dumps(task.to_dict(), ensure_ascii=False, separators=(",", ":")) + "\n"

    return _joined(lines())


def as_csv(pages: Pages) -> Iterator[str]:
    """A header and one line a task; times are ISO 8601 UTC, metadata is JSON, no text is a formula."""

    def lines() -> Iterator[str]:
        yield _csv_line(COLUMNS)
        for page in pages:
            for task in page:
                yield _csv_line([_cell(task, name) for name in COLUMNS])

    return _joined(lines())


FORMATS: Final[dict[str, Callable[[Pages], Iterator[str]]]] = {"ndjson": ndjson, "csv": as_csv}


def no_formula(text: str) -> str:
    """`text`, with an apostrophe in front where a spreadsheet would take it for a formula, for it may come from
    anywhere.
    """
    return f"'{text}" if text.startswith(_FORMULA) else str(text)


def _joined(lines: Iterator[str]) -> Iterator[str]:
    held: list[str] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= CHUNK:
            yield "".join(held)
            held, size = [], 0
    if held:
        yield "".join(held)


def _cell(task: TaskView, name: str) -> Any:
    value = getattr(task, name)
    if value is None:
        return ""
    if name in _TIMES:
        return _iso(value)
    if name == "verdict":
        return str(value.life)
    if name == "meta":
        value = json.dumps(task.to_dict()["meta"], ensure_ascii=False, separators=(",", ":")) if value else ""
    if isinstance(value, str):
        return no_formula(value)
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _iso(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):  # a time that some other program wrote, beyond all calendars
        return str(seconds)


def _csv_line(cells: Sequence[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue()
