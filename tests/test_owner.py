"""What a reader may conclude about the owner of running work: exact on one kernel, honest elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from progstore import owner, proc
from progstore.owner import Held, Owner, Place
from progstore.store.sqlite.lockfile import LockFile, owner_byte
from progstore.values import Life, Verdict

HERE = owner.here()
ELSEWHERE = Place("db1", "another machine", "another boot", "pid:[1]")
NOW = 1_000_000.0

Judge = Callable[..., Verdict]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    """A real process that waits until its input is closed."""
    command = [sys.executable, "-c", "print('ready', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        running.stdout.readline()
        yield running
        running.kill()


def owned_by(pid: int, place: Place = HERE, **changes: object) -> Owner:
    """What the store would say of that process."""
    row = Owner(7, place, pid, proc.start_ticks(pid), beats=5, heartbeat_at=NOW - 20, ended_at=None, end_reason=None)
    return row._replace(**changes)  # type: ignore[arg-type]  # the tests name the fields


def judge(row: Owner, *, locked: Held = Held.UNKNOWN, silent: float | None = None, reader: Place = HERE) -> Verdict:
    """The verdict of a reader who finds the lock and the beats like this."""
    return owner.verdict(row, reader, now=NOW, holds_lock=lambda _: locked, silent_for=lambda *_: silent)


def test_a_living_process_is_alive(process: subprocess.Popen[str]) -> None:
    """On its own kernel that is a fact, not a timeout: the lock is not even asked."""
    assert judge(owned_by(process.pid)).life is Life.ALIVE


def test_a_killed_process_is_lost_since_its_last_sign(process: subprocess.Popen[str]) -> None:
    """At once, with no timeout, also before its parent has taken notice of its death."""
    row = owned_by(process.pid)
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert proc.stat(process.pid) is not None, "a zombie is still listed"
    assert judge(row).life is Life.LOST
    process.wait()
    verdict = judge(row)
    assert (verdict.life, verdict.since) == (Life.LOST, NOW - 20)
    assert str(process.pid) in verdict.reason


def test_a_pid_that_is_used_again_is_not_its_former_owner(process: subprocess.Popen[str]) -> None:
    """The time of its start tells them apart."""
    ticks = proc.start_ticks(process.pid)
    assert ticks is not None
    assert judge(owned_by(process.pid, start_ticks=ticks - 1)).life is Life.LOST


def test_a_stopped_process_is_suspended_and_the_reason_says_how_to_go_on(process: subprocess.Popen[str]) -> None:
    """SIGSTOP is not death."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    verdict = judge(owned_by(process.pid))
    assert verdict.life is Life.SUSPENDED
    assert f"kill -CONT {process.pid}" in verdict.reason


@pytest.mark.parametrize(
    ("locked", "life"),
    [(Held.YES, Life.ALIVE), (Held.NO, Life.LOST), (Held.UNKNOWN, Life.UNKNOWN), (Held.NOT_SEEN, Life.UNREACHABLE)],
)
def test_in_another_container_on_the_same_kernel_the_lock_decides(locked: Held, life: Life) -> None:
    """A pid means nothing there; a byte that the kernel drops at death does."""
    row = owned_by(os.getpid(), HERE._replace(pid_namespace="pid:[4711]"))
    assert judge(row, locked=locked, silent=45.0).life is life


def test_whoever_holds_a_lock_on_a_server_lives_wherever_it_is() -> None:
    """However long it has been silent; without the lock its connection may be broken, so silence decides."""
    row = owned_by(1, ELSEWHERE)
    assert judge(row, locked=Held.YES, silent=3000.0).life is Life.ALIVE
    assert judge(row, locked=Held.NOT_SEEN, silent=3000.0).life is Life.UNREACHABLE


def test_a_process_from_before_the_restart_is_lost() -> None:
    """The same machine, another boot."""
    verdict = judge(
        owned_by(os.getpid(), HERE._replace(boot_id="the boot before", machine_id="m")),
        reader=HERE._replace(machine_id="m"),
    )
    assert verdict.life is Life.LOST
    assert "restarted" in verdict.reason


def test_clones_of_one_machine_are_not_told_that_it_was_restarted() -> None:
    """They have its id, but boots of their own: who holds a lock lives, and another host's silence decides as ever."""
    reader = HERE._replace(machine_id="m", host="clone1")
    row = owned_by(1, reader._replace(boot_id="its own boot", host="clone2"))
    assert judge(row, locked=Held.YES, reader=reader).life is Life.ALIVE
    assert judge(row, locked=Held.NOT_SEEN, silent=25.0, reader=reader).life is Life.ALIVE
    restarted = row._replace(place=row.place._replace(host="clone1"))
    assert judge(restarted, locked=Held.NOT_SEEN, silent=25.0, reader=reader).life is Life.LOST


@pytest.mark.parametrize(
    ("silent", "life"),
    [(0.0, Life.ALIVE), (25.0, Life.ALIVE), (45.0, Life.UNREACHABLE), (3000.0, Life.UNREACHABLE), (3700.0, Life.LOST)],
)
def test_on_another_host_only_silence_can_be_told(silent: float, life: Life) -> None:
    """By the reader's own clock, and never lost before an hour."""
    assert judge(owned_by(1, ELSEWHERE), silent=silent).life is life


def test_on_the_first_look_at_another_host_its_clock_is_all_there_is() -> None:
    """And the reason says so."""
    verdict = judge(owned_by(1, ELSEWHERE), silent=None)
    assert verdict.life is Life.ALIVE
    assert "by its clock" in verdict.reason


def test_work_of_a_process_that_ended_is_lost_with_it() -> None:
    """The process said when it ended; whatever it left running cannot run."""
    verdict = judge(owned_by(os.getpid(), ended_at=NOW - 5, end_reason="signal"))
    assert (verdict.life, verdict.since) == (Life.LOST, NOW - 5)
    assert "signal" in verdict.reason


def test_a_process_that_may_not_be_seen_is_unknown_not_lost() -> None:
    """Where the system hides other users' processes, their absence says nothing."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    pid = os.getpid()
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        hidden = proc.exists(1)
        os._exit(0 if hidden is None and proc.exists(pid) is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_kernel_drops_a_dead_process_lock(tmp_path: Path, process: subprocess.Popen[str]) -> None:
    """A byte is held as long as its process lives and not a moment longer."""
    path = tmp_path / "store.lock"
    mine = LockFile(str(path), create=True)
    script = (
        "import sys; from progstore.store.sqlite.lockfile import LockFile, owner_byte;"
        f"lock = LockFile({str(path)!r}, create=True); print(lock.try_lock(owner_byte(3)), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert mine.is_locked(owner_byte(3))
        assert not mine.try_lock(owner_byte(3))
        assert not mine.is_locked(owner_byte(4))
        holder.kill()
        holder.wait()
        assert not mine.is_locked(owner_byte(3))
    mine.close()
