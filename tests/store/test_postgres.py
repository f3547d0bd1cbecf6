"""What is PostgreSQL's own: locks, the order of events, anybody's SQL over a role that may do anything, passwords."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection

from progstore import BadQuery, Life, Store, StoreBusy, StoreError, StoreNotFound, StoreTooNew
from progstore.store import ingest, questions
from progstore.store.engine import locate
from progstore.store.postgres import locks
from progstore.store.reader import faults_explained
from progstore.store.sqlite.salvage import recover
from progstore.store.tables import processes
from tests.store.conftest import Filled

WAITING = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
"""How many wait for a lock in this database; the server has others."""
HELD_UP = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
"""Whether anybody waits for another's transaction."""

RawConnection = psycopg.Connection[Any]
IsWaiting = Callable[[], bool]
Until = Callable[..., Any]


@pytest.fixture
def place(postgres_store: str) -> str:
    """On a server, for `filled`."""
    return postgres_store


@pytest.fixture
def raw(postgres_store: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of somebody else's."""
    with psycopg.connect(postgres_store, autocommit=True) as connection:
        yield connection


@pytest.fixture
def is_waiting(postgres_store: str) -> Iterator[IsWaiting]:
    """Tells whether anybody in this database waits for another's transaction."""
    with psycopg.connect(postgres_store, autocommit=True) as connection:
        yield lambda: connection.execute(HELD_UP).fetchone() == (True,)


# Places


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres"])
def test_a_password_is_shown_nowhere(scheme: str) -> None:
    """Neither that of the user nor that of a key."""
    url = f"{scheme}://me:secret@db1:6432/runs?sslpassword=secret&sslmode=require"
    location = locate(url)
    store = Store(url)
    shown = [location.name, location.url, repr(location), repr(store), store.url, store.name]
    assert "secret" not in " ".join(shown)
    assert (location.name, location.url) == (
        "postgresql://me@db1:6432/runs",
        "postgresql://me@db1:6432/runs?sslmode=require",
    )


def test_a_url_that_cannot_be_read_is_not_repeated() -> None:
    """For there may be a password in it."""
    with pytest.raises(StoreError, match="write postgresql://user@host:5432/database") as caught:
        locate("postgresql://me:secret@db1:port/runs")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    """In one line, with the way out."""
    with pytest.raises(StoreError) as caught:
        Store("postgresql://me:secret@127.0.0.1:1/runs").sessions()
    said = str(caught.value)
    assert said.startswith("postgresql://me@127.0.0.1:1/runs cannot be reached (")
    assert "secret" not in said
    assert "\n" not in said


def test_an_empty_database_is_no_store_yet_and_another_programs_is_left_alone(empty_database: str) -> None:
    """The one waits for the first loop, the other says how to go beside it."""
    with Store(empty_database) as store:
        with pytest.raises(StoreNotFound, match="the first tracked loop makes a store of it"):
            store.sessions()
        with psycopg.connect(empty_database) as connection:
            connection.execute("CREATE TABLE somebodys (thing int)")
        with pytest.raises(StoreError, match="a schema of its own with"):
            store.sessions()


def test_several_stores_share_a_database_by_their_schemas(empty_database: str) -> None:
    """Each is alone with its rows and its locks."""
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE SCHEMA one")
        connection.execute("CREATE SCHEMA two")
    first, second = (Filled(f"{empty_database}?options=-csearch_path%3D{schema}") for schema in ("one", "two"))
    first.session("first")
    with first.location.cleaner(), Store(second.url) as store:
        assert store.sessions().items == ()
        assert store.settle() == 0
    first.close()
    second.close()


def test_a_newer_and_an_older_schema_are_told(filled: Filled, store: Store) -> None:
    """As of a file."""
    filled.run("DROP TABLE metadata CASCADE")
    filled.session()
    with pytest.raises(StoreError, match=r"has an older schema .* upgrade it with `progstore db upgrade`"):
        store.sessions()
    filled.run("UPDATE store_info SET value = '99' WHERE key = 'min_reader'")
    with pytest.raises(StoreTooNew, match="needs store format 99"):
        store.sessions()


# Upkeep


def test_a_check_tells_what_there_is(filled: Filled, store: Store) -> None:
    """What a server knows; the rest is the same."""
    filled.event(filled.session(process_id=filled.ended_process(dropped_events=4)))
    facts = store.check()
    assert facts["path"] == store.name
    assert facts["size"] > 0
    assert (facts["integrity"], facts["dropped_events"], facts["rows"]["events"]) == ("ok", 4, 1)
    assert int(facts["postgresql"].split(".")[0]) >= 14


def test_what_only_files_know_is_refused_with_the_way_out(filled: Filled, store: Store) -> None:
    """Copies are PostgreSQL's own business."""
    with pytest.raises(StoreError, match="pg_dump"):
        store.backup("copy")
    with pytest.raises(StoreError, match="only an SQLite file"):
        recover(filled.url, "copy.db")


def test_only_one_clean_up_goes_on_at_a_time(filled: Filled, store: Store) -> None:
    """Whoever comes second is told, and the lock is free again afterwards."""
    filled.session()
    with filled.location.cleaner(), pytest.raises(StoreBusy, match="another process cleans up or upgrades"):
        store.prune(older_than=0)
    assert store.prune(older_than=0).sessions == 1


def test_space_is_given_back(filled: Filled, store: Store) -> None:
    """By the server's own vacuum; how much was freed is estimated from the rows."""
    with filled.together():
        session = filled.session()
        for _ in range(300):
            filled.task(session, message=os.urandom(2000).hex())
    report = store.prune(older_than=0)
    assert (report.sessions, report.tasks) == (1, 300)
    assert report.bytes_freed > 300 * 1000
    assert report.bytes_given_back > 300 * 1000


def test_a_size_is_kept_by_what_the_rows_take(filled: Filled, store: Store) -> None:
    """Tables stay as large as they were; yet a second clean-up to the same size removes nothing more."""
    with filled.together():
        for day in range(20, 0, -1):
            started = filled.now - day * 86_400
            session = filled.session(started_at=started)
            for _ in range(40):
                filled.task(session, started_at=started, message=os.urandom(500).hex())
    most = store.prune(keep_last=1000, dry_run=True).bytes_used // 2
    report = store.prune(max_size=most)
    assert 5 <= report.sessions <= 15
    assert report.bytes_used <= most
    assert store.prune(max_size=most).sessions == 0


def test_what_is_being_written_while_it_would_go_stays(filled: Filled, store: Store, raw: RawConnection) -> None:
    """Nobody waits for the transaction in which a task of that session is begun."""
    session = filled.session(kind="declared", status=None)
    filled.task(session)
    begin = (
        "INSERT INTO tasks (session_id, process_id, status, key, attempt, session_name, name, unit, done, failed,"
        " active, cancelled, message, rev, updated_at)"
        f" VALUES ({session}, {filled.process()}, 'running', 'k', 1, 's', 'n', 'it', 0, 0, 0, 0, '', 1, 0)"
    )
    with raw.transaction():
        raw.execute(begin.encode())
        assert store.prune(older_than=0).sessions == 0
    assert len(store.session(session).tasks) == 2


def test_a_task_that_is_taken_over_while_it_would_go_stays(
    filled: Filled, store: Store, raw: RawConnection, is_waiting: IsWaiting, until: Until
) -> None:
    """The clean-up waits until that is known, and then finds the session alive."""
    session = filled.session(kind="declared", status=None)
    task, worker = filled.task(session, status="pending"), filled.process()
    with ThreadPoolExecutor(1) as pool:
        with raw.transaction():
            raw.execute(f"UPDATE tasks SET status = 'running', process_id = {worker} WHERE id = {task}".encode())
            report = pool.submit(store.prune, older_than=0)
            until(is_waiting)
        assert report.result().sessions == 0
    assert [each.id for each in store.session(session).tasks] == [task]


def test_a_process_that_is_being_given_a_task_is_not_forgotten(
    filled: Filled, store: Store, raw: RawConnection, is_waiting: IsWaiting, until: Until
) -> None:
    """The server itself sees that, and the clean-up comes to its end."""
    session, process = filled.session(started_at=5.0), filled.ended_process()
    kept = filled.task(filled.session(), process_id=filled.process())
    with ThreadPoolExecutor(1) as pool:
        with raw.transaction():
            raw.execute(f"UPDATE tasks SET process_id = {process} WHERE id = {kept}".encode())
            report = pool.submit(store.prune, older_than=86_400)
            until(is_waiting)
        assert report.result().sessions == 1
    assert [each.id for each in store.sessions()] != [session]
    assert store.query(f"SELECT count(*) FROM processes WHERE id = {process}").rows == ((1,),)


def test_a_short_order_counts_no_rows(filled: Filled, store: Store, raw: RawConnection) -> None:
    """That would take longer than a statement may in a large store, and who asks a job to stop would never succeed."""
    session = filled.session(status=None, process_id=filled.process())
    with raw.transaction():
        raw.execute("LOCK TABLE outgoing, senders IN ACCESS EXCLUSIVE MODE")
        store.request_stop(session)
        assert store.settle() == 0
    engine = filled.location.writer_engine()
    with engine.connect() as connection:
        filled.location.used_bytes(connection)
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "0"
    engine.dispose()


def test_a_table_that_the_server_vacuums_keeps_no_clean_up_waiting(
    filled: Filled, store: Store, raw: RawConnection
) -> None:
    """What was removed is removed, and its space is seen to."""
    filled.task(filled.session())
    with raw.transaction():
        raw.execute("LOCK TABLE tasks IN SHARE UPDATE EXCLUSIVE MODE")  # as its autovacuum does
        assert store.prune(older_than=0).sessions == 1


def test_what_takes_too_long_is_not_said_to_be_held_by_others(filled: Filled) -> None:
    """For who looks for them would find nobody."""
    engine = filled.location.writer_engine()
    with pytest.raises(StoreBusy, match="gave up what was asked") as caught:  # noqa: PT012, SIM117
        with faults_explained(filled.location), engine.connect() as connection:
            connection.exec_driver_sql("SET statement_timeout = 10")
            connection.exec_driver_sql("SELECT pg_sleep(60)")
    engine.dispose()
    assert "statement timeout" in str(caught.value)


def test_a_deadlock_is_only_a_delay(
    filled: Filled, store: Store, raw: RawConnection, is_waiting: IsWaiting, until: Until
) -> None:
    """Whom the server makes give way tries again, here a clean-up."""
    first, second = filled.session(), filled.session()
    touch = "UPDATE sessions SET message = message || 'x' WHERE id = "
    attempts: list[Future[None]] = []

    def theirs() -> None:
        with raw.transaction():
            raw.execute(f"{touch}{first}".encode())
            raw.execute(f"{touch}{second}".encode())

    def ours(connection: Connection) -> None:
        connection.exec_driver_sql(f"{touch}{second}")
        attempts.append(pool.submit(theirs))
        until(is_waiting)
        connection.exec_driver_sql(f"{touch}{first}")

    # Of two the server ends the wait of the one for whom it looks first.
    place = locate(f"{filled.url}?options=-cdeadlock_timeout%3D1ms")
    with ThreadPoolExecutor(1) as pool, place.cleaner() as cleaner:
        cleaner.transact(lambda connection: ours(connection) if not attempts else None)
        attempts[0].result()
    assert [session.message for session in store.sessions()] == ["x", "x"]


def test_every_column_is_documented_in_the_database_itself(filled: Filled, raw: psycopg.Connection[Any]) -> None:
    r"""`\d+ v_tasks` explains itself; the same words are had from the store."""
    with Store(filled.url) as store:
        views = {view.name: view for view in store.views()}
    said = raw.execute(
        "SELECT obj_description('v_tasks'::regclass), col_description('v_tasks'::regclass, 1)"
    ).fetchone()
    assert said == (views["v_tasks"].purpose, views["v_tasks"].columns[0][1])


# Owners


def test_a_lock_on_the_server_proves_life_and_its_absence_nothing(filled: Filled, store: Store) -> None:
    """A connection may be lost while its process works on: then the beats decide, in a container as on another host."""
    session = filled.session()
    silent = {"pid_namespace": "pid:[1]", "heartbeat_at": filled.now - 100}
    for place in ({}, {"host": "far", "machine_id": "m", "boot_id": "b"}):
        held, lost = (filled.process(**silent, **place, locked=locked) for locked in (True, False))
        lives = [
            store.task(filled.task(session, status="running", process_id=process)).verdict for process in (held, lost)
        ]
        assert [verdict.life for verdict in lives if verdict] == [Life.ALIVE, Life.UNREACHABLE]


def test_readers_go_by_the_servers_clock(filled: Filled, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However wrong their own is."""
    monkeypatch.setattr("time.time", lambda: 5.0)
    process = filled.process(host="far", machine_id="m", boot_id="b")
    verdict = store.task(filled.task(filled.session(), status="running", process_id=process)).verdict
    assert verdict is not None
    assert verdict.life is Life.ALIVE


# Events


def test_a_reader_by_cursor_skips_no_event(filled: Filled, store: Store) -> None:
    """The ids of two writers at once become visible in their order: the second waits for the first one's commit."""
    from progstore.store import spelling

    session = filled.session()
    words = spelling.of("postgresql")
    insert = f"INSERT INTO events (session_id, at, kind, message) VALUES ({session}, 0, 'message', '')"
    engine = filled.location.writer_engine()
    is_over = threading.Event()

    def write() -> None:
        with engine.begin() as second:
            words.in_order(second)
            second.exec_driver_sql(insert)
        is_over.set()

    with engine.begin() as first:
        words.in_order(first)
        first.exec_driver_sql(insert)
        other = threading.Thread(target=write)
        other.start()
        assert not is_over.wait(0.2)
        assert store.events() == ()
    other.join()
    assert [event.id for event in store.events()] == [1, 2]
    engine.dispose()


def test_what_is_ingested_keeps_the_order_too(filled: Filled, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for whoever is writing events, and says that the store is busy when that takes too long."""
    monkeypatch.setattr(ingest, "PATIENCE", 0.05)
    filled.session(uid="s")
    event = {"session_uid": "s", "task": None, "at": 1.0, "kind": "message", "message": "", "data": None}
    with filled.location.writer_engine().connect() as connection:
        locks.wait_in_transaction(connection, locks.ORDER)
        with pytest.raises(StoreBusy, match="try again"):
            store.ingest({"format": 1, "events": [event]})
    assert store.ingest({"format": 1, "events": [event]}).rows == 1


def test_an_event_that_comes_over_two_connections_at_once_is_there_once(filled: Filled, store: Store) -> None:
    """As when a server is so late that a document is sent again, to another server of the same store."""
    filled.session(uid="s")
    event = {"session_uid": "s", "task": None, "at": 1.0, "kind": "message", "message": "", "data": None}
    with filled.location.writer_engine().connect() as connection, Store(filled.url) as other:
        locks.wait_in_transaction(connection, locks.ORDER)
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(each.ingest, {"format": 1, "events": [event]}) for each in (store, other)]
            while connection.exec_driver_sql(WAITING).scalar_one() < 2:
                pass
            connection.rollback()
        assert sorted(each.result().rows for each in both) == [0, 1]


def test_a_request_to_stop_keeps_the_order_too(filled: Filled, store: Store) -> None:
    """Its event gets its id when those of others that write have become visible."""
    session = filled.session(status=None, process_id=filled.process())
    with filled.location.writer_engine().connect() as connection, ThreadPoolExecutor(1) as pool:
        locks.wait_in_transaction(connection, locks.ORDER)
        request = pool.submit(store.request_stop, session)
        while not connection.exec_driver_sql(WAITING).scalar_one():
            assert not request.done()
        connection.exec_driver_sql(f"INSERT INTO events (session_id, at, kind, message) VALUES ({session}, 0, 'a', '')")
        connection.commit()
        request.result()
    assert [event.kind for event in store.events()] == ["a", "stop requested"]


def test_a_store_that_nobody_writes_to_looks_the_same(
    filled: Filled, store: Store, until: Callable[..., object]
) -> None:
    """Reading changes nothing, and whatever is committed does. What others commit elsewhere on the server does too, so
    a moment in which nobody does is waited for.
    """
    process = filled.process()

    def reading_changes_nothing() -> bool:
        seen = store.data_version()
        store.sessions()
        return store.data_version() == seen

    until(reading_changes_nothing)
    for beats in range(5):
        seen = store.data_version()
        filled.change(processes, process, beats=beats + 1)
        assert store.data_version() > seen


# Anybody's SQL


COUNTING = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"


@pytest.mark.parametrize(
    ("sql", "row"),
    [
        ("SELECT 1;", (1,)),
        ("  -- a comment\nSELECT 1 -- another", (1,)),
        ("VALUES (1)", (1,)),
        ("SELECT count(*) FROM v_sessions s JOIN sessions USING (id) WHERE s.name ~ 'n.*'", (1,)),
        (f"{COUNTING} LIMIT 1", (1,)),
        ("SELECT row_number() OVER (ORDER BY name) FROM v_sessions", (1,)),
        ("SELECT 1 AS a, 2 AS a", (1, 2)),
        ("SELECT '%', 1.5, 2::numeric, true, NULL, 'NaN'::float8", ("%", 1.5, 2, True, None, "NaN")),
        ("SELECT '{\"a\": 1}'::jsonb, ARRAY[1, 2], '\\x00ff'::bytea", ('{"a": 1}', "{1,2}", "X'00FF'")),
        ("SELECT now() > '2020-01-01', random() < 2, pg_typeof(1)::text", (True, True, "integer")),
    ],
)  # fmt: skip
def test_whatever_only_reads_is_allowed(filled: Filled, store: Store, sql: str, row: tuple[object, ...]) -> None:
    """With values that can be made JSON of."""
    filled.session("nightly")
    assert store.query(sql).rows == (row,)


def test_parameters_are_values_and_nothing_else(filled: Filled, store: Store) -> None:
    """By place or by name, as for a file; not where they are part of a text, a comment or a cast."""
    evil = "x'); DROP TABLE tasks; --"
    assert store.query("SELECT ?, '?', ? -- ?", [evil, 1]).rows == ((evil, "?", 1),)
    assert store.query("SELECT :it LIKE '%DROP%', ':it', $a$:it$a$, 5::text", {"it": evil}).rows == (
        (True, ":it", ":it", "5"),
    )
    for wrong in ([1, 2, 3], {"other": 1}, [object()], ["\0"], 5):
        with pytest.raises(BadQuery):
            store.query("SELECT ? :right", wrong)  # type: ignore[arg-type]  # one is no list at all


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DELETE FROM tasks", "only SELECT is allowed"),
        ("DELETE FROM tasks RETURNING id", "only SELECT is allowed"),
        ("WITH x AS (DELETE FROM tasks RETURNING id) SELECT * FROM x", "only SELECT is allowed"),
        ("SELECT * INTO copied FROM tasks", "only SELECT is allowed"),
        ("SELECT 1; DELETE FROM tasks", "multiple commands"),
        ("SELECT 1) AS question(c0); DELETE FROM tasks; --", "syntax error"),
        ("SELECT 1) AS a(c0), (SELECT pg_sleep(9)", "syntax error"),
        ("SELECT 1 /*", "unterminated"),
        ("", "no answer"),
        ("COMMIT", "no answer"),
        ("COPY tasks TO '/tmp/stolen'", "no answer"),
        ("COPY (SELECT 1) TO PROGRAM 'id'", "no answer"),
        ("DO $$ BEGIN PERFORM 1; END $$", "no answer"),
        ("SET ROLE postgres", "no answer"),
        ("SHOW data_directory", "only SELECT is allowed"),
        ("EXPLAIN ANALYZE SELECT 1", "syntax error"),
        ("EXPLAIN (ANALYZE) SELECT pg_sleep(9)", "only SELECT is allowed"),
        ("SELECT * FROM tasks FOR UPDATE", "FOR UPDATE is not allowed"),
        ("SELECT * FROM (SELECT * FROM tasks FOR SHARE) AS t", "FOR UPDATE is not allowed"),
        ("SELECT pg_read_file('/etc/passwd')", "pg_read_file is not allowed"),
        ('SELECT "pg_catalog".pg_read_file(\'/etc/passwd\')', "pg_read_file is not allowed"),
        ('SELECT U&"pg\\005fsleep"(9)', "pg_sleep is not allowed"),
        ("SELECT 1 WHERE (SELECT pg_sleep(9)) IS NULL", "pg_sleep is not allowed"),
        ("SELECT * FROM pg_ls_dir('/')", "pg_ls_dir is not allowed"),
        ("SELECT * FROM v_tasks, LATERAL pg_ls_dir('/')", "pg_ls_dir is not allowed"),
        ("SELECT sum(1) FILTER (WHERE pg_advisory_lock(1) IS NULL) FROM tasks", "pg_advisory_lock is not allowed"),
        ("SELECT row_number() OVER (ORDER BY pg_try_advisory_lock(1))", "pg_try_advisory_lock is not allowed"),
        ("SELECT CASE WHEN true THEN set_config('role', 'none', false) END", "set_config is not allowed"),
        ("SELECT current_setting('data_directory')", "current_setting is not allowed"),
        ("SELECT lo_import('/etc/passwd')", "lo_import is not allowed"),
        ("SELECT query_to_xml('SELECT pg_sleep(9)', true, true, '')", "query_to_xml is not allowed"),
        ("SELECT table_to_xml('pg_authid', true, true, '')", "table_to_xml is not allowed"),
        ("SELECT * FROM ts_stat('SELECT pg_sleep(9)')", "ts_stat is not allowed"),
        ("SELECT nextval('tasks_id_seq')", "nextval is not allowed"),
        ("SELECT pg_terminate_backend(1)", "pg_terminate_backend is not allowed"),
        ("SELECT rolpassword FROM pg_authid", "pg_authid is not allowed"),
        ("TABLE pg_stat_activity", "pg_stat_activity is not allowed"),
        ("SELECT * FROM information_schema.tables", "information_schema.tables is not allowed"),
        ("SELECT (SELECT max(rolname) FROM pg_roles) FROM tasks", "pg_roles is not allowed"),
        ("SELECT last_value FROM tasks_id_seq", "tasks_id_seq is not allowed"),
        ("SELECT evil()", "evil is not allowed"),
        ("SELECT 1 #~# 2", "operator #~# is not allowed|evil is not allowed"),
        ("SELECT * FROM elsewhere.secrets", "elsewhere.secrets is not allowed"),
        ("SELECT missing FROM tasks", 'column "missing" does not exist'),
        ("SELECT $1", "no parameter"),
        ("SELECT 1 / (SELECT count(*) - count(*) FROM tasks)", "division by zero"),
        ("SELECT repeat('x', 2000000)", "a value may be 1,000,000 long"),
        ("SELECT '" + "x" * 200_000 + "'", "too large"),
    ],
)  # fmt: skip
def test_whatever_is_not_a_question_is_refused(
    filled: Filled, store: Store, raw: psycopg.Connection[Any], sql: str, said: str
) -> None:
    """Though the tests' role may do anything; nothing is changed, and nothing is left behind."""
    for evil in (
        "CREATE SCHEMA IF NOT EXISTS elsewhere",
        "CREATE TABLE IF NOT EXISTS elsewhere.secrets (word text)",
        "CREATE OR REPLACE FUNCTION elsewhere.evil() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION elsewhere.evil(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'",
    ):
        raw.execute(evil)
    sql = sql.replace("evil()", "elsewhere.evil()")
    if "#~#" in sql:
        raw.execute("CREATE OPERATOR elsewhere.#~# (LEFTARG = int, RIGHTARG = int, FUNCTION = elsewhere.evil)")
        sql = sql.replace("#~#", "OPERATOR(elsewhere.#~#)")
    task = filled.task(filled.session())
    with pytest.raises(BadQuery, match=said):
        store.query(sql, seconds=5)
    raw.execute("DROP SCHEMA elsewhere CASCADE")
    assert raw.execute("SELECT id FROM tasks").fetchall() == [(task,)]
    assert raw.execute(
        "SELECT count(*) FROM pg_class WHERE relname IN ('copied', 'progstore_question')"
    ).fetchone() == (0,)


def test_a_question_ends_when_its_time_or_its_space_is_over(
    filled: Filled, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, seconds and characters; whoever asks is told."""
    assert store.query(f"{COUNTING} LIMIT 3", limit=2).truncated
    assert not store.query(f"{COUNTING} LIMIT 3", limit=3).truncated
    with pytest.raises(BadQuery, match=r"interrupted after 0\.2 s"):
        store.query(f"SELECT count(*) FROM ({COUNTING}) AS counted", seconds=0.2)
    monkeypatch.setattr(questions, "LARGEST_RESULT", 1000)
    answer = store.query("SELECT repeat('x', 600) FROM generate_series(1, 100000)", limit=10**6)
    assert (len(answer.rows), answer.truncated) == (1, True)


def test_a_plan_may_be_asked_for(filled: Filled, store: Store) -> None:
    """The statement is not run for it, and what it names is looked at all the same."""
    plan = store.query("EXPLAIN SELECT * FROM tasks WHERE id = 5")
    assert plan.columns == ("QUERY PLAN",)
    assert "tasks" in str(plan.rows)
    with pytest.raises(BadQuery, match="pg_authid is not allowed"):
        store.query("EXPLAIN SELECT * FROM pg_authid")


def test_a_role_that_may_only_read_is_enough_to_read(filled: Filled, raw: psycopg.Connection[Any]) -> None:
    """Pages, verdicts and SQL; what it may not do is said."""
    filled.session("nightly")
    for statement in (
        "DROP ROLE IF EXISTS progstore_reader",
        "CREATE ROLE progstore_reader LOGIN",
        "GRANT USAGE ON SCHEMA public TO progstore_reader",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO progstore_reader",
    ):
        raw.execute(statement)
    try:
        with Store(filled.url.replace("postgres@", "progstore_reader@")) as store:
            assert store.sessions().items[0].name == "nightly"
            assert store.query("SELECT name FROM v_sessions").rows == (("nightly",),)
            with pytest.raises(StoreError, match=r"does not allow that \(permission denied"):
                store.settle()
    finally:
        raw.execute("DROP OWNED BY progstore_reader")
        raw.execute("DROP ROLE progstore_reader")
