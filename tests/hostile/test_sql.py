"""Anybody's SQL: whatever is asked is answered or refused, and the file is byte for byte what it was."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from progstore import BadQuery, QueryResult, open_store
from tests.hostile.hostility import TEXTS
from tests.store.conftest import Filled

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT "
BIG = "hex(zeroblob(40000))"
ATTACKS = (
    "DELETE FROM tasks",
    "UPDATE tasks SET done = 0",
    "INSERT INTO events SELECT * FROM events",
    "DROP TABLE tasks",
    "REPLACE INTO store_info VALUES ('a', 'b')",
    "ALTER TABLE tasks ADD x",
    "CREATE TEMP TRIGGER t AFTER INSERT ON tasks BEGIN SELECT 1; END",
    "WITH x AS (SELECT 1) DELETE FROM tasks RETURNING *",
    "DELETE FROM sqlite_master",
    "VACUUM INTO '/tmp/x.db'",
    "ANALYZE",
    "REINDEX",
    "ATTACH 'file:/tmp/x?mode=rwc' AS x",
    "ATTACH ':memory:' AS x",
    "DETACH main",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "RELEASE x",
    "PRAGMA writable_schema=1",
    "PRAGMA journal_mode=delete",
    "PRAGMA main.wal_checkpoint(TRUNCATE)",
    "PRAGMA query_only(0)",
    "SELECT * FROM pragma_database_list",
    "SELECT load_extension('x')",
    "SELECT writefile('/tmp/x', 'y')",
    "SELECT readfile('/etc/passwd')",
    "SELECT fts3_tokenizer('simple', x'00')",
    "SELECT edit('x')",
    "SELECT sqlite_compileoption_get(1)",
    "SELECT * FROM dbstat",
    "SELECT 1; DELETE FROM tasks",
    "SELECT 1;;;",
    "SELECT 1 /* ; DELETE FROM tasks",
    "--\n;",
    "/**/",
    "SELECT 1 -- \n ; DELETE FROM tasks",
    "\ufeffSELECT 1",
    "SELECT\xa01",
    "SELECT\u20281",
    "\uff33ELECT 1",
    "SELECT 'a\x00b'",
    "EXPLAIN SELECT 1",
    "EXPLAIN DELETE FROM tasks",
    f"{ENDLESS}i FROM n",
    f"{ENDLESS}max(i) FROM n",
    f"{ENDLESS}group_concat(i) FROM n",
    f"{ENDLESS}json_group_array(i) FROM n",
    f"{ENDLESS}count(*) FROM n, n AS m",
    f"{ENDLESS}i FROM n ORDER BY random()",
    f"{ENDLESS}sum(length(randomblob(90000))) FROM n",
    "SELECT zeroblob(2147483647)",
    "SELECT randomblob(1e18)",
    "SELECT printf('%2147483647d', 1)",
    "SELECT printf('%.*c', 2000000000, 'x')",
    f"SELECT replace({BIG}, '0', {BIG})",
    f"SELECT {BIG} || {BIG} || {BIG} || {BIG} || {BIG}",
    "SELECT quote(zeroblob(140000))",
    f"SELECT {BIG} LIKE '{'%0' * 400}1'",
    f"SELECT {BIG} GLOB '{'*0' * 400}1'",
    "SELECT 'a' LIKE printf('%.2000c', '%')",
    "SELECT 'a' REGEXP 'b'",
    f"SELECT instr({BIG}, substr({BIG}, 2) || '1')",
    f"SELECT trim({BIG}, {BIG})",
    f"SELECT json({BIG})",
    "SELECT json_extract('[' || replace(hex(zeroblob(60000)), '00', '[],') || '0]', '$[59999]')",
    "SELECT json(replace(hex(zeroblob(60000)), '00', '['))",
    "SELECT * FROM json_tree(replace(hex(zeroblob(900)), '00', '[') || replace(hex(zeroblob(900)), '00', ']'))",
    f"SELECT * FROM {', '.join(f'sqlite_master AS {letter}' for letter in 'abcdefg')}",
    f"SELECT {'(' * 500}1{')' * 500}",
    f"SELECT {'-' * 900}1",
    f"SELECT {'1+' * 5000}1",
    f"SELECT {','.join('1' * 2500)}",
    f"SELECT 1 {'UNION ALL SELECT 1 ' * 600}",
    "SELECT ?1000000",
    "SELECT :a, @b, $c",
    "SELECT 9223372036854775808, -9223372036854775809, 1e999, abs(-9223372036854775808)",
    "SELECT date('now', '+1e300 days'), strftime('%s', 1e300)",
    "SELECT CAST(x'ff' AS TEXT), char(0, 55296, 1114111)",
    'SELECT 1 AS "a\x00"',
)
"""Attempts to write, to get out of the file, to fill the memory, to run for ever, to be two statements."""
WORDS = (
    *("SELECT", "FROM", "tasks", "v_tasks", "sessions", "WHERE", "id", "done", "name", "JOIN", "ON", "UNION", "ALL"),
    *(
        "VALUES",
        "SET",
        "CASE",
        "WHEN",
        "END",
        "NOT",
        "IN",
        "LIKE",
        "DELETE",
        "UPDATE",
        "PRAGMA",
        "ATTACH",
        "x'00'",
        "'a'",
    ),
    *("NULL", "1e999", "-1", "(", ")", ",", "*", "=", "||", ";", "--", "/*", "?", ":a", '"', "'", "`", "["),
    *("GROUP BY", "ORDER BY", "WITH RECURSIVE x(i) AS", "LIMIT 5", "INSERT INTO", "DROP TABLE", "OVER ()", "EXISTS"),
    *("hex(", "zeroblob(99999)", "json_each('[1]')", "group_concat(", "printf('%.*c',", "replace("),
)
QUESTIONS = st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=14).map(" ".join)


def bytes_of(folder: Path) -> dict[str, str]:
    """Every file in the folder but SQLite's index of the log, which readers write to, with a mark of what it holds."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.iterdir()
        if not file.name.endswith("-shm")
    }


@pytest.mark.timeout(300)
def test_no_question_changes_the_file_or_runs_away(filled: Filled, store_path: Path, soak: bool) -> None:
    """Attacks that people have thought of, and many more that are put together from words of SQL."""
    filled.task(filled.session())
    before = bytes_of(store_path.parent)
    with open_store(str(store_path)) as store:

        def ask(sql: str) -> None:
            try:
                answer = store.query(sql, seconds=0.1, limit=100)
            except BadQuery:
                return
            assert isinstance(answer, QueryResult)
            assert len(answer.rows) <= 100
            assert all(len(str(cell)) < 200_000 for row in answer.rows for cell in row)

        for sql in (*ATTACKS, *TEXTS.values()):
            ask(sql)
        made = settings(
            max_examples=20_000 if soak else 200,
            deadline=None,
            database=None,
            derandomize=not soak,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        made(given(QUESTIONS)(ask))()
    assert bytes_of(store_path.parent) == before
    assert not list(Path("/tmp").glob("x.db*"))  # noqa: S108  # where the attacks would have written
