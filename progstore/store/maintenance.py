"""The file itself: is it sound and how large, a copy of it while others write, and what can be saved of a damaged one.

Nothing here happens by itself.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Final

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DatabaseError

from progstore.errors import StoreDamaged, StoreError
from progstore.store import schema
from progstore.store.checkpoint import wal_size
from progstore.store.engine import Location, locate, open_read_only, writer_engine
from progstore.store.faults import cause
from progstore.store.reader import Reader, faults_explained
from progstore.store.settle import newly_lost
from progstore.store.summaries import statuses
from progstore.store.tables import events, meta, processes, sessions, tasks
from progstore.store.watch import OWNERS, Watch
from progstore.values import Life

TABLES: Final = (processes, sessions, tasks, events, meta)
SAFE_SQLITE: Final = (3, 51, 3)
"""The first SQLite whose own checkpoints cannot corrupt a database that two connections write."""
WRITERS_LISTED: Final = 20
"""Pairs of host and version that are told of, those with the most processes first."""
FARTHEST_STEP: Final = 2**40
"""Row ids that are stepped over in search of one that can be read."""
UNSAFE_NOTE: Final = (
    "before 3.51.3 SQLite can corrupt the file when two programs write around a checkpoint; progstore's own writers "
    "avoid that, but do not write to this file with the sqlite3 shell or other programs while jobs record"
)


def check(reader: Reader, watch: Watch, *, integrity: bool = True) -> Mapping[str, Any]:
    """Facts about the file; `integrity` is "ok" or what is wrong, and is left out where it was not asked for.

    Raises StoreNotFound, StoreTooNew, and StoreDamaged for a file that is no database at all.
    """
    location = reader.location
    facts: dict[str, Any] = {"path": location.path, **_sizes(location)}
    with reader.connection() as connection:
        found = schema.versions(connection)
        if integrity:
            facts["integrity"] = _integrity(connection)
        facts |= {
            "schema": found.revision,
            "schema_of_this_progstore": schema.HEAD,
            "created_by": found.created_by,
            "sqlite": sqlite3.sqlite_version,
        }
        if sqlite3.sqlite_version_info < SAFE_SQLITE:
            facts["sqlite_note"] = UNSAFE_NOTE
        if facts.get("integrity", "ok") == "ok":
            facts |= {"rows": _rows(connection), "tasks_by_status": statuses(connection)}
            facts |= {**_writers(connection, watch), **_past(connection)}
    return facts


def backup(reader: Reader, target: str) -> int:
    """Copy the live store to the new file `target`, which only this user can read; returns bytes.

    Raises StoreError where the target exists or cannot be made.
    """
    path = os.path.abspath(os.path.expanduser(target))
    with reader.raw() as source:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise StoreError(f"{path} exists already; give the name of a new file") from None
        except OSError as error:
            raise StoreError(f"{path} cannot be made ({error.strerror}); choose another place") from error
        try:
            copy = sqlite3.connect(path)
            try:
                # In one go: in steps it would begin again with each commit of a writer.
                source.backup(copy)
            finally:
                copy.close()
        except BaseException:
            os.unlink(path)
            raise
    return os.stat(path).st_size


def _sizes(location: Location) -> dict[str, int]:
    try:
        size = os.stat(location.path).st_size
    except OSError:
        size = 0  # the reader says what is wrong with it
    return {"size": size, "wal_size": wal_size(location)}


def _integrity(connection: Connection) -> str:
    try:
        return "; ".join(connection.exec_driver_sql("PRAGMA quick_check(10)").scalars())
    except DatabaseError as error:
        return cause(error)


def _rows(connection: Connection) -> dict[str, int]:
    return {table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in TABLES}


def _writers(connection: Connection, watch: Watch) -> dict[str, Any]:
    now = time.time()
    living = connection.execute(OWNERS.where(processes.c.ended_at.is_(None), processes.c.lost_at.is_(None)))
    verdicts = watch.verdicts(living.all(), now).values()
    unsettled = newly_lost(connection, watch, now)
    lost = (
        select(func.count())
        .select_from(tasks.outerjoin(processes, processes.c.id == tasks.c.process_id))
        .where(
            tasks.c.ended_at.is_(None),
            tasks.c.status == "running",
            tasks.c.lost_at.is_not(None) | processes.c.ended_at.is_not(None) | processes.c.id.in_(unsettled),
        )
    )
    return {
        "writers": {str(life): number for life in Life if (number := sum(each.life is life for each in verdicts))},
        "lost_tasks": connection.execute(lost).scalar_one(),
    }


def _past(connection: Connection) -> dict[str, Any]:
    """Since when there are runs, which versions wrote on which hosts, and what a vacuum could give back."""
    free, page = (connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("freelist_count", "page_size"))
    number, host, version = func.count(), processes.c.host, processes.c.progstore_version
    # One look at all processes, for it takes a while where there are very many.
    found = connection.execute(
        select(host, version, number, func.sum(processes.c.dropped_events))
        .group_by(host, version)
        .order_by(number.desc(), host, version)
    ).all()
    return {
        "dropped_events": sum(row[3] for row in found),
        "oldest_start": connection.execute(select(func.min(sessions.c.started_at))).scalar_one(),
        "free_size": free * page,
        "written_by": {f"progstore {row[1]} on {row[0]}": row[2] for row in found[:WRITERS_LISTED]},
    }


def recover(source: str, target: str) -> dict[str, int]:
    """Save every row of the damaged store at `source` that can still be read into a new store at `target`.

    Returns how many rows of each table were saved, and under "unreadable rows" how many at most were not. What refers
    to a row that was not saved is kept where it can be: a task without its session gets a new one.
    Raises StoreNotFound, StoreTooNew, StoreDamaged where nothing can be read, StoreError where the target exists.
    """
    origin, goal = locate(source), locate(target)
    if os.path.exists(goal.path):
        raise StoreError(f"{goal.path} exists already; give the name of a new file")
    with faults_explained(origin), closing(open_read_only(origin)) as raw:
        raw.text_factory = lambda read: read.decode("utf-8", "replace")
        _must_be_ours(raw, origin)
        engine = writer_engine(goal)
        try:
            schema.create_file(goal)
            with engine.connect() as connection:
                schema.prepare(connection, goal)
                copy = connection.connection.driver_connection
                assert isinstance(copy, sqlite3.Connection)
                return _save(raw, copy)
        finally:
            engine.dispose()


def _must_be_ours(raw: sqlite3.Connection, origin: Location) -> None:
    try:
        least = raw.execute("SELECT value FROM store_info WHERE key = 'min_reader'").fetchone()
    except sqlite3.DatabaseError:
        least = None  # damaged there too; the tables below tell whether anything is to be had
    if least is not None and least[0].isdigit():
        schema.check_readable(schema.Versions(None, int(least[0]), 0, ""), origin)
    known = {name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not known & {table.name for table in TABLES}:
        raise StoreDamaged(f"{origin.path} holds no table of progstore's; there is nothing to save")


def _save(raw: sqlite3.Connection, copy: sqlite3.Connection) -> dict[str, int]:
    copy.execute("PRAGMA foreign_keys=OFF")
    copy.execute("BEGIN")
    saved, unreadable = {}, 0
    for table in TABLES:
        there = [name for _, name, *_ in raw.execute(f"PRAGMA table_info({table.name})")]
        columns = [column.name for column in table.columns if column.name in there]
        salvage = _Salvage(raw, table.name, columns)
        marks = ", ".join("?" * len(columns))
        insert = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"
        saved[table.name] = sum(_insert(copy, insert, row) for row in salvage.rows())
        unreadable += salvage.unreadable + salvage.read - saved[table.name]
    for statement in _MENDING.split(";"):
        copy.execute(statement)
    copy.execute("COMMIT")
    return {**saved, "unreadable rows": unreadable}


def _insert(copy: sqlite3.Connection, insert: str, row: tuple[Any, ...]) -> bool:
    try:
        copy.execute(insert, row)
    except sqlite3.IntegrityError:  # what damage left of it is no row of ours any more
        return False
    return True


class _Salvage:
    """Reads a damaged table in order of its row ids, and steps over what cannot be read."""

    def __init__(self, raw: sqlite3.Connection, table: str, columns: list[str]) -> None:
        self._raw = raw
        self._table = table
        self._select = f"SELECT rowid, {', '.join(columns)} FROM {table} NOT INDEXED"
        self.read = 0
        self.unreadable = 0

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Every row that can be read; how many are missing is known when it ends."""
        place: int | None = 0
        while place is not None:
            reached = place
            try:
                for rowid, *row in self._raw.execute(f"{self._select} WHERE rowid > ? ORDER BY rowid", (reached,)):
                    if rowid <= reached:
                        break  # damaged links lead back
                    reached = rowid
                    self.read += 1
                    yield tuple(row)
                else:
                    return
            except sqlite3.DatabaseError:
                pass  # stepped over below, and counted
            place = self._beyond(reached)
            self.unreadable += (place or max(self._newest(), reached + 1)) - reached

    def _newest(self) -> int:
        """The highest number that a row of this table ever had, where that is known."""
        try:
            found = self._raw.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (self._table,)).fetchone()
        except sqlite3.DatabaseError:
            found = None  # damaged as well
        return found[0] if found is not None else 0

    def _beyond(self, reached: int) -> int | None:
        """The first place after `reached` from which a row can be read; None where there is none."""
        unreadable, step = reached, 1
        while not self._is_readable(reached + step):
            unreadable, step = reached + step, step * 2
            if step > FARTHEST_STEP:
                return None
        readable = reached + step
        while readable - unreadable > 1:
            middle = (readable + unreadable) // 2
            if self._is_readable(middle):
                readable = middle
            else:
                unreadable = middle
        return readable

    def _is_readable(self, place: int) -> bool:
        try:
            row = self._raw.execute(f"{self._select} WHERE rowid > ? ORDER BY rowid LIMIT 1", (place,)).fetchone()
        except sqlite3.DatabaseError:
            return False
        return row is None or row[0] > place


