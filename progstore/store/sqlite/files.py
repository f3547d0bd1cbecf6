"""What is seen of an SQLite file from outside its tables: the disk it is on, its pages."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path
from typing import NamedTuple

from progstore import clean
from progstore.errors import StoreError

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "lustre", "gpfs", "beegfs", "glusterfs"}
    | {"fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse"}
)


class Pages(NamedTuple):
    """The file as SQLite divides it; `size` is the bytes of one page, `vacuum` how free ones may leave the file."""

    number: int
    free: int
    size: int
    vacuum: int

    @classmethod
    def of(cls, raw: sqlite3.Connection) -> Pages:
        """As they are now."""
        return cls(*(raw.execute(f"PRAGMA {name}").fetchone()[0] for name in _PRAGMAS))

    @property
    def bytes(self) -> int:
        """The size of the file when the log has been moved into it."""
        return self.number * self.size

    @property
    def used(self) -> int:
        """Bytes that hold something."""
        return (self.number - self.free) * self.size


_OCTAL = re.compile(r"\\([0-7]{3})")
"""How the kernel writes blanks and backslashes in a path."""
_PRAGMAS = ("page_count", "freelist_count", "page_size", "auto_vacuum")


def network_file_system(path: str, mounts: str = "/proc/self/mountinfo") -> str | None:
    """The type of the network file system that `path` is on, or None where it is local or cannot be told."""
    try:
        lines = Path(mounts).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    target = os.path.realpath(path)
    longest, kind = "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        mount = _OCTAL.sub(lambda said: chr(int(said[1], 8)), before.split()[4]) if len(before.split()) > 4 else ""
        inside = target == mount or target.startswith(mount.rstrip("/") + "/")
        # A later line of the same mount point hides the earlier one.
        if inside and len(mount) >= len(longest):
            longest, kind = mount, after.split()[0]
    return kind if kind in NETWORK_FILE_SYSTEMS else None


def absolute(path: str) -> str:
    """`path` from where this process stands. Raises StoreError where it stands in a directory that was removed."""
    try:
        return os.path.abspath(os.path.expanduser(path))
    except OSError as error:
        raise StoreError(
            f"{clean.shown(path)} cannot be found: the working directory of this process was removed; give an absolute "
            "path"
        ) from error


def check_path(path: str) -> str:
    """`path` itself. Raises StoreError for a text that no file system can have as the path of a file."""
    try:
        is_possible = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:  # a lone surrogate that stands for no byte
        is_possible = False
    if not is_possible:
        raise StoreError(f"{clean.shown(path)} cannot be the path of a file; choose another")
    return path


def inode(path: str) -> tuple[int, int] | None:
    """Device and inode; opening the file would drop SQLite's locks, stat does not."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
