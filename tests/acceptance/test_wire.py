"""The server's wire: Progressista's published client works unchanged, and what fell short in its server holds here.

Lanes, their counts and their buttons (line 25) are in tests/web/test_board.py.
"""

from __future__ import annotations

import html
import io
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from progressista import RemoteTqdm  # type: ignore[import-untyped]  # it ships no types
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import progstore
from progstore import Status
from progstore_web import Access
from progstore_web.access import cookie_name, cookie_value, parse_tokens
from tests.store.conftest import Filled
from tests.web.conftest import Serve
from tests.web.test_board import text_of

Until = Callable[..., Any]
PROGRAM = str(Path(sys.executable).with_name("progstore"))
CLIENT = """
    from progressista import RemoteTqdm

    for _ in RemoteTqdm(range(200), desc="Ingesting", unit="records", task_id="job-1", meta={"model": "all-MiniLM"}):
        pass
"""


BAD = [
    (b'{"task_id": "a", "n": "nan"}', "n"),
    (b'{"task_id": "a", "n": NaN}', "JSON"),
    (b'{"task_id": "a", "n": 1e999}', "range"),
    (b'{"task_id": "a", "n": 1e301}', "at most"),
    (b'{"task_id": "a", "n": true}', "bool"),
    (b'{"task_id": "a", "total": -1}', "total"),
    (b'{"task_id": "a", "total": -1e999}', "range"),
    (b'{"task_id": "a", "timestamp": 1796022261000}', "seconds"),
    (b'{"task_id": "a", "timestamp": -1}', "seconds"),
    (b'{"task_id": "a", "status": "gone"}', "start, update, close, error"),
    (b'{"task_id": "a", "meta": []}', "object"),
    (b'{"task_id": "a", "meta": {"": 1}}', "meta"),
    (b'{"task_id": "a", "meta": {"x": 18446744073709551616}}', "64 bits"),
    (b'{"task_id": "a", "meta": {"x": ' + b"[" * 60 + b"]" * 60 + b"}}", "nested"),
    (b'{"task_id": "a", "meta": {"x": ' + b"[" * 5000 + b"]" * 5000 + b"}}", "nested"),
    (b'{"task_id": "a", "meta": {"x": "' + b"x" * 10_000_000 + b'"}}', "64,000"),
    (b'{"task_id": ""}', "task_id"),
    (b'{"task_id": "' + b"x" * 501 + b'"}', "500"),
    (b'{"task_id": "\\u0000"}', "NUL"),
    (b'{"task_id": 7}', "task_id"),
    (b'{"task_id": "\xff"}', "UTF-8"),
    (b'{"n": 1}', "task_id"),
    (b"[]", "object"),
    (b"", "truncated"),
]
"""What no store could hold, and a word of the reason."""


@pytest.fixture
def site(serve: Serve) -> httpx.Client:
    """A server of this test's store that asks for no token."""
    return serve()


def post(site: httpx.Client, task_id: str, **said: Any) -> httpx.Response:
    """What a client says of a task; it must be taken."""
    answer = site.post("/progress", json={"task_id": task_id, **said})
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    return answer


def tasks(site: httpx.Client) -> dict[str, Any]:
    """All that the wire tells."""
    told: dict[str, Any] = site.get("/tasks").json()["tasks"]
    return told


@contextmanager
def watching(site: httpx.Client, path: str = "ws", **options: Any) -> Iterator[ClientConnection]:
    """A web socket, as a dashboard opens one."""
    address = str(site.base_url.join(path)).replace("http", "ws", 1)
    with connect(address, proxy=None, compression=None, max_size=None, **options) as socket:
        yield socket


# Line 13


@pytest.mark.parametrize("token", ["", "beta"])
def test_the_published_client_reports_unchanged(
    serve: Serve, run_program: Callable[..., str], store_path: Path, token: str
) -> None:
    """All it needs is the address, and the token where one is asked for."""
    site = serve(access=Access(tokens=parse_tokens("alpha , beta,")) if token else None)
    run_program(
        CLIENT,
        PROGRESSISTA_SERVER_URL=str(site.base_url.join("/progress")),
        PROGRESSISTA_API_TOKEN=token,
        PROGRESSISTA_PUSH_INTERVAL="0",
    )
    told = site.get("/tasks", params={"token": token}).json()["tasks"]["job-1"]
    assert {key: told[key] for key in ("n", "total", "unit", "desc", "status", "meta")} == {
        "n": 200,
        "total": 200,
        "unit": "records",
        "desc": "Ingesting",
        "status": "close",
        "meta": {"model": "all-MiniLM"},
    }
    with progstore.open_store(str(store_path)) as store:
        (task,) = store.tasks().items
    assert (task.status, task.name, task.done, task.unit, task.host) == (
        Status.COMPLETE,
        "Ingesting",
        200,
        "records",
        "127.0.0.1",
    )


