"""Opening a store for reading: what is told where it cannot be, and connections that come and go."""

from __future__ import annotations

import gc
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from progstore import StoreBusy, StoreDamaged, StoreError, StoreNotFound, StoreTooNew, open_store
from progstore.store.backend import Location
from progstore.store.reader import Reader, _Open
from progstore.store.store import Store
from tests.store.conftest import Filled


def test_where_there_is_no_store_the_message_says_what_makes_one(tmp_path: Path) -> None:
    """And nothing is created by looking."""
    with open_store(str(tmp_path / "none.db")) as store:
        asked: list[Callable[[], object]] = [
            store.sessions,
            store.check,
            store.data_version,
            lambda: store.query("SELECT 1"),
            lambda: list(store.export()),
        ]
        for ask in asked:
            with pytest.raises(StoreNotFound, match="progstore demo"):
                ask()
    assert os.listdir(tmp_path) == []


@pytest.mark.sqlite
def test_a_store_that_is_made_later_is_found(filled: Filled, tmp_path: Path) -> None:
    """The same object, asked again."""
    path = tmp_path / "later.db"
    with open_store(str(path)) as store:
        with pytest.raises(StoreNotFound):
            store.sessions()
        made = Filled(path)
        made.session()
        assert len(store.sessions()) == 1
        made.close()


def test_an_empty_file_is_no_store_yet(tmp_path: Path) -> None:
    """As a recorder leaves it for a moment while it creates one."""
    path = tmp_path / "empty.db"
    path.touch()
    with open_store(str(path)) as store, pytest.raises(StoreNotFound, match="is empty"):
        store.sessions()


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    """With the file's name, and untouched."""
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, not a database; " * 10, encoding="utf-8")
    with open_store(str(path)) as store:
        for ask in (store.sessions, store.data_version, store.check):
            with pytest.raises(StoreDamaged, match="no SQLite database"):
                ask()
    assert path.read_text(encoding="utf-8").startswith("these are my notes")


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    """It is sound, and not ours."""
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE theirs (a)")
    with open_store(str(path)) as store, pytest.raises(StoreError, match="another program"):
        store.sessions()


def test_a_directory_is_no_store(tmp_path: Path) -> None:
    """The message says so."""
    with open_store(str(tmp_path)) as store, pytest.raises(StoreError, match="is a directory"):
        store.sessions()


def test_a_newer_store_is_refused_also_when_it_is_upgraded_meanwhile(filled: Filled, store: Store) -> None:
    """The message says how to upgrade, and which formats do not fit."""
    store.sessions()
    filled.run("UPDATE store_info SET value = '99' WHERE key = 'min_reader'")
    with pytest.raises(StoreTooNew, match=r"format 99.*pip install --upgrade"):
        store.sessions()
    with pytest.raises(StoreTooNew):
        store.query("SELECT 1")


@pytest.mark.sqlite
def test_an_older_schema_says_how_to_upgrade(filled: Filled, store: Store) -> None:
    """Readers never migrate."""
    filled.run("DROP TABLE metadata")
    filled.session()
    with pytest.raises(StoreError, match="progstore db upgrade"):
        store.sessions()


@pytest.mark.sqlite
def test_damage_is_told_with_the_way_out(filled: Filled) -> None:
    """Only what is asked of the damaged part fails."""
    with filled.together():
        session = filled.session()
        for _ in range(200):
            filled.task(session, message="x" * 2000)
    filled.checkpoint()
    filled.close()
    with open(filled.file.path, "r+b") as file:
        file.seek(60 * 4096)
        file.write(b"\xa5" * 100 * 4096)
    with open_store(filled.file.path) as store:
        with pytest.raises(StoreDamaged, match="progstore db recover"):
            store.session(session)
        assert store.query("SELECT count(*) FROM sessions").rows == ((1,),)


