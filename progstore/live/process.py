"""The row by which this process is known in a store: who it is, where it runs, how it was called."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import sys
import time
from collections.abc import Iterable

from progstore import clean, owner, proc
from progstore._version import __version__
from progstore.live import ambient
from progstore.live.identity import process_uid
from progstore.store.batch import ProcessRow

MASK = "***"
ARGV_LIMIT = 4000
"""Characters kept of a command line."""

_SECRET = re.compile(r"password|passwd|token|secret|key", re.IGNORECASE)
_SECRET_WITHIN = re.compile(
    r"""((?:password|passwd|token|secret|key)[\w-]{0,64}["']?\s{0,8}[=:](?!:)\s{0,8})("[^"]*"|'[^']*'|[^\s&;,"'}\]]+)""",
    re.IGNORECASE,
)
"""A name and its value within a word: of a URL's query, a header, JSON, the address of a database."""
_URL_CREDENTIALS = re.compile(r"(?<=://)(?:[^/@:\s]*:[^@\s]*|[^/@\s]+)(?=@)")  # a password may hold a slash


def process_row(interval: float) -> ProcessRow:
    """This process as it is now; its environment is never looked at."""
    place = owner.here()
    now = time.time()
    return ProcessRow(
        uid=process_uid(),
        **place._asdict(),
        pid=os.getpid(),
        start_ticks=proc.start_ticks(),
        program=ambient.program_name(),
        argv=clean.shorten(clean.printable(json.dumps(masked(sys.argv), ensure_ascii=False)), ARGV_LIMIT),
        cwd=clean.printable(_cwd()),
        username=clean.printable(_user()),
        python=platform.python_version(),
        progstore_version=__version__,
        interval=interval,
        started_at=now,
        heartbeat_at=now,
    )


def masked(argv: Iterable[object]) -> list[str]:
    """A command line with what looks like a secret replaced: values after such a name, and credentials in URLs.

    Its words need not be text, for programs put what they like into `sys.argv`.
    """
    shown: list[str] = []
    value_is_secret = False
    for word in map(str, argv):
        name, equals, _ = word.partition("=")
        if value_is_secret and not word.startswith("-"):
            shown.append(MASK)
            value_is_secret = False
        elif equals and is_secret(name):
            shown.append(f"{name}={MASK}")
        else:
            shown.append(_SECRET_WITHIN.sub(rf"\1{MASK}", without_credentials(word)))
            value_is_secret = word.startswith("-") and is_secret(word)
    return shown


def is_secret(name: str) -> bool:
    """Whether what is called so is nobody's business."""
    return bool(_SECRET.search(name))


def without_credentials(text: str) -> str:
    """The text without the user and password of a URL in it."""
    return _URL_CREDENTIALS.sub(MASK, text)


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:  # the directory was removed
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a uid without a name, as in some containers
        return str(os.getuid()) if hasattr(os, "getuid") else ""
