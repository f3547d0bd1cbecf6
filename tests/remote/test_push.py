"""What a job records on its own machine arrives at a server, whatever happens to either."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import progstore
from progstore.remote import leftovers
from progstore.remote.pusher import Pusher
from progstore.store import documents
from progstore.store.engine import locate
from tests.conftest import PATIENCE
from tests.remote.conftest import Server, assert_same, left_in, rows_of, send_rest

RunProgram = Callable[..., str]
Program = Callable[..., "subprocess.Popen[str]"]
Until = Callable[..., Any]

WORK = """
    import progstore

    progstore.configure(interval=0.05)
    with progstore.session("nightly import", meta={"model": "all-MiniLM"}):
        for number in progstore.track(range(20), "Ingest", unit="file", meta={"bucket": "a"}):
            if number == 3:
                progstore.current().fail_item("row 7: bad date")
                progstore.current().message("part 2")
            with progstore.track(name=f"Nested {number}", total=2) as task:
                task.update(2)
    try:
        for number in progstore.track("abc", "Fails"):
            1 / (number == "a")
    except ZeroDivisionError:
        pass
    assert progstore.flush(10)
"""
ENDLESS = """
    import time
    import progstore

    progstore.configure(interval=0.05)
    for _ in progstore.track(range(10**9), "Endless", stoppable=True):
        time.sleep(0.01)
"""
STEPS = """
    import sys
    import progstore

    progstore.configure(interval=0.05)
    with progstore.track(name=sys.argv[1], total=10) as task:
        task.update()
        print(progstore.flush(10), flush=True)
        for line in sys.stdin:
            task.update()
            print(progstore.flush(10), flush=True)
"""


def step(job: subprocess.Popen[str]) -> None:
    """Let the job go on by one, and wait until that is recorded on its own machine."""
    assert job.stdin is not None
    job.stdin.write("\n")
    job.stdin.flush()
    recorded(job)


def recorded(job: subprocess.Popen[str]) -> None:
    """Wait until the job has recorded what it did last."""
    assert job.stdout is not None
    assert job.stdout.readline().strip() == "True"


def done_at(path: Path) -> dict[str, float]:
    """How far each task is in a store, by its name."""
    if not path.exists():
        return {}
    with progstore.open_store(str(path)) as store, contextlib.suppress(progstore.StoreNotFound):
        return {task.name: task.done for task in store.tasks()}
    return {}


def test_what_a_job_records_is_at_the_server_as_it_is_here(
    server: Server, local: Path, run_program: RunProgram
) -> None:
    """Sessions, tasks, nested tasks, events, metadata and the process, row by row, and nothing is left to be sent."""
    server.start()
    run_program(WORK, PROGSTORE_URL=server.url)
    send_rest(local, server.url)
    assert_same(local, server.path)
    with progstore.open_store(str(server.path)) as store:
        assert {session.name: str(session.status) for session in store.sessions()} == {
            "nightly import": "complete",
            "program0": "complete",
        }


def test_what_was_recorded_while_the_server_was_away_is_sent_by_the_next_job(
    server: Server, local: Path, run_program: RunProgram
) -> None:
    """A job that ended without having sent anything is not forgotten."""
    run_program(WORK, PROGSTORE_URL=server.url)
    assert left_in(local)
    server.start()
    run_program(WORK, PROGSTORE_URL=server.url)
    send_rest(local, server.url)
    assert_same(local, server.path)


def test_rows_with_more_metadata_than_a_document_may_hold_are_sent_in_several(
    server: Server, local: Path, run_program: RunProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few tasks may have more values together than a server takes at once."""
    run_program(WORK, PROGSTORE_URL=server.url)
    monkeypatch.setattr(documents, "MOST_ROWS", 7)
    server.start()
    send_rest(local, server.url)
    assert_same(local, server.path)


