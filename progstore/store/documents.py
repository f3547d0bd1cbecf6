"""Documents: rows as plain JSON, named by what identifies them in every store, as they travel from one to another.

A document is an object with `format`, and lists of objects under `processes`, `sessions`, `tasks`, `events` and
`metadata`, whose fields are those of the rows in `batch`. What comes from elsewhere is checked here field by field: a
row that no store could hold is refused by itself, with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, Final, NamedTuple

from progstore import clean
from progstore.errors import BadValue
from progstore.store.batch import Batch, EventRow, MetaRow, ProcessRow, SessionRow, TaskIdentity, TaskRow
from progstore.store.tables import KINDS, STATUSES, TERMINAL

FORMAT: Final = 1
"""The form of documents that this code writes and understands."""
MOST_ROWS: Final = 10_000
"""Rows of one kind that one document may hold."""
LARGEST_INT: Final = 2**63 - 1
UID_LIMIT: Final = 200
"""Characters of an identity; it is refused, not cut, for two must not become one."""
CURVE_LIMIT: Final = 1000
"""Points of a curve; ours have 64 at the most."""
END_REASONS: Final = ("exit", "error", "signal")

Document = Mapping[str, Any]
Check = Callable[[Any], Any]


class TooLarge(Exception):
    """A document is larger than whoever is to take it can take; with fewer rows it may be taken."""


class Received(NamedTuple):
    """What a document says: rows that a store can hold, why others were refused, and when it was sent by the sender's
    clock (seconds UTC; None where it was not sent over a network).
    """

    batch: Batch
    refused: list[str]
    sent_at: float | None


def encode(batch: Batch, *, sent_at: float | None = None) -> dict[str, Any]:
    """The document that says what `batch` holds. Takeovers are not told: the rows themselves say whose they are."""
    kinds = {
        name: [{field: getattr(row, field) for field in kind.checks} for row in getattr(batch, name)]
        for name, kind in _KINDS.items()
    }
    return {"format": FORMAT, "sent_at": sent_at, **kinds}


def must_fit(document: Document) -> None:
    """Raises TooLarge where there are more rows of one kind than `decode` takes."""
    most = max(len(document.get(kind, ())) for kind in _KINDS)
    if most > MOST_ROWS:
        raise TooLarge(f"it holds {most:,} rows of one kind, and at most {MOST_ROWS:,} are taken")


def halved(document: Document) -> list[dict[str, Any]]:
    """The document as two, to be written one after the other; none where there is but one row left.

    What hangs on a session or a task goes with it, for what hangs on nothing that is known is left out where it
    arrives. Only where there is no second one are these parted.
    """
    rows = [(kind, row) for kind in _KINDS for row in document.get(kind, ())]
    if len(rows) < 2:
        return []
    owners = [_owner(kind, row) for kind, row in rows if kind in ("sessions", "tasks")]
    if len(owners) > 1:
        late = set(owners[(len(owners) + 1) // 2 :])
        sides = [kind != "processes" and _owner(kind, row) in late for kind, row in rows]
    else:
        sides = [place >= (len(rows) + 1) // 2 for place in range(len(rows))]
    placed = list(zip(rows, sides, strict=True))
    return [
        {**document, **{kind: [row for (each, row), side in placed if (each, side) == (kind, half)] for kind in _KINDS}}
        for half in (False, True)
    ]


def _owner(kind: str, row: Mapping[str, Any]) -> TaskIdentity:
    """The task that the row is or hangs on, or its session as one without a key."""
    if kind == "tasks":
        return (row["session_uid"], row["key"], row["attempt"])
    return tuple(row.get("task") or (row["uid"] if kind == "sessions" else row["session_uid"], "", 0))


def decode(document: Document) -> Received:
    """What `document` says. Raises BadValue for what is no document, or one that this code does not understand."""
    if not isinstance(document, Mapping):
        raise BadValue(f"a document is an object, got {type(document).__name__}")
    if document.get("format") != FORMAT:
        raise BadValue(
            f"this progstore understands documents of format {FORMAT}, got {clean.shown(document.get('format'))}; "
            "use the same major version on both sides"
        )
    if unknown := document.keys() - {"format", "sent_at", *_KINDS}:
        raise BadValue(f"a document has no {', '.join(sorted(map(repr, unknown)))}; it has {', '.join(_KINDS)}")
    batch, refused = Batch(), list[str]()
    for name, kind in _KINDS.items():
        rows = document.get(name, [])
        if not isinstance(rows, list) or len(rows) > MOST_ROWS:
            raise BadValue(f"{name} is a list of at most {MOST_ROWS:,} objects")
        for place, row in enumerate(rows):
            try:
                getattr(batch, name).append(_row(row, kind))
            except (TypeError, ValueError) as error:
                refused.append(f"{name}[{place}]: {error}")
    sent_at = document.get("sent_at")
    return Received(batch, refused, None if sent_at is None else _number("sent_at", sent_at))


def _row(given: Any, kind: _Kind) -> Any:
    if not isinstance(given, Mapping):
        raise TypeError(f"a row is an object, got {type(given).__name__}")
    if unknown := given.keys() - kind.checks.keys():
        raise ValueError(f"there is no field {', '.join(sorted(map(repr, unknown)))}")
    values = {}
    for name, check in kind.checks.items():
        if name in kind.optional and name not in given:
            continue  # a sender that is older than the field says nothing of it
        try:
            values[name] = check(given.get(name))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}: {error}") from None
    if (task := values.get("task")) is not None and task[0] != values["session_uid"]:
        raise ValueError(f"task: it is one of session {task[0]}, and not of {values['session_uid']}")
    return kind.made(**values)


# What a field may hold


def _text(limit: int) -> Check:
    return lambda value: clean.text(value, "it", limit)


def _end_of_text(limit: int) -> Check:
    return lambda value: clean.shorten_front(clean.text(value, "it", LARGEST_INT), limit)


def _uid(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= UID_LIMIT or clean.printable(value) != value:
        raise ValueError(f"it is a text of 1 to {UID_LIMIT} characters")
    return value


def _nobody_or_uid(value: Any) -> str:
    return "" if value in ("", None) else _uid(value)


def _key(value: Any) -> str:
    if not isinstance(value, str) or not len(value) <= clean.NAME_LIMIT or clean.printable(value) != value:
        raise ValueError(f"it is a text of at most {clean.NAME_LIMIT} characters")
    return value


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValue(f"{name} must be a number, got {type(value).__name__}")
    return float(clean.count(value, name))


def _any_number(value: Any) -> float:
    return _number("it", value)


def _from_zero(value: Any) -> float:
    number = _number("it", value)
    if number < 0:
        raise BadValue(f"it must not be negative, got {number:g}")
    return number


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_INT:
        raise BadValue(f"it is a whole number from 0 to 2**63 - 1, got {clean.shown(value)}")
    return value


def _one_of(words: tuple[str, ...]) -> Check:
    def check(value: Any) -> str:
        if value not in words:
            raise BadValue(f"it is one of {', '.join(words)}, got {clean.shown(value)}")
        return str(value)

    return check


def _json(value: Any) -> str:
    _meaning(value)
    return str(value)


def _meaning(value: Any) -> Any:
    """What a JSON text says."""
    if not isinstance(value, str) or len(value) > clean.META_LIMIT or clean.printable(value) != value:
        raise BadValue(f"it is JSON as a text of at most {clean.META_LIMIT:,} characters")
    try:
        return json.loads(value, parse_constant=_no_constant)
    except RecursionError:
        raise BadValue("it is nested too deep") from None


def _no_constant(word: str) -> Any:
    raise BadValue(f"JSON has no {word}")


def _curve(value: Any) -> str:
    points = _meaning(value)
    if not isinstance(points, list) or len(points) > CURVE_LIMIT:
        raise BadValue(f"it is a list of at most {CURVE_LIMIT:,} points")
    for point in points:
        if not isinstance(point, list) or len(point) != 2 or not all(map(_is_count, point)):
            raise BadValue("each point is [seconds, done]")
    return str(value)


def _is_count(number: Any) -> bool:
    return number.__class__ in (int, float) and -clean.LARGEST <= number <= clean.LARGEST


def _identity(value: Any) -> TaskIdentity:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise BadValue("it is [session uid, key, attempt]")
    return (_uid(value[0]), _key(value[1]), _whole(value[2]))


def _or_none(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


_NAME, _MESSAGE, _SOME_TIME = _text(clean.NAME_LIMIT), _text(clean.MESSAGE_LIMIT), _or_none(_any_number)
_CHECKS: Final[Mapping[str, Check]] = {
    "uid": _uid,
    "session_uid": _uid,
    "key": _key,
    "task": _or_none(_identity),
    "parent": _or_none(_identity),
    "argv": _json,
    "value": _json,
    "data": _or_none(_json),
    "curve": _or_none(_curve),
    "kind": _NAME,
    "status": _one_of(STATUSES),
    "end_status": _or_none(_one_of(TERMINAL)),
    "end_reason": _or_none(_one_of(END_REASONS)),
    "total_source": _or_none(_NAME),
    "error_type": _or_none(_NAME),
    "error": _or_none(_MESSAGE),
    "message": _MESSAGE,
    "traceback": _or_none(_end_of_text(clean.TRACEBACK_LIMIT)),
    "parent_uid": _or_none(_uid),
    "process_uid": _or_none(_uid),
    "total": _or_none(_from_zero),
    "failed": _from_zero,
    "active": _from_zero,
    "cancelled": _from_zero,
    "done": _any_number,
    "interval": _from_zero,
    "at": _any_number,
    "updated_at": _any_number,
    "heartbeat_at": _any_number,
    "started_at": _any_number,
    **dict.fromkeys(("pid", "beats", "dropped_events", "faults", "attempt", "rev"), _whole),
    **dict.fromkeys(("ended_at", "lost_at", "percent", "resumed_from", "duration"), _SOME_TIME),
    **dict.fromkeys(("simulate_from", "simulate_until", "simulate_since", "simulate_expected"), _SOME_TIME),
    "start_ticks": _or_none(_whole),
}
"""By field; what is not here is a short text."""


class _Kind(NamedTuple):
    """What rows of one kind become, what each field may hold, and which fields may be left out."""

    made: type[Any]
    checks: Mapping[str, Check]
    optional: frozenset[str]


def _kind_of(made: type[Any], **special: Check) -> _Kind:
    known = fields(made)
    checks = {each.name: special.get(each.name) or _CHECKS.get(each.name, _NAME) for each in known}
    return _Kind(made, checks, frozenset(each.name for each in known if each.default is not MISSING))


_KINDS: Final[Mapping[str, _Kind]] = {
    "processes": _kind_of(ProcessRow),
    "sessions": _kind_of(SessionRow, kind=_one_of(KINDS)),
    "tasks": _kind_of(TaskRow, started_at=_SOME_TIME, process_uid=_nobody_or_uid),
    "events": _kind_of(EventRow),
    "metadata": _kind_of(MetaRow),
}
