"""Several processes that record into one PostgreSQL store: what one's death, or a fork, means to the others."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from progstore import Life, Status, Store
from progstore.store.engine import locate
from tests.conftest import Program

WORKING = """
    import sys, progstore
    with progstore.session(sys.argv[1]):
        for item in progstore.track(range(1000), "Ingest"):
            if item == 311:
                progstore.flush(30)
                print("there", flush=True)
                sys.stdin.readline()
"""


def lives(store: Store) -> dict[str, Life]:
    """The verdict on each session that is shown as running."""
    return {session.name: session.verdict.life for session in store.sessions() if session.verdict is not None}


def test_a_killed_process_is_lost_at_once_and_the_others_go_on(
    postgres_store: str, program: Program, until: Callable[..., object]
) -> None:
    """On the same kernel that is a fact; its lock is gone as well, and the next recorder writes it down."""
    jobs = {name: program(WORKING, name, PROGSTORE_URL=postgres_store) for name in ("first", "second")}
    for job in jobs.values():
        assert job.stdout is not None
        assert job.stdout.readline() == "there\n"
    with Store(postgres_store) as store:
        assert lives(store) == {"first": Life.ALIVE, "second": Life.ALIVE}
        locks, ids = (
            locate(postgres_store).owner_locks(),
            [row[0] for row in store.query("SELECT pid FROM v_tasks").rows],
        )
        assert sorted(ids) == sorted(job.pid for job in jobs.values())
        with store._reader.connection() as connection:
            assert locks.held(connection, [1, 2, 3]) == {1, 2}
        jobs["first"].kill()
        jobs["first"].wait()
        assert lives(store) == {"first": Life.LOST, "second": Life.ALIVE}
        (task,) = [each for each in store.tasks() if each.session_name == "first"]
        assert task.verdict is not None
        assert task.verdict.reason.endswith("is gone; last seen at item 311 of 1,000")
        with store._reader.connection() as connection:
            until(lambda: len(locks.held(connection, [1, 2]) or ()) == 1)
        jobs["second"].communicate("\n", timeout=30)
        third = program(WORKING, "third", PROGSTORE_URL=postgres_store)
        third.communicate("\n", timeout=30)
        assert {each.name: each.status for each in store.sessions()} == {
            "first": Status.RUNNING,
            "second": Status.COMPLETE,
            "third": Status.COMPLETE,
        }
        assert store.query("SELECT count(*) FROM v_running").rows == ((0,),)
        assert sorted(task.done for task in store.tasks()) == [311.0, 1000.0, 1000.0]


def test_a_crowd_opens_an_empty_database_at_once(empty_database: str, program: Program) -> None:
    """One makes the tables, the others find them."""
    source = "import progstore\nfor _ in progstore.track(range(3), 'x'): pass\nassert progstore.flush(30)"
    crowd = [program(source, PROGSTORE_URL=empty_database) for _ in range(6)]
    for job in crowd:
        assert job.communicate(timeout=60)[1] == ""
    with Store(empty_database) as store:
        assert [task.done for task in store.tasks()] == [3.0] * 6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_shares_no_connection(postgres_store: str, run_program: Callable[..., str]) -> None:
    """Both sides record for themselves, in one session, and neither ends the other's connection."""
    run_program(
        """
        import os, progstore

        with progstore.session("forked"):
            for number in progstore.track(range(3), "parent"):
                assert progstore.flush(30)
                child = os.fork()
                if child == 0:
                    for _ in progstore.track(range(5), f"child {number}"):
                        pass
                    raise SystemExit
                assert os.waitpid(child, 0)[1] == 0
        """,
        PROGSTORE_URL=postgres_store,
    )
    with Store(postgres_store) as store:
        (session,) = store.sessions()
        done = {task.name: task.done for task in store.tasks()}
    assert session.status is Status.COMPLETE
    assert done == {"parent": 3.0, "child 0": 5.0, "child 1": 5.0, "child 2": 5.0}
