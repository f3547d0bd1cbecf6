"""Who still lives: verdicts on real processes, as they are read, and how settlement notes them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from progstore import BadValue, Life, SessionView, Status, TaskView, open_store
from progstore.owner import here
from progstore.store import tables
from progstore.store.store import Store
from progstore.store.watch import Watch
from progstore.values import Verdict
from tests.conftest import Program
from tests.store.conftest import Filled

WORKING = """
    import sys, time, progstore
    with progstore.session("nightly"):
        for item in progstore.track(range(100_000), "Ingest"):
            if item == 31_207:
                progstore.flush(10)
                print("there", flush=True)
                sys.stdin.readline()
"""


def verdict_of(view: TaskView | SessionView) -> Verdict:
    """The verdict, which must be there."""
    assert view.verdict is not None
    return view.verdict


def test_a_killed_job_is_lost_at_once_with_its_last_item(program: Program, store_path: Path) -> None:
    """Alive, stopped, alive again, dead: each as it is, without any waiting."""
    job = program(WORKING)
    assert job.stdout is not None
    assert job.stdout.readline() == "there\n"
    with open_store(str(store_path)) as store:
        assert verdict_of(store.session(1)).life is Life.ALIVE
        os.kill(job.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, job.pid, os.WSTOPPED)
        assert verdict_of(store.session(1).tasks[0]).life is Life.SUSPENDED
        os.kill(job.pid, signal.SIGCONT)
        os.waitid(os.P_PID, job.pid, os.WCONTINUED)
        assert verdict_of(store.sessions().items[0]).life is Life.ALIVE
        job.kill()
        job.wait()
        (task,) = store.tasks()
        verdict = verdict_of(task)
        assert (task.status, verdict.life, task.eta) == (Status.RUNNING, Life.LOST, None)
        assert verdict.reason == f"process {job.pid} is gone; last seen at item 31,207 of 100,000"
        assert verdict.since is not None
        assert time.time() - verdict.since < 60
        assert verdict_of(store.sessions().items[0]).reason == f"process {job.pid} is gone"


def test_only_what_runs_gets_a_verdict(filled: Filled, store: Store) -> None:
    """What ended or has not begun has none, whatever became of its owner."""
    dead = filled.dead_process()
    session = filled.session(process_id=dead)
    for status in ("pending", "complete", "error", "cancelled"):
        filled.task(session, status=status, process_id=dead)
    assert {task.verdict for task in store.tasks()} == {None}
    failed = filled.session(process_id=dead)
    filled.task(failed, status="error", process_id=dead)
    filled.task(failed, status="running", process_id=dead)
    assert store.session(failed).verdict is None


def test_a_session_lives_as_long_as_one_of_its_processes(filled: Filled, store: Store) -> None:
    """The program is dead, a worker of its goes on; then it is dead too."""
    dead, worker = filled.dead_process(), filled.process()
    session = filled.session(status=None, process_id=dead)
    task = filled.task(session, status="running", process_id=worker)
    assert verdict_of(store.session(session)).life is Life.ALIVE
    assert verdict_of(store.sessions().items[0]).life is Life.ALIVE
    filled.change(tables.tasks, task, process_id=dead)
    assert verdict_of(store.session(session)).life is Life.LOST
    assert verdict_of(store.sessions().items[0]).life is Life.LOST


def test_a_declared_session_is_judged_by_its_tasks_alone(filled: Filled, store: Store) -> None:
    """Who declared it may be gone; others carry it on."""
    session = filled.session(kind="declared", status=None, process_id=filled.dead_process())
    filled.task(session, status="running", process_id=filled.process())
    filled.task(session, status="pending", process_id=1)
    assert verdict_of(store.session(session)).life is Life.ALIVE


@pytest.mark.sqlite
def test_a_process_in_another_container_is_judged_by_its_lock(filled: Filled, store: Store) -> None:
    """Its pid means nothing here; the kernel drops the lock of the dead."""
    session = filled.session()
    for locked, life in ((True, Life.ALIVE), (False, Life.LOST)):
        process = filled.process(pid_namespace="pid:[1]", pid=1, start_ticks=1, locked=locked)
        assert verdict_of(store.task(filled.task(session, status="running", process_id=process))).life is life


@pytest.mark.sqlite
def test_without_a_lock_file_another_container_is_unknown(filled: Filled, store: Store) -> None:
    """Not lost: it was merely not to be found out."""
    process = filled.process(pid_namespace="pid:[1]", locked=True)
    os.unlink(filled.file.lock)
    task = store.task(filled.task(filled.session(), status="running", process_id=process))
    assert verdict_of(task).life is Life.UNKNOWN


def test_a_restarted_machine_has_lost_all(filled: Filled, store: Store) -> None:
    """Same machine, another boot."""
    process = filled.process(boot_id="another")
    if not here().machine_id:
        pytest.skip("this machine has no machine id")
    task = store.task(filled.task(filled.session(), status="running", process_id=process))
    assert verdict_of(task).reason.startswith("the machine was restarted")


def far(filled: Filled, **values: Any) -> int:
    """A process of another host."""
    return filled.process(host="far", machine_id="m", boot_id="b", pid_namespace="p", **values)


def test_another_host_is_believed_by_its_clock_on_the_first_look(filled: Filled, store: Store) -> None:
    """There is nothing else to go by; the reason says so."""
    session = filled.session()
    for silent, life in ((5, Life.ALIVE), (100, Life.UNREACHABLE), (4000, Life.LOST)):
        process = far(filled, heartbeat_at=filled.now - silent)
        verdict = verdict_of(store.task(filled.task(session, status="running", process_id=process)))
        assert (verdict.life, "by its clock" in verdict.reason) == (life, True)


def test_another_hosts_beats_are_timed_by_our_own_clock(filled: Filled) -> None:
    """A host whose clock is two hours behind lives as soon as its beats are seen to move."""
    process = far(filled, heartbeat_at=filled.now - 7200, beats=5)
    watch = Watch(filled.location)

    def look() -> Verdict:
        with Store(filled.url) as store:
            store._watch = watch
            return verdict_of(store.task(1))

    filled.task(filled.session(), status="running", process_id=process)
    assert look().life is Life.LOST
    assert look().life is Life.LOST
    filled.change(tables.processes, process, beats=6)
    assert look().reason == "far gave a sign of life 0 s ago"


def test_work_that_has_not_moved_for_long_is_stale_where_that_is_asked_for(filled: Filled, store: Store) -> None:
    """A session as long as none of its tasks moves; what ended, or lost its owner, never is."""
    session = filled.session(status=None, process_id=filled.process())
    task = filled.task(session, status="running", process_id=filled.process(), updated_at=filled.now - 700)
    ended = filled.session()
    filled.task(ended, updated_at=filled.now - 700)
    gone = filled.task(ended, status="running", process_id=filled.dead_process(), updated_at=filled.now - 700)
    assert verdict_of(store.task(task)).life is Life.ALIVE
    with Store(filled.url, stale_after=600) as watchful:
        stale = verdict_of(watchful.task(task))
        assert (stale.life, stale.since) == (Life.STALE, filled.now - 700)
        assert stale.reason.startswith("nothing has moved, though process")
        assert verdict_of(watchful.session(session)).life is Life.STALE
        assert verdict_of(watchful.sessions().items[1]).life is Life.STALE
        assert verdict_of(watchful.task(gone)).life is Life.LOST
        filled.change(tables.tasks, task, updated_at=filled.now)
        assert verdict_of(watchful.task(task)).life is Life.ALIVE
    for never in (-1.0, float("nan"), float("inf")):
        with pytest.raises(BadValue, match="stale_after"):
            Store(filled.url, stale_after=never)


def test_settlement_notes_what_is_lost_and_leaves_the_status_alone(filled: Filled, store: Store) -> None:
    """v_running then leaves it out; what another process may still begin is not lost."""
    dead, alive = filled.dead_process(heartbeat_at=filled.now - 30), filled.process()
    gone = filled.ended_process()
    session = filled.session(status=None, process_id=dead)
    owners = [filled.task(session, status="running", process_id=owner) for owner in (dead, alive, gone, None)]
    pending = filled.task(session, status="pending", process_id=dead)
    assert len(store.query("SELECT id FROM v_running").rows) == 4
    assert store.settle() == 2
    lost = dict(store.query("SELECT id, lost_at FROM tasks").rows)
    assert lost == {
        owners[0]: filled.now - 30,
        owners[1]: None,
        owners[2]: filled.now - 10,
        owners[3]: None,
        pending: None,
    }
    assert {task.status for task in store.session(session).tasks} == {"running", "pending"}
    assert [row[0] for row in store.query("SELECT id FROM v_running ORDER BY id").rows] == [owners[1], owners[3]]
    assert store.query("SELECT lost IS NOT NULL FROM v_sessions").rows == ((1,),)
    assert store.settle() == 0


def test_an_owner_that_was_held_for_lost_takes_it_back(store_path: Path, program: Program) -> None:
    """A wrong note does not outlive the owner's next write."""
    job = program(WORKING)
    assert job.stdout is not None
    assert job.stdout.readline() == "there\n"
    filled = Filled(store_path)
    filled.run("UPDATE processes SET lost_at = 5")
    filled.run("UPDATE tasks SET lost_at = 5")
    filled.close()
    job.communicate("\n", timeout=30)
    with open_store(str(store_path)) as store:
        assert store.query("SELECT lost_at FROM tasks UNION ALL SELECT lost_at FROM processes").rows == (
            (None,),
            (None,),
        )


def test_a_process_is_judged_once_for_all_its_tasks(filled: Filled, store: Store) -> None:
    """Everything of one reading stands at one moment: the same verdict, not only an equal one."""
    process = filled.process()
    session = filled.session(status=None, process_id=process)
    filled.task(session, status="running", process_id=process)
    filled.task(session, status="running", process_id=process)
    view = store.session(session)
    assert view.tasks[0].verdict is view.tasks[1].verdict is view.verdict
