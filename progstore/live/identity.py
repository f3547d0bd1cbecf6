"""Who this process is to its own tasks: its uid, and the token by which child processes join its session."""

from __future__ import annotations

import os
import sys
import time

from progstore import proc

VARIABLE = "PROGSTORE_SESSION"

_uid: str | None = None
_found: str | None = None
_has_published = False


def process_uid() -> str:
    """The uid of this process, made on first use."""
    global _uid  # noqa: PLW0603  # a process has one
    if _uid is None:
        _uid = uuid7()
    return _uid


def forget_process_uid() -> None:
    """In a forked child: it is a process of its own."""
    global _uid, _has_published  # noqa: PLW0603  # a process has one
    _uid = None
    _has_published = False


def is_worker() -> bool:
    """Whether multiprocessing started this process; such a one may be ended without any hook."""
    processes = sys.modules.get("multiprocessing.process")
    return processes is not None and processes.parent_process() is not None


def uuid7() -> str:
    """A UUID of version 7 (RFC 9562, 5.7): 48 bits of milliseconds, version, variant, 74 random bits.

    Made here because importing the uuid module alone takes longer than a first tracked loop may.
    """
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) & ~(0b11 << 62) | 0x7 << 76 | 0b10 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def publish(session_uid: str, name: str) -> None:
    """Let processes that are started from here on join this session, under its name from the first row on."""
    global _found, _has_published
    if not _has_published:
        _found, _has_published = os.environ.get(VARIABLE), True
    owner = f"{os.getpid()}:{proc.start_ticks() or 0}"
    os.environ[VARIABLE] = f"{session_uid}@{owner}:{name.encode().hex()}"


def withdraw() -> None:
    """Child processes started from here on join no session of this process, but what it was started in itself."""
    global _has_published  # noqa: PLW0603  # there is one environment
    if not _has_published:
        return
    _has_published = False
    if _found is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = _found


def inherited() -> tuple[str, bool] | None:
    """The uid of the session that this process was started in and whether its process still lives; None: in none.

    What cannot be understood counts as none. What this process has published itself it was not started in.
    """
    session_uid, pid, ticks, _ = _told()
    numbers = pid + ticks
    if not session_uid or not (pid and ticks and numbers.isdigit()) or len(numbers) > 40:
        return None
    return session_uid, proc.is_alive(int(pid), int(ticks) or None)


def inherited_name() -> str:
    """What that session is called; empty where it was not told, as by a version that told only the rest."""
    try:
        return bytes.fromhex(_told()[3]).decode()
    except ValueError:
        return ""


def _told() -> tuple[str, str, str, str]:
    """The four parts of what was published: the session's uid, its process's pid and start ticks, its name."""
    told = (_found if _has_published else os.environ.get(VARIABLE)) or ""
    session_uid, _, owner = told.partition("@")
    pid, _, rest = owner.partition(":")
    ticks, _, name = rest.partition(":")
    return (session_uid, pid, ticks, name) if told.isascii() else ("", "", "", "")
