"""Whose turn it is to send: elected by a lock that the kernel drops when its holder dies."""

from __future__ import annotations

from hashlib import blake2b

from progstore.errors import StoreError
from progstore.store.backend import Location
from progstore.store.sqlite.location import SqliteLocation
from progstore.store.sqlite.lockfile import LockFile


class Turn:
    """Who sends from one store to one server: at most one among all processes, and none after its death.

    Raises StoreError, when it is made, where the lock file beside the store cannot be made.
    """

    def __init__(self, location: Location, url: str) -> None:
        assert isinstance(location, SqliteLocation), "what goes to a server is recorded in a file first"
        path = f"{location.path}.push-{_digest(url)}.lock"
        try:
            self._lock = LockFile(path, create=True)
        except OSError as error:
            raise StoreError(f"{path} cannot be opened ({error}); look at its directory's rights") from error

    def take(self) -> bool:
        """Whether it is this one's turn; to ask again costs microseconds."""
        return self._lock.try_lock(0)

    def close(self) -> None:
        """Let another have it."""
        self._lock.close()


def _digest(url: str) -> str:
    return blake2b(url.encode(), digest_size=6).hexdigest()
