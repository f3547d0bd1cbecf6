"""Child processes record for themselves, into the session of the process that started them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import progstore

Program = Callable[..., "subprocess.Popen[str]"]
RunProgram = Callable[..., str]
Ask = Callable[..., list[Any]]

FORKS, FORKS_SOAK = 15, 150
METHODS = ("fork", "spawn", "forkserver")
IN_ONE_SESSION = "SELECT count(DISTINCT session_id), count(DISTINCT process_id) FROM tasks"


def test_a_child_forked_within_a_loop_records_for_itself_and_the_parent_goes_on(
    run_program: RunProgram, ask: Ask
) -> None:
    """The loop that the child inherits is the parent's; what the child begins is its own."""
    run_program(
        """
        import os, progstore

        for item in progstore.track(range(6), "parent"):
            if item == 2:
                child = os.fork()
                if child == 0:
                    for _ in progstore.track("abc", "child"):
                        pass
                    progstore.current().update(1000)  # there is no live task in the child, so this is counted nowhere
                    break
        else:
            assert os.waitpid(child, 0)[1] == 0
        """
    )
    assert ask("SELECT name, status, done, message FROM tasks ORDER BY name") == [
        ("child", "complete", 3.0, ""),
        ("parent", "complete", 6.0, ""),
    ]
    assert ask(IN_ONE_SESSION) == [(1, 2)]
    assert ask("SELECT end_status FROM sessions") == ["complete"]
    assert ask("SELECT end_reason FROM processes") == ["exit", "exit"]


def test_many_forks_in_a_row_lose_nothing(run_program: RunProgram, ask: Ask, soak: bool) -> None:
    """Neither what the children record nor what the parent records between two forks."""
    forks = FORKS_SOAK if soak else FORKS
    run_program(
        """
        import os, sys, progstore

        for number in progstore.track(range(int(sys.argv[1])), "parent"):
            for _ in progstore.track([number], f"before {number}"):
                pass
            child = os.fork()
            if child == 0:
                for _ in progstore.track("abc", f"child {number}"):
                    pass
                os._exit(0 if progstore.flush(30) else 1)
            assert os.waitpid(child, 0)[1] == 0
        """,
        str(forks),
    )
    assert ask("SELECT count(*) FROM tasks WHERE name LIKE 'child%' AND status = 'complete' AND done = 3") == [forks]
    assert ask("SELECT count(*) FROM tasks WHERE name LIKE 'before%' AND status = 'complete' AND done = 1") == [forks]
    assert ask("SELECT status, done FROM tasks WHERE name = 'parent'") == [("complete", forks)]
    assert ask(IN_ONE_SESSION) == [(1, 1 + forks)]
    assert ask("PRAGMA integrity_check") == ["ok"]


def test_threads_that_record_do_not_disturb_a_fork(run_program: RunProgram, ask: Ask) -> None:
    """Other threads begin and end tasks all the time while one thread forks."""
    run_program(
        """
        import os, threading, time, progstore

        over = threading.Event()

        def busy(name):
            count = 0
            while not over.is_set():
                for _ in progstore.track([1], name):
                    count += 1
                time.sleep(0.002)
            counts[name] = count

        counts = {}
        progstore.track  # imported by now: Python's import locks do not outlive a fork in which a thread holds one
        with progstore.session("mixed"):
            threads = [threading.Thread(target=busy, args=(f"thread {number}",)) for number in range(2)]
            for thread in threads:
                thread.start()
            for number in range(20):
                child = os.fork()
                if child == 0:
                    for _ in progstore.track([1], "child"):
                        pass
                    os._exit(0 if progstore.flush(30) else 1)
                assert os.waitpid(child, 0)[1] == 0
            over.set()
            for thread in threads:
                thread.join()
            assert progstore.flush(30)
        print(sum(counts.values()))
        """
    )
    assert ask("SELECT count(*) FROM tasks WHERE name = 'child' AND status = 'complete'") == [20]
    assert ask("SELECT count(*) FROM tasks WHERE status <> 'complete'") == [0]


