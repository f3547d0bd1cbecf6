"""What the tests of the command line share: running it as a user does, and a store of which all is known."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
from click.testing import CliRunner

from progstore import owner, proc
from progstore.cli import main
from progstore.store.batch import Batch, EventRow, MetaRow, ProcessRow, SessionRow, TaskIdentity, TaskRow
from progstore.store.writer import StoreWriter

PROGRAM = str(Path(sys.executable).with_name("progstore"))
HOUR = 3600.0
TRACEBACK = 'Traceback:\n  File "load.py", line 7\nValueError: bad row\n'
BAD_ROW = {"error_type": "ValueError", "error": "bad row", "traceback": TRACEBACK}
_UNKNOWN = (
    "parent", "percent", "error_type", "error", "traceback", "resumed_from", "curve",
    "simulate_from", "simulate_until", "simulate_since", "simulate_expected",
)  # fmt: skip


class Run(Protocol):
    """Runs `progstore` with arguments; None takes a variable out of the environment."""

    def __call__(self, *arguments: str, env: Mapping[str, str | None] | None = None, input: str | None = None) -> Any:
        """The ended process, with its output."""


class PlugIn(Protocol):
    """Installs a package with one module and one frontend into a folder that is then put on PYTHONPATH."""

    def __call__(self, package: str, source: str, *, extra: str = "") -> Path:
        """The folder."""


def changed_environment(changes: Mapping[str, str | None] | None) -> dict[str, str]:
    """This process's environment with changes; any warning of Python's is an error in it.

    PYTHONPATH is put before what there is, for the tests may be run on a tree that is found by it.
    """
    changed = {**os.environ, "PYTHONWARNINGS": "error", **(changes or {})}
    if changes and (path := changes.get("PYTHONPATH")):
        changed["PYTHONPATH"] = os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH")]))
    return {name: value for name, value in changed.items() if value is not None}


@pytest.fixture
def run() -> Run:
    """The command line within this process, which is quick: for what is parsed, asked and printed."""

    def run(
        *arguments: str, env: Mapping[str, str | None] | None = None, input: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = CliRunner().invoke(main, arguments, prog_name="progstore", env=env, input=input, catch_exceptions=False)
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture
def run_process() -> Run:
    """The command line in a process of its own, with its output piped."""

    def run_process(
        *arguments: str, env: Mapping[str, str | None] | None = None, input: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *arguments],
            env=changed_environment(env),
            input=input,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    return run_process


class RunInTerminal(Protocol):
    """Runs a command on a terminal of so many columns; gives exit code and all that it printed there."""

    def __call__(
        self,
        command: Sequence[str],
        columns: int = 80,
        *,
        env: Mapping[str, str | None] | None = None,
        interrupt_at: str | None = None,
    ) -> tuple[int, str]:
        """`interrupt_at` is a pattern of printed text upon which Ctrl-C is typed, once."""


@pytest.fixture
def run_in_terminal() -> RunInTerminal:
    """A terminal: what runs in it finds out that it is one."""

    def run_in_terminal(
        command: Sequence[str],
        columns: int = 80,
        *,
        env: Mapping[str, str | None] | None = None,
        interrupt_at: str | None = None,
    ) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = changed_environment({"TERM": "xterm", "COLUMNS": None, "NO_COLOR": None, **(env or {})})
        with subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509  # this process has no other threads that hold locks
        ) as process:  # fmt: skip
            os.close(theirs)
            printed = b""
            while chunk := _read(ours):
                printed += chunk
                if interrupt_at and re.search(interrupt_at.encode(), printed):
                    os.write(ours, b"\x03")
                    interrupt_at = None
        os.close(ours)
        return process.returncode, printed.decode("utf-8", "replace").replace("\r\n", "\n")

    return run_in_terminal


def _take_terminal() -> None:
    """In the new session, make the terminal the controlling one, so that Ctrl-C reaches the process."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says EIO once nobody holds the other end
        return b""


@pytest.fixture
def plug_in(tmp_path: Path) -> PlugIn:
    """A way to install frontends that do as a test wants."""
    folder = tmp_path / "installed"
    folder.mkdir()

    def plug_in(package: str, source: str, *, extra: str = "") -> Path:
        module = package.replace("-", "_")
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.4", f"Name: {package}", "Version: 1.0"]
        lines += [f"Provides-Extra: {extra}"] if extra else []
        (info / "METADATA").write_text("\n".join([*lines, ""]), encoding="utf-8")
        entry = f"[progstore.frontends]\n{extra or package} = {module}:frontend\n"
        (info / "entry_points.txt").write_text(entry, encoding="utf-8")
        (folder / f"{module}.py").write_text(source, encoding="utf-8")
        return folder

    return plug_in