def test_a_post_changes_only_what_it_says(site: httpx.Client) -> None:
    """Everything else stays, metadata too; a task of which nothing is said has done nothing yet."""
    post(site, "a")
    first = tasks(site)["a"]
    assert (first["n"], first["total"], first["status"]) == (0, None, "update")
    post(site, "a", n=5, total=10, unit="it", desc="D", meta={"model": "x"})
    before = tasks(site)["a"]
    post(site, "a", n=6)
    after = tasks(site)["a"]
    assert {key for key in after if after[key] != before[key]} == {"n", "updated_at", "timestamp"}
    assert (after["n"], after["total"], after["unit"], after["desc"], after["meta"]) == (
        6,
        10,
        "it",
        "D",
        {"model": "x"},
    )
    assert site.post("/progress", json={"n": 6}).status_code == 400


def test_ends_are_what_they_were(site: httpx.Client, store_path: Path) -> None:
    """A close with items left is `cancelled` here and `close` there; an error is one where a post says so."""
    posts: dict[str, dict[str, Any]] = {
        "early": {"n": 3, "total": 10, "status": "close"},
        "whole": {"n": 10, "total": 10, "status": "close"},
        "endless": {"n": 3, "status": "close"},
        "failed": {"status": "error", "desc": "Load", "meta": {"error": "no such table"}},
    }
    for task_id, said in posts.items():
        post(site, task_id, **said)
    with progstore.open_store(str(store_path)) as store:
        found = {task.key: task for task in store.tasks()}
    assert {key: str(task.status) for key, task in found.items()} == {
        "early": "cancelled",
        "whole": "complete",
        "endless": "complete",
        "failed": "error",
    }
    assert (found["early"].message, found["failed"].error) == ("left early", "no such table")
    told = tasks(site)
    assert [told[key]["status"] for key in ("early", "whole", "endless", "failed")] == [
        "close",
        "close",
        "close",
        "error",
    ]
    assert told["whole"]["done_at"] == pytest.approx(time.time(), abs=60)


def test_what_ended_long_ago_and_more_than_a_thousand_are_not_told(site: httpx.Client, filled: Filled) -> None:
    """What runs comes first, then what ended last; a day after its end a task is history only."""
    post(site, "old", status="close")
    filled.run("UPDATE tasks SET started_at = started_at - 90000, ended_at = ended_at - 90000")
    filled.run("UPDATE sessions SET started_at = started_at - 90000, ended_at = ended_at - 90000")
    post(site, "runs")
    assert list(tasks(site)) == ["runs"]
    uids = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1005)"
    filled.run(
        "INSERT INTO sessions (uid, name, kind, process_id, host, started_at, rev)"
        f" {uids} SELECT 'many' || i, 'many', 'declared', 2, 'h', 1e9 + i, 1 FROM n"
    )
    filled.run(
        "INSERT INTO tasks (session_id, key, attempt, process_id, session_name, name, unit, status, done, failed,"
        " active, cancelled, message, rev, started_at, updated_at)"
        " SELECT id, uid, 1, 2, 'many', 'many', '', 'running', 0, 0, 0, 0, '', 1, started_at, started_at FROM sessions"
        " WHERE name = 'many'"
    )
    filled.run("INSERT INTO metadata SELECT id, 0, 'wire', '\"progressista\"' FROM sessions WHERE name = 'many'")
    told = tasks(site)
    assert len(told) == 1000
    assert list(told)[:2] == ["runs", "many1005"]


# Lines 14 and 15


def test_tasks_are_deleted_by_how_they_stand(site: httpx.Client) -> None:
    """Never all at once, and what runs only where that is said."""
    post(site, "a", status="close")
    post(site, "b")
    assert site.delete("/tasks", params={"status": "close"}).json() == {"removed": ["a"]}
    assert list(tasks(site)) == ["b"]
    refused = site.delete("/tasks", params={"status": "update"})
    assert refused.status_code == 409
    assert "force=true" in refused.json()["detail"]
    assert site.delete("/tasks", params={"older_than": "0"}).json() == {"removed": []}
    assert site.delete("/tasks", params={"status": "update", "force": "true"}).json() == {"removed": ["b"]}
    assert tasks(site) == {}