def test_more_processes_than_a_document_may_hold_are_told_of_in_several(
    server: Server, local: Path, run_program: RunProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a job a minute leaves them while the server is away for a week; one that beats meanwhile holds up nothing."""
    run_program(WORK, PROGSTORE_URL=server.url)
    monkeypatch.setattr(documents, "MOST_ROWS", 7)
    server.start()
    send_rest(local, server.url)
    with contextlib.closing(sqlite3.connect(local)) as here:
        columns = ", ".join(
            name for _, name, *_ in here.execute("PRAGMA table_info(processes)") if name not in ("id", "uid")
        )
        here.executescript(f"""
            WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 30)
              INSERT INTO processes (uid, {columns}) SELECT 'job ' || n, {columns} FROM numbers, processes;
            INSERT INTO senders SELECT '{server.url}', id, 0 FROM processes WHERE uid LIKE 'job %';
            CREATE TRIGGER beating AFTER UPDATE ON senders
              BEGIN UPDATE processes SET beats = beats + 1 WHERE id = new.process_id; END;
        """)
        (before,) = here.execute("SELECT min(beats) FROM processes").fetchone()
        send_rest(local, server.url)
        after = here.execute("SELECT DISTINCT beats FROM processes WHERE uid LIKE 'job %'").fetchall()
        assert after == [(before + 1,)]
        here.execute("DROP TRIGGER beating")
    send_rest(local, server.url)
    assert_same(local, server.path)


def test_a_row_that_another_program_spoilt_stays_here_and_the_others_arrive(
    server: Server, local: Path, run_program: RunProgram
) -> None:
    """Bytes cannot be said in JSON; that is told, and ends nothing."""
    run_program(
        "import progstore\nfor name in 'ab':\n    for _ in progstore.track([1], name): pass", PROGSTORE_URL=server.url
    )
    with sqlite3.connect(local) as here:
        here.execute("UPDATE tasks SET message = x'00ff' WHERE name = 'a'")
    here.close()
    server.start()
    outcome = leftovers.send(locate(str(local)), server.url, PATIENCE)
    assert (outcome.left, outcome.trouble, len(outcome.refused)) == (1, "", 1)
    assert outcome.refused[0].startswith("it cannot be said in JSON")
    assert done_at(server.path) == {"b": 1}


def test_a_job_that_is_asked_to_stop_at_the_server_ends_where_it_runs(
    server: Server, local: Path, program: Program, until: Until
) -> None:
    """Progress arrives while it runs; the request comes back with the answer to it, and a loop that heeds it ends."""
    server.start()
    job = program(ENDLESS, PROGSTORE_URL=server.url)
    until(lambda: done_at(server.path).get("Endless"))
    with progstore.open_store(str(server.path)) as store:
        store.request_stop(1)
        assert job.wait(PATIENCE) == 0
        send_rest(local, server.url)
        (task,) = store.tasks()
        assert (task.status, task.message) == ("cancelled", "stop requested")


def test_an_answer_that_is_lost_makes_nothing_arrive_twice(
    server: Server, local: Path, run_program: RunProgram
) -> None:
    """The server has written it, and the sender does not know: it sends it again."""
    server.start()
    with swallowing_first_answer(server.port) as port:
        url = f"http://127.0.0.1:{port}"
        run_program(WORK, PROGSTORE_URL=url)
        known = rows_of(server.path)
        assert known
        send_rest(local, url)
    assert not known - rows_of(server.path)
    assert_same(local, server.path)


@contextlib.contextmanager
def swallowing_first_answer(to: int) -> Iterator[int]:
    """A port behind which the server is, though its first answer does not come through."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def pass_on(one: socket.socket, other: socket.socket, *, swallows: bool) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                if swallows:
                    break
                other.sendall(data)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                beyond = socket.create_connection(("127.0.0.1", to))
                first = not connections
                connections.extend((client, beyond))
                threading.Thread(target=pass_on, args=(client, beyond), kwargs={"swallows": False}).start()
                threading.Thread(target=pass_on, args=(beyond, client), kwargs={"swallows": first}).start()

    accepting = threading.Thread(target=serve)
    accepting.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    for each in (listener, *connections):
        each.close()
    accepting.join()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_and_pools_push_too(server: Server, local: Path, run_program: RunProgram, method: str) -> None:
    """Each process records for itself; one of them sends, and none inherits its connection."""
    server.start()
    run_program(
        """
        import multiprocessing, sys
        import progstore

        progstore.configure(interval=0.05)

        def work(number):
            for _ in progstore.track("abc", f"child {number}"):
                pass

        if __name__ == "__main__":
            context = multiprocessing.get_context(sys.argv[1])
            with progstore.session("pool"):
                for number in progstore.track(range(1), "parent"):
                    child = context.Process(target=work, args=(number,))
                    child.start()
                    child.join()
                    assert child.exitcode == 0
                with context.Pool(2) as pool:
                    for _ in progstore.track(pool.imap_unordered(work, range(1, 5)), "pool", total=4):
                        pass
                    pool.close()
                    pool.join()
        """,
        method,
        PROGSTORE_URL=server.url,
    )
    send_rest(local, server.url)
    assert_same(local, server.path)
    assert done_at(server.path) == {"parent": 1, "pool": 4, **{f"child {number}": 3 for number in range(5)}}


