"""What the system tells of a process; imports nothing, for the first tracked loop uses it too."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading


def stat(pid: int | str) -> tuple[str, int] | None:
    """State letter and start time (clock ticks since boot) of process `pid`; None where /proc does not show it."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The program's name in it may hold spaces and brackets.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return fields[0].decode("ascii"), int(fields[19])


def start_ticks(pid: int | str = "self") -> int | None:
    """When the process started, in clock ticks since boot; with the pid it names a process for good. None: unknown."""
    found = stat(pid)
    return found[1] if found else None


def exists(pid: int) -> bool | None:
    """Whether any process has that pid; None where it cannot be known."""
    if sys.platform == "win32":  # os.kill(pid, 0) would end the process there
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return None
    return True


def is_alive(pid: int, ticks: int | None) -> bool:
    """Whether that very process still lives, as far as this user can see."""
    found = stat(pid)
    if found is None:
        return exists(pid) is not False
    state, started = found
    return state not in "ZXx" and ticks in (None, started)


def runs(thread: threading.Thread) -> bool:
    """Whether the system's thread is still there; it outlives the interpreter's by a moment."""
    if thread.is_alive():
        return True
    return sys.platform == "linux" and os.path.exists(f"/proc/self/task/{thread.native_id}")
