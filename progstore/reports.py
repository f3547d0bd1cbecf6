"""What a store answers to SQL and to orders: rows, and reports of what was done.

Times are seconds since 1970 in UTC, sizes are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from progstore.values import Json, plain


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The answer to a SQL question: column names, rows, and whether rows were left out by the limit."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool = False


class ViewInfo(NamedTuple):
    """A documented view of a store: what it holds, and each column's name with what it means."""

    name: str
    purpose: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """What a clean-up removed, or with `dry_run` would remove; its bytes are then estimates.

    `bytes_freed` is what the removed rows took, `bytes_used` what the store takes without them, and
    `bytes_given_back` by how much the file became smaller, for some of it may stay free for new rows. Each of the
    `warnings` is a sentence about what was asked for and could not be done.
    """

    sessions: int
    tasks: int
    events: int
    bytes_freed: int
    bytes_used: int
    bytes_given_back: int
    dry_run: bool
    seconds: float
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        """The report as plain JSON."""
        return plain(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class VacuumReport:
    """By how many bytes the file became smaller, and what kept it from becoming as small as it could."""

    bytes_given_back: int
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        """The report as plain JSON."""
        return plain(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What came of a document: how many rows were written, for others were here already; why rows were refused; and
    the uids of those of its sessions that somebody asked to stop.
    """

    rows: int
    refused: tuple[str, ...] = ()
    stop_requested: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        """The report as plain JSON."""
        return plain(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReport:
    """What a copy looked at and wrote: sessions, rows that were not there yet or were older, and why rows were
    refused.
    """

    sessions: int
    rows: int
    refused: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        """The report as plain JSON."""
        return plain(self)
