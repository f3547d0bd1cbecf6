"""The schema's history leads to the very schema that a new store is created with."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

import progstore_migrations
from progstore.store import schema
from progstore.store.backend import Location
from progstore.store.engine import locate
from progstore.store.tables import is_on, metadata
from progstore_migrations import config, migrate

INI = os.path.join(progstore_migrations.FOLDER, "alembic.ini")


@contextmanager
def writing(location: Location) -> Iterator[Connection]:
    """A writing connection to an existing or empty file."""
    location.make()
    engine = location.writer_engine()
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def created(path: Path) -> Location:
    """A store as the first recorder creates it."""
    location = locate(str(path))
    with writing(location) as connection:
        schema.prepare(connection, location)
    return location


def migrated(path: Path, revision: str = "head") -> Location:
    """A store that went through its whole history, in one transaction."""
    location = locate(str(path))
    with writing(location) as connection, connection.begin():
        migrate(connection, revision)
    return location


def shape(location: Location) -> dict[tuple[str, str], str]:
    """What the file holds, by kind and name, without differences of spacing."""
    with closing(sqlite3.connect(location.path)) as raw:
        rows = raw.execute("SELECT type, name, sql FROM sqlite_master WHERE name <> 'alembic_version'").fetchall()
    # Where Alembic makes its own table it names the key; what is in it is compared below.
    return {
        (kind, name): re.sub(r"\s+", " ", sql or "").replace(" )", ")")
        for kind, name, sql in rows
        if "alembic_version" not in name
    }


def alembic(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Alembic's own command line, outside the repository."""
    return subprocess.run(
        [sys.executable, "-m", "alembic", "-c", INI, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def difference(connection: Connection) -> list[Any]:
    """What Alembic finds to add or remove, of what is there on that kind of database."""

    def is_here(item: object, *_: object) -> bool:
        return is_on(connection.dialect.name, item)

    context = MigrationContext.configure(connection, opts={"include_object": is_here})
    return list(compare_metadata(context, metadata))


def test_a_fresh_schema_equals_the_migrated_one(tmp_path: Path) -> None:
    """Tables, columns, defaults, constraints, indexes and views are the same to the letter."""
    fresh, old = shape(created(tmp_path / "fresh.db")), shape(migrated(tmp_path / "old.db"))
    assert fresh.keys() == old.keys()
    assert fresh == old


def test_both_say_the_same_of_themselves(tmp_path: Path) -> None:
    """Revision and the least reader and writer do not depend on how the store came to be."""
    found = []
    for location in (created(tmp_path / "fresh.db"), migrated(tmp_path / "old.db")):
        with writing(location) as connection:
            found.append(schema.versions(connection, location))
    assert found[0] == found[1]
    assert found[0].revision == schema.HEAD


def test_the_history_leads_to_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    """Alembic's comparison finds nothing to add or remove."""
    with writing(migrated(tmp_path / "old.db")) as connection, warnings.catch_warnings():
        # Neither library can read back an index over an expression; the letter-by-letter test above covers it.
        warnings.filterwarnings("ignore", ".*expression-based index")
        assert difference(connection) == []


def test_the_code_knows_the_newest_revision() -> None:
    """HEAD in the code is the one head of the history."""
    assert ScriptDirectory.from_config(config()).get_heads() == [schema.HEAD]


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """All of it is one transaction, DDL too."""
    location = locate(str(tmp_path / "half.db"))
    with writing(location) as connection, connection.begin() as transaction:
        migrate(connection)
        assert "tasks" in inspect(connection).get_table_names()
        transaction.rollback()
    assert shape(location) == {}


def test_alembic_upgrades_a_store_named_on_its_command_line(tmp_path: Path) -> None:
    """`alembic -c .../alembic.ini -x url=PATH upgrade head` makes a store, as the recorder would."""
    done = alembic("-x", "url=by-hand.db", "upgrade", "head", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    location = locate(str(tmp_path / "by-hand.db"))
    assert shape(location) == shape(created(tmp_path / "fresh.db"))
    with closing(sqlite3.connect(location.path)) as raw:
        pragmas = [raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("auto_vacuum", "journal_mode")]
    assert pragmas == [2, "wal"]


def test_alembic_finds_the_store_by_the_environment(tmp_path: Path) -> None:
    """Without `-x url=`, PROGSTORE_URL names the store; a second upgrade changes nothing."""
    url = str(tmp_path / "named.db")
    for _ in range(2):
        done = alembic("upgrade", "head", cwd=tmp_path, PROGSTORE_URL=url)
        assert done.returncode == 0, done.stderr
    assert alembic("current", cwd=tmp_path, PROGSTORE_URL=url).stdout.split() == [schema.HEAD, "(head)"]


def test_alembic_can_write_out_the_sql(tmp_path: Path) -> None:
    """`upgrade head --sql` prints what would be done, for whoever must read it first."""
    done = alembic("upgrade", "head", "--sql", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(":memory:")) as raw:
        raw.executescript(done.stdout)
        assert raw.execute("SELECT count(*) FROM v_running").fetchone() == (0,)


def test_there_is_no_way_back(tmp_path: Path) -> None:
    """A downgrade says that a copy is the way back, and changes nothing."""
    location = created(tmp_path / "kept.db")
    before = shape(location)
    done = alembic("-x", f"url={location.path}", "downgrade", "base", cwd=tmp_path)
    assert done.returncode != 0
    assert "first schema" in done.stderr
    assert shape(location) == before


def test_a_new_revision_can_be_drafted(tmp_path: Path) -> None:
    """`revision --autogenerate` works from the template, and finds nothing to do on an up-to-date store."""
    folder = tmp_path / "progstore_migrations"
    shutil.copytree(progstore_migrations.FOLDER, folder)
    url = f"url={created(tmp_path / 'fresh.db').path}"
    settings = str(folder / "alembic.ini")
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "-c", settings, "-x", url, "revision", "--autogenerate", "-m", "nothing"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (drafted,) = folder.glob("versions/*_nothing.py")
    text = drafted.read_text(encoding="utf-8")
    assert f"down_revision = '{schema.HEAD}'" in text
    assert "op." not in text
    assert ScriptDirectory.from_config(Config(settings)).get_heads() != [schema.HEAD]


# The same on PostgreSQL


DESCRIBED = (
    """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, l.collname,
      pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
      LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
      LEFT JOIN pg_attrdef AS d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'S') AND c.relname <> 'alembic_version'
    """,
    """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'
    """,
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'",
    "SELECT viewname, definition, obj_description(viewname::regclass) FROM pg_views WHERE schemaname = 'public'",
    "SELECT key, value FROM store_info",
    "SELECT version_num FROM alembic_version",
)
"""Columns, constraints, indexes, views, comments, and what the store says of itself."""


def described(url: str) -> list[Any]:
    """What is in the database, as it says it itself."""
    with psycopg.connect(url) as connection:
        return [sorted(connection.execute(query.encode()).fetchall(), key=str) for query in DESCRIBED]


def test_on_postgresql_too_the_history_leads_to_the_fresh_schema(empty_database: str) -> None:
    """To the letter, and Alembic finds nothing to add or remove; one that is up to date stays as it is."""
    location = locate(empty_database)
    with writing(location) as connection, connection.begin():
        migrate(connection)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*expression-based index|.*Skipped unsupported reflection")
            assert difference(connection) == []
    old = described(empty_database)
    with psycopg.connect(empty_database) as raw:
        raw.execute("DROP SCHEMA public CASCADE")
        raw.execute("CREATE SCHEMA public")
    with writing(location) as connection:
        schema.prepare(connection, location)
    for kind, other in zip(described(empty_database), old, strict=True):
        assert kind == other
    assert schema.upgrade(location) == (schema.HEAD, schema.HEAD)


def test_an_older_store_is_upgraded_on_postgresql(empty_database: str, tmp_path: Path) -> None:
    """By whoever writes first, and by Alembic's own command line, which can also write it out."""
    location = locate(empty_database)
    with writing(location) as connection, connection.begin():
        migrate(connection, "0001")
    with writing(location) as connection:
        schema.prepare(connection, location)
        assert schema.versions(connection, location).revision == schema.HEAD
    done = alembic("-x", f"url={empty_database}", "upgrade", "head", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = alembic("-x", f"url={empty_database}", "upgrade", "head", "--sql", cwd=tmp_path)
    assert "CREATE TABLE tasks" in done.stdout
    assert "BIGSERIAL" in done.stdout
