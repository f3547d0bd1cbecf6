"""The wire: whatever is posted is on disk or refused with the reason, and what has ended stays so."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import progstore
from progstore_web.api.ingest import PLAIN_LIMIT, SENT_LIMIT
from progstore_web.wire.memory import Memory
from progstore_web.wire.posts import Post
from progstore_web.wire.rows import session_uid
from progstore_web.wire.translator import Arrived, Translator
from tests.hostile.hostility import TEXTS, Site, site_of
from tests.hostile.test_documents import HOSTILE, kinds_of_values
from tests.hostile.test_garbage import VALUES, without_checks
from tests.hostile.test_public_api import searching
from tests.store.conftest import Filled

JSON_SENT = {"content-type": "application/json"}
NOW = 1_790_000_000.0
WORDS = ("start", "update", "close", "error")
LATE = 60.0
"""Seconds by which a post may be older than the one before and count as late."""

BODIES = (
    *(b"", b"null", b"[]", b"5", b'"a"', b"{", b"\xff", b'{"task_id": "\xff"}', b'\xef\xbb\xbf{"task_id":"a"}', b"\0"),
    *(b'{"task_id": "\\ud800"}', b'{"format": 1, "\\ud800": []}', b"[" * 30_000, b'{"a":' * 10_000, b"NaN", b"{}x"),
    *(b'{"task_id": "a", "n": 1%s}' % (b"0" * 400), b'{"task_id": "a", "n": 1e999}', b'{"task_id": "a", "n": NaN}'),
    *(b'{"task_id": "a", "meta": {"k": 1%s}}' % (b"0" * 5000), b'{"task_id": "a", "timestamp": 1e13}'),
    *(b'{"task_id": "a", "meta": {"k": %s}}' % (b"[" * 99 + b"]" * 99), b'{"task_id": "a", "task_id": 5}'),
    *(
        b'{"task_id": ""}',
        b'{"task_id": "a\\u0000"}',
        b'{"task_id": "a", "total": -1}',
        b'{"format": 1%s}' % (b"0" * 99),
    ),
    *(b'{"format": 1, "sent_at": 1e999}', b'{"format": 1, "format": 2}', b'{"format": 1, "tasks": {}}', b" " * 70_000),
)
"""What is neither a post nor a document."""


class Said(NamedTuple):
    """One post of a client, `at` seconds by its clock."""

    word: str
    n: float | None
    at: float

    def body(self, task_id: str) -> dict[str, Any]:
        """The post as it is sent."""
        return {"task_id": task_id, "status": self.word, "n": self.n, "timestamp": NOW + self.at, "total": 9}


POSTS = st.lists(
    st.builds(
        Said,
        st.sampled_from(WORDS),
        st.none() | st.sampled_from([0.0, 3.0, 9.0, 12.0, -2.0, 1e300]) | st.floats(-1e300, 1e300),
        st.sampled_from([0.0, 1.0, 2.0, 30.0, 61.0, 100.0, -61.0, 1e6]),
    ),
    min_size=1,
    max_size=7,
)


KNOWN = (
    (("close", 9.0, 200.0), ("update", 3.0, 100.0), ("start", 1.0, 200.0), ("start", 2.0, 201.0)),
    (("start", None, 61.0), ("close", None, 0.0), ("start", None, 1.0)),
    (("start", 0.0, 0.0), ("update", 5.0, 100.0), ("update", 3.0, 40.0), ("update", 2.0, 39.0), ("error", None, 39.0)),
)
"""Posts that stand at the edges of the rules."""


class Model:
    """What posts make of a task by the rules: every attempt's status and count."""

    def __init__(self) -> None:
        self.attempts: list[tuple[str, float]] = []
        self._last = 0.0

    def take(self, said: Said) -> None:
        """What has ended stays so until a newer start; what is a little late does not count."""
        has_ended = bool(self.attempts) and self.attempts[-1][0] != "running"
        if has_ended and (said.word != "start" or said.at <= self._last):
            return
        if self.attempts and not has_ended and 0 < self._last - said.at <= LATE:
            return
        if has_ended or not self.attempts:
            self.attempts.append(("running", 0.0))
        done = self.attempts[-1][1] if said.n is None else said.n
        ends = {"error": "error", "close": "complete" if done >= 9 else "cancelled"}
        self.attempts[-1] = (ends.get(said.word, "running"), done)
        self._last = said.at


@pytest.fixture
def wire(filled: Filled) -> Iterator[tuple[progstore.Store, Site]]:
    """An empty store, and the server over it."""
    with site_of(filled) as opened:
        yield opened


