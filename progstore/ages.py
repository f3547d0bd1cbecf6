"""Ages and times as people type them: `26h`, `7d`, `2026-11-01T08:30`."""

from __future__ import annotations

import math
import re
import time
from datetime import UTC, datetime
from decimal import Decimal

from progstore.errors import BadFilter

AGE_EXAMPLES = "90s, 15m, 26h, 30d or 2w"
LONGEST_AGE = 1e15
"""Seconds; some thirty million years."""

_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s?([smhdw])", re.ASCII)
_EPOCH = re.compile(r"@(-?\d+(?:\.\d+)?)", re.ASCII)


def parse_age(text: str) -> float:
    """The seconds that `26h` and the like stand for. Raises BadFilter with right examples."""
    match = _AGE.fullmatch(text.strip().lower())
    seconds = float(match[1]) * _UNITS[match[2]] if match else math.inf
    if seconds > LONGEST_AGE:
        raise BadFilter(f"{text!r} is not an age; give a number and a unit, as in {AGE_EXAMPLES}")
    return seconds


def moment(text: str) -> float:
    """The point in time, seconds UTC, that an age ago, a local date or time, or `@` and seconds since 1970 stands for.

    Raises BadFilter.
    """
    plain = text.strip()
    if _AGE.fullmatch(plain.lower()):
        return time.time() - parse_age(plain)
    try:
        match = _EPOCH.fullmatch(plain)
        at = float(match[1]) if match else datetime.fromisoformat(plain).timestamp()
    except (ValueError, OverflowError, OSError):
        at = math.inf
    if not math.isfinite(at):
        raise BadFilter(
            f"{text!r} is not a time; give a date or time, as in 2026-11-01 or 2026-11-01T08:30, "
            f"or how long ago, as in {AGE_EXAMPLES}"
        )
    return at


def write_age(seconds: float) -> str:
    """What `parse_age` reads as exactly these seconds, in the largest unit of which they are a whole number. Raises
    BadFilter for what is below zero or too long.
    """
    if not 0 <= seconds <= LONGEST_AGE:
        raise BadFilter(f"a duration is from 0 s to {LONGEST_AGE:g} s, got {seconds!r}")
    whole = (unit for unit, size in _UNITS.items() if seconds and seconds % size == 0)
    unit = next(whole, "s")
    return f"{_number(seconds / _UNITS[unit]).removesuffix('.0')}{unit}"


def write_moment(at: float) -> str:
    """What `moment` reads as exactly this time: a date and time in UTC where that is exact, else seconds since 1970."""
    try:
        said = datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return f"@{_number(at)}"
    return said.isoformat().replace("+00:00", "Z") if said.timestamp() == at else f"@{_number(at)}"


def _number(value: float) -> str:
    """Without an exponent, and exact."""
    return f"{Decimal(repr(value)):f}"
