"""What the tests with broken stores share: a job that is told what to do, a small disk, and what was recorded."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import progstore
from tests.conftest import PATIENCE

StartJob = Callable[..., Any]
Until = Callable[..., Any]
Recorded = Callable[[Path], tuple[str, float]]

STALL = 1.0
"""Seconds: ten times what a fault may add to a few steps of a loop."""
DISK = 700_000
"""Bytes of the small disk: enough for an empty store and its log, and for little more."""

JOB = """
    import contextvars, json, logging, random, resource, sys, time
    import progstore

    class Heard(logging.Handler):
        def __init__(self):
            super().__init__()
            self.said = []

        def emit(self, record):
            self.said.append([record.levelname, record.getMessage()])

    class Job:
        '''What the test may ask for; each answer says what came of it.'''

        def begin(self):
            self.loop = iter(progstore.track(range(10**9), "job"))
            next(self.loop)

        def begin_inner(self):
            self.inner = iter(progstore.track(range(10), "inner"))
            next(self.inner), next(self.inner)

        def steps(self, count):
            began = time.perf_counter()
            for _ in range(count):
                next(self.loop)
            return time.perf_counter() - began

        def short_loops(self, count, pause):
            began = time.perf_counter()
            for number in range(count):
                contextvars.Context().run(self.short_loop)
                time.sleep(pause)
            return time.perf_counter() - began - count * pause

        def short_loop(self):
            for _ in progstore.track([1, 2, 3], "short"):
                pass

        def big_message(self, size):
            progstore.current().message("x" * size)
            progstore.current()["big"] = "x" * size

        def swell(self, megabytes):
            for number in range(megabytes * 2**20 // 90_000):
                progstore.current()[f"big {number}"] = random.choice("abcdefghijklmnop") * 90_000

        def hold_large(self, megabytes):
            from progstore.store.sqlite import hold
            hold.WARN_AT = megabytes * 2**20

        def set_clock(self, hours):
            time.time = lambda: right_time() + hours * 3600

        def flush(self, seconds):
            return progstore.flush(seconds)

        def heard(self):
            return heard.said

        def limit_file_size(self, size):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    right_time = time.time
    heard = Heard()
    logging.getLogger("progstore").addHandler(heard)
    logging.getLogger("progstore").setLevel(logging.INFO)
    progstore.configure(interval=0.05)
    job = Job()
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        print(json.dumps(getattr(job, method)(*arguments)), flush=True)
"""


class Job:
    """A process with a running loop, told over its input how to go on."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def __call__(self, method: str, *arguments: object) -> Any:
        """What came of it in the job; fails where the job has failed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([method, *arguments]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        return json.loads(line)

    def warnings(self) -> list[str]:
        """What the user was warned of."""
        return [message for level, message in self("heard") if level != "INFO"]

    def notes(self) -> list[str]:
        """What the user was told without a warning."""
        return [message for level, message in self("heard") if level == "INFO"]

    def end(self) -> tuple[int | None, str]:
        """Let the job end by itself; its exit code and what it left on the terminal."""
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors


@pytest.fixture
def start_job(program: Callable[..., subprocess.Popen[str]]) -> Callable[..., Job]:
    """Starts a job on a store, by default this test's, and begins its loop."""

    def start(**environment: str) -> Job:
        job = Job(program(JOB, **environment))
        job("begin")
        return job

    return start


@pytest.fixture
def recorded() -> Callable[[Path], tuple[str, float]]:
    """How the job's loop stands in a store: its status and how far it is."""

    def recorded(path: Path) -> tuple[str, float]:
        with progstore.open_store(str(path)) as store:
            (task,) = store.tasks(progstore.Filter(name="job"))
        return str(task.status), task.done

    return recorded


def goes_on(job: Any, steps: int = 100) -> None:
    """The loop is neither stalled nor ended by what is wrong, and nor is one that begins and ends meanwhile."""
    assert job("steps", steps) < STALL
    assert job("short_loops", 1, 0) < STALL


def comes_back(job: Any, path: Path, done: int, recorded: Recorded, until: Until) -> None:
    """Once the store can be written again, it holds the exact state."""
    until(lambda: job("flush", 5))
    assert recorded(path) == ("running", done)
    assert any("can be written again" in note for note in job.notes())


def the_one_warning(job: Any, until: Until) -> str:
    """What the user hears, once, however long it lasts."""
    until(job.warnings)
    job("flush", 0.5)
    (warning,) = job.warnings()
    return str(warning)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """A transaction that reads, and does not end within the block."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, timeout=10)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM tasks").fetchall()
        yield


def wal_size(path: Path) -> int:
    """Bytes of a store's write-ahead log; 0 where there is none."""
    try:
        return Path(f"{path}-wal").stat().st_size
    except FileNotFoundError:
        return 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that is soon full; only where the tests may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)