_MENDING: Final = """
-- A task whose session is gone gets one, which ends where the last of its tasks did.
INSERT INTO sessions (id, uid, name, kind, host, message, started_at, ended_at, end_status, rev)
  SELECT session_id, 'recovered-' || session_id, session_name, 'block', '', 'recovered: its own row was lost',
    min(coalesce(started_at, updated_at)), max(coalesce(ended_at, updated_at)), 'cancelled', 0
  FROM tasks WHERE session_id NOT IN (SELECT id FROM sessions) GROUP BY session_id;
UPDATE sessions SET process_id = NULL WHERE process_id NOT IN (SELECT id FROM processes);
UPDATE tasks SET process_id = NULL, lost_at = CASE WHEN ended_at IS NULL THEN updated_at END
  WHERE process_id NOT IN (SELECT id FROM processes);
UPDATE tasks SET parent_id = NULL WHERE parent_id NOT IN (SELECT id FROM tasks);
DELETE FROM events WHERE session_id NOT IN (SELECT id FROM sessions);
UPDATE events SET task_id = NULL WHERE task_id NOT IN (SELECT id FROM tasks);
DELETE FROM metadata WHERE session_id NOT IN (SELECT id FROM sessions)
  OR task_id <> 0 AND task_id NOT IN (SELECT id FROM tasks);
"""
"""What makes references whole again, after every row that can be read is there."""