def test_a_filter_that_is_none_deletes_nothing(site: httpx.Client) -> None:
    """It is refused, with what it could be."""
    post(site, "a", status="close")
    for query in (
        "",
        "statsu=close",
        "status=gone",
        "older_than=soon",
        "older_than=nan",
        "older_than=-1",
        "force=true",
    ):
        answer = site.delete(f"/tasks?{query}")
        assert answer.status_code == 400, query
        assert "status" in answer.json()["detail"] or "seconds" in answer.json()["detail"]
    assert list(tasks(site)) == ["a"]


def test_what_is_stale_is_deleted_by_how_long_it_is_idle(serve: Serve, filled: Filled) -> None:
    """Only what is stale, and only where it is idle for longer than that."""
    site = serve(stale_after=60.0)
    for task_id, status in (("fresh", "update"), ("idle", "update"), ("longer", "update"), ("closed", "close")):
        post(site, task_id, status=status)
    for task_id, seconds in (("idle", 100), ("longer", 700), ("closed", 700)):
        filled.run(f"UPDATE tasks SET updated_at = updated_at - {seconds} WHERE key = '{task_id}'")
    told = tasks(site)
    assert {key: told[key]["status"] for key in told} == {
        "fresh": "update",
        "idle": "stale",
        "longer": "stale",
        "closed": "close",
    }
    assert site.delete("/tasks", params={"status": "stale", "older_than": "600"}).json() == {"removed": ["longer"]}
    assert site.delete("/tasks", params={"older_than": "600"}).json() == {"removed": ["closed"]}
    assert sorted(tasks(site)) == ["fresh", "idle"]


def test_any_task_is_deleted_by_its_id(site: httpx.Client) -> None:
    """Slashes, spaces and all; once. A new post of it begins from nothing."""
    for task_id in ("a", "a/b", "/a//b/", "ä ?#%2F", "<img src=x onerror=alert(1)>"):
        post(site, task_id, n=5, status="close")
        address = f"/tasks/{quote(task_id)}"
        assert site.delete(address).json() == {"removed": True}
        assert site.delete(address).json() == {"removed": False}
        post(site, task_id)
        assert tasks(site)[task_id]["n"] == 0
        assert site.delete(address).status_code == 409
        assert site.delete(address, params={"force": "true"}).json() == {"removed": True}
        post(site, task_id, status="start")
        assert (tasks(site)[task_id]["n"], tasks(site)[task_id]["status"]) == (0, "start")


# Lines 16 and 17


def bearer(token: str) -> dict[str, str]:
    """The header that carries that token."""
    return {"authorization": f"Bearer {token}"}


def test_without_a_token_nothing_is_told_or_taken(serve: Serve) -> None:
    """Neither post nor deletion nor reading; the health of the server is open, and says nothing else."""
    site = serve(access=Access(tokens=parse_tokens("alpha , beta,"), view_tokens=("view",), push_tokens=("push",)))
    said = {"task_id": "a", "status": "close"}
    for headers, query in (({}, ""), (bearer("gamma"), ""), ({}, "token=gamma")):
        for answer in (
            site.post(f"/progress?{query}", json=said, headers=headers),
            site.post(f"/progress?{query}", content=b"{", headers=headers),
            site.get(f"/tasks?{query}", headers=headers),
            site.delete(f"/tasks/a?{query}", headers=headers),
            site.delete(f"/tasks?status=close&{query}", headers=headers),
        ):
            assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    for headers, query in ((bearer("beta"), ""), ({"authorization": "bearer beta"}, ""), ({}, "token=alpha")):
        assert site.post(f"/progress?{query}", json=said, headers=headers).status_code == 200
        assert site.get(f"/tasks?{query}", headers=headers).json()["tasks"].keys() == {"a"}
        assert site.delete(f"/tasks/a?{query}", headers=headers).json() == {"removed": True}
    assert site.get("/health").json() == {"status": "ok"}


def test_a_token_lets_one_do_what_it_is_for(serve: Serve, store_path: Path) -> None:
    """A push token posts, by the metadata too, where it is not kept; a view token reads; neither deletes."""
    site = serve(access=Access(tokens=("alpha",), view_tokens=("view",), push_tokens=("push",)))
    assert site.post("/progress", json={"task_id": "a"}, headers=bearer("push")).status_code == 200
    assert site.post("/progress", json={"task_id": "a", "meta": {"_token": "push", "x": 1}}).status_code == 200
    assert site.post("/progress", json={"task_id": "a", "meta": {"_token": "gamma"}}).status_code == 401
    assert site.post("/progress", json={"task_id": "a"}, headers=bearer("view")).status_code == 403
    assert site.get("/tasks", headers=bearer("push")).status_code == 403
    assert site.get("/tasks", headers=bearer("view")).json()["tasks"]["a"]["meta"] == {"x": 1}
    signed_in = {"cookie": f"{cookie_name('alpha')}={cookie_value('alpha')}"}
    assert site.get("/tasks", headers=signed_in).status_code == 200
    assert site.delete("/tasks/a?force=true", headers=signed_in).status_code == 403  # no page of ours asks
    for token in ("push", "view"):
        assert site.delete("/tasks/a", headers=bearer(token)).status_code == 403
    assert b"push" not in store_path.with_name(f"{store_path.name}-wal").read_bytes()


