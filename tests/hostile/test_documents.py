"""Documents from elsewhere: a store takes in what it can hold, says what it refused, and converges with others."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import progstore
from progstore.store import copying
from progstore.store.tables import events, meta, processes, sessions, tasks
from tests.hostile.hostility import TEXTS
from tests.hostile.test_garbage import CONTRADICTIONS, ROWS, VALUES, assert_all_answer, spoil, without_checks
from tests.hostile.test_public_api import searching
from tests.store.conftest import Filled

Document = dict[str, Any]
BEGAN = 1_790_000_000.0
KINDS = ("processes", "sessions", "tasks", "events", "metadata")
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=8)
    | st.sampled_from([math.nan, -math.inf, "\ud800", *TEXTS.values()])
    | st.sampled_from([400, 5000]).map(lambda digits: 10**digits),  # too long for Hypothesis to write down
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(("format", *KINDS)), inner, max_size=4)
    ),
    max_leaves=8,
)
HOSTILE: st.SearchStrategy[Any] = JSON | st.sampled_from(
    [
        *(-1, 0, 0.5, 2**53 + 1, 2**63 - 1, 2**63, 1e300, -1e300, 1e301, 5e-324, -62135596801.0, 253402300800.0),
        *("", "\0", "x" * 201, "x" * 501, "x" * 100_001, "running", "complete", "pending", "declared", "exit"),
        *("null", "[]", "[[1,2]]", "[[0,1e999]]", '[[1,"a"]]', '{"a":NaN}', "[" * 3000, "1" * 5000, '"\\ud800"'),
        *(["s", "k", 1], ["s", "k", -1], ["", "", 0], [None] * 3, ["s"], ["s", "k", 2**63]),
    ]
)
"""What is put where a field's value belongs."""
TABLES = (tasks, sessions, events, processes, meta)
ADDRESSES = ("/", "/history", "/timeline", "/names", "/store", "/api/v1/tasks?sort=took", "/api/v1/events", "/metrics")
COMMANDS = (("ls",), ("ls", "--json"), ("export",), ("db", "check"), ("top", "--once"))


def job(name: str, steps: int, *, is_lost_at: int = 0) -> list[Document]:
    """What a job sends after each of its steps: an outer task, from the second step on one in it, and their end.

    After the step `is_lost_at` its machine took it for dead; it returned with the next.
    """
    return [_step(name, step, steps, lost=step == is_lost_at) for step in range(1, steps + 1)]


def _step(name: str, step: int, steps: int, *, lost: bool) -> Document:
    uid, now, is_end = f"s {name}", BEGAN + step, step == steps
    end = {"ended_at": now, "duration": float(step)} if is_end else {}
    keys = ("outer", "inner")[: 1 if step == 1 else 2]
    return {
        "format": 1,
        "processes": [_process(name, step, {"ended_at": now, "end_reason": "exit"} if is_end else {}, lost=lost)],
        "sessions": [
            {
                "uid": uid,
                "name": "nightly",
                "kind": "block",
                "process_uid": f"p {name}",
                "host": "elsewhere",
                "message": f"step {step}",
                "started_at": BEGAN,
                "rev": step,
                **end,
                "end_status": "complete" if is_end else None,
            }
        ],
        "tasks": [
            {
                "session_uid": uid,
                "key": key,
                "attempt": 1,
                "process_uid": f"p {name}",
                "name": key,
                "session_name": "nightly",
                "unit": "it",
                "message": "",
                "failed": 0,
                "active": 0,
                "cancelled": 0,
                "parent": [uid, "outer", 1] if key == "inner" else None,
                "done": float(step),
                "total": steps,
                "status": "complete" if is_end else "running",
                "rev": step,
                "started_at": BEGAN,
                "updated_at": now,
                **end,
            }
            for key in keys
        ],
        "events": [
            {"session_uid": uid, "task": task, "at": now, "kind": "message", "message": f"step {step}"}
            for task in (None, *([uid, key, 1] for key in keys))
        ],
        "metadata": [
            {"session_uid": uid, "task": task, "key": key, "value": str(step)}
            for task in (None, *([uid, key, 1] for key in keys))
            for key in ("step", "from step 1", "from step 2")[: 1 + step]
        ],
    }


def _process(name: str, step: int, end: Document, *, lost: bool) -> Document:
    texts = ("machine_id", "boot_id", "pid_namespace", "program", "cwd", "username", "python", "progstore_version")
    return {
        **dict.fromkeys(texts, "x"),
        "uid": f"p {name}",
        "host": "elsewhere",
        "pid": 7,
        "argv": "[]",
        "interval": 0.5,
        "dropped_events": 0,
        "started_at": BEGAN,
        "heartbeat_at": BEGAN + step,
        "beats": step,
        **end,
        "lost_at": BEGAN + step if lost else None,
    }


