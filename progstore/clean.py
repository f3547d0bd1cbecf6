"""Input is cleaned at the border: text, numbers and metadata become what any store can hold, or a clear error."""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
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


def total(value: object) -> float | None:
    """A total as the store holds it; infinite means unknown, as tqdm has it.

    Raises TypeError for what is no number, BadValue for NaN and what is negative or too large.
    """
    if value is None:
        return None
    number = count(value, "total")
    if number < 0:
        raise _bad(f"total must not be negative, got {value!r}; use None where it is unknown")
    return number if number != math.inf else None


def count(value: object, what: str) -> float:
    """A number as int or float; positive infinity is let through only for a total.

    Raises TypeError for what is no number, BadValue for NaN and what is too large for a double.
    """
    if value.__class__ is int:
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


def metadata(value: object, key: str) -> str:
    """`value` as JSON text. NaN and infinities become the strings "NaN", "Infinity" and "-Infinity", for JSON has none.

    Raises TypeError for what JSON cannot say, BadValue for what is nested too deep or too large.
    """
    import json  # first use of metadata pays for it, not the first tracked loop

    encoded = json.dumps(_json(value, key, 0), ensure_ascii=False, separators=(",", ":"))
    if len(encoded) > META_LIMIT:
        raise _bad(f"metadata {key!r} takes {len(encoded):,} characters as JSON; at most {META_LIMIT:,} are kept")
    return encoded


def _json(value: Any, key: str, depth: int) -> Json:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _not_finite(value)
    if depth >= META_DEPTH:
        raise _bad(f"metadata {key!r} is nested deeper than {META_DEPTH} levels")
    if isinstance(value, dict):
        return {
            text(name, f"a key in metadata {key!r}", NAME_LIMIT): _json(each, key, depth + 1)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_json(each, key, depth + 1) for each in value]
    if hasattr(value, "__fspath__"):
        return printable(str(value))
    if hasattr(value, "isoformat"):
        return printable(str(value.isoformat()))
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # numpy's and torch's scalars and arrays
        return _json(value.tolist(), key, depth + 1)
    raise TypeError(f"metadata {key!r} must be JSON, got {type(value).__name__}; use str(...) or its fields")


def _not_finite(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _bad(message: str) -> Exception:
    from progstore.errors import BadValue  # only a mistake pays for it

    return BadValue(message)
