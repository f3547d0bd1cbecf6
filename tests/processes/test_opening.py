"""Many processes open one new store at the same moment: one of them creates it, and nobody notices."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROUNDS, ROUNDS_SOAK, CROWD = 3, 20, 32

OPENING = """
    import os, sys
    import progstore
    import progstore.live.outbox  # so that all of the crowd are there at once, not one import after the other
    from progstore.store import statements

    statements.compile_all("sqlite")

    folder, rounds, crowd = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for number in range(rounds):
        gate, opener = os.pipe()
        children = []
        for member in range(crowd):
            if child := os.fork():
                children.append(child)
                continue
            os.close(opener)
            os.read(gate, 1)  # ends for all of them when the parent closes the other end
            for _ in progstore.track([1, 2, 3], f"member {member}", store=f"{folder}/{number}.db"):
                pass
            os._exit(0 if progstore.flush(30) else 1)
        os.close(gate)
        os.close(opener)
        failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
        assert not failed, f"{failed} of {crowd} could not write in round {number}"
"""


def test_a_crowd_opens_a_new_store_at_once_and_finds_one_schema(
    program: Callable[..., Any], tmp_path: Path, soak: bool
) -> None:
    """Every process of the crowd finds its row there; one that had to wait for long may say so, and nothing else."""
    rounds = ROUNDS_SOAK if soak else ROUNDS
    process = program(OPENING, str(tmp_path), str(rounds), str(CROWD))
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert all("another process holds it" in line for line in errors.splitlines()), errors
    for number in range(rounds):
        connection = sqlite3.connect(tmp_path / f"{number}.db")
        told = connection.execute("SELECT count(*), count(DISTINCT name), sum(done), min(status) FROM tasks").fetchone()
        assert told == (CROWD, CROWD, 3 * CROWD, "complete")
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
