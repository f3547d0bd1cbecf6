"""The file itself: checking it, copying it while others write, and saving what can be read of a damaged one."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from progstore import StoreDamaged, StoreError, StoreNotFound, StoreTooNew
from progstore.store import schema
from progstore.store.sqlite import upkeep
from progstore.store.sqlite.salvage import recover
from progstore.store.store import Store
from tests.store.conftest import Filled

PAGE = 4096


def fill(filled: Filled, sessions: int = 30, tasks: int = 10) -> None:
    """Sessions of tasks with events and metadata, the first of which a server is to get; all in the file and nothing in
    the log.
    """
    with filled.together():
        process = filled.ended_process()
        for _ in range(sessions):
            session = filled.session(process_id=process)
            for _ in range(tasks):
                task = filled.task(session, process_id=process, message="x" * 300)
                filled.event(session, task)
    filled.meta(1, 1, model="x")
    for statement in (
        "INSERT INTO remotes SELECT id, NULL, 2.5 FROM processes",
        "INSERT INTO senders SELECT 'https://jobs.example', id, 0 FROM processes",
        "INSERT INTO outgoing SELECT 'https://jobs.example', id, 0, 1, 0 FROM sessions WHERE id = 1",
        "INSERT INTO outgoing SELECT 'https://jobs.example', session_id, id, 1, 0 FROM tasks WHERE session_id = 1",
    ):
        filled.run(statement)
    filled.checkpoint()


def pages_of(filled: Filled, name: str) -> list[int]:
    """The leaf pages of a table, as SQLite itself finds them while it reads."""
    with closing(sqlite3.connect(filled.file.path)) as raw:
        (root,) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [name]).fetchone()
        size = raw.execute("PRAGMA page_count").fetchone()[0]
    content = Path(filled.file.path).read_bytes()
    pages = [content[number * PAGE : (number + 1) * PAGE] for number in range(size)]
    above = [root]
    while pages[above[0] - 1][0] == 5:  # an interior page of a table
        above = [child for number in above for child in children(pages[number - 1])]
    return above


def children(page: bytes) -> list[int]:
    """The pages below an interior page of a table."""
    cells = int.from_bytes(page[3:5], "big")
    places = [int.from_bytes(page[12 + 2 * cell : 14 + 2 * cell], "big") for cell in range(cells)]
    return [int.from_bytes(page[place : place + 4], "big") for place in places] + [int.from_bytes(page[8:12], "big")]


def damage(path: str, *pages: int) -> None:
    """Overwrite whole pages, as a failing disk does. Only after every connection is closed."""
    with open(path, "r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(b"\xa5" * PAGE)


@pytest.mark.sqlite
def test_a_check_tells_what_there_is(filled: Filled, store: Store) -> None:
    """Sizes, rows, versions, who writes, what was lost."""
    fill(filled, sessions=2, tasks=3)
    filled.process(dropped_events=4, faults=2, last_fault="a full disk")
    lost = filled.session(status=None, process_id=filled.dead_process())
    filled.task(lost, status="running", process_id=3)
    facts = store.check()
    assert facts["path"] == filled.file.path
    assert facts["size"] == os.stat(filled.file.path).st_size
    assert facts["wal_size"] == os.stat(filled.file.wal).st_size
    assert (facts["integrity"], facts["schema"], facts["schema_of_this_progstore"]) == ("ok", schema.HEAD, schema.HEAD)
    assert facts["rows"] == {"processes": 3, "sessions": 3, "tasks": 7, "events": 6, "metadata": 1}
    assert (facts["writers"], facts["lost_tasks"], facts["dropped_events"]) == ({"alive": 1, "lost": 1}, 1, 4)
    assert (facts["faults"], facts["last_fault"]) == (2, "a full disk")
    assert facts["sqlite"] == sqlite3.sqlite_version
    assert facts["written_by"] == {f"progstore 0 on {os.uname().nodename}": 3}
    assert (facts["oldest_start"], facts["free_size"]) == (filled.now - 60, 0)
    quick = store.check(integrity=False)
    assert quick == {name: value for name, value in facts.items() if name != "integrity"}


@pytest.mark.sqlite
def test_a_check_says_what_an_old_sqlite_means(filled: Filled, store: Store) -> None:
    """Only where it is old."""
    is_old = sqlite3.sqlite_version_info < (3, 51, 3)
    assert ("sqlite_note" in store.check()) == is_old


@pytest.mark.sqlite
def test_a_check_finds_damage(filled: Filled) -> None:
    """What SQLite says is wrong, instead of an exception; rows that cannot be counted are left out."""
    fill(filled)
    leaf = pages_of(filled, "tasks")[5]
    filled.close()
    damage(filled.file.path, leaf)
    with Store(filled.url) as store:
        facts = store.check()
    assert "malformed" in facts["integrity"]
    assert "rows" not in facts


@pytest.mark.sqlite
def test_a_backup_is_whole_while_others_write(filled: Filled, store: Store, tmp_path: Path) -> None:
    """A plain copy would lose what stands in the log; this one is a store like the first, for its owner only."""
    fill(filled)
    target = str(tmp_path / "copy.db")
    over = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(filled.file.path, isolation_level=None)) as raw:
            raw.execute("PRAGMA wal_autocheckpoint=0")
            while not over.wait(0.001):
                raw.execute("UPDATE sessions SET message = 'x' || rowid, rev = rev + 1")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        size = store.backup(target)
    finally:
        over.set()
        writer.join()
    assert size == os.stat(target).st_size
    assert stat.S_IMODE(os.stat(target).st_mode) == 0o600
    with Store(target) as copy:
        assert copy.check()["integrity"] == "ok"
        assert copy.check()["rows"] == store.check()["rows"]
        assert len(copy.query("SELECT DISTINCT rev FROM sessions").rows) == 1


@pytest.mark.sqlite
def test_a_backup_replaces_nothing(filled: Filled, store: Store, tmp_path: Path) -> None:
    """Neither another file nor the store itself; where it cannot be made nothing is left."""
    other = tmp_path / "other.txt"
    other.write_text("mine", encoding="utf-8")
    for target in (str(other), filled.file.path):
        with pytest.raises(StoreError, match="exists already"):
            store.backup(target)
    assert other.read_text(encoding="utf-8") == "mine"
    with pytest.raises(StoreError, match="cannot be made"):
        store.backup(str(tmp_path / "no" / "folder.db"))


def test_a_backup_of_nothing_makes_nothing(tmp_path: Path) -> None:
    """A mistyped source does not leave an empty copy."""
    target = tmp_path / "copy.db"
    with Store(str(tmp_path / "typo.db")) as store, pytest.raises(StoreNotFound):
        store.backup(str(target))
    assert not target.exists()


@pytest.mark.sqlite
def test_a_sound_store_is_recovered_whole(filled: Filled, tmp_path: Path) -> None:
    """Every row, with its number, and what has yet to be pushed; nothing unreadable."""
    fill(filled)
    target = str(tmp_path / "saved.db")
    with Store(filled.url) as store:
        rows = store.check()["rows"]
    elsewhere = {"remotes": 1, "outgoing": 11, "senders": 1}
    assert recover(filled.file.path, target) == {**rows, **elsewhere, "unreadable rows": 0}
    with Store(target) as copy, Store(filled.url) as store:
        assert copy.check()["integrity"] == "ok"
        for table in (*rows, *elsewhere):
            assert copy.query(f"SELECT * FROM {table}").rows == store.query(f"SELECT * FROM {table}").rows
    assert stat.S_IMODE(os.stat(target).st_mode) == 0o600


@pytest.mark.sqlite
@pytest.mark.parametrize("broken", [[0], [5], [-1], [3, 4, 5], [2, 9], list(range(2, 14))])
def test_what_is_on_sound_pages_is_saved(filled: Filled, tmp_path: Path, broken: list[int]) -> None:
    """The first page of tasks broken, one in the middle, the last, several: all others' rows are there."""
    fill(filled)
    leaves = pages_of(filled, "tasks")
    filled.close()
    path, target = filled.file.path, str(tmp_path / "saved.db")
    before = Path(path).read_bytes()
    damage(path, *(leaves[number] for number in broken))
    saved = recover(path, target)
    lost = 300 - saved["tasks"]
    assert saved["unreadable rows"] >= lost
    assert 0 < lost <= len(broken) * 16
    assert (saved["sessions"], saved["events"]) == (30, 300)
    with Store(target) as copy:
        assert copy.check()["integrity"] == "ok"
        assert copy.query("SELECT count(*) FROM events WHERE task_id IS NULL").rows == ((lost,),)
        assert len(copy.tasks(limit=1000)) == saved["tasks"]
    with closing(sqlite3.connect(target)) as raw:
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    changed = Path(path).read_bytes()
    sound = [number for number in range(len(before) // PAGE) if number + 1 not in leaves]
    assert all(changed[at * PAGE : (at + 1) * PAGE] == before[at * PAGE : (at + 1) * PAGE] for at in sound)


@pytest.mark.sqlite
def test_tasks_outlive_their_sessions_rows(filled: Filled, tmp_path: Path) -> None:
    """Where the sessions cannot be read, their tasks get new ones that say so, and that no other recovery makes; the
    server gets them, and hears nothing more of a process that is gone.
    """
    fill(filled)
    leaves = pages_of(filled, "sessions") + pages_of(filled, "processes")
    filled.close()
    damage(filled.file.path, *leaves)
    saved = recover(filled.file.path, str(tmp_path / "saved.db"))
    assert (saved["sessions"], saved["processes"], saved["tasks"]) == (0, 0, 300)
    recover(filled.file.path, str(tmp_path / "again.db"))
    with Store(str(tmp_path / "saved.db")) as copy:
        page = copy.sessions(limit=100)
        assert len(page) == 30
        assert {(each.name, each.message) for each in page} == {("nightly", "recovered: its own row was lost")}
        assert copy.query("SELECT count(*) FROM v_running").rows == ((0,),)
        assert copy.query("SELECT count(*) FROM outgoing").rows == ((11,),)
        assert copy.query("SELECT * FROM senders UNION ALL SELECT process_id, 0, 0 FROM remotes").rows == ()
        with Store(str(tmp_path / "again.db")) as again:
            assert not {each.uid for each in page} & {each.uid for each in again.sessions(limit=100)}


@pytest.mark.sqlite
def test_what_ran_when_its_process_was_lost_runs_no_more(filled: Filled, tmp_path: Path) -> None:
    """Nobody can tell whose it is, so it does not stand among what runs."""
    session = filled.session(status=None, process_id=filled.process())
    filled.task(session, status="running", process_id=1)
    filled.checkpoint()
    leaves = pages_of(filled, "processes")
    filled.close()
    damage(filled.file.path, *leaves)
    recover(filled.file.path, str(tmp_path / "saved.db"))
    with Store(str(tmp_path / "saved.db")) as copy:
        assert copy.query("SELECT id FROM v_running").rows == ()
        assert [task.status for task in copy.tasks()] == ["running"]


@pytest.mark.sqlite
def test_what_stands_in_the_log_is_saved_too(filled: Filled, tmp_path: Path) -> None:
    """The file alone is not all of a store."""
    fill(filled, sessions=2, tasks=2)
    filled.session("in the log")
    saved = recover(filled.file.path, str(tmp_path / "saved.db"))
    assert saved["sessions"] == 3


@pytest.mark.sqlite
def test_a_store_of_the_first_schema_is_recovered_too(filled: Filled, tmp_path: Path) -> None:
    """Nothing is known of other machines there, which is nothing that was lost."""
    filled.session()
    for table in ("outgoing", "senders", "remotes"):
        filled.run(f"DROP TABLE {table}")
    saved = recover(filled.file.path, str(tmp_path / "saved.db"))
    assert (saved["sessions"], saved["unreadable rows"]) == (1, 0)


def test_a_file_that_holds_nothing_of_ours_is_not_recovered(tmp_path: Path) -> None:
    """No database, another program's database, nothing at all; the target is not made."""
    target = tmp_path / "saved.db"
    text = tmp_path / "text.db"
    text.write_text("no database at all, and longer than a header of a hundred bytes" * 3, encoding="utf-8")
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as raw:
        raw.execute("CREATE TABLE theirs (a)")
    for source, error in ((text, StoreDamaged), (other, StoreDamaged), (tmp_path / "typo.db", StoreNotFound)):
        with pytest.raises(error):
            recover(str(source), str(target))
    assert not target.exists()


@pytest.mark.sqlite
def test_recovery_replaces_nothing(filled: Filled, tmp_path: Path) -> None:
    """The target must be new; the source least of all is written over."""
    with pytest.raises(StoreError, match="exists already"):
        recover(filled.file.path, filled.file.path)


@pytest.mark.sqlite
def test_a_newer_store_is_recovered_by_a_newer_progstore(filled: Filled, tmp_path: Path) -> None:
    """This one would lose what it does not know."""
    filled.run("UPDATE store_info SET value = '99' WHERE key = 'min_reader'")
    with pytest.raises(StoreTooNew):
        recover(filled.file.path, str(tmp_path / "saved.db"))


def test_the_unsafe_sqlite_is_the_one_that_was_measured() -> None:
    """3.51.3 is the first with the fix."""
    assert upkeep.SAFE == (3, 51, 3)
