"""Values as people read them: durations, counts, bars, times.

Whatever comes from a store may hold control characters: it goes through `one_line` before it reaches a terminal.
"""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, datetime

_ZERO_WIDTH_JOINER = "\u200d"


def duration(seconds: float | None) -> str:
    """Seconds in the two largest units that matter: 0.42 s, 12.3 s, 4 min 05 s, 2 h 03 min, 3 d 04 h."""
    if seconds is None:
        return ""
    if seconds < 9.995:
        return f"{max(seconds, 0.0):.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400:,} d {whole % 86400 // 3600:02} h"


def local_time(moment: float | None, *, full: bool) -> str:
    """`moment` (seconds UTC) in local time: with `full` as ISO 8601 with offset, else as short as it is clear."""
    then = _utc(moment)
    if then is None:
        return ""
    then = then.astimezone()
    if full:
        return then.isoformat(timespec="seconds")
    if then.date() == datetime.now(UTC).astimezone().date():
        return f"{then:%H:%M:%S}"
    return f"{then:%Y-%m-%d %H:%M}"


def utc_time(moment: float | None) -> str:
    """`moment` (seconds UTC) as ISO 8601 in UTC, for machines."""
    then = _utc(moment)
    return "" if then is None else then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def count(value: float) -> str:
    """A count: whole where it is whole, else with at most three digits after the point."""
    if value == math.trunc(value) and abs(value) < 2**53:
        return str(int(value))
    return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 2**53 else f"{value:.6g}"


def items(done: float, total: float | None, unit: str = "") -> str:
    """`76/200 file`; `76 file` where no total is known."""
    both = count(done) if total is None else f"{count(done)}/{count(total)}"
    return f"{both} {one_line(unit)}".rstrip()


def plural(number: int, word: str) -> str:
    """`1 session`, `2 sessions`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def size(number: int) -> str:
    """Bytes in decimal units: 812 B, 4.1 kB, 12.6 MB."""
    scaled = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if scaled < 999.5 and unit == "B":
            return f"{number} B"
        if scaled < 999.95:
            return f"{scaled:.1f} {unit}"
        scaled /= 1000
    return f"{scaled:.1f} TB"


def one_line(text: str) -> str:
    """`text` on one line, with whatever could steer a terminal written as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(char) for char in text)


def lines(text: str) -> list[str]:
    """The lines of `text`, each safe for a terminal."""
    return [one_line(line.expandtabs()) for line in text.splitlines()]


def width(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(_columns(char) for char in text)


def cut(text: str, limit: int, mark: str = "…") -> str:
    """The beginning of `text` that fits into `limit` columns; `mark` stands where something was left out."""
    if width(text) <= limit:
        return text
    kept, used = "", width(mark)
    for char in text:
        used += _columns(char)
        if used > limit:
            break
        kept += char
    return (kept.rstrip() + mark)[: max(limit, 0)]


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """`text` filled up with spaces to `columns`; to the `right` means numbers that line up."""
    space = " " * max(columns - width(text), 0)
    return space + text if right else text + space


def _utc(moment: float | None) -> datetime | None:
    """The time, or None where there is none or the calendar does not reach so far."""
    try:
        return None if moment is None else datetime.fromtimestamp(moment, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _shown(char: str) -> str:
    if char.isprintable() or char == _ZERO_WIDTH_JOINER:
        return char
    if char.isspace():
        return " "
    return char.encode("unicode_escape").decode("ascii")


def _columns(char: str) -> int:
    if unicodedata.combining(char) or char == _ZERO_WIDTH_JOINER:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
