"""One post of a client: what it may say, and a clear error for what it may not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from progstore import BadValue

START, UPDATE, CLOSE, ERROR = "start", "update", "close", "error"
WORDS: Final = (START, UPDATE, CLOSE, ERROR)
"""What a client may say that its task does."""
LONGEST_ID: Final = 500
"""Characters of a task's id, which is its key in the store; it is refused, not cut, for two must not become one."""
LONGEST_KEY: Final = 500
"""Characters of a metadata key."""
MOST_KEYS: Final = 1000
"""Metadata keys of one post, as of a task of ours."""
DEEPEST: Final = 50
"""Levels that a metadata value may be nested."""
LARGEST: Final = 1e300
LATEST: Final = 1e12
"""Seconds since 1970; who counts in milliseconds is told so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What one post says; None where it says nothing about it.

    `timestamp` is when it was sent by the client's clock, seconds UTC. `meta` holds values as JSON text. `token` is the
    one that came in the metadata, or empty.
    """

    task_id: str
    desc: str | None = None
    total: float | None = None
    n: float | None = None
    unit: str | None = None
    status: str = UPDATE
    timestamp: float | None = None
    meta: dict[str, str] | None = None
    token: str = ""


class _Sent(msgspec.Struct):
    """The JSON as it is sent; more may be in it."""

    task_id: str
    desc: str | None = None
    total: float | None = None
    n: float | None = None
    unit: str | None = None
    status: str | None = None
    timestamp: float | None = None
    meta: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(_Sent)


def read_post(body: bytes) -> Post:
    """What that body says. Raises BadValue with the reason where no store could hold it."""
    try:
        sent = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadValue(f"the post cannot be used: {error}") from None
    except RecursionError:
        raise BadValue("the post is nested too deep") from None
    if not 0 < len(sent.task_id) <= LONGEST_ID or "\0" in sent.task_id:
        raise BadValue(f"task_id is a text of 1 to {LONGEST_ID} characters, without NUL")
    if sent.status is not None and sent.status not in WORDS:
        raise BadValue(f"status is one of {', '.join(WORDS)}, got {sent.status!r:.40}")
    if sent.total is not None and not 0 <= sent.total <= LARGEST:
        raise BadValue(f"total is a number from 0, or null where it is unknown; got {sent.total:g}")
    if sent.n is not None and not -LARGEST <= sent.n <= LARGEST:
        raise BadValue(f"n is a number of at most {LARGEST:g}, got {sent.n:g}")
    if sent.timestamp is not None and not 0 <= sent.timestamp <= LATEST:
        raise BadValue(f"timestamp is in seconds since 1970, got {sent.timestamp:.15g}")
    token = (sent.meta or {}).pop("_token", "")
    if sent.meta is not None and len(sent.meta) > MOST_KEYS:
        raise BadValue(f"meta has at most {MOST_KEYS:,} keys, got {len(sent.meta):,}")
    return Post(
        task_id=sent.task_id,
        desc=sent.desc,
        total=sent.total,
        n=sent.n,
        unit=sent.unit,
        status=sent.status or UPDATE,
        timestamp=sent.timestamp,
        meta=None if sent.meta is None else {_key(key): _json(value, key) for key, value in sent.meta.items()},
        token=token if isinstance(token, str) else "",
    )


def _key(key: str) -> str:
    if not 0 < len(key) <= LONGEST_KEY or "\0" in key:
        raise BadValue(f"a key in meta is a text of 1 to {LONGEST_KEY} characters, without NUL")
    return key


def _json(value: Any, key: str) -> str:
    return msgspec.json.encode(_storable(value, key, 0)).decode()


def _storable(value: Any, key: str, depth: int) -> Any:
    """`value` as every store and every reader of JSON can hold it."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise BadValue(f"meta {key!r:.40}: a whole number has at most 64 bits; send it as a text")
    if not isinstance(value, dict | list):
        return value
    if depth >= DEEPEST:
        raise BadValue(f"meta {key!r:.40} is nested deeper than {DEEPEST} levels")
    if isinstance(value, list):
        return [_storable(each, key, depth + 1) for each in value]
    return {name.replace("\0", "\ufffd"): _storable(each, key, depth + 1) for name, each in value.items()}
