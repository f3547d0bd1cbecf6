"""Addresses in which a name stands: a name may hold anything, and not everything travels in a path."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

_SAFE = re.compile(r"(?!badge\.svg\Z)(?![.\s])[^/\\\x00-\x1f\x7f]*(?<![\s])\Z")
_DATA = (".json", ".csv", ".svg")


def names_link(session_name: str, task_name: str | None = None) -> str:
    """The page of a session name's histories, or of one history; below the root path."""
    asked = {} if task_name is None else {"task": task_name}
    if session_name and _SAFE.match(session_name) and not session_name.lower().endswith(_DATA):
        return f"/names/{quote(session_name, safe='', errors='replace')}{_query(asked)}"
    return f"/names{_query({'session': session_name, **asked})}"


def name_address(page: str, session_name: str, task_name: str | None = None) -> str:
    """The same history at another address, such as "/names.json"."""
    return page + _query({"session": session_name, **({} if task_name is None else {"task": task_name})})


def _query(asked: dict[str, str]) -> str:
    return f"?{urlencode(asked, errors='replace', quote_via=quote)}" if asked else ""