@pytest.mark.sqlite
def test_a_store_that_was_replaced_is_read_anew(filled: Filled, store: Store, tmp_path: Path) -> None:
    """By another file at the same path: connections to the old one are dropped, and the version grows."""
    filled.session("old")
    version = store.data_version()
    assert [session.name for session in store.sessions()] == ["old"]
    other = Filled(tmp_path / "other.db")
    other.session("new")
    other.checkpoint()
    other.close()
    filled.close()
    for end in ("-wal", "-shm"):
        if os.path.exists(filled.file.path + end):
            os.unlink(filled.file.path + end)
    os.replace(tmp_path / "other.db", filled.file.path)
    assert [session.name for session in store.sessions()] == ["new"]
    assert store.data_version() > version


@pytest.mark.sqlite
def test_a_store_that_is_deleted_is_not_found(filled: Filled, store: Store) -> None:
    """A connection that is still open does not pretend that it is there."""
    store.sessions()
    store.data_version()
    filled.close()
    os.unlink(filled.file.path)
    for ask in (store.sessions, store.data_version):
        with pytest.raises(StoreNotFound):
            ask()


def test_a_writer_does_not_wait_for_readers_nor_readers_for_a_writer(filled: Filled, store: Store) -> None:
    """What is not committed is not seen."""
    filled.session()
    with filled.together():
        filled.session()
        assert len(store.sessions()) == 1
    assert len(store.sessions()) == 2


def test_one_answer_stands_at_one_moment(filled: Filled) -> None:
    """Several questions over one connection see the same store, whatever is written between them."""
    filled.session()
    with Reader(filled.location).connection() as connection:
        count = "SELECT count(*) FROM sessions"
        assert connection.exec_driver_sql(count).scalar() == 1
        filled.session()
        assert connection.exec_driver_sql(count).scalar() == 1


@pytest.mark.sqlite
def test_nothing_is_held_between_two_questions(filled: Filled, store: Store) -> None:
    """All of the log can be moved into the file, and SQLite may begin it anew."""
    filled.session()
    store.sessions()
    store.session(1)
    store.query("SELECT 1")
    store.data_version()
    filled.session()
    busy, log, moved = filled.checkpoint()
    assert (busy, log) == (0, moved)


@pytest.mark.sqlite
def test_a_store_whose_directory_cannot_be_written_is_read(filled: Filled) -> None:
    """Where SQLite may not make its helper files and nobody writes, the file is read as it stands."""
    filled.session()
    filled.checkpoint()
    filled.close()
    folder = os.path.dirname(filled.file.path)
    os.chmod(folder, 0o500)
    try:
        with open_store(filled.file.path) as store:
            assert len(store.sessions()) == 1
    finally:
        os.chmod(folder, 0o700)


def forked(work: Callable[[], bool]) -> bool:
    """Whether `work` said True in a forked child."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.sqlite
@pytest.mark.filterwarnings("ignore:.*use of fork")
def test_a_store_is_read_on_both_sides_of_a_fork(filled: Filled, store: Store) -> None:
    """Connections are closed before, and opened again by whoever asks first."""
    filled.session()
    store.sessions()
    version = store.data_version()
    assert forked(lambda: len(store.sessions()) == 1 and store.data_version() > 0)
    assert len(store.sessions()) == 1
    assert store.data_version() >= version


@pytest.mark.sqlite
@pytest.mark.filterwarnings("ignore:.*use of fork")
def test_what_a_child_does_loses_nothing_of_its_parents(filled: Filled, store: Store) -> None:
    """The parent writes on after the child opened and closed the store: SQLite's locks are as they were."""
    filled.session()
    store.sessions()
    assert forked(lambda: len(Store(filled.url).sessions()) == 1)
    filled.session()
    store.close()
    with closing(sqlite3.connect(filled.file.path)) as raw:
        assert raw.execute("SELECT count(*) FROM sessions").fetchone() == (2,)


