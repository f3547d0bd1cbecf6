"""The SQL that a person could have typed for a list of tasks: the same rows, over the documented views."""

# Nothing here is asked of the store; people are given the text, and what stands in it is quoted.
# ruff: noqa: S608

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from progstore import BadFilter, Filter

COLUMNS = "id, session_id, session, name, status, started, seconds, done, total, unit, failed, host, message"
NEWEST = "started_at DESC NULLS LAST, id DESC"
SORTED = 10_000
"""Of what matches, the newest that another order than that of the start is made of."""
SEARCHED = 100_000
"""The newest tasks among which such an order looks for a text."""

_ORDERS = {
    "started": "coalesce(started_at, 0.0)",
    "took": "coalesce(seconds, 0.0)",
    "items": "done",
    "failed": "failed",
    "rate": "coalesce(done / nullif(seconds, 0.0), 0.0)",
    "name": "name",
}


def sql_of(wanted: Filter, sort: str, limit: int, *, postgresql: bool = False) -> str:
    """The statement whose first `limit` rows are those of `Store.tasks(wanted, sort=sort)`, in the words of SQLite or
    PostgreSQL. Raises BadFilter.
    """
    conditions = list(_conditions(wanted, postgresql=postgresql))
    if sort == "-started":
        by_id = "id DESC" if wanted.text else NEWEST
        return _select(COLUMNS, conditions, by_id, limit)
    if sort.removeprefix("-") not in _ORDERS:
        raise BadFilter(f"sort is one of {', '.join(_ORDERS)}, or one of them after a minus; got {sort!r}")
    if wanted.text:
        conditions.append(f"id > (SELECT max(id) FROM v_tasks) - {SEARCHED}")
    newest = _select(f"{COLUMNS}, started_at", conditions, NEWEST, SORTED)
    falls = " DESC" if sort.startswith("-") else ""
    order = f"{_ORDERS[sort.removeprefix('-')]}{falls}, id{falls}"
    return f"SELECT {COLUMNS}\nFROM (\n{newest}\n) AS newest\nORDER BY {order}\nLIMIT {limit}"


def _select(columns: str, conditions: list[str], order: str, limit: int) -> str:
    where = "\nWHERE " + "\n  AND ".join(conditions) if conditions else ""
    return f"SELECT {columns}\nFROM v_tasks AS t{where}\nORDER BY {order}\nLIMIT {limit}"


def _conditions(wanted: Filter, *, postgresql: bool) -> Iterator[str]:
    exact = {"name": wanted.name, "session": wanted.session_name}
    yield from (f"{column} = {_text(value)}" for column, value in exact.items() if value is not None)
    if wanted.host is not None:
        yield f"EXISTS (SELECT 1 FROM v_sessions AS s WHERE s.id = t.session_id AND s.host = {_text(wanted.host)})"
    if wanted.session_ids is not None:
        yield f"session_id IN ({', '.join(map(str, wanted.session_ids))})"
    if wanted.roots:
        yield "parent_id IS NULL"
    if wanted.live:
        yield "ended_at IS NULL"
    if wanted.statuses:
        yield f"status IN ({', '.join(_text(status) for status in sorted(wanted.statuses))})"
    bounds = {
        "started_at >=": wanted.since,
        "started_at <": wanted.until,
        "ended_at IS NOT NULL AND seconds >": wanted.longer_than,
        "ended_at IS NOT NULL AND seconds <": wanted.shorter_than,
    }
    yield from (f"{bound} {float(value)!r}" for bound, value in bounds.items() if value is not None)
    has_meta = _has_meta_on_postgresql if postgresql else _has_meta
    yield from (has_meta(key, value) for key, value in wanted.meta.items())
    if wanted.text:
        pattern, like = _pattern(wanted.text), "ILIKE" if postgresql else "LIKE"
        yield f"({' OR '.join(f'{column} {like} {pattern}' for column in ('name', 'session', 'message'))})"


def _has_meta(key: str, value: str) -> str:
    """The task has the pair itself, or its session has it; the value is text, or the JSON that it spells."""
    pair = f"m.key = {_text(key)} AND ({_equals(value)})"
    of_task = f"SELECT 1 FROM json_each(t.meta) AS m WHERE {pair}"
    of_session = f"SELECT 1 FROM v_sessions AS s, json_each(s.meta) AS m WHERE s.id = t.session_id AND {pair}"
    return f"(EXISTS ({of_task})\n    OR EXISTS ({of_session}))"


def _has_meta_on_postgresql(key: str, value: str) -> str:
    """The same; jsonb compares what was spelled."""
    spellings = [f"to_jsonb({_text(value)}::text)"]
    try:
        json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError):
        pass  # it spells nothing, so it is only text
    else:
        spellings.append(f"{_text(value)}::jsonb")
    pair = f"m.key = {_text(key)} AND m.value IN ({', '.join(spellings)})"
    of_task = f"SELECT 1 FROM jsonb_each(t.meta::jsonb) AS m WHERE {pair}"
    of_session = f"SELECT 1 FROM v_sessions AS s, jsonb_each(s.meta::jsonb) AS m WHERE s.id = t.session_id AND {pair}"
    return f"(EXISTS ({of_task})\n    OR EXISTS ({of_session}))"


def _equals(value: str) -> str:
    is_text = f"m.type = 'text' AND m.value = {_text(value)}"
    if value != value.strip():
        return is_text
    try:
        spelled: Any = json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return is_text
    if spelled is None or isinstance(spelled, bool):
        return f"{is_text} OR m.type = {_text(value)}"
    if isinstance(spelled, int | float):
        kind = "integer" if isinstance(spelled, int) else "real"
        return f"{is_text} OR m.type = '{kind}' AND m.value = {value}"
    if isinstance(spelled, str):
        return f"m.type = 'text' AND m.value IN ({_text(value)}, {_text(spelled)})"
    return f"{is_text} OR m.type IN ('array', 'object') AND m.value = {_text(value)}"


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _text(value: str) -> str:
    """The value as an SQL literal; the store holds no NUL either."""
    quoted = value.replace("\0", "\ufffd").replace("'", "''")
    return f"'{quoted}'"


def _pattern(text: str) -> str:
    """A pattern of LIKE for what holds the text; its signs stand for themselves."""
    if not any(sign in text for sign in "%_\\"):
        return _text(f"%{text}%")
    for sign in "\\%_":
        text = text.replace(sign, f"\\{sign}")
    return f"{_text(f'%{text}%')} ESCAPE '\\'"
