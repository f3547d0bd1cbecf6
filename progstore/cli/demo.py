"""`demo`: real work over real files, recorded; the first thing a newcomer runs."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import sysconfig
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

import click

import progstore
from progstore.cli.exits import FINE, INTERRUPTED, STORE, SYSTEM, USAGE, epilog, leave
from progstore.cli.options import store_option, with_examples
from progstore.cli.text import plural, size

SESSION = "progstore demo"
NOT_THERE = "this_file_is_not_there.py"
"""One file that fails: a demo without an error would hide half of what is recorded."""
SUFFIXES = (".py", ".pyc", ".so")
SKIPPED = frozenset({"site-packages", "dist-packages", "test", "tests"})
WORKERS = 2
SAMPLE = 0.2
"""Seconds that are spent to learn how quick this machine is."""
PASSES = 1.3
"""What the demo does with each byte, as a multiple of compressing it once in one thread; measured on two cores."""
PATIENCE = 10.0
"""Seconds that the end waits until all is written."""


NEXT = """Recorded as session {number}. Look at it again:
  progstore show {number}
  progstore ls
  progstore sql "select name, status, done, failed, seconds from v_tasks"
  progstore ui"""


class Packed(NamedTuple):
    """A file that was compressed: its digest, its size in bytes before, and what it became."""

    path: str
    digest: bytes
    size: int
    data: bytes


@with_examples(
    "progstore demo",
    "progstore demo --seconds 30         longer, to watch it in another terminal",
    "progstore demo --store demo.db      into a store of its own",
)
@click.command(
    "demo", short_help="Do real work for some seconds, and record it.", epilog=epilog(FINE, USAGE, STORE, INTERRUPTED)
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 3600),
    default=7.0,
    metavar="S",
    help="About how long it takes; there are only so many files.  [default: 7]",
)
@click.option("--files", type=click.IntRange(1), metavar="N", help="Take at most N files, however long that takes.")
@store_option
def demo_command(url: str | None, seconds: float, files: int | None) -> None:
    """Hash and compress the files of this Python installation, which are only read, and record how that goes.

    A loop with one file that fails, a pool of futures, a loop in a loop, and a step of a session; Ctrl-C stops it.
    """
    if url is not None:
        progstore.configure(store=url)
    _show_progress_without_a_terminal()
    paths = find_files()
    if not paths:
        leave(SYSTEM, f"no Python files below {sysconfig.get_path('stdlib')}; this demo needs an unpacked library")
    chosen = thin(paths, files) if files else as_many_as_fit(paths, seconds)
    click.echo(f"Hashing and compressing {plural(len(chosen), 'file')} of Python {sys.version.split()[0]}, only read.")
    session = progstore.session(SESSION, meta={"python": sys.version.split()[0], "files": len(chosen)})
    try:
        with session:
            before, after = work(chosen)
    except KeyboardInterrupt:
        progstore.flush(PATIENCE)
        leave(INTERRUPTED, f"stopped by Ctrl-C; `progstore show {_number(session) or 'ID'}` says how far it came")
    click.echo(f"{size(before)} became {size(after)}. One file was missing, on purpose.")
    number = _number(session) if progstore.flush(PATIENCE) else None
    if number is None:
        leave(STORE, "the work is done, but it was not recorded; a warning above or PROGSTORE_RECORD=0 says why")
    click.echo(NEXT.format(number=number))


def find_files() -> list[str]:
    """The files of the standard library, without its tests, in a stable order."""
    found = []
    for folder, folders, names in os.walk(sysconfig.get_path("stdlib")):
        folders[:] = sorted(set(folders) - SKIPPED)
        found += [os.path.join(folder, name) for name in sorted(names) if name.endswith(SUFFIXES)]
    return found


def thin(paths: Sequence[str], number: int) -> list[str]:
    """At most `number` of the paths, evenly from all of them."""
    number = min(number, len(paths))
    return [paths[index * len(paths) // number] for index in range(number)]


def as_many_as_fit(paths: Sequence[str], seconds: float) -> list[str]:
    """So many of the paths, evenly from all, as keep this machine busy for about `seconds`."""
    start = time.perf_counter()
    done = 0
    for path in thin(paths, 200):
        done += read(path).size
        if time.perf_counter() - start > min(SAMPLE, seconds / 10):
            break
    per_byte = (time.perf_counter() - start) / max(done, 1)
    sizes = sum(os.path.getsize(path) for path in paths)
    return thin(paths, max(1, int(len(paths) * seconds / max(PASSES * per_byte * sizes, 1e-9))))


def work(paths: Sequence[str]) -> tuple[int, int]:
    """The demo's work; returns bytes before and after."""
    hash_files([*paths, os.path.join(os.path.dirname(paths[0]), NOT_THERE)])
    packed = compress_files(paths)
    pack_folders(packed)
    check = progstore.Session.create({"check": "Check that all is whole"}, f"{SESSION}, check")
    check.add_sequential("check", check_whole, packed)
    return sum(each.size for each in packed), sum(len(each.data) for each in packed)


