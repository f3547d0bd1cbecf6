"""What SQLite's result codes mean."""

from __future__ import annotations

import sqlite3
from typing import Final

from progstore.store.faults import Fault

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


def fault_of(error: sqlite3.Error) -> Fault:
    """The fault by its code; older errors have none."""
    return _CODES.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF, Fault.OTHER)