def rows_of(store: progstore.Store) -> dict[str, list[str]]:
    """Everything that a store holds, whatever its numbers and its order."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}

    def keep(document: Document) -> progstore.IngestReport:
        for kind in KINDS:
            found[kind] += (json.dumps(row, sort_keys=True) for row in document[kind])
        return progstore.IngestReport(rows=0)

    copying.copy(store._reader, keep)
    lost = store.query("SELECT s.uid, t.key, t.lost_at FROM tasks t JOIN sessions s ON s.id = t.session_id").rows
    # A session and its process come once more with each list of its tasks; an event that is there twice is a mistake.
    told = {kind: sorted(rows if kind == "events" else set(rows)) for kind, rows in found.items()}
    return told | {"lost": sorted(map(str, lost))}


@pytest.fixture
def anew(tmp_path: Path) -> Iterator[Callable[[], progstore.Store]]:
    """Opens one empty store after the other."""
    Filled(tmp_path / "empty.db").close()
    numbers = itertools.count()
    with ExitStack() as opened:

        def make() -> progstore.Store:
            path = shutil.copyfile(tmp_path / "empty.db", tmp_path / f"{next(numbers)}.db")
            return opened.enter_context(progstore.open_store(str(path)))

        yield make


def test_whatever_is_no_document_is_refused_as_such(filled: Filled, soak: bool) -> None:
    """By BadValue, or with a report of the rows that were refused."""
    whole = st.fixed_dictionaries(
        {"format": st.just(1)},
        optional=dict.fromkeys(KINDS, st.lists(JSON, max_size=3) | JSON) | {"sent_at": JSON},
    )
    with progstore.open_store(filled.location.url) as store:

        def hand_in(document: Any) -> None:
            try:
                report = store.ingest(document)
            except progstore.BadValue as error:
                assert str(error)  # noqa: PT017  # either is right
            else:
                assert report.rows == 0
                assert len(report.refused) == sum(len(document.get(kind, ())) for kind in KINDS)

        hand_in({"format": 10**5000})
        searching(soak, 100)(given(JSON | whole)(hand_in))()
        assert store.ingest({"format": 1}).refused == ()


def test_what_is_wrong_in_one_field_is_refused_by_name_and_stops_nothing(filled: Filled, soak: bool) -> None:
    """The rows beside it are written, and all that reads the store answers afterwards."""
    numbers = itertools.count()
    fields = [(kind, field) for kind in KINDS for field in job("x", 2)[1][kind][0]]
    with progstore.open_store(filled.location.url) as store:

        def hand_in(wrong: Sequence[tuple[tuple[str, str], Any]]) -> None:
            number = next(numbers)
            good, bad = job(f"good {number}", 2)[1], job(f"bad {number}", 2)[1]
            for (kind, field), value in wrong:
                bad[kind][-1][field] = value
            report = store.ingest({"format": 1, **{kind: bad[kind] + good[kind] for kind in KINDS}})
            # What is of another session than its task is refused for that.
            names = tuple(
                f"{kind}[{len(bad[kind]) - 1}]: {said}: "
                for (kind, field), _ in wrong
                for said in ((field, "task") if field == "session_uid" else (field,))
            )
            assert [each for each in report.refused if not each.startswith((*names, "task "))] == []
            session = store.session(f"s good {number}")
            assert [(task.key, task.done, task.status, dict(task.meta)) for task in session.tasks] == [
                ("outer", 2, "complete", {"step": 2, "from step 1": 2, "from step 2": 2}),
                ("inner", 2, "complete", {"step": 2, "from step 1": 2, "from step 2": 2}),
            ]

        searching(soak, 60)(given(st.lists(st.tuples(st.sampled_from(fields), HOSTILE), max_size=3))(hand_in))()
    assert_all_answer(filled, ADDRESSES, COMMANDS)


def test_the_order_in_which_a_job_s_documents_come_does_not_matter(
    anew: Callable[[], progstore.Store], soak: bool
) -> None:
    """Nor how often each comes: the newest of each row stays, what ended has ended, and each event is there once."""
    steps = 4
    expected = {}
    for lost in range(steps):
        store = anew()
        for document in job("a", steps, is_lost_at=lost):
            store.ingest(document)
        expected[lost] = rows_of(store)
        assert [task.status for task in store.session(1).tasks] == ["complete", "complete"]

    def come(order: list[int], again: list[int], lost: int) -> None:
        documents, store = job("a", steps, is_lost_at=lost), anew()
        for place in (*order, *again):
            store.ingest(documents[place])
            if steps - 1 in order[: order.index(place) + 1]:
                assert {task.status for task in store.session(1).tasks} == {"complete"}
        assert rows_of(store) == expected[lost]
        assert sum(store.ingest(document).rows for document in documents) == 0

    places = list(range(steps))
    repeated = st.lists(st.sampled_from(places), max_size=3)
    searching(soak, 8)(given(st.permutations(places), repeated, st.sampled_from(places))(come))()


def test_what_is_not_over_is_the_same_in_every_order(anew: Callable[[], progstore.Store]) -> None:
    """A process that was taken for dead and returned runs, though the word of its death comes late."""
    documents = job("a", 4, is_lost_at=2)[:3]
    found = []
    for order in itertools.permutations(range(3)):
        store = anew()
        for place in order:
            store.ingest(documents[place])
        found.append(rows_of(store))
    assert found == [found[0]] * len(found)
    assert "None" in found[0]["lost"][0]


def test_stores_that_are_merged_in_any_order_become_the_same(anew: Callable[[], progstore.Store], soak: bool) -> None:
    """Each has heard something of some jobs; what was copied once, there and back, is not written again."""
    pairs = list(itertools.permutations(range(3), 2))

    def merge(heard: list[tuple[int, int, int]], order: list[tuple[int, int]]) -> None:
        stores, documents = [anew() for _ in range(3)], {name: job(str(name), 3, is_lost_at=2) for name in range(2)}
        for where, name, step in heard:
            stores[where].ingest(documents[name][step])
        for source, target in (*order, *order):
            stores[source].copy(stores[target])
        first, *others = map(rows_of, stores)
        assert others == [first, first]
        for source, target in pairs:
            assert stores[source].copy(stores[target]).rows == 0

    heard = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=8)
    searching(soak, 3)(given(heard, st.permutations(pairs))(merge))()


def test_a_store_of_garbage_is_copied_without_its_garbage(
    tmp_path: Path, anew: Callable[[], progstore.Store], soak: bool
) -> None:
    """What a store can hold is copied, the rest refused with the reason; the copy is sound, and so is a copy of it."""
    for shift in range(ROWS if soak else 1):
        path = tmp_path / f"garbage {shift}.db"
        sessions_in_it = make_garbage(path, shift)
        target, again = anew(), anew()
        with progstore.open_store(str(path)) as store:
            report = store.copy(target)
        assert (report.sessions, len(report.refused) > ROWS) == (sessions_in_it, True)
        assert (copied := target.copy(again)).refused == ()
        assert copied.rows > sessions_in_it
        assert rows_of(again) == rows_of(target)
        assert kinds_of_values(tmp_path / f"{2 * shift}.db") == {}


def make_garbage(path: Path, shift: int) -> int:
    """A store whose first sessions are wrong in every cell or contradict themselves, and each of the others in one
    cell; returns how many there are.
    """
    filled = Filled(path)
    spoilt = [(table, column.name) for table in TABLES for column in table.columns if not column.primary_key]
    with filled.together():
        for number in range(ROWS + len(spoilt)):
            status = ("complete", "running", "error")[number % 3]
            process = filled.process(host="elsewhere")
            session = filled.session(status=None if status == "running" else status, process_id=process)
            filled.event(session, filled.task(session, status=status, process_id=process))
    for session in range(1, ROWS + len(spoilt) + 1):
        filled.meta(session, session, key=1)
    for table in TABLES:
        spoil(filled, table, shift)
    for number, statement in enumerate(CONTRADICTIONS, start=1):
        row = "id" if "UPDATE sessions" in statement else "session_id"
        without_checks(filled, f"{statement} {'AND' if 'WHERE' in statement else 'WHERE'} {row} = {number % ROWS + 1}")
    for number, (table, column) in enumerate(spoilt, start=ROWS + 1):
        value = list(VALUES.values())[(number + shift) % len(VALUES)]
        with contextlib.suppress(sqlite3.IntegrityError):  # what this column's checks let nobody write
            row = "session_id" if table is meta else "id"
            without_checks(filled, f"UPDATE {table.name} SET {column} = {value} WHERE {row} = {number}")
    filled.close()
    return ROWS + len(spoilt)


def kinds_of_values(path: Path) -> dict[str, set[str]]:
    """The columns that hold what their type does not allow, and what kinds of values that is."""
    allowed = {"TEXT": {"text"}, "INTEGER": {"integer"}, "FLOAT": {"real"}, "DOUBLE": {"real"}, "REAL": {"real"}}
    wrong, raw = {}, sqlite3.connect(path)
    for table in ("processes", "sessions", "tasks", "events", "metadata"):
        for _, column, kind, *_ in raw.execute(f"PRAGMA table_info({table})").fetchall():
            stored = {row[0] for row in raw.execute(f"SELECT DISTINCT typeof({column}) FROM {table}")}
            if more := stored - allowed[kind.split()[0]] - {"null"}:
                wrong[f"{table}.{column} {kind}"] = more
    raw.close()
    return wrong
