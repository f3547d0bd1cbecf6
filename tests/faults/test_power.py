"""Power cuts: the store's files as a cut may leave them at any moment, opened again; what was acknowledged is there.

What jobs write is noted while they do it, with each sync. Then cuts are played: what was synced is there, and of what
was not any part may be, in any order, torn at any sector.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

import progstore
from tests.conftest import PATIENCE, Figures

ROUNDS, ROUNDS_SOAK = 40, 400
"""Acknowledged changes of each job: enough for a log that is moved into the database while they go on."""
CUTS, CUTS_SOAK = 25, 1_000
TICKS = 12.0
"""Seconds of a job that is told nothing of what is on disk."""
TICKS_LOST = 5.0
"""Seconds of ticks that a power cut may take."""
SECTOR = 512
HEAD: Final = struct.Struct("=cBIQ")
SHIM = Path(__file__).with_name("power.c")

JOB = """
    import json, os, sys, time
    import progstore

    name, amount = sys.argv[1], float(sys.argv[2])
    said = os.open(os.environ["POWER_FILES"] + "!" + name, os.O_CREAT | os.O_RDWR)

    def say(what, **values):
        os.pwrite(said, json.dumps({"job": name, "what": what, "at": time.monotonic(), **values}).encode(), 0)

    def step():
        done[0] += 1
        say("did", done=done[0])
        task.update()

    progstore.configure(interval=0.05)
    done = [0]
    with progstore.session(name), progstore.track(name="long") as task:
        if name == "ticks":
            until = time.monotonic() + amount
            while time.monotonic() < until:
                step()
                time.sleep(0.01)
        elif name == "late":
            assert progstore.flush(30)
            step()
            with progstore.open_store() as store:
                while not next(iter(store.tasks())).done:
                    time.sleep(0.01)
            if progstore.flush(30):
                say("promised", done=done[0], ended=0)
        else:
            for number in range(int(amount)):
                for _ in range(10):
                    step()
                task["big"] = chr(65 + number % 26) * 90_000
                for _ in progstore.track([1], "short"):
                    pass
                if progstore.flush(30):
                    say("promised", done=done[0], ended=number + 1)