def hash_files(paths: Sequence[str]) -> None:
    """A tracked loop; one of its files fails."""
    with progstore.track(paths, "Hash", unit="file") as task:
        whole = hashlib.sha256()
        for path in task:
            try:
                whole.update(digest(path))
            except OSError as error:
                task.fail_item(f"{path}: {error.strerror}")
        task["sha256"] = whole.hexdigest()


def compress_files(paths: Sequence[str]) -> list[Packed]:
    """A pool of futures; zlib leaves the interpreter to other threads while it works."""
    packed = []
    pool = ThreadPoolExecutor(WORKERS)
    try:
        futures = [pool.submit(read, path) for path in paths]
        for future in progstore.as_completed(futures, "Compress", unit="file"):
            packed.append(future.result())  # noqa: PERF401  # Ctrl-C ends a loop at once, a comprehension only later
    finally:
        pool.shutdown(cancel_futures=True)
    return packed


def check_whole(packed: Sequence[Packed]) -> None:
    """A step of a declared session: everything comes back as it was. Raises ValueError where it does not."""
    for each in packed:
        if hashlib.sha256(zlib.decompress(each.data)).digest() != each.digest:
            raise ValueError(f"{each.path} did not survive compression")


def pack_folders(packed: Sequence[Packed]) -> None:
    """A loop in a loop: each package's files in one stream, which is smaller than each file for itself."""
    folders: dict[str, list[Packed]] = {}
    for each in packed:
        folders.setdefault(_folder(each.path), []).append(each)
    largest = sorted(folders.items(), key=lambda item: -sum(each.size for each in item[1]))[:6]
    with progstore.track(largest, "Pack folders", unit="folder") as task:
        for name, members in task:
            task.message(name)
            stream = zlib.compressobj()
            length = 0
            for each in progstore.track(members, name, unit="file"):
                length += len(stream.compress(zlib.decompress(each.data)))
            task[name] = {"files": len(members), "bytes": length + len(stream.flush())}


def _folder(path: str) -> str:
    """The package that a file belongs to, or the library itself."""
    first, slash, _ = os.path.relpath(path, sysconfig.get_path("stdlib")).partition(os.sep)
    return first if slash and first != "__pycache__" else "modules"


def digest(path: str) -> bytes:
    """The SHA-256 of a file. Raises OSError."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).digest()


def read(path: str) -> Packed:
    """A file, compressed as well as zlib can. Raises OSError."""
    with open(path, "rb") as file:
        data = file.read()
    return Packed(path, hashlib.sha256(data).digest(), len(data), zlib.compress(data, 9))


def _number(session: progstore.Session) -> int | None:
    """The session's number in its store; None where it is not there, for recording may be off."""
    with suppress(progstore.ProgstoreError), progstore.open_store() as store:
        return store.session(str(session.to_dict()["session_id"])).id
    return None


def _show_progress_without_a_terminal() -> None:
    """Where no bar can be drawn, print the lines that go to the `progstore` logger."""
    if not sys.stderr.isatty():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger = logging.getLogger("progstore")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
