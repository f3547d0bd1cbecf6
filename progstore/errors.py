"""The errors that progstore raises at its callers; each message says what to do.

A fault of the store (locked, full, gone, corrupt) is never raised into a job: there the recorder warns once. The same
fault is raised, as one of these, to whoever asked the store a question.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class ProgstoreError(Exception):
    """Base of every error that progstore raises on purpose."""


class StoreError(ProgstoreError):
    """The store cannot be used as asked; the message names the file or server, the cause and the way out."""


class StoreNotFound(StoreError):
    """There is no store at that place yet; the first tracked loop creates it."""


class StoreTooNew(StoreError):
    """A newer progstore wrote this store; upgrade this one to read or write it."""


class StoreBusy(StoreError):
    """Another process holds the store's lock for longer than this call may wait; try again."""


class StoreDamaged(StoreError):
    """The file is not an SQLite database or is corrupt; `progstore db check` tells more, `db recover` saves what it
    can.
    """


class NotFound(ProgstoreError, LookupError):
    """There is no session, task or name with that id in this store."""


class BadFilter(ProgstoreError, ValueError):
    """A filter, cursor or age that cannot be understood; the message shows a right one."""


class BadQuery(ProgstoreError, ValueError):
    """A SQL statement that is not read-only, is wrong, or ran past its time or row limit."""


class BadValue(ProgstoreError, ValueError):
    """A value that cannot be recorded, such as a negative total; the message says what is accepted."""


class StillRunning(ProgstoreError):
    """What runs is not deleted unless it is asked for with `force=True`; `sessions` and `tasks` are the ids of it."""

    sessions: tuple[int, ...] = ()
    tasks: tuple[int, ...] = ()


class AlreadyEnded(ProgstoreError):
    """What has ended cannot be asked to stop."""


class BadArguments(BadValue):
    """A job cannot be started with these arguments; `faults` says for each parameter what is wrong with its value."""

    faults: Mapping[str, str] = {}

    @classmethod
    def of(cls, faults: Mapping[str, str]) -> BadArguments:
        """The error of these faults."""
        error = cls("; ".join(f"{name}: {fault}" for name, fault in faults.items()))
        error.faults = dict(faults)
        return error


class MissingExtra(ProgstoreError, ImportError):
    """A frontend's packages are not installed; the message is the install line."""
