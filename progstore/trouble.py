"""What went wrong beside a job and must not reach it: warned of, and counted for the store to tell."""

from __future__ import annotations

_count = 0
_last = ""


def warn(message: str, *details: object) -> None:
    """Count it, and say it to the logger `progstore`."""
    import logging  # only trouble pays for it

    note(message, *details)
    logging.getLogger("progstore").warning(message, *details)


def note(message: str, *details: object) -> None:
    """Count it; it was warned of before."""
    global _count, _last  # noqa: PLW0603  # of the whole process, as the row in which it is told
    _count += 1
    _last = message % details


def noted() -> tuple[int, str]:
    """How often something went wrong in this process, and what it was last."""
    return _count, _last


def forget() -> None:
    """Nothing has gone wrong yet, as in a forked child."""
    global _count, _last
    _count, _last = 0, ""