class Known:
    """Writes a store of which all is known, as recorders write it."""

    def __init__(self, path: Path) -> None:
        self.url = str(path)
        self.now = time.time()

    def process(self, uid: str, pid: int, **changes: Any) -> None:
        """A process with what it recorded: `sessions`, `tasks`, `events`, `metadata`."""
        rows = {name: changes.pop(name, []) for name in ("sessions", "tasks", "events", "metadata")}
        place = owner.here()
        process = ProcessRow(
            uid=uid,
            **{"start_ticks": proc.start_ticks(pid), **place._asdict(), **changes},
            pid=pid,
            program="known.py",
            argv='["known.py"]',
            cwd="/",
            username="me",
            python="3",
            progstore_version="0",
            interval=0.5,
            started_at=self.now - HOUR,
            heartbeat_at=self.now - 60,
        )
        writer = StoreWriter(self.url)
        writer.open(process)
        applied = writer.commit(process, lambda *_: Batch(processes=[process], **rows), durable=True)
        writer.release()
        assert not applied.refused

    def session(self, uid: str, name: str, process: str, hours_ago: float, status: str | None = None) -> SessionRow:
        """A session that took a minute, or has not ended."""
        started = self.now - hours_ago * HOUR
        return SessionRow(
            uid=uid,
            name=name,
            kind="block",
            process_uid=process,
            parent_uid=None,
            host=owner.here().host,
            message="",
            started_at=started,
            ended_at=started + 60 if status else None,
            end_status=status,
            duration=60.0 if status else None,
            rev=1,
        )

    def task(
        self, session: SessionRow, key: str, status: str, done: float, total: float | None, **changes: Any
    ) -> TaskRow:
        """A task of the session that took a minute, or has not ended."""
        ended = status not in ("running", "pending")
        values: dict[str, Any] = dict.fromkeys(_UNKNOWN)
        values |= {"name": key.capitalize(), "unit": "file", "failed": 0.0, "message": ""} | changes
        return TaskRow(
            session_uid=session.uid,
            key=key,
            attempt=1,
            process_uid=str(session.process_uid),
            session_name=session.name,
            status=status,
            done=done,
            total=total,
            total_source="len",
            active=0.0,
            cancelled=0.0,
            rev=1,
            started_at=session.started_at,
            updated_at=session.started_at + 60,
            ended_at=session.started_at + 60 if ended else None,
            duration=60.0 if ended else None,
            **values,
        )


@pytest.fixture
def known_store(tmp_path: Path) -> Iterator[str]:
    """A store of six sessions, which PROGSTORE_URL is set to.

    1 complete, task 1 with 5 nested in it; 2 failed, task 2; 3 cancelled, task 3; 4 complete, task 4, names evil;
    5 lost, task 6; 6 alive, task 7.
    """
    known = Known(tmp_path / "known.db")
    complete = known.session("s1", "nightly import", "p1", 30, "complete")
    failed = known.session("s2", "nightly import", "p1", 20, "error")
    cancelled = known.session("s3", "report", "p1", 10, "cancelled")
    lost = known.session("s4", "report", "p2", 2)
    alive = known.session("s5", "watch", "p3", 1)
    evil = known.session("s6", "\x1b[31mred\nsecond line", "p1", 0.5, "complete")
    outer: TaskIdentity = ("s1", "fetch", 1)
    load: TaskIdentity = ("s2", "load", 1)
    known.process(
        "p1",
        os.getpid(),
        start_ticks=1,
        ended_at=known.now - 30,
        end_reason="exit",
        sessions=[complete, failed, cancelled, evil],
        tasks=[
            known.task(complete, "fetch", "complete", 5, 5),
            known.task(complete, "part", "complete", 3, 3, parent=outer),
            known.task(failed, "load", "error", 76, 200, failed=2.0, **BAD_ROW),
            known.task(cancelled, "render", "cancelled", 3, 8),
            known.task(evil, "evil", "complete", 1, 1, name="\x1b[2Jgone", message="fine\x07"),
        ],
        events=[
            EventRow(session_uid="s2", task=None, at=failed.started_at, kind="started", message=""),
            EventRow(
                session_uid="s2", task=load, at=failed.started_at + 5, kind="failed item", message="row 7: bad date"
            ),
        ],
        metadata=[MetaRow(session_uid="s2", task=load, key="etag", value='"x y"')],
    )
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as dead:
        ticks = proc.start_ticks(dead.pid)
        dead.kill()
    known.process(
        "p2", dead.pid, start_ticks=ticks, sessions=[lost], tasks=[known.task(lost, "render", "running", 12, 40)]
    )
    known.process("p3", os.getpid(), sessions=[alive], tasks=[known.task(alive, "look", "running", 5, None)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROGSTORE_URL", known.url)
        yield known.url
