"""Fills a store with as many tasks as one likes, as years of nightly jobs would have left them, within seconds."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import insert

from progstore import owner
from progstore.store import schema
from progstore.store.engine import locate
from progstore.store.tables import meta, processes, sessions, tasks

PER_SESSION = 10
"""Tasks of a session: two that are not nested, with four below each."""
SESSIONS_AT_ONCE = 2000
SPACING = 300.0
"""Seconds from one session's start to the next one's."""

SESSION_NAMES = ("nightly import", "report", "train", "backup", "reindex", "etl/orders")
ROOT_NAMES = ("Ingest", "Verify")
NESTED_NAMES = ("Download", "Parse", "Load", "Clean up")
HOSTS = ("db1", "db2", "web1", "worker-7")
MODELS = ("tiny", "base", "large")
MESSAGES = ("", "", "part 2 of 3", "waiting for the vendor", "wrote 4 files")
RARE_WORD = "quetzal"
"""Stands in the message of one task in ten thousand."""

Rows = dict[Any, list[dict[str, Any]]]


def fill(path: str, count: int, *, seed: int = 7) -> None:
    """Make a new store at `path` with `count` tasks, all of them ended; the same for the same `seed`.

    Statuses are 93 % complete, 5 % error and 2 % cancelled; each task has a curve, some have metadata.
    """
    location = locate(path)
    location.make()
    engine = location.writer_engine(patience=5)
    with engine.connect() as connection:
        schema.prepare(connection, location)
        connection.rollback()
        for rows in _chunks(count, random.Random(seed)):
            with connection.begin():
                for table, lines in rows.items():
                    if lines:
                        connection.execute(insert(table), lines)
    engine.dispose()


def _chunks(count: int, chance: random.Random) -> Iterator[Rows]:
    number = (count + PER_SESSION - 1) // PER_SESSION
    first_start = time.time() - number * SPACING - 3600
    for first in range(1, number + 1, SESSIONS_AT_ONCE):
        rows: Rows = {processes: [], sessions: [], tasks: [], meta: []}
        for session_id in range(first, min(first + SESSIONS_AT_ONCE, number + 1)):
            held = min(PER_SESSION, count - (session_id - 1) * PER_SESSION)
            _session(rows, session_id, first_start + session_id * SPACING, held, chance)
        yield rows


def _session(rows: Rows, session_id: int, started: float, held: int, chance: random.Random) -> None:
    name, host = chance.choice(SESSION_NAMES), chance.choice(HOSTS)
    before = len(rows[tasks])
    for place in range(held):
        _task(rows[tasks], session_id, place, name, started, chance)
    statuses = {row["status"] for row in rows[tasks][before:]}
    seconds = max(row["ended_at"] for row in rows[tasks][before:]) - started
    rows[processes].append(
        {
            "id": session_id,
            "uid": f"p{session_id}",
            **owner.here()._asdict(),
            "host": host,
            "pid": 1000 + session_id % 30_000,
            "program": f"{name.split()[0]}.py",
            "argv": "[]",
            "cwd": "/srv/jobs",
            "username": "jobs",
            "python": "3.12.4",
            "progstore_version": "0",
            "interval": 0.5,
            "started_at": started,
            "ended_at": started + seconds,
            "end_reason": "exit",
            "heartbeat_at": started + seconds,
        }
    )
    rows[sessions].append(
        {
            "id": session_id,
            "uid": f"s{session_id}",
            "name": name,
            "kind": "block",
            "process_id": session_id,
            "host": host,
            "started_at": started,
            "ended_at": started + seconds,
            "end_status": "error" if "error" in statuses else "complete",
            "duration": seconds,
            "rev": 1,
        }
    )
    pairs = [(0, "model", chance.choice(MODELS))] if session_id % 3 == 0 else []
    pairs += [(row["id"], "shard", row["id"] % 500) for row in rows[tasks][before:] if row["id"] % 10 == 1]
    rows[meta] += [
        {"session_id": session_id, "task_id": task_id, "key": key, "value": json.dumps(value)}
        for task_id, key, value in pairs
    ]


def _task(
    lines: list[dict[str, Any]], session_id: int, place: int, session_name: str, started: float, chance: random.Random
) -> None:
    task_id = (session_id - 1) * PER_SESSION + place + 1
    root, below = divmod(place, PER_SESSION // 2)
    begun = started + root * 60 + below
    seconds = chance.lognormvariate(2.5, 1.2)
    total = float(chance.choice((200, 1000, 50_000)))
    status = chance.choices(("complete", "error", "cancelled"), (93, 5, 2))[0]
    done = total if status == "complete" else float(int(total * chance.random()))
    lines.append(
        {
            "id": task_id,
            "session_id": session_id,
            "key": f"k{place}",
            "attempt": 1,
            "process_id": session_id,
            "parent_id": task_id - below if below else None,
            "session_name": session_name,
            "name": NESTED_NAMES[below - 1] if below else ROOT_NAMES[root],
            "unit": "row" if below else "file",
            "status": status,
            "done": done,
            "total": total,
            "failed": float(task_id % 97 == 0),
            "active": 0.0,
            "cancelled": 0.0,
            "message": f"looking for the {RARE_WORD}" if task_id % 10_000 == 5 else chance.choice(MESSAGES),
            "error_type": "ValueError" if status == "error" else None,
            "error": f"row {int(done)}: no date" if status == "error" else None,
            "rev": 1,
            "started_at": begun,
            "updated_at": begun + seconds,
            "ended_at": begun + seconds,
            "duration": seconds,
            "curve": json.dumps([[seconds * step / 12, done * (step / 12) ** 1.2] for step in range(13)]),
        }
    )
