"""What can be wrong with a store while a job runs, told apart so that each is warned of once and answered rightly."""

from __future__ import annotations

import sqlite3
from enum import StrEnum
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from progstore.errors import ProgstoreError, StoreBusy, StoreError, StoreTooNew


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
    TOO_NEW = "too new"
    REFUSED = "refused"
    OTHER = "other"


FINAL: Final = frozenset({Fault.TOO_NEW, Fault.REFUSED, Fault.NOT_A_DATABASE})
"""What will not pass while this process lives: recording stops."""

PASSING: Final = frozenset({Fault.BUSY, Fault.REPLACED})
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
    Fault.TOO_NEW: "this process stops recording",
    Fault.REFUSED: "this process does not record",
    Fault.OTHER: "recording is tried again",
}

_CODES: Final = {
    sqlite3.SQLITE_BUSY: Fault.BUSY,
    sqlite3.SQLITE_LOCKED: Fault.BUSY,
    sqlite3.SQLITE_FULL: Fault.FULL,
    sqlite3.SQLITE_READONLY: Fault.READ_ONLY,
    sqlite3.SQLITE_PERM: Fault.READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: Fault.CANNOT_OPEN,
    sqlite3.SQLITE_IOERR: Fault.IO,
    sqlite3.SQLITE_CORRUPT: Fault.CORRUPT,
    sqlite3.SQLITE_NOTADB: Fault.NOT_A_DATABASE,
}


class StoreReplaced(Exception):
    """The file behind the connection is no longer the file at its path; what was written to it is not there."""


STORE_FAULTS: Final = (SQLAlchemyError, sqlite3.Error, OSError, ProgstoreError, StoreReplaced)
"""What using a store may raise; anything else is a mistake in the code."""


def classify(error: BaseException) -> Fault:
    """Which fault `error` shows."""
    if isinstance(error, DBAPIError):
        return classify(error.orig) if error.orig is not None else Fault.OTHER
    if isinstance(error, sqlite3.Error):
        return _CODES.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF, Fault.OTHER)
    if isinstance(error, StoreReplaced):
        return Fault.REPLACED
    if isinstance(error, StoreTooNew):
        return Fault.TOO_NEW
    if isinstance(error, StoreBusy):
        return Fault.BUSY
    if isinstance(error, StoreError):
        return Fault.REFUSED
    if isinstance(error, OSError):
        return Fault.CANNOT_OPEN
    return Fault.OTHER


def cause(error: BaseException) -> str:
    """The error in its own words, without SQLAlchemy's additions."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(original, OSError) and original.strerror:
        return original.strerror if original.filename is None else f"{original.strerror}: {original.filename}"
    return str(original) or type(original).__name__
