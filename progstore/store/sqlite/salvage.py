"""What can be saved of a damaged SQLite file, into a new one; nothing here happens by itself."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from progstore.errors import StoreDamaged, StoreError
from progstore.store import schema
from progstore.store.engine import locate
from progstore.store.maintenance import TABLES
from progstore.store.reader import faults_explained
from progstore.store.sqlite.engines import open_read_only, raw_of
from progstore.store.sqlite.location import SqliteLocation
from progstore.store.tables import outgoing, remotes, senders

ELSEWHERE: Final = (remotes, outgoing, senders)
"""What is known of other machines, and what has yet to be sent there; a store of the first schema has none of these."""
FARTHEST_STEP: Final = 2**40
"""Row ids that are stepped over in search of one that can be read."""


def recover(source: str, target: str) -> dict[str, int]:
    """Save every row of the damaged store at `source` that can still be read into a new store at `target`, and what has
    yet to be pushed from there.

    Returns how many rows of each table were saved, and under "unreadable rows" how many at most were not. What refers
    to a row that was not saved is kept where it can be: a task without its session gets a new one.
    Raises StoreNotFound, StoreTooNew, StoreDamaged where nothing can be read, StoreError where the target exists.
    """
    origin, goal = _file(source), _file(target)
    if os.path.exists(goal.path):
        raise StoreError(f"{goal.path} exists already; give the name of a new file")
    with faults_explained(origin), closing(open_read_only(origin, even_cut_short=True)) as raw:
        _must_be_ours(raw, origin)
        engine = goal.writer_engine()
        try:
            goal.make()
            with engine.connect() as connection:
                schema.prepare(connection, goal)
                return _save(raw, raw_of(connection))
        finally:
            engine.dispose()


def _file(place: str) -> SqliteLocation:
    location = locate(place)
    if not isinstance(location, SqliteLocation):
        raise StoreError(
            f"only an SQLite file can be recovered so, and {location.name} is none; restore a backup of it"
        )
    return location


def _must_be_ours(raw: sqlite3.Connection, origin: SqliteLocation) -> None:
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
    for table in (*TABLES, *ELSEWHERE):
        there = [name for _, name, *_ in raw.execute(f"PRAGMA table_info({table.name})")]
        if not there and table in ELSEWHERE:
            continue
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


def _insert(copy: sqlite3.Connection, insert: str, row: tuple[object, ...]) -> bool:
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

    def rows(self) -> Iterator[tuple[object, ...]]:
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
-- A task whose session is gone gets one, which ends where the last of its tasks did. No other store has its uid.
INSERT INTO sessions (id, uid, name, kind, host, message, started_at, ended_at, end_status, rev)
  SELECT session_id, 'recovered-' || lower(hex(randomblob(16))), session_name, 'block', '',
    'recovered: its own row was lost',
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
-- Nothing can be sent any more of what is gone.
DELETE FROM outgoing WHERE session_id NOT IN (SELECT id FROM sessions)
  OR task_id <> 0 AND task_id NOT IN (SELECT id FROM tasks);
DELETE FROM senders WHERE process_id NOT IN (SELECT id FROM processes);
DELETE FROM remotes WHERE process_id NOT IN (SELECT id FROM processes);
"""
"""What makes references whole again, after every row that can be read is there."""