@pytest.mark.parametrize("method", METHODS)
def test_what_multiprocessing_starts_records_into_the_parents_session(
    method: str, run_program: RunProgram, ask: Ask
) -> None:
    """Processes, pools and executors, by each start method; their ends are on disk though nobody waited for them."""
    run_program(
        f"""
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        import progstore

        def work(name):
            for _ in progstore.track(range(5), name):
                pass
            return name

        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            with progstore.session("parent"):
                for _ in progstore.track([1], "itself"):
                    process = context.Process(target=work, args=("process",))
                    process.start()
                    process.join()
                    assert process.exitcode == 0
                with context.Pool(2) as pool:
                    pool.map(work, ["pool 1", "pool 2"], chunksize=1)
                with ProcessPoolExecutor(2, mp_context=context) as executor:
                    list(executor.map(work, ["executor 1", "executor 2", "executor 3"]))
        """
    )
    assert ask("SELECT name, status, done FROM tasks ORDER BY name") == [
        ("executor 1", "complete", 5.0),
        ("executor 2", "complete", 5.0),
        ("executor 3", "complete", 5.0),
        ("itself", "complete", 1.0),
        ("pool 1", "complete", 5.0),
        ("pool 2", "complete", 5.0),
        ("process", "complete", 5.0),
    ]
    assert ask("SELECT name, end_status FROM sessions") == [("parent", "complete")]


def test_ended_tasks_of_a_pool_are_on_disk_though_it_is_terminated_at_once(run_program: RunProgram, ask: Ask) -> None:
    """A pool's workers are killed without any hook when its `with` block ends."""
    run_program(
        """
        import multiprocessing, progstore

        def work(number):
            for _ in progstore.track(range(3), f"item {number}"):
                pass

        context = multiprocessing.get_context("fork")
        for _ in range(3):
            with context.Pool(4) as pool:
                pool.map(work, range(8), chunksize=1)
        """
    )
    assert ask("SELECT status, done, count(*) FROM tasks GROUP BY 1, 2") == [("complete", 3.0, 24)]


def test_eight_forked_workers_that_start_at_once_make_eight_tasks(run_program: RunProgram, ask: Ask) -> None:
    """No key is given twice by chance; one that is given is kept as it is."""
    run_program(
        """
        import os, progstore

        children = []
        for rank in range(8):
            child = os.fork()
            if child == 0:
                for _ in progstore.track("ab", "shard"):
                    pass
                for _ in progstore.track("ab", "ranked", key=f"run-7:rank-{rank}"):
                    pass
                for _ in progstore.track("ab", "same", key="same"):
                    pass
                raise SystemExit
            children.append(child)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
        """
    )
    assert ask("SELECT count(*), count(DISTINCT key) FROM tasks WHERE name = 'shard' AND done = 2") == [(8, 8)]
    assert ask("SELECT min(key), max(key) FROM tasks WHERE name = 'ranked'") == [("run-7:rank-0", "run-7:rank-7")]
    # Each start under one key is an attempt of its own, where they are in one session.
    assert ask("SELECT count(*) FROM tasks WHERE key = 'same' AND status = 'complete'") == [8]


def test_a_program_started_by_a_program_joins_its_session(run_program: RunProgram, ask: Ask) -> None:
    """It is told by the environment which session that is, and takes that session's name for its history."""
    run_program(
        """
        import subprocess, sys, progstore

        job = "import progstore\\nfor _ in progstore.track('ab', 'inside'): pass"
        with progstore.session("outer"):
            for _ in progstore.track([1], "outside"):
                assert progstore.flush(30)
                subprocess.run([sys.executable, "-c", job], check=True)
        subprocess.run([sys.executable, "-c", job.replace("inside", "after the block")], check=True)
        """
    )
    told = ask("SELECT s.name, t.session_name, t.name, t.status FROM tasks t JOIN sessions s ON s.id = t.session_id")
    assert sorted(told) == [
        ("outer", "outer", "inside", "complete"),
        ("outer", "outer", "outside", "complete"),
        ("python", "python", "after the block", "complete"),
    ]


def test_a_child_that_writes_before_its_starter_knows_what_the_session_is_called(
    program: Program, run_program: RunProgram, ask: Ask, tmp_path: Path
) -> None:
    """So its tasks are in the right history from the first row on."""
    starter = program(
        """
        import os, sys, progstore
        with progstore.session("nächtlicher Import", store=sys.argv[1]):
            print(os.environ["PROGSTORE_SESSION"], flush=True)
            sys.stdin.readline()
        """,
        str(tmp_path / "elsewhere.db"),
    )
    assert starter.stdout is not None
    told = starter.stdout.readline().strip()
    run_program("import progstore; list(progstore.track('abc', 'Early'))", PROGSTORE_SESSION=told)
    assert ask("SELECT name FROM sessions") == ["nächtlicher Import"]
    assert ask("SELECT session_name, name FROM tasks") == [("nächtlicher Import", "Early")]