def test_a_watcher_is_sent_everything_and_then_each_change(serve: Serve) -> None:
    """First the whole snapshot, of nothing too; then one message after each change."""
    site = serve(access=Access(tokens=("alpha",), push_tokens=("push",)))
    with watching(site, "ws?token=alpha") as socket:
        assert json.loads(socket.recv(30)) == {"tasks": {}}
        for number in (1, 2):
            site.post("/progress", json={"task_id": "a", "n": number}, headers={"authorization": "Bearer push"})
            assert json.loads(socket.recv(30))["tasks"]["a"]["n"] == number
    with watching(site, additional_headers={"authorization": "bearer alpha"}) as socket:
        assert json.loads(socket.recv(30))["tasks"].keys() == {"a"}
    for path in ("ws", "ws?token=gamma", "ws?token=push"):
        with watching(site, path) as socket, pytest.raises(ConnectionClosed) as closed:
            socket.recv(30)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


def test_another_site_s_page_opens_no_web_socket(site: httpx.Client) -> None:
    """Whoever looks at it would lend it his cookies, or his place on this machine; nor may it post."""
    for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
        with pytest.raises(InvalidStatus), watching(site, additional_headers=headers):
            pass
    own = f"http://{site.base_url.netloc.decode()}"
    with watching(site, additional_headers={"origin": own}) as socket:
        assert json.loads(socket.recv(30)) == {"tasks": {}}
    assert site.post("/progress", json={"task_id": "a"}, headers={"origin": "https://evil.example"}).status_code == 403
    assert site.post("/progress", content=b'{"task_id":"a"}', headers={"content-type": "text/plain"}).status_code == 415


# Line 18


