"""Input is cleaned at the border: text, numbers and metadata become what any store can hold, or a clear error."""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from progstore.values import Json

NAME_LIMIT = 500
"""Characters kept of a name, key, unit or metadata key."""
MESSAGE_LIMIT = 10_000
"""Characters kept of a message or an error's text."""
TRACEBACK_LIMIT = 50_000
"""Characters kept of a traceback; its end is kept, for there the error stands."""
META_LIMIT = 100_000
"""Characters that one metadata value may take as JSON."""
META_DEPTH = 50
"""Levels that a metadata value may be nested."""
SHOWN_LIMIT = 200
"""Characters of a value that a message about it repeats."""
LARGEST = 1e300
"""A count beyond this is refused; counts are doubles, exact to 2**53."""


def text(value: object, what: str, limit: int = MESSAGE_LIMIT) -> str:
    """`value` as storable text: lone surrogates and NUL become U+FFFD, what is over `limit` is cut and says so.

    Raises TypeError where it is no string: `what` names it.
    """
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a string, got {type(value).__name__}; use str(...)")
    return shorten(printable(value), limit)


def printable(value: str) -> str:
    """`value` without NUL and lone surrogates, which neither UTF-8 nor PostgreSQL can hold."""
    if type(value) is not str:
        value = str.__str__(value)  # the text itself: a subclass may have ways of its own
    if value.isascii() and "\0" not in value:
        return value
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "\ufffd")


def shorten(value: str, limit: int) -> str:
    """The first `limit` characters, with a word about how many there were."""
    if len(value) <= limit:
        return value
    note = f"… [cut, {len(value):,} characters]"
    return value[: limit - len(note)] + note


def shorten_front(value: str, limit: int) -> str:
    """The last `limit` characters, with a word about how many there were."""
    if len(value) <= limit:
        return value
    note = f"[cut, {len(value):,} characters] …"
    return note + value[len(note) - limit :]


def shown(value: object) -> str:
    """`value` as a message about it names it: in short, whatever its own `repr` does."""
    try:
        return shorten(repr(value), SHOWN_LIMIT)
    except Exception:  # noqa: BLE001  # it may be anything; a number of more digits than Python writes out, for one
        return f"<{type(value).__name__}>"


def total(value: object) -> float | None:
    """A total as the store holds it; infinite means unknown, as tqdm has it.

    Raises TypeError for what is no number, BadValue for NaN and what is negative or too large.
    """
    if value is None:
        return None
    number = count(value, "total")
    if number < 0:
        raise _bad(f"total must not be negative, got {shown(value)}; use None where it is unknown")
    return number if number != math.inf else None


def count(value: object, what: str) -> float:
    """A number as int or float; positive infinity is let through only for a total.

    Raises TypeError for what is no number, BadValue for NaN and what is too large for a double.
    """
    if type(value) is int:
        number: float = value  # an int stays exact until it is stored
    else:
        try:
            number = float(value)  # type: ignore[arg-type]  # what has no float() is refused just below
        except (TypeError, ValueError):
            raise TypeError(f"{what} must be a number, got {type(value).__name__}") from None
        except OverflowError:
            raise _bad(f"{what} is too large: counts are doubles") from None
        if isinstance(value, str | bytes):
            raise TypeError(f"{what} must be a number, got {type(value).__name__}; use float(...)")
    if number != number:
        raise _bad(f"{what} must be a number, got NaN")
    if (number > LARGEST or number < -LARGEST) and not (what == "total" and number == math.inf):
        raise _bad(f"{what} is too large: counts are doubles, at most {LARGEST:g}")
    return number


def bounded(number: float) -> float:
    """A count as a double can hold it: what is beyond stands at the largest count there is."""
    if -LARGEST <= number <= LARGEST:
        return number
    return LARGEST if number > 0 else -LARGEST


def metadata(value: object, key: str) -> str:
    """`value` as JSON text. NaN and infinities become the strings "NaN", "Infinity" and "-Infinity", for JSON has none.

    Raises TypeError for what JSON cannot say, BadValue for what is nested too deep or too large.
    """
    import json  # first use of metadata pays for it, not the first tracked loop

    # Each value takes a character at least, and a small list that holds one list many times can stand for billions.
    encoded = json.dumps(_json(value, key, 0, iter(range(META_LIMIT))), ensure_ascii=False, separators=(",", ":"))
    if len(encoded) > META_LIMIT:
        raise _bad(f"metadata {key!r} takes {len(encoded):,} characters as JSON; at most {META_LIMIT:,} are kept")
    return encoded


def names(given: Mapping[str, Any], what: str) -> dict[str, Any]:
    """`given` with its keys as storable text; `what` names such a key.

    Raises TypeError for what is no mapping and for a key that is no string, BadValue where two keys are the same once
    they are storable.
    """
    if not hasattr(given, "items"):
        raise TypeError(f"expected a mapping, from {what} to its value, got {type(given).__name__}")
    kept = {text(name, what, NAME_LIMIT): value for name, value in given.items()}
    if len(kept) < len(given):
        raise _bad(f"{what} must differ from the others in what can be stored: its first {NAME_LIMIT} characters")
    return kept


def _json(value: Any, key: str, depth: int, left: Iterator[int]) -> Json:
    if next(left, None) is None:
        raise _bad(f"metadata {key!r} has more values than the {META_LIMIT:,} characters that are kept could say")
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, int | float):
        return _number(value, key)
    if depth >= META_DEPTH:
        raise _bad(f"metadata {key!r} is nested deeper than {META_DEPTH} levels")
    if isinstance(value, dict):
        parts = names(value, f"a key in metadata {key!r}")
        return {name: _json(each, key, depth + 1, left) for name, each in parts.items()}
    if isinstance(value, list | tuple):
        return [_json(each, key, depth + 1, left) for each in value]
    if hasattr(value, "__fspath__"):
        return printable(str(value))
    if hasattr(value, "isoformat"):
        return printable(str(value.isoformat()))
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # numpy's and torch's scalars and arrays
        return _json(value.tolist(), key, depth + 1, left)
    raise TypeError(f"metadata {key!r} must be JSON, got {type(value).__name__}; use str(...) or its fields")


def _number(value: float, key: str) -> float | str:
    if isinstance(value, int):
        if not -LARGEST <= value <= LARGEST:
            raise _bad(f"metadata {key!r} has a number beyond {LARGEST:g}; use str(...)")
        return int(value)
    if math.isfinite(value):
        return float(value)
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _bad(message: str) -> Exception:
    from progstore.errors import BadValue  # only a mistake pays for it

    return BadValue(message)
