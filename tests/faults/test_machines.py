"""Where the owner of work is not simply a process of this machine: restarts, containers, pids used again, clocks that
jump. Played with namespaces of the kernel, so only where the tests may make some.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import progstore
from progstore.store.sqlite.files import network_file_system

UNSHARE = "/usr/bin/unshare"
Ask = Callable[..., list[Any]]
RunProgram = Callable[..., str]
StartJob = Callable[..., Any]
Within = Callable[..., str]
Until = Callable[..., Any]


@pytest.fixture
def within(tmp_path: Path) -> Within:
    """Makes a Python that runs in namespaces of its own, after some shell commands in them."""

    def make(options: str, *commands: str) -> str:
        tried = subprocess.run([UNSHARE, *options.split(), "true"], capture_output=True, text=True, check=False)
        if tried.returncode:
            pytest.skip(f"no namespaces can be made here: {tried.stderr.strip()}")
        python = tmp_path / f"python {options}"
        inside = " && ".join((*commands, f'exec {sys.executable} "$@"'))
        python.write_text(f"#!/bin/sh\nexec {UNSHARE} {options} sh -c '{inside}' sh \"$@\"\n", encoding="utf-8")
        python.chmod(0o700)
        return str(python)

    return make


@pytest.fixture
def rebooted(within: Within, tmp_path: Path) -> tuple[str, str]:
    """Two Pythons on one machine, the second of which runs after the machine was restarted."""
    if not os.path.exists("/etc/machine-id"):
        pytest.skip("this machine has no id by which it would be known again")
    (tmp_path / "boot").write_text("00000000-0000-4000-8000-000000000000\n", encoding="ascii")
    boot = f"mount --bind {tmp_path}/boot /proc/sys/kernel/random/boot_id"
    return within("-m", boot), sys.executable


def verdicts() -> list[tuple[str, str]]:
    """The verdict on each task that is stored as running, and its reason, in alphabetical order."""
    with progstore.open_store() as store:
        return sorted((each.verdict.life, each.verdict.reason) for each in store.tasks() if each.verdict is not None)


def lives() -> list[str]:
    """The verdicts without their reasons."""
    return [life for life, _ in verdicts()]


def kill(job: Any) -> None:
    """Kill it, and with it what is in its namespaces."""
    job.process.kill()
    job.process.wait()


def test_work_from_before_the_machine_restarted_is_lost_and_noted_as_such(
    rebooted: tuple[str, str], start_job: StartJob, run_program: RunProgram, ask: Ask
) -> None:
    """The kernel that the job ran on was booted another time; whoever writes next settles it."""
    before, after = rebooted
    job = start_job(executable=before)
    job("steps", 41)
    assert job("flush", 30)
    kill(job)
    assert verdicts() == [("lost", "the machine was restarted; last seen at item 41 of 1,000,000,000")]
    run_program("import progstore\nfor _ in progstore.track([1], 'next'): pass", executable=after)
    assert ask("SELECT lost_at IS NOT NULL, status, done FROM tasks WHERE name = 'job'") == [(1, "running", 41.0)]
    assert ask("SELECT count(*) FROM v_running") == [0]


def test_containers_on_one_kernel_are_told_apart_though_their_jobs_have_the_same_pid(
    within: Within, start_job: StartJob, ask: Ask, until: Until
) -> None:
    """Each is the first process of its own; one is killed, the other goes on, and a reader outside knows which."""
    container = within("-p -f --kill-child --mount-proc")
    jobs = [start_job(executable=container), start_job(executable=container)]
    assert [job("flush", 30) for job in jobs] == [True, True]
    assert ask("SELECT pid FROM processes") == [1, 1]
    assert lives() == ["alive", "alive"]
    kill(jobs[0])
    until(lambda: lives() == ["alive", "lost"])
    jobs[1]("steps", 5)
    assert jobs[1]("flush", 30)
    assert jobs[1].end() == (0, "")
    assert lives() == ["lost"]
    assert sorted(ask("SELECT status, done FROM tasks")) == [("cancelled", 5.0), ("running", 0.0)]


def test_a_pid_that_another_process_has_meanwhile_is_not_its_former_owner(
    within: Within, run_program: RunProgram
) -> None:
    """The kernel is made to give it again; the start of the process tells them apart."""
    said = run_program(
        """
        import os, subprocess, sys, time
        import progstore

        job = "import os, progstore\\nfor _ in progstore.track([1]): progstore.flush(30); os.kill(os.getpid(), 9)"
        killed = subprocess.Popen([sys.executable, "-c", job])
        killed.wait()
        with open("/proc/sys/kernel/ns_last_pid", "w") as last:
            last.write(str(killed.pid - 1))
        again = subprocess.Popen(["sleep", "100"])
        with progstore.open_store() as store:
            (task,) = store.tasks()
        again.kill()
        again.wait()
        print(again.pid == killed.pid, task.verdict.life, task.verdict.reason)
        """,
        executable=within("-p -f --kill-child --mount-proc"),
    )
    assert re.fullmatch(r"True lost process \d+ is gone; last seen at item 0 of 1\n", said)


def test_a_network_file_system_is_refused_with_the_way_out(
    within: Within, tmp_path: Path, start_job: StartJob, store_path: Path
) -> None:
    """Here the kernel is made to say that everything is mounted from a server."""
    (tmp_path / "mounts").write_text("1 0 0:1 / / rw - nfs4 server:/ rw\n", encoding="ascii")
    job = start_job(executable=within("-m", f"mount --bind {tmp_path}/mounts /proc/$$/mountinfo"))
    assert job("flush", 30) is False
    (warning,) = job.warnings()
    assert f"{store_path} is on a network file system (nfs4), where SQLite loses rows silently" in warning
    assert "choose a path on a local disk" in warning
    assert job("steps", 5) < 1
    assert job.end() == (0, "")
    assert not store_path.exists()


@pytest.mark.parametrize(
    ("mount", "kind"),
    [("/données", "nfs4"), (r"/two\040words", "cifs"), ("/plain", "fuse.glusterfs"), ("/plain", "fuse.ceph-fuse")],
)
def test_a_network_file_system_is_known_by_whatever_name(tmp_path: Path, mount: str, kind: str) -> None:
    """Mount points as the kernel writes them, in any language; file systems that run as programs, too."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 disk rw\n2 1 0:2 / {mount} rw - {kind} server:/ rw\n", encoding="utf-8")
    path = mount.replace(r"\040", " ") + "/progstore.db"
    assert network_file_system(path, str(mounts)) == kind
    assert network_file_system("/elsewhere/progstore.db", str(mounts)) is None


def test_a_clock_that_jumps_changes_no_order_no_duration_and_no_verdict(start_job: StartJob, ask: Ask) -> None:
    """A day ahead, then two days back. The program's own clock is set, for the machine's is everybody's; progstore
    looks at no other.
    """
    job = start_job()
    for hours in (0, 24, -24):
        job("set_clock", hours)
        job("steps", 10)
        job("short_loops", 1, 0)
        assert job("flush", 30)
        assert lives() == ["alive"]
    assert job.end() == (0, "")
    assert ask("SELECT name, kind FROM events JOIN tasks ON tasks.id = task_id ORDER BY events.id") == [
        ("job", "started"),
        *[("short", "started"), ("short", "complete")] * 3,
        ("job", "cancelled"),
    ]
    shown = ask("SELECT ended_at - started_at FROM sessions")
    assert shown[0] < -80_000
    assert all(0 <= each < 60 for each in ask("SELECT duration FROM tasks UNION ALL SELECT duration FROM sessions"))
    ((status, done, curve),) = ask("SELECT status, done, curve FROM tasks WHERE name = 'job'")
    assert (status, done) == ("cancelled", 30.0)
    assert json.loads(curve) == sorted(json.loads(curve))
