"""What can be wrong with a store while a job runs, told apart so that each is warned of once and answered rightly."""

from __future__ import annotations

import sqlite3
import sys
from enum import StrEnum
from typing import Final

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
    SQLAlchemyError,
)

from progstore.errors import MissingExtra, ProgstoreError, StoreBusy, StoreDamaged, StoreError, StoreTooNew


class Fault(StrEnum):
    """A kind of fault; each is warned of once until it is over."""

    BUSY = "busy"
    FULL = "full"
    READ_ONLY = "read-only"
    CANNOT_OPEN = "cannot open"
    IO = "I/O error"
    CORRUPT = "corrupt"
    NOT_A_DATABASE = "not a database"
    REPLACED = "replaced"
    UNREACHABLE = "unreachable"
    LOST = "connection lost"
    FORBIDDEN = "forbidden"
    TOO_NEW = "too new"
    REFUSED = "refused"
    OTHER = "other"


FINAL: Final = frozenset({Fault.TOO_NEW, Fault.REFUSED, Fault.NOT_A_DATABASE})
"""What will not pass while this process lives: recording stops."""

PASSING: Final = frozenset({Fault.BUSY, Fault.REPLACED, Fault.LOST})
"""What is mostly over in a moment: worth another try when the process ends."""

ADVICE: Final = {
    Fault.BUSY: "another process holds it; progress is late, nothing is lost",
    Fault.FULL: "recording goes on when there is space",
    Fault.READ_ONLY: "recording goes on when it can be written",
    Fault.CANNOT_OPEN: "recording goes on when the file and its directory can be opened and written",
    Fault.IO: "recording is tried again",
    Fault.CORRUPT: "`progstore db check` tells more, `progstore db recover` saves what it can",
    Fault.NOT_A_DATABASE: "it stays as it is and this process does not record; choose another file with PROGSTORE_URL",
    Fault.REPLACED: "what is live is written again",
    Fault.UNREACHABLE: "recording goes on when the server can be reached and lets this process in",
    Fault.LOST: "what is live is written again over a new one",
    Fault.FORBIDDEN: "recording goes on when its role may do that",
    Fault.TOO_NEW: "this process stops recording",
    Fault.REFUSED: "this process does not record",
    Fault.OTHER: "recording is tried again",
}


class StoreReplaced(Exception):
    """The file behind the connection is no longer the file at its path; what was written to it is not there."""


def driver_errors() -> tuple[type[Exception], ...]:
    """What the drivers that are in use raise, by themselves or through SQLAlchemy."""
    psycopg = sys.modules.get("psycopg")
    return (DBAPIError, sqlite3.Error) if psycopg is None else (DBAPIError, sqlite3.Error, psycopg.Error)


def store_faults() -> tuple[type[Exception], ...]:
    """What using a store may raise; anything else is a mistake in the code."""
    return (*driver_errors(), SQLAlchemyError, OSError, ProgstoreError, StoreReplaced)


def classify(error: BaseException) -> Fault:
    """Which fault `error` shows."""
    if isinstance(error, DBAPIError):
        return Fault.LOST if error.connection_invalidated else classify(error.orig or error.__cause__ or Exception())
    if isinstance(error, sqlite3.Error):
        from progstore.store.sqlite.faults import fault_of

        return fault_of(error)
    if isinstance(error, StoreReplaced):
        return Fault.REPLACED
    if isinstance(error, StoreTooNew):
        return Fault.TOO_NEW
    if isinstance(error, StoreBusy):
        return Fault.BUSY
    if isinstance(error, StoreDamaged):
        return Fault.OTHER  # somebody changed its tables, and may change them back
    if isinstance(error, StoreError | MissingExtra):
        return Fault.REFUSED
    if isinstance(error, OSError):
        return Fault.CANNOT_OPEN
    if _is_psycopgs(error):
        from progstore.store.postgres import faults

        return faults.fault_of(error)
    return Fault.OTHER


ROW_FAULTS: Final = (DBAPIError, OverflowError, UnicodeError)
"""Among these is what one bad row raises; `is_of_row` tells."""


def is_of_row(error: Exception) -> bool:
    """Whether one row that no store could hold raised this, of ROW_FAULTS; the rest of its batch is fine."""
    if not isinstance(error, DBAPIError) or isinstance(error, IntegrityError | DataError):
        return True
    if isinstance(error.orig, sqlite3.Error):
        return isinstance(error, InterfaceError | ProgrammingError)
    from progstore.store.postgres import faults

    return faults.is_too_large(error.orig)


def cause(error: BaseException) -> str:
    """The error in its own words, without SQLAlchemy's additions."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(original, OSError) and original.strerror:
        return original.strerror if original.filename is None else f"{original.strerror}: {original.filename}"
    if _is_psycopgs(original):
        from progstore.store.postgres import faults

        return faults.words(original)
    return str(original) or type(original).__name__


def _is_psycopgs(error: BaseException) -> bool:
    psycopg = sys.modules.get("psycopg")
    return psycopg is not None and isinstance(error, psycopg.Error)