def test_a_watcher_that_stops_reading_delays_nobody(site: httpx.Client) -> None:
    """Others are answered as before, and those who read are sent what is new."""
    address = site.base_url.host, site.base_url.port or 0
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with lazy, watching(site) as reads:
        lazy.connect(address)
        lazy.sendall(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert lazy.recv(12) == b"HTTP/1.1 101"
        for number in range(40):  # more than the two ends of the connection hold
            post(site, f"task {number}", meta={"text": "x" * 50_000})
        took = []
        for number in range(20):
            began = time.monotonic()
            post(site, "quick", n=number)
            took.append(time.monotonic() - began)
        assert sorted(took)[10] < 1.0  # ten times what is promised
        newest: dict[str, Any] = {}
        while newest.get("quick", {}).get("n") != 19:
            newest = json.loads(reads.recv(30))["tasks"]
        assert len(newest) == 41


# Line 19


def test_what_is_idle_is_stale_until_it_moves(serve: Serve, filled: Filled) -> None:
    """With the time since when; what is closed never is."""
    site = serve(stale_after=60.0)
    post(site, "a", n=1)
    post(site, "b", status="close")
    filled.run("UPDATE tasks SET updated_at = updated_at - 100")
    told = tasks(site)
    assert (told["a"]["status"], told["b"]["status"]) == ("stale", "close")
    assert told["a"]["stale_at"] == told["a"]["updated_at"]
    assert re.search(r"stale since .*nothing has moved", text_of(site.get("/").text))
    post(site, "a", n=2)
    assert tasks(site)["a"]["status"] == "update"


def test_without_a_limit_nothing_is_stale(serve: Serve, filled: Filled) -> None:
    """However long it is idle; after an hour without a post its owner is lost, which is another thing."""
    site = serve()
    post(site, "a")
    filled.run("UPDATE tasks SET updated_at = updated_at - 3000")
    filled.run("UPDATE remotes SET received_at = received_at - 3000")
    assert tasks(site)["a"]["status"] != "stale"


# Line 21


@contextmanager
def ui(*arguments: str) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    """The real server in a process of its own, and a client of it."""
    with subprocess.Popen(
        [PROGRAM, "ui", "--no-open", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        try:
            with httpx.Client(base_url=found[0]) as client:
                yield client, process
        finally:
            process.kill()


def lane_of(site: httpx.Client, name: str) -> str:
    """The lane in which the first page shows a session of that name."""
    now = site.get("/api/v1/now").json()
    lanes = ("active", "recovered", "attention", "completed")
    return next(lane for lane in lanes if any(each["name"] == name for each in now[lane]["sessions"]))


def test_a_restarted_server_goes_on_where_the_killed_one_was(store_path: Path, until: Until) -> None:
    """Nothing is lost; a job that lives is recovered until it reports, and then as if nothing had happened."""
    options = ("--store", str(store_path), "--port")
    with ui(*options, "0") as (site, process):
        port = str(site.base_url.port)
        job = RemoteTqdm(
            total=10,
            desc="Ingest",
            unit="file",
            task_id="job",
            disable=False,
            file=io.StringIO(),
            server_url=str(site.base_url.join("/progress")),
            push_every=0.0,
        )
        job.update(3)
        until(lambda: tasks(site).get("job", {}).get("n") == 3)
        post(site, "other", n=1)
        process.kill()
        process.wait()
    with ui(*options, port) as (site, _):
        told = tasks(site)
        assert {key: (told[key]["n"], told[key]["status"]) for key in told} == {
            "job": (3, "recovered"),
            "other": (1, "recovered"),
        }
        assert lane_of(site, "Ingest") == "recovered"
        job.update(2)
        until(lambda: tasks(site)["job"]["n"] == 5)
        told = tasks(site)
        assert {key: told["job"][key] for key in ("status", "total", "unit", "desc")} == {
            "status": "update",
            "total": 10,
            "unit": "file",
            "desc": "Ingest",
        }
        until(lambda: lane_of(site, "Ingest") == "active")
        assert lane_of(site, "other") == "recovered"
        job.update(5)
        job.close()
        assert tasks(site)["job"]["status"] == "close"


# Line 22


def test_timestamps_decide_in_which_order_posts_were_sent(site: httpx.Client, store_path: Path) -> None:
    """What comes late changes nothing, and what has ended stays so; a later start is a new attempt."""
    post(site, "a", n=5, timestamp=150)
    post(site, "a", n=4, timestamp=149)
    assert tasks(site)["a"]["n"] == 5
    post(site, "a", status="close", timestamp=200)
    post(site, "a", n=3, timestamp=100)
    post(site, "a", n=9, timestamp=300)
    post(site, "a", status="start", n=1, timestamp=200)
    told = tasks(site)["a"]
    assert (told["status"], told["n"], told["timestamp"]) == ("close", 5, 200)
    post(site, "a", status="start", n=1, timestamp=201)
    told = tasks(site)["a"]
    assert (told["status"], told["n"]) == ("start", 1)
    with progstore.open_store(str(store_path)) as store:
        (session,) = store.sessions().items
        attempts = [(task.attempt, str(task.status), task.done) for task in store.session(session.id).tasks]
    assert attempts == [(1, "complete", 5), (2, "running", 1)]
    assert session.status is Status.RUNNING


def test_a_clock_that_is_set_back_does_not_freeze_the_bar(serve: Serve) -> None:
    """Nor after the server was started anew; what ended before is as it was."""
    now = time.time()
    for number, site in enumerate((serve(), serve())):
        post(site, "a", n=number, timestamp=now - number)
        post(site, "a", n=number + 10, timestamp=now - 3600)
        post(site, "a", n=number + 11, timestamp=now - 3599)
        assert tasks(site)["a"]["n"] == number + 11


# Line 23


def test_what_cannot_be_is_refused_with_the_reason(site: httpx.Client) -> None:
    """Nothing of it is kept, and everybody else goes on."""
    for body, word in BAD:
        answer = site.post("/progress", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 413), body[:100]
        assert answer.headers["content-type"] == "application/problem+json"
        assert word in answer.json()["detail"]
    post(site, "b")
    assert list(tasks(site)) == ["b"]
    assert site.get("/").status_code == 200


# Line 24


def test_a_hostile_id_is_text_everywhere(site: httpx.Client) -> None:
    """On every page that shows it, and in what they read as JSON."""
    hostile = "<img src=x onerror=alert(1)>"
    post(site, hostile, n=5, desc="", meta={hostile: hostile})
    assert tasks(site)[hostile]["n"] == 5
    for path in ("/", "/live/now", "/sessions/1", "/sessions/1/tasks/1", "/history", "/names", "/timeline"):
        page = site.get(path).text
        assert "<img src=x" not in page, path
        assert hostile in html.unescape(page), path
