"""The lock file beside a store: one byte per purpose, dropped by the kernel when its holder dies.

On Linux these are open-file-description locks, seen across pid namespaces and safe to hold from several threads. The
file is opened once per process and store; a forked child must close what it inherited, or it would keep its parent's
locks alive.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
import threading
import weakref
from collections.abc import Collection
from typing import ClassVar, Final

from sqlalchemy import Connection

from progstore.store.backend import OwnerLocks

CHECKPOINT: Final = 0
MAINTENANCE: Final = 1
FIRST_OWNER: Final = 16

_BUSY = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}
_open_files: weakref.WeakSet[LockFile] = weakref.WeakSet()


class LockFile:
    """The bytes of one lock file; each is held by at most one process.

    Raises OSError where the file cannot be opened or created.
    """

    def __init__(self, path: str, *, create: bool) -> None:
        flags = os.O_RDWR | (os.O_CREAT if create else 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(path, flags, 0o600)
        self._mutex = threading.Lock()
        _open_files.add(self)

    def try_lock(self, byte: int) -> bool:
        """Take `byte`; False where another process holds it."""
        with self._mutex:
            try:
                _set(self._descriptor, byte, lock=True)
            except OSError as error:
                if error.errno in _BUSY:
                    return False
                raise
            return True

    def unlock(self, byte: int) -> None:
        """Give `byte` back."""
        with self._mutex:
            _set(self._descriptor, byte, lock=False)

    def is_locked(self, byte: int) -> bool:
        """Whether another open file holds `byte`; a byte that this object holds itself does not count."""
        with self._mutex:
            return _is_held(self._descriptor, byte)

    def is_at(self, path: str) -> bool:
        """Whether this is the file that is found at `path` now."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(path))
        except OSError:
            return False

    def close(self) -> None:
        """Drop every byte held here."""
        with self._mutex:
            self._close()

    def close_inherited(self) -> None:
        """The same in a forked child, where a thread that is not here may have held the mutex."""
        self._mutex = threading.Lock()
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class FileLocks(OwnerLocks):
    """The bytes that owners hold, as a reader sees them; the file is opened at the first look."""

    are_certain: ClassVar[bool] = True

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: LockFile | None = None

    def held(self, connection: Connection, process_ids: Collection[int]) -> Collection[int] | None:  # noqa: ARG002
        """Asked of the kernel, not of the store."""
        try:
            if self._file is None:
                self._file = LockFile(self._path, create=False)
            return {number for number in process_ids if self._file.is_locked(owner_byte(number))}
        except OSError:
            self.close()  # the next look tries again
            return None

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def owner_byte(process_id: int) -> int:
    """The byte that process `process_id` of the store holds as long as it lives."""
    return FIRST_OWNER + process_id


def close_inherited() -> None:
    """In a forked child: let go of the parent's lock files, so that its locks end with it."""
    for file in list(_open_files):
        file.close_inherited()


if sys.platform == "win32":
    import msvcrt

    def _set(descriptor: int, byte: int, *, lock: bool) -> None:
        os.lseek(descriptor, byte, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK if lock else msvcrt.LK_UNLCK, 1)

elif sys.platform == "linux":
    import fcntl

    def _set(descriptor: int, byte: int, *, lock: bool) -> None:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _flock(fcntl.F_WRLCK if lock else fcntl.F_UNLCK, byte))

    def _is_held(descriptor: int, byte: int) -> bool:
        # Asked without taking it: a look must not keep a new owner from its byte.
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK, byte))
        return bool(struct.unpack_from("h", answer)[0] != fcntl.F_UNLCK)

    def _flock(kind: int, byte: int) -> bytes:
        # struct flock: type, whence, start, length, pid (0 for open-file-description locks), padding
        return struct.pack("hhqqi4x", kind, os.SEEK_SET, byte, 1, 0)

else:
    import fcntl

    def _set(descriptor: int, byte: int, *, lock: bool) -> None:
        kind = fcntl.LOCK_EX | fcntl.LOCK_NB if lock else fcntl.LOCK_UN
        fcntl.lockf(descriptor, kind, 1, byte, os.SEEK_SET)


if sys.platform != "linux":

    def _is_held(descriptor: int, byte: int) -> bool:
        try:
            _set(descriptor, byte, lock=True)
        except OSError as error:
            if error.errno in _BUSY:
                return True
            raise
        _set(descriptor, byte, lock=False)
        return False