def test_a_fork_cuts_off_a_server_that_says_nothing(local: Path, run_program: RunProgram) -> None:
    """The child records, and so does the parent: no thread and no connection of the pusher stood in the way."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run_program(
            """
            import os, socket, sys, time
            import progstore

            for _ in progstore.track(range(3), "parent"):
                assert progstore.flush(10)
                deadline = time.monotonic() + 10
                while "progstore-pusher" not in {each.name for each in __import__("threading").enumerate()}:
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                child = os.fork()
                if child == 0:
                    for _ in progstore.track("ab", "child"):
                        pass
                    os._exit(0 if progstore.flush(10) else 1)
                assert os.waitpid(child, 0)[1] == 0
            """,
            PROGSTORE_URL=f"http://127.0.0.1:{silent.getsockname()[1]}",
        )
    with progstore.open_store(str(local)) as store:
        assert sorted((task.name, str(task.status), task.done) for task in store.tasks()) == [
            *[("child", "complete", 2.0)] * 3,
            ("parent", "complete", 3.0),
        ]


def test_when_the_one_that_sends_is_killed_another_goes_on_and_says_that_it_is_lost(
    server: Server, local: Path, program: Program, until: Until
) -> None:
    """The server hears of the death from a process on the same machine, which knows."""
    server.start()
    first = program(STEPS, "first", PROGSTORE_URL=server.url)
    recorded(first)
    until(lambda: done_at(server.path) == {"first": 1})  # it is the one that sends
    second = program(STEPS, "second", PROGSTORE_URL=server.url)
    recorded(second)
    until(lambda: done_at(server.path) == {"first": 1, "second": 1})
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    step(second)
    until(lambda: done_at(server.path) == {"first": 1, "second": 2})
    with sqlite3.connect(f"file:{server.path}?mode=ro", uri=True) as there:
        lost = "SELECT pid FROM processes WHERE lost_at IS NOT NULL"
        until(lambda: there.execute(lost).fetchall() == [(first.pid,)])
    second.communicate(timeout=30)
    send_rest(local, server.url)
    assert_same(local, server.path)


def test_where_no_thread_can_be_started_any_more_the_last_rows_are_sent_all_the_same(
    server: Server, local: Path, run_program: RunProgram
) -> None:
    """As it is when a short program ends before its recorder has got that far."""
    server.start()
    run_program(
        """
        import progstore
        from progstore.remote.shift import Shift

        def refuse(shift):
            raise RuntimeError("can't create new thread at interpreter shutdown")

        Shift.start = refuse
        for _ in progstore.track("abc", "short"):
            pass
        """,
        PROGSTORE_URL=server.url,
    )
    assert done_at(server.path) == {"short": 3}


def test_a_pusher_that_cannot_begin_begins_later(
    server: Server, local: Path, run_program: RunProgram, until: Until
) -> None:
    """The file that says whose turn it is could not be made for a while, for want of rights or of descriptors."""
    run_program(WORK, PROGSTORE_URL=server.url)
    server.start()
    location = locate(server.url)
    (lock,) = local.parent.glob("*.push-*")
    lock.unlink()
    lock.mkdir()
    pusher = Pusher(location)
    pusher.start()
    pusher.finish(PATIENCE, minds_others=False)
    assert left_in(local)
    lock.rmdir()

    def begins() -> bool:
        pusher.start()
        return not left_in(local)

    until(begins)
    pusher.stop()
    assert_same(local, server.path)


def test_nothing_of_http_is_loaded_where_nothing_is_pushed(run_program: RunProgram) -> None:
    """Neither by the import, nor by loops, nor by the recorder."""
    assert (
        run_program(
            """
            import sys
            import progstore

            for _ in progstore.track("abc"):
                pass
            assert progstore.flush(10)
            print({"http.client", "urllib.request", "progstore.remote"} & set(sys.modules))
            """
        ).strip()
        == "set()"
    )