@pytest.mark.filterwarnings("ignore:.*use of fork")
def test_a_fork_waits_for_questions_of_other_threads(filled: Filled, store: Store) -> None:
    """They come to their end, and the child reads for itself."""
    filled.session()
    over = threading.Event()
    counts: list[int] = []

    def ask() -> None:
        while not over.is_set():
            counts.append(len(store.sessions()))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        assert all(forked(lambda: len(store.sessions()) == 1) for _ in range(5))
    finally:
        over.set()
        thread.join()
    assert set(counts) == {1}


@pytest.mark.sqlite
@pytest.mark.filterwarnings("ignore:.*use of fork")
def test_a_child_of_a_fork_amid_a_long_question_is_told(filled: Filled) -> None:
    """Its parent's connection was open and cannot be closed there, so the store is refused in the child only."""
    filled.session()
    reader = Reader(filled.location)

    def is_refused() -> bool:
        try:
            with reader.connection():
                return False
        except StoreError as error:
            return "spawn" in str(error)

    with reader.connection() as connection:
        assert forked(is_refused)
        assert connection.exec_driver_sql("SELECT count(*) FROM sessions").scalar() == 1
    with reader.connection() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sessions").scalar() == 1


def test_a_store_held_in_exclusive_mode_is_busy(tmp_path: Path) -> None:
    """Another program may hold the file so that nobody reads it; that passes."""
    made = Filled(tmp_path / "held.db")
    made.session()
    made.close()
    path = str(tmp_path / "held.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA locking_mode=EXCLUSIVE")
        raw.execute("UPDATE sessions SET rev = 2")
        with open_store(path) as store, pytest.raises(StoreBusy, match="try again"):
            store.sessions()
    with open_store(path) as store:
        assert len(store.sessions()) == 1


def test_a_forgotten_store_leaves_no_connection_behind(tmp_path: Path) -> None:
    """Who does not close it pays for it only until it is collected."""
    made = Filled(tmp_path / "forgotten.db")
    made.session()
    made.close()
    for _ in range(20):
        store = Store(str(tmp_path / "forgotten.db"))
        assert (len(store.sessions()), store.data_version()) == (1, 1)
    del store
    gc.collect()
    held = [file.readlink() for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
    assert tmp_path / "forgotten.db" not in held


@pytest.mark.sqlite
def test_the_end_of_a_program_closes_nothing_that_a_thread_may_be_using(
    tmp_path: Path, run_program: Callable[..., str]
) -> None:
    """Python's sqlite3 may crash where a connection is closed amid a question; the kernel closes them all."""
    made = Filled(tmp_path / "held.db")
    made.session()
    made.close()
    source = """
        import atexit, os, sys

        def say():
            files = "/proc/self/fd"
            print(sys.argv[1] in [os.path.realpath(f"{files}/{each}") for each in os.listdir(files)])

        atexit.register(say)  # first, and so called last, after whatever else is done at the end

        import threading
        import progstore

        store, has_looked = progstore.open_store(sys.argv[1]), threading.Event()

        def look():
            store.data_version()
            has_looked.set()
            threading.Event().wait()

        threading.Thread(target=look, daemon=True).start()
        has_looked.wait()
    """
    assert run_program(source, str(tmp_path / "held.db")) == "True\n"


@pytest.mark.sqlite
@pytest.mark.filterwarnings("ignore:.*use of fork")
def test_a_fork_does_not_wait_for_a_look_that_does_not_end(
    filled: Filled, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at a server whose machine is gone; the parent's look goes on, and the child is told."""
    version = store.data_version()
    looks, goes_on = threading.Event(), threading.Event()
    look = _Open.look

    def slow(opened: _Open, location: Location) -> object:
        looks.set()
        assert goes_on.wait(30)
        return look(opened, location)

    monkeypatch.setattr(_Open, "look", slow)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(store.data_version)
        assert looks.wait(30)

        def is_refused() -> bool:
            with pytest.raises(StoreError, match="was in use when this process was forked"):
                store.data_version()
            return True

        assert forked(is_refused)
        goes_on.set()
        assert asked.result() == version