def post(site: Site, body: Any, path: str = "/progress", **headers: str) -> httpx.Response:
    """The answer to what is posted, as it is or as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return site.ask("POST", path, content=content, headers={**JSON_SENT, **headers})


def attempts(store: progstore.Store, task_id: str) -> list[tuple[str, float]]:
    """The status and count of every attempt that is on disk."""
    return [(str(task.status), task.done) for task in store.session(session_uid(task_id)).tasks]


def assert_refused(answer: httpx.Response) -> None:
    """With a problem document that says why."""
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_posts_in_any_order_keep_the_rules(
    wire: tuple[progstore.Store, Site], caplog: pytest.LogCaptureFixture, soak: bool
) -> None:
    """Each is on disk when it is answered; no count is shown that was not posted; together they mean the same."""
    store, site = wire
    numbers = itertools.count()

    def play(posts: Sequence[Said]) -> None:
        task_id, together, model = f"task {next(numbers)}", f"task {next(numbers)}", Model()
        for said in posts:
            answer = post(site, said.body(task_id))
            assert (answer.status_code, answer.json()) == (200, {"ok": True})
            model.take(said)
            assert attempts(store, task_id) == model.attempts
        Translator(store, Memory(store)).write([Arrived(Post(**said.body(together)), "") for said in posts])
        assert attempts(store, together) == model.attempts
        told = site.get("/tasks").json()["tasks"][task_id]
        assert told["n"] == model.attempts[-1][1]
        assert (told["status"] in ("close", "error")) == (model.attempts[-1][0] != "running")

    for known in KNOWN:
        play([Said(word, n, at) for word, n, at in known])
    searching(soak, 12)(given(POSTS)(play))()
    assert [record.getMessage() for record in caplog.records if "refused" in record.getMessage()] == []


def test_a_task_has_the_id_that_it_was_given(wire: tuple[progstore.Store, Site], soak: bool) -> None:
    """Or is refused with the reason; it is told, watched and deleted under it."""
    store, site = wire

    def name(task_id: str) -> None:
        answer = post(site, {"task_id": task_id, "desc": task_id, "unit": task_id, "meta": {"k": task_id}})
        if answer.status_code != 200:
            assert_refused(answer)
            assert "\0" in task_id or not 0 < len(task_id) <= 500 or not task_id.isprintable()
            return
        assert [task.key for task in store.session(session_uid(task_id)).tasks] == [task_id]
        assert task_id in site.get("/tasks").json()["tasks"]
        assert task_id in json.loads(site.watch()[1]["text"])["tasks"]
        address = f"/tasks/{quote(task_id, safe='').replace('.', '%2E')}"
        assert_refused(site.ask("DELETE", address))
        assert site.ask("DELETE", f"{address}?force=true").json() == {"removed": True}
        assert site.get("/tasks").json() == {"tasks": {}}

    for text in (
        *TEXTS.values(),
        "",
        ".",
        "..",
        "a/../b",
        "/",
        "//",
        "?",
        "#",
        "%00",
        "%2F",
        " ",
        "x" * 500,
        "x" * 501,
    ):
        name(text)
    searching(soak, 4)(given(st.text(st.characters(exclude_categories=()), max_size=20))(name))()


def test_what_is_in_a_post_is_kept_or_refused(
    wire: tuple[progstore.Store, Site], filled: Filled, caplog: pytest.LogCaptureFixture, soak: bool
) -> None:
    """Whatever its fields hold: an answer of ok means that all of it is on disk."""
    store, site = wire
    numbers = itertools.count()
    fields = ("desc", "total", "n", "unit", "status", "timestamp", "meta", "more")
    metadata = st.dictionaries(st.text(max_size=4) | st.sampled_from(["error", "_token"]), HOSTILE, max_size=3)

    def hand_in(said: dict[str, Any], meta: dict[str, Any] | None) -> None:
        task_id = f"task {next(numbers)}"
        try:
            body = json.dumps({**said, "task_id": task_id} | ({} if meta is None else {"meta": meta})).encode()
        except ValueError:  # more digits than Python writes out
            return
        answer = post(site, body)
        if answer.status_code == 200:
            (task,) = store.session(session_uid(task_id)).tasks
            assert task.done == (said.get("n") or 0)
            assert set(task.meta) == set(meta or said.get("meta") or ()) - {"_token"}
        else:
            assert_refused(answer)

    bodies = st.dictionaries(st.sampled_from(fields), HOSTILE, max_size=3)
    searching(soak, 50)(given(bodies, st.none() | metadata)(hand_in))()
    assert [record.getMessage() for record in caplog.records if "refused" in record.getMessage()] == []
    assert site.get("/tasks").status_code == 200
    assert kinds_of_values(Path(filled.file.path)) == {}


def test_what_is_neither_post_nor_document_is_refused(wire: tuple[progstore.Store, Site], soak: bool) -> None:
    """As a problem document, as it is or compressed, and however much it becomes; nothing is written."""
    store, site = wire
    bomb = gzip.compress(b'{"format":1,"tasks":[' + b" " * PLAIN_LIMIT, 1)
    for body in BODIES:
        assert_refused(post(site, body))
        assert_refused(post(site, body, "/api/v1/ingest"))
        assert_refused(post(site, gzip.compress(body), "/api/v1/ingest", **{"content-encoding": "gzip"}))
    for body in (bomb, gzip.compress(bomb), bomb[:-9], b"\x1f\x8b", b" " * (SENT_LIMIT + 1)):
        assert_refused(post(site, body, "/api/v1/ingest", **{"content-encoding": "gzip"}))

    def hand_in(body: bytes, path: str) -> None:
        assert_refused(post(site, body, path))

    searching(soak, 40)(given(st.binary(max_size=40), st.sampled_from(["/progress", "/api/v1/ingest"]))(hand_in))()
    assert list(store.sessions()) == []


def test_whatever_is_asked_of_the_wire_is_answered(wire: tuple[progstore.Store, Site], soak: bool) -> None:
    """Tasks are listed, watched and deleted, or the query is refused."""
    _, site = wire
    post(site, {"task_id": "a"})
    words = st.sampled_from(["status", "older_than", "force", "token", "q"])
    values = st.sampled_from(
        [*WORDS, "stale", "1e400", "-1", "nan", "\u0661", "1e-320", "0", "true", "%ff%00", "\ud800"]
    )

    def ask(query: list[tuple[str, str]]) -> None:
        said = "&".join(f"{word}={quote(value, errors='surrogatepass', safe='%')}" for word, value in query)
        for method, path in (("GET", "/tasks"), ("DELETE", "/tasks"), ("DELETE", "/tasks/%ff"), ("POST", "/tasks")):
            answer = site.ask(method, f"{path}?{said}")
            if answer.status_code != 200:
                assert_refused(answer)
        accepted, told, *_ = site.watch(said.encode())
        assert (accepted["type"], told["type"]) == ("websocket.accept", "websocket.send")

    searching(soak, 8)(given(st.lists(st.tuples(words, values | st.text(max_size=4)), max_size=3))(ask))()


def test_metadata_of_many_clients_at_once_is_all_kept(wire: tuple[progstore.Store, Site]) -> None:
    """Though it is more than one document holds: who happens to post together is not refused together."""
    store, _ = wire
    said = {f"k{number}": "1" for number in range(900)}
    posts = [Arrived(Post(task_id=f"task {number}", n=1.0, meta=said), "") for number in range(12)]
    Translator(store, Memory(store)).write(posts)
    assert [len(task.meta) for task in store.tasks(limit=100)] == [900] * 12


def test_posts_go_on_over_what_another_program_spoilt(
    wire: tuple[progstore.Store, Site], filled: Filled, soak: bool
) -> None:
    """Each is taken as far as it can be, or refused; the server makes no mistake of it."""
    _, site = wire
    columns = {
        "tasks": ("done", "total", "unit", "message", "error", "rev", "started_at", "updated_at", "ended_at", "curve"),
        "sessions": ("name", "started_at", "rev"),
        "processes": ("host", "beats"),
    }
    cells = [(table, column) for table, names in columns.items() for column in names]
    for number, (value, (table, column)) in enumerate(itertools.product(VALUES.values(), cells)):
        if number % (1 if soak else 11) == 0:
            task_id = f"{number} of {table}"
            assert post(site, {"task_id": task_id, "n": 1, "status": "close"}).status_code == 200
            with contextlib.suppress(sqlite3.IntegrityError):  # what nobody can write
                without_checks(
                    filled, f"UPDATE {table} SET {column} = {value} WHERE id = (SELECT max(id) FROM {table})"
                )
            for at in (1e6, 2e6):
                answer = post(site, {"task_id": task_id, "n": 2, "status": "start", "timestamp": NOW + at})
                assert answer.status_code in (200, 503), (table, column, value, answer.text)
            assert site.get("/tasks").status_code == 200, (table, column, value)