"""


class Record(NamedTuple):
    """One thing that was done to a file: `w`ritten at an offset, cu`t` to a length, `s`ynced, or `u`nlinked."""

    operation: str
    name: str
    offset: int
    data: bytes


@dataclass
class File:
    """A file on the disk: what is safe, what was done since, and whether its name is safe in the folder."""

    safe: bytearray = field(default_factory=bytearray)
    since: list[Record] = field(default_factory=list)
    name_is_safe: bool = False
    former: bytearray | None = None
    """What was unlinked under this name, as long as that is not safe."""
    exists: bool = False

    def sync(self) -> None:
        """All that was done is safe."""
        for record in self.since:
            if record.operation == "t":
                cut(self.safe, record.offset)
            else:
                put(self.safe, record.offset, record.data)
        self.since.clear()

    def after_a_cut(self, chance: random.Random) -> bytearray | None:
        """What a power cut may leave of it; None for nothing."""
        if not self.exists:
            return self.former if chance.random() < 0.5 else None
        if not self.name_is_safe and chance.random() < 0.5:
            return None
        content, part = bytearray(self.safe), chance.choice((0.0, 0.5, 0.95, 1.0))
        for record in self.since:
            if record.operation == "t":
                if chance.random() < part:
                    cut(content, record.offset)
                continue
            for start in range(0, len(record.data), SECTOR):
                if chance.random() < part:
                    put(content, record.offset + start, record.data[start : start + SECTOR])
        return content


class Disk:
    """The store's files and what the jobs said, as far as it has been played."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.did: dict[str, list[tuple[float, float]]] = {}
        """Of each job: when it had done how much, just before it told progstore."""
        self.promised: dict[str, dict[str, Any]] = {}
        """Of each job: what it was last told to be on disk."""

    def play(self, record: Record) -> None:
        """One more thing is done."""
        if record.name.startswith("!"):
            self._hear(json.loads(record.data))
            return
        if record.name == "/":
            for file in self.files.values():
                file.name_is_safe, file.former = file.exists, None
            return
        file = self.files.setdefault(record.name, File())
        if record.operation == "u":
            file.sync()
            self.files[record.name] = File(former=file.safe if file.name_is_safe else None)
        elif record.operation == "s":
            file.sync()
        else:
            file.exists = True
            file.since.append(record)

    def after_a_cut(self, folder: Path, chance: random.Random) -> Path:
        """The store as it may stand when the power is back."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, file in self.files.items():
            content = file.after_a_cut(chance)
            if content is not None and name != "-shm":  # which SQLite makes anew
                (folder / f"progstore.db{name}").write_bytes(content)
        return folder / "progstore.db"

    def _hear(self, said: dict[str, Any]) -> None:
        if said["what"] == "did":
            self.did.setdefault(said["job"], []).append((said["at"], said["done"]))
        else:
            self.promised[said["job"]] = said


def put(content: bytearray, offset: int, data: bytes) -> None:
    """Write into a file; a gap before it is zeros."""
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def cut(content: bytearray, length: int) -> None:
    """Make a file so long."""
    put(content, length, b"")
    del content[length:]


def read_log(path: Path) -> Iterator[Record]:
    """What was noted, in order."""
    with path.open("rb") as log:
        while head := log.read(HEAD.size):
            operation, name_length, length, offset = HEAD.unpack(head)
            yield Record(operation.decode(), log.read(name_length).decode(), offset, log.read(length))


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What notes the writes and syncs of a program."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler is here to build what notes a program's writes")
    library = tmp_path_factory.mktemp("shim") / "power.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SHIM, "-ldl"], check=True)
    return library


@pytest.fixture
def noted(shim: Path, tmp_path: Path, store_path: Path) -> Callable[..., list[Record]]:
    """Runs jobs of these names beside each other, to their ends; all that they wrote and synced."""

    def run(amount: float, *names: str) -> list[Record]:
        job = tmp_path / "job.py"
        job.write_text(textwrap.dedent(JOB), encoding="utf-8")
        log = tmp_path / "log"
        environment = {"LD_PRELOAD": str(shim), "POWER_FILES": str(store_path), "POWER_LOG": str(log)}
        started = [
            subprocess.Popen([sys.executable, str(job), name, str(amount)], env={**os.environ, **environment})
            for name in names
        ]
        assert [process.wait(PATIENCE * 4) for process in started] == [0] * len(started)
        return list(read_log(log))

    return run


def found_in(path: Path) -> dict[str, tuple[float, int]]:
    """Of each job in the store after a cut: how much it had done, and how many short loops had ended.

    Fails where the file is not sound; nothing where there are no tables yet.
    """
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'v_tasks'").fetchone():
            return {}
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        return {
            name: (done, ended)
            for name, done, ended in connection.execute(
                "SELECT session_name, max(done) FILTER (WHERE name = 'long'), "
                "count(*) FILTER (WHERE name = 'short' AND status = 'complete') FROM tasks GROUP BY 1"
            )
        }


def cuts(records: list[Record], number: int, chance: random.Random, folder: Path) -> Iterator[tuple[Disk, Path]]:
    """So many cuts, at moments that chance chooses; the disk as it was used, and the store as it was left."""
    disk, moments = Disk(), iter(sorted(chance.choices(range(len(records)), k=number)))
    moment = next(moments)
    for index, record in enumerate(records):
        disk.play(record)
        while moment == index:
            yield disk, disk.after_a_cut(folder, chance)
            moment = next(moments, -1)


def test_a_power_cut_at_any_moment_takes_nothing_that_was_acknowledged(
    noted: Callable[..., list[Record]], tmp_path: Path, soak: bool, figures: Callable[[Figures], None]
) -> None:
    """Two jobs begin, end and flush while the log is moved into the database beside them; the file is always sound,
    and a store that was cut off is read and written again.
    """
    records = noted(ROUNDS_SOAK if soak else ROUNDS, "a", "b")
    assert sum(each.operation == "s" and not each.name for each in records) > 4, "the log was never moved"
    number = CUTS_SOAK if soak else CUTS
    seed, unsaid, kept = random.randrange(10**6), 0.0, 0
    for disk, path in cuts(records, number, random.Random(seed), tmp_path / "after"):
        found = found_in(path)
        for job, promise in disk.promised.items():
            assert job in found, f"{job} is gone; seed {seed}"
            done, ended = found[job]
            assert promise["done"] <= done <= disk.did[job][-1][1], f"{job}: {promise}, but {done}; seed {seed}"
            assert promise["ended"] <= ended, f"{job}: {promise}, but {ended} ended; seed {seed}"
            unsaid, kept = max(unsaid, disk.did[job][-1][1] - done), kept + int(promise["done"])
    with progstore.open_store(str(path)) as store:
        assert store.check()["integrity"] == "ok"
    for _ in progstore.track([1], "after the cut", store=str(path)):
        pass
    assert progstore.flush(PATIENCE)
    seen = f"of what was not acknowledged yet, at most {unsaid:.0f} steps were gone"
    figures(Figures("power cuts", f"{number} cuts", kept, 0, seen))


def test_what_was_written_before_a_flush_is_made_safe_by_it(noted: Callable[..., list[Record]], tmp_path: Path) -> None:
    """A tick has written it before, and did not sync; then the power is cut, and takes all that was not synced."""
    disk = Disk()
    for record in noted(0, "late"):
        disk.play(record)
        if disk.promised:
            break
    assert disk.promised
    for file in disk.files.values():
        file.since.clear()
    assert found_in(disk.after_a_cut(tmp_path / "after", random.Random())) == {"late": (1.0, 0)}


def test_a_power_cut_takes_at_most_five_seconds_of_ticks(
    noted: Callable[..., list[Record]], tmp_path: Path, soak: bool, figures: Callable[[Figures], None]
) -> None:
    """Of a job that begins once and then only counts; tried in the long form, for it takes its time."""
    if not soak:
        pytest.skip("takes a quarter of a minute; --soak runs it")
    records, worst = noted(TICKS, "ticks"), 0.0
    for disk, path in cuts(records, CUTS_SOAK, random.Random(), tmp_path / "after"):
        did = disk.did.get("ticks", [])
        done = found_in(path).get("ticks", (0.0, 0))[0]
        if did:
            missing = next((moment for moment, count in did if count > done), did[-1][0])
            worst = max(worst, did[-1][0] - missing)
    assert worst <= 2 * TICKS_LOST
    done = int(did[-1][1])
    figures(
        Figures(
            "power cuts of a job that only counts",
            f"{CUTS_SOAK} cuts",
            done,
            0,
            f"at most {worst:.2f} s of its ticks were gone",
        )
    )
