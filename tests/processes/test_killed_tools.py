"""SIGKILL of what looks after a store: an upgrade, a clean-up, the server of the pages. What is half done is as if it
had not begun, or can be gone on with.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import progstore
from tests.conftest import Figures, Program

Until = Callable[..., Any]

KILLS, KILLS_SOAK = 8, 200
SERVERS, SERVERS_SOAK = 2, 10

KILLING = """
    import os, random, shutil, signal, sqlite3, sys, time
    from contextlib import closing
    import progstore

    folder, kills = sys.argv[1], int(sys.argv[2])

    def forked(work, path):
        child = os.fork()
        if child == 0:
            work(path)
            os._exit(0)
        return child

    def a_copy(number):
        return shutil.copy(f"{folder}/whole.db", f"{folder}/{number}.db")

    def kill_at_random(work):
        # The first one is left to its end, to see how long that takes.
        began = time.perf_counter()
        assert os.waitpid(forked(work, a_copy("end")), 0)[1] == 0
        longest = time.perf_counter() - began
        yield f"{folder}/end.db"
        for number in range(kills):
            child = forked(work, a_copy(number))
            time.sleep(random.uniform(0, longest))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            yield f"{folder}/{number}.db"

    def look(path, *questions):
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            return [connection.execute(question).fetchall() for question in questions]
"""

UPGRADE = """
    from progstore.store import schema
    from progstore.store.engine import locate
    from progstore_migrations import migrate

    SHAPE = "SELECT name, sql FROM sqlite_master ORDER BY name"
    ROWS = "SELECT count(*), sum(done) FROM tasks"
    FILL = '''
        INSERT INTO sessions (id, uid, name, kind, host, started_at, rev) VALUES (1, 'uid', 'old', 'block', '', 1, 1);
        WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
          INSERT INTO tasks (session_id, key, attempt, session_name, name, unit, status, done, failed, active,
            cancelled, message, rev, updated_at)
          SELECT 1, i, 1, 'old', 'task', 'it', 'complete', i, 0, 0, 0, '', 1, 1 FROM n;
    '''

    whole = locate(f"{folder}/whole.db")
    whole.make()
    engine = whole.writer_engine()
    with engine.connect() as connection:
        whole.set_up(connection)
        with connection.begin():
            migrate(connection, "0001")
        connection.connection.driver_connection.executescript(FILL)
    engine.dispose()
    before = look(whole.name, SHAPE, ROWS)
    killed = kill_at_random(lambda path: schema.upgrade(locate(path)))
    after = look(next(killed), SHAPE, ROWS)
    assert after[0] != before[0] and after[1] == before[1]
    seen = {0: 0, 1: 0}
    for path in killed:
        seen[[before, after].index(look(path, SHAPE, ROWS))] += 1
    for _ in progstore.track([1], "goes on", store=path):
        pass
    assert progstore.flush(30)
    assert look(path, SHAPE)[0] == after[0]
    print(2000 * kills, f"{seen[0]} left as they were, {seen[1]} upgraded, none in between")
"""

PRUNE = """
    LEFT = "SELECT count(*) FROM sessions", "SELECT count(*) FROM tasks", "SELECT count(*) FROM events"

    for number in range(30):
        with progstore.session(f"run {number}", store=f"{folder}/whole.db"):
            for _ in progstore.track([1], "outer"):
                for inner in range(10):
                    for _ in progstore.track([1], "inner"):
                        pass
    assert progstore.flush(30)
    from progstore.live.exits import leave_store
    leave_store(f"{folder}/whole.db")

    def prune(path):
        with progstore.open_store(path) as store:
            return store.prune(older_than=0)

    killed = kill_at_random(prune)
    assert look(next(killed), *LEFT) == [[(0,)]] * 3
    in_the_middle = 0
    for path in killed:
        ((sessions,),), _, _ = look(path, *LEFT)
        in_the_middle += 0 < sessions < 30
        assert prune(path).sessions == sessions
        assert look(path, *LEFT) == [[(0,)]] * 3
    print(330 * kills, f"{in_the_middle} in the middle; each was ended by the next one")
"""


@pytest.mark.parametrize(("what", "source"), [("upgrades", UPGRADE), ("clean-ups", PRUNE)], ids=["upgrade", "prune"])
def test_what_is_killed_at_any_moment_leaves_the_store_sound(
    what: str,
    source: str,
    run_program: Callable[..., str],
    tmp_path: Path,
    soak: bool,
    figures: Callable[[Figures], None],
) -> None:
    """An upgrade leaves the schema as it was or as it shall be, with every row; a clean-up leaves nothing that refers
    to what is gone, and the next one ends it.
    """
    kills = KILLS_SOAK if soak else KILLS
    rows, seen = run_program(KILLING + source, str(tmp_path), str(kills)).rstrip().split(" ", 1)
    figures(Figures(f"SIGKILL of {what}", f"{kills} kills", int(rows), 0, seen))


JOB = """
    import sys
    import progstore
    for number in progstore.track(range(10**9), "job", interval=0.05):
        if number % 10 == 0:
            print(progstore.flush(30), flush=True)
            if not sys.stdin.readline():
                break
"""


@pytest.fixture
def ui() -> Iterator[Callable[[], tuple[subprocess.Popen[str], str]]]:
    """Starts `progstore ui` and says where it is; what still runs is killed at the end."""
    running = []

    def start() -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "progstore", "ui", "--no-open", "--port", "0"]
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        running.append(server)
        assert server.stdout is not None
        found = re.search(r"http://\S+/", server.stdout.readline())
        assert found is not None
        return server, found[0]

    yield start
    for server in running:
        server.kill()
        server.communicate()


def test_a_server_that_is_killed_takes_nothing_with_it(
    program: Program,
    ui: Callable[[], tuple[subprocess.Popen[str], str]],
    soak: bool,
    figures: Callable[[Figures], None],
) -> None:
    """The job records on, and the next server shows it as if the former had never been."""
    job = program(JOB)
    assert job.stdin is not None
    assert job.stdout is not None
    servers = SERVERS_SOAK if soak else SERVERS
    for number in range(servers):
        assert job.stdout.readline() == "True\n"
        server, address = ui()
        for page in ("live/now", "api/v1/tasks"):
            with urllib.request.urlopen(address + page) as answer:  # noqa: S310  # our own server
                shown = answer.read().decode()
        assert f'"done":{number * 10}' in shown
        server.kill()
        job.stdin.write("on\n")
        job.stdin.flush()
    with progstore.open_store() as store:
        assert store.check()["integrity"] == "ok"
    assert job.communicate(timeout=30)[1] == ""
    assert job.returncode == 0
    figures(Figures("SIGKILL of servers", f"{servers} kills", servers * 10, 0, "each next one showed all of it"))