def test_a_program_whose_starter_is_dead_names_its_session_as_parent(
    program: Callable[..., Any], ask: Ask, until: Callable[..., Any]
) -> None:
    """It cannot join what has ended, so it makes a session of its own."""
    starter = program(
        """
        import os, subprocess, sys, progstore

        orphan = "import sys, progstore\\nsys.stdin.read()\\nfor _ in progstore.track('ab', 'orphan'): pass"
        with progstore.session("starter"):
            for _ in progstore.track([1], "first"):
                assert progstore.flush(30)
                subprocess.Popen([sys.executable, "-c", orphan])
                os._exit(0)
        """
    )
    until(lambda: starter.poll() is not None)
    starter.communicate()  # closes the orphan's input, too, and waits for its end
    until(lambda: ask("SELECT 1 FROM tasks WHERE name = 'orphan' AND status = 'complete'"))
    ((uid, started),) = ask("SELECT uid, name FROM sessions WHERE parent_uid IS NULL")
    assert started == "starter"
    assert ask("SELECT parent_uid FROM sessions WHERE parent_uid IS NOT NULL") == [uid]


def test_a_forked_child_finds_the_name_and_the_store_of_the_session_it_was_forked_in(
    run_program: RunProgram, tmp_path: Path, ask: Ask
) -> None:
    """Though the parent may not have written it yet, and though it is not in the default store."""
    other = tmp_path / "other.db"
    run_program(
        f"""
        import os, progstore

        with progstore.session("elsewhere", store={str(other)!r}):
            child = os.fork()
            if child == 0:
                for _ in progstore.track([1], "child"):
                    pass
                raise SystemExit
            assert os.waitpid(child, 0)[1] == 0
        """
    )
    assert ask("SELECT 1 FROM tasks") == []
    with progstore.open_store(str(other)) as store:
        (session,) = store.sessions()
        (task,) = store.tasks()
    assert (session.name, session.status) == ("elsewhere", "complete")
    assert (task.name, task.session_name) == ("child", "elsewhere")


def test_a_recorder_that_begins_to_read_while_its_job_forks_disturbs_nobody(run_program: Callable[..., str]) -> None:
    """What it imports then has hooks of its own, of which only those after the fork are called."""
    said = run_program(
        """
        import logging, os, sys, threading, progstore

        def import_meanwhile():
            thread = threading.Thread(target=__import__, args=("progstore.store.reader",))
            thread.start()
            thread.join()

        os.register_at_fork(before=import_meanwhile)
        unraisable = []
        sys.unraisablehook = unraisable.append
        if os.fork() == 0:
            os._exit(len(unraisable))
        print(os.waitstatus_to_exitcode(os.wait()[1]), unraisable)
        """
    )
    assert said == "0 []\n"


@pytest.mark.parametrize(("loaded", "imported"), [("logging", "sqlalchemy"), ("os", "logging")])
def test_a_fork_while_a_thread_imports_progstore_waits_for_that_and_for_nothing_else(
    loaded: str, imported: str, program: Program
) -> None:
    """What is imported asks for the lock of `logging`, which a fork holds, too, and whose hooks may be new by then."""
    process = program(
        """
        import importlib, os, sys, threading, progstore

        class Watch:
            def find_spec(self, name, path=None, target=None):
                if name == sys.argv[2]:
                    is_importing.set()

        is_importing = threading.Event()
        importlib.import_module(sys.argv[1])
        sys.meta_path.insert(0, Watch())
        thread = threading.Thread(target=lambda: progstore.Store)
        thread.start()
        is_importing.wait()
        child = os.fork()
        if not child:
            progstore.Session
            os._exit(0)
        thread.join()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
        loaded,
        imported,
    )
    assert process.communicate(timeout=30) == ("0\n", "")


def test_what_brings_logging_is_known_before_it_is_imported(run_program: RunProgram) -> None:
    """So that forks can be told to wait for it in time."""
    run_program(
        """
        import importlib, sys, progstore
        from progstore.loading import BRING_LOGGING

        for home in {*progstore._HOMES.values(), *progstore._MODULES.values()} - BRING_LOGGING:
            importlib.import_module(f"progstore.{home}")
            assert "logging" not in sys.modules, home
        """
    )
