"""What the server's SQLSTATE codes mean, and in which words errors are told."""

from __future__ import annotations

from typing import Final

from progstore.errors import StoreBusy, StoreDamaged, StoreError
from progstore.store import faults
from progstore.store.faults import Fault

_CANCELLED: Final = "57014"
_CODES: Final = {
    "25006": Fault.READ_ONLY,  # read_only_sql_transaction: also a server that became a standby
    "40001": Fault.BUSY,  # serialization_failure
    "40P01": Fault.BUSY,  # deadlock_detected
    "42501": Fault.FORBIDDEN,  # insufficient_privilege
    "3F000": Fault.FORBIDDEN,  # invalid_schema_name: there is none that the role may create in
    "28000": Fault.UNREACHABLE,  # invalid_authorization_specification
    "28P01": Fault.UNREACHABLE,  # invalid_password
    "3D000": Fault.UNREACHABLE,  # invalid_catalog_name: no such database
    "53100": Fault.FULL,  # disk_full
    "53300": Fault.UNREACHABLE,  # too_many_connections
    "55P03": Fault.BUSY,  # lock_not_available: after lock_timeout
    _CANCELLED: Fault.BUSY,  # query_canceled: after statement_timeout
    "57P01": Fault.LOST,  # admin_shutdown
    "57P02": Fault.LOST,  # crash_shutdown
    "57P03": Fault.UNREACHABLE,  # cannot_connect_now
    "57P05": Fault.LOST,  # idle_session_timeout
    "25P03": Fault.LOST,  # idle_in_transaction_session_timeout
    "58030": Fault.IO,  # io_error
    "XX001": Fault.CORRUPT,  # data_corrupted
    "XX002": Fault.CORRUPT,  # index_corrupted
}
_CLASSES: Final = {"08": Fault.LOST}

ADVICE: Final = {
    Fault.READ_ONLY: "recording goes on when the server takes writes again",
    Fault.CORRUPT: "look at the server's log, and restore a backup where it cannot be mended",
    Fault.FORBIDDEN: "give its role a database, or a schema, of its own; recording goes on when it has one",
    Fault.BUSY: "others hold what it needs; progress is late, nothing is lost",
}
"""Where it is not what `faults.ADVICE` says."""


def fault_of(error: BaseException) -> Fault:
    """The fault by its code; what happened before the server could give one is that it cannot be reached."""
    import psycopg

    code = getattr(error, "sqlstate", None)
    if code is not None:
        return _CODES.get(code) or _CLASSES.get(code[:2], Fault.OTHER)
    return Fault.UNREACHABLE if isinstance(error, psycopg.OperationalError) else Fault.OTHER


def is_too_large(error: BaseException | None) -> bool:
    """Whether a row was refused for its size (program_limit_exceeded), as names are that no index can hold."""
    return str(getattr(error, "sqlstate", None) or "").startswith("54")


def words(error: BaseException) -> str:
    """What happened, in one line; without the statement that libpq repeats."""
    said = getattr(getattr(error, "diag", None), "message_primary", None) or str(error) or type(error).__name__
    return " ".join(said.split())


def explained(name: str, error: Exception) -> StoreError:
    """The error for whoever asked, with the server and database, the cause and the way out."""
    said = faults.cause(error)
    code = getattr(getattr(error, "orig", error), "sqlstate", None)
    match faults.classify(error):
        case Fault.BUSY if code == _CANCELLED:
            return StoreBusy(f"the server gave up what was asked of {name} ({said}); try again when it has less to do")
        case Fault.BUSY:
            return StoreBusy(f"others hold what was asked of {name} ({said}); try again")
        case Fault.UNREACHABLE:
            return StoreError(f"{name} cannot be reached ({said}); look whether it runs and lets this user in")
        case Fault.LOST:
            return StoreError(f"the connection to {name} was lost ({said}); try again")
        case Fault.FORBIDDEN:
            return StoreError(f"{name} does not allow that ({said}); grant it, or use a role that may do it")
        case Fault.READ_ONLY:
            return StoreError(f"{name} is read-only ({said}); use the server that takes writes")
        case Fault.FULL:
            return StoreError(f"{name} cannot be written ({said}); its disk is full")
        case Fault.CORRUPT:
            return StoreDamaged(f"{name} is damaged ({said}); {ADVICE[Fault.CORRUPT]}")
        case _ if code in {"42P01", "42703"}:
            return StoreError(f"{name} has an older schema ({said}); upgrade it with `progstore db upgrade`")
        case _:
            return StoreError(f"{name} cannot be used ({said}); the server's log may tell more")
