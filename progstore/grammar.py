"""What people type to say which tasks they mean, as a `Filter` and back: `name:etl status:error took>10m late rows`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from progstore.ages import moment, parse_age, write_age, write_moment
from progstore.errors import BadFilter
from progstore.values import Filter, Life, Status

KEYS = "name: session: status: host: since: until: took> took< meta.KEY: in: is:root is:live"
"""What can be filtered by, as people type it."""
LONGEST = 100_000
"""Characters that a typed filter may have."""

_PIECE = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\.)*")+', re.DOTALL)
_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|([^"]+)', re.DOTALL)
_SIGN = re.compile(r":|[<>]=?")
_WORD = re.compile(r"[^\W\d]\w*")
_META = "meta."


def parse_filter(written: str) -> Filter:
    """The filter that `name:etl status:error took>10m host:db1 since:7d meta.model:x some words` stands for.

    Quotes hold together what has blanks, `name:"two words"`; within them a backslash stands before `"` and itself.
    Ages are as in 10m, times are ages ago or local. Raises BadFilter, which says which piece is wrong, and what is
    right.
    """
    if len(written) > LONGEST:
        raise BadFilter(f"a filter has at most {LONGEST:,} characters, got {len(written):,}")
    read = _Read()
    for piece in _pieces(written):
        read.take(piece)
    return read.filter()


def write_filter(wanted: Filter) -> str:
    """What `parse_filter` reads as this filter.

    Raises BadFilter for what cannot be typed: `active_since`, `parent_id`, a list of no sessions, seconds below zero.
    """
    if wanted.active_since is not None or wanted.parent_id is not None or wanted.session_ids == ():
        raise BadFilter("active_since, parent_id and an empty list of sessions cannot be typed as a filter")
    pieces = [
        f"{key}:{_quoted(value)}"
        for key, value in (("name", wanted.name), ("session", wanted.session_name), ("host", wanted.host))
        if value is not None
    ]
    if wanted.statuses:
        pieces.append(f"status:{','.join(status for status in Status if status in wanted.statuses)}")
    pieces += [
        f"{key}:{write_moment(at)}" for key, at in (("since", wanted.since), ("until", wanted.until)) if at is not None
    ]
    if wanted.longer_than is not None:
        pieces.append(_took(">", wanted.longer_than, math.inf))
    if wanted.shorter_than is not None:
        pieces.append(_took("<", wanted.shorter_than, -math.inf))
    pieces += [f"{_META}{_quoted(key, ':<>')}:{_quoted(value)}" for key, value in wanted.meta.items()]
    if wanted.session_ids is not None:
        pieces.append(f"in:{','.join(map(str, wanted.session_ids))}")
    pieces += [f"is:{word}" for word, holds in (("root", wanted.roots), ("live", wanted.live)) if holds]
    if wanted.text:
        is_plain = wanted.text == " ".join(wanted.text.split()) and not re.search(r'[":<>]', wanted.text)
        pieces.append(wanted.text if is_plain else _in_quotes(wanted.text))
    return " ".join(pieces)


def change_filter(written: str, key: str, value: str | None) -> str:
    """The typed filter with `key`, such as "host", asked for as `value`, or with None not at all; what else is in it
    stays as it was typed. Raises BadFilter.
    """
    kept = [piece.written for piece in _pieces(written) if (piece.split() or ("",))[0] != key]
    return " ".join(kept if value is None else [*kept, f"{key}:{_quoted(value)}"])


class _Piece(NamedTuple):
    """What stands between two blanks: as it was written, without quotes, and which characters were in quotes."""

    written: str
    text: str
    in_quotes: tuple[bool, ...]

    def split(self) -> tuple[str, str, str, bool] | None:
        """Key, sign, value and whether the value was left empty; None where these are only words."""
        for found in _SIGN.finditer(self.text):
            if self.in_quotes[found.start()]:
                continue
            key, sign, value = self.text[: found.start()], found[0], self.text[found.end() :]
            if any(self.in_quotes[: len(key)]) and not (key.startswith(_META) and not any(self.in_quotes[:5])):
                return None
            if sign != ":" and not key.startswith(_META) and not _WORD.fullmatch(key):
                return None
            return key, sign, value, not value and not self.written.endswith('""')
        return None


@dataclass(slots=True)
class _Read:
    """What was read so far."""

    fields: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    statuses: set[Status] = field(default_factory=set)
    sessions: list[int] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def filter(self) -> Filter:
        """All of it together."""
        sessions = tuple(self.sessions) or None
        statuses, text = frozenset(self.statuses), " ".join(self.words)
        return Filter(text=text, statuses=statuses, session_ids=sessions, meta=self.meta, **self.fields)

    def take(self, piece: _Piece) -> None:
        """One more piece. Raises BadFilter."""
        split = piece.split()
        if split is None:
            if not piece.text:
                raise BadFilter(f"{piece.written}: nothing stands between these quotes")
            self.words.append(piece.text)
            return
        key, sign, value, is_missing = split
        is_meta = key.startswith(_META)
        if not is_meta and key not in _READERS and key != "took":
            raise BadFilter(
                f"{piece.written}: there is no {key + sign!r} to filter by, but {KEYS}; "
                f"to look for it as text put it in quotes: {_in_quotes(piece.text)}"
            )
        if is_missing:
            empty = f'; what is empty is written as {key}{sign}""' if is_meta or key in _TEXTS else ""
            raise BadFilter(f"{piece.written}: nothing stands after {key + sign!r}{empty}")
        if (sign == ":") == (key == "took"):
            right = "took>10m or took<90s" if key == "took" else f"{key}:{value}"
            raise BadFilter(f"{piece.written}: {key} is asked for as in {right}")
        try:
            self._put(key, sign, value)
        except BadFilter as error:
            raise BadFilter(f"{piece.written}: {error}") from None

    def _put(self, key: str, sign: str, value: str) -> None:
        if key.startswith(_META):
            name = key.removeprefix(_META)
            if name in self.meta:
                raise BadFilter(f"{key} stands here twice; one value can be asked for")
            self.meta[name] = value
        elif key == "took":
            seconds = parse_age(value)
            if sign.endswith("="):  # the filter's own bounds are not part of what matches
                seconds = math.nextafter(seconds, -math.inf if sign == ">=" else math.inf)
            self._set("longer_than" if sign.startswith(">") else "shorter_than", seconds, f"took{sign[0]}")
        else:
            _READERS[key](self, key, value)

    def text(self, key: str, value: str) -> None:
        """A name that must be equal."""
        self._set(_TEXTS[key], value, f"{key}:")

    def time(self, key: str, value: str) -> None:
        """A bound of the start."""
        self._set(key, moment(value), f"{key}:")

    def status(self, key: str, value: str) -> None:
        """Statuses with commas between."""
        stored = ", ".join(Status)
        for word in value.lower().split(","):
            if word in set(Life):
                raise BadFilter(
                    f"{word} is not stored, but concluded when one looks at what is stored as running: ask for "
                    f"{key}:running; the first page and `progstore ls` show it"
                )
            if word not in set(Status):
                raise BadFilter(f"there is no status {word!r}; it is one of {stored}, or several with commas between")
            self.statuses.add(Status(word))

    def session(self, key: str, value: str) -> None:
        """Numbers of sessions with commas between."""
        for word in value.split(","):
            if not (word.isascii() and word.isdigit() and len(word) < 20 and 0 < int(word) < 2**63):
                raise BadFilter(f"{word!r} is no session's number; give one or more, as in {key}:17 or {key}:17,18")
            self.sessions.append(int(word))

    def kind(self, key: str, value: str) -> None:
        """What a task is."""
        if value not in ("root", "live"):
            nested = "; nested tasks are listed beside the others unless is:root is asked for" * (value == "nested")
            raise BadFilter(f"a task can be asked for as {key}:root (not nested) or {key}:live (not ended){nested}")
        self._set("roots" if value == "root" else "live", True, f"{key}:{value}")

    def _set(self, name: str, value: object, shown: str) -> None:
        if name in self.fields:
            raise BadFilter(f"{shown!r} stands here twice; one can be asked for")
        self.fields[name] = value


_TEXTS = {"name": "name", "session": "session_name", "host": "host"}
_READERS: dict[str, Callable[[_Read, str, str], None]] = {
    **dict.fromkeys(_TEXTS, _Read.text),
    "status": _Read.status,
    "since": _Read.time,
    "until": _Read.time,
    "in": _Read.session,
    "is": _Read.kind,
}


def _pieces(written: str) -> Iterator[_Piece]:
    place = 0
    while place < len(written):
        if written[place].isspace():
            place += 1
            continue
        found = _PIECE.match(written, place)
        end = place if found is None else found.end()
        if end < len(written) and written[end] == '"':
            raise BadFilter(
                f'{written[place:]}: the quote at character {end + 1} is not closed; put another " at its end, '
                'or write \\" within quotes for the sign itself'
            )
        yield _piece(written[place:end])
        place = end


def _piece(written: str) -> _Piece:
    text, in_quotes = "", []
    for part in _PART.finditer(written):
        plain = re.sub(r'\\(["\\])', r"\1", part[1]) if part[2] is None else part[2]
        text += plain
        in_quotes += [part[2] is None] * len(plain)
    return _Piece(written, text, tuple(in_quotes))


def _quoted(value: str, more: str = "") -> str:
    """The value as it is typed: in quotes where it must be."""
    return value if value and not re.search(rf'[\s"{more}]', value) else _in_quotes(value)


def _in_quotes(value: str) -> str:
    escaped = re.sub(r'(["\\])', r"\\\1", value)
    return f'"{escaped}"'


def _took(sign: str, seconds: float, inward: float) -> str:
    """A bound of the duration; where the number beside it is the rounder one, that one is included."""
    beside = abs(math.nextafter(seconds, inward)) if abs(seconds) < 1e-300 else math.nextafter(seconds, inward)
    if len(repr(beside)) < len(repr(seconds)):
        sign, seconds = f"{sign}=", beside
    return f"took{sign}{write_age(seconds)}"
