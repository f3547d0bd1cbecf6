"""Deleting, cleaning up and giving space back by the API: what goes, what stays, and who may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

import progstore
from progstore.store.sqlite.lockfile import MAINTENANCE, LockFile
from progstore_web import Access
from tests.store.conftest import Filled

Serve = Callable[..., httpx.Client]
PROBLEM = "application/problem+json"
WRITES: tuple[tuple[str, str, Any], ...] = (
    ("DELETE", "/api/v1/sessions/1", None),
    ("DELETE", "/api/v1/tasks/1", None),
    ("POST", "/api/v1/prune", {"older_than": 0, "dry_run": False}),
    ("POST", "/api/v1/vacuum", None),
)


@pytest.fixture
def runs(filled: Filled) -> Filled:
    """Three sessions that ended, the second with a nested task and the third with an error; the fourth runs."""
    for name, status in (("nightly", "complete"), ("nightly", "complete"), ("report", "error")):
        session = filled.session(name, status=status, process_id=filled.ended_process())
        task = filled.task(session, session_name=name)
        filled.event(session, task, "started")
    filled.task(2, name="Parse", parent_id=2)
    running = filled.session("watch", status=None, process_id=filled.process())
    filled.task(running, status="running", process_id=4)
    return filled


def left(runs: Filled) -> tuple[list[int], list[int]]:
    """The sessions and tasks that are left."""
    with progstore.open_store(runs.location.path) as store:
        return sorted(each.id for each in store.sessions()), sorted(each.id for each in store.tasks())


def test_a_session_and_a_task_are_deleted(site: httpx.Client, runs: Filled) -> None:
    """With all that hangs on them; a dry run only says so, and what is gone is not there a second time."""
    report = site.delete("/api/v1/sessions/1?dry_run=true").json()
    assert (report["sessions"], report["tasks"], report["events"], report["dry_run"]) == (1, 1, 1, True)
    assert left(runs) == ([1, 2, 3, 4], [1, 2, 3, 4, 5])
    answer = site.delete("/api/v1/sessions/1")
    assert (answer.status_code, answer.json()["sessions"], answer.json()["dry_run"]) == (200, 1, False)
    assert answer.headers["cache-control"] == "no-store"
    assert site.delete("/api/v1/tasks/2").json()["tasks"] == 2
    assert left(runs) == ([2, 3, 4], [3, 5])
    for path in ("sessions/1", "tasks/2", f"tasks/{2**80}", "sessions/0"):
        answer = site.delete(f"/api/v1/{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM), path


def test_what_runs_is_deleted_only_by_force(site: httpx.Client, runs: Filled) -> None:
    """The problem says how."""
    for path in ("sessions/4", "tasks/5"):
        answer = site.delete(f"/api/v1/{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (409, PROBLEM)
        assert "has not ended; ?force=true deletes it all the same" in answer.json()["detail"]
    assert site.delete("/api/v1/sessions/4?foce=true").status_code == 400
    assert left(runs)[0] == [1, 2, 3, 4]
    assert site.delete("/api/v1/sessions/4?force=true").json()["sessions"] == 1
    assert left(runs)[0] == [1, 2, 3]


def test_a_clean_up_is_a_dry_run_unless_it_says_otherwise(site: httpx.Client, runs: Filled) -> None:
    """All that is given must hold; what runs stays."""
    assert site.post("/api/v1/prune", json={"older_than": 0}).json()["dry_run"] is True
    assert site.post("/api/v1/prune", json={"older_than": 0}).json()["sessions"] == 3
    assert site.post("/api/v1/prune", json={"keep_last": 1}).json()["sessions"] == 1
    assert site.post("/api/v1/prune", json={"older_than": 0, "statuses": ["error"]}).json()["sessions"] == 1
    assert site.post("/api/v1/prune", json={"name": "nightly", "statuses": ["error"]}).json()["sessions"] == 0
    assert site.post("/api/v1/prune", json={"max_size": 10**9}).json()["sessions"] == 0
    report = site.post("/api/v1/prune", json={"max_size": 0, "older_than": 0}).json()
    assert (report["sessions"], len(report["warnings"])) == (3, 1)
    assert left(runs)[0] == [1, 2, 3, 4]
    report = site.post("/api/v1/prune", json={"name": "nightly", "dry_run": False}).json()
    assert (report["sessions"], report["tasks"], report["dry_run"]) == (2, 3, False)
    assert left(runs)[0] == [3, 4]
    given_back = site.post("/api/v1/vacuum")
    assert (given_back.status_code, given_back.json()["warnings"]) == (200, [])


def test_a_body_that_cannot_be_is_refused_with_the_field(site: httpx.Client, runs: Filled) -> None:
    """And nothing goes."""
    bodies: tuple[tuple[bytes, int, str], ...] = (
        (b"", 400, "a body as JSON is needed"),
        (b"{", 400, "not the JSON"),
        (b'{"older_than": 0, "dry_run": false', 400, "not the JSON"),
        (b"[1]", 400, "object"),
        (b"{}", 400, "say what to remove"),
        (b'{"dry_run": false}', 400, "say what to remove"),
        (b'{"older_than": "7d", "dry_run": false}', 400, "older_than"),
        (b'{"older_than": -1, "dry_run": false}', 400, "older_than"),
        (b'{"older_than": 1e999, "dry_run": false}', 400, ""),
        (b'{"keep_last": 1.5, "dry_run": false}', 400, "keep_last"),
        (b'{"max_size": -1, "dry_run": false}', 400, "max_size"),
        (b'{"max_size": "2GB", "dry_run": false}', 400, "max_size"),
        (b'{"statuses": ["lost"], "dry_run": false}', 400, "statuses"),
        (b'{"statuses": ["running"], "dry_run": false}', 400, "only what has ended"),
        (b'{"name": 7, "dry_run": false}', 400, "name"),
        (b'{"older_than": 0, "dryrun": true}', 400, "dryrun"),
        (b'{"name": "\xff", "dry_run": false}', 400, "UTF-8"),
        (b'{"older_than": 0, "dry_run": "no"}', 400, "dry_run"),
        (b'{"name": "' + b"x" * 70_000 + b'"}', 413, "64,000 bytes"),
        (b"[" * 60_000, 400, "nested too deep"),
    )
    for body, status, word in bodies:
        answer = site.post("/api/v1/prune", content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), body[:60]
        assert word in answer.json()["detail"], body[:60]
    assert site.post("/api/v1/prune?dry_run=false", json={"older_than": 0}).status_code == 400
    assert left(runs)[0] == [1, 2, 3, 4]


def test_a_form_that_is_none_is_refused(site: httpx.Client, runs: Filled) -> None:
    """Whatever stands in it, and nothing goes."""
    kinds = (
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "text/plain",
    )
    for path in ("/store/prune", "/store/vacuum", "/delete"):
        for kind in (*kinds, ""):
            for body in (
                b"",
                b"\xff\xfe=%ff",
                b"a" * 1000,
                b"--x\r\nContent-Disposition: form-data; name=\xff\r\n\r\n\xff",
            ):
                answer = site.post(path, content=body, headers={"content-type": kind})
                assert answer.status_code in (400, 403), (path, kind, body[:20], answer.status_code)
    assert left(runs)[0] == [1, 2, 3, 4]


def test_a_body_without_a_length_is_measured_too(site: httpx.Client, runs: Filled) -> None:
    """In pieces it may be no larger either."""
    for path, kind in (("/api/v1/prune", "application/json"), ("/store/prune", "application/x-www-form-urlencoded")):
        answer = site.post(path, content=iter([b"x" * 40_000] * 3), headers={"content-type": kind})
        assert answer.status_code == 413, path


def test_while_another_clean_up_works_it_is_503(site: httpx.Client, runs: Filled) -> None:
    """With what to do; a dry run waits for nobody."""
    lock = LockFile(runs.location.lock, create=True)
    assert lock.try_lock(MAINTENANCE)
    try:
        for method, path, body in WRITES:
            answer = site.request(method, path, json=body)
            assert (answer.status_code, answer.headers["content-type"]) == (503, PROBLEM), path
            assert "try again" in answer.json()["detail"]
        assert site.delete("/api/v1/sessions/1?dry_run=true").status_code == 200
    finally:
        lock.close()
    assert left(runs)[0] == [1, 2, 3, 4]


def test_only_the_admin_may_and_a_browser_only_with_its_key(serve: Serve, runs: Filled) -> None:
    """Without a token, with one that only reads, by a cookie without the key, from another site: nothing goes."""
    site = serve(access=Access(tokens=("alpha",), view_tokens=("look",)))
    own = str(site.base_url).rstrip("/")
    cookie = httpx.Client(base_url=own)
    cookie.get("/?token=alpha")
    cookie.get("/store")
    key = cookie.cookies["progstore-form"]
    tries: tuple[tuple[httpx.Client, dict[str, str], int], ...] = (
        (site, {}, 401),
        (site, {"authorization": "Bearer wrong"}, 401),
        (site, {"authorization": "Bearer look"}, 403),
        (site, {"authorization": "Bearer alpha", "origin": "http://evil.example"}, 403),
        (cookie, {}, 403),
        (cookie, {"x-csrf-token": ""}, 403),
        (cookie, {"x-csrf-token": "0" * 32}, 403),
        (cookie, {"x-csrf-token": key, "origin": "http://evil.example"}, 403),
        (cookie, {"x-csrf-token": key, "origin": "null"}, 403),
    )
    for client, headers, status in tries:
        for method, path, body in WRITES:
            answer = client.request(method, path, json=body, headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), (method, path, headers)
    assert left(runs) == ([1, 2, 3, 4], [1, 2, 3, 4, 5])
    assert cookie.delete("/api/v1/sessions/1", headers={"x-csrf-token": key, "origin": own}).status_code == 200
    assert site.delete("/api/v1/sessions/2", headers={"authorization": "Bearer alpha"}).status_code == 200
    assert left(runs)[0] == [3, 4]
    cookie.close()


def test_another_sites_page_cannot_reach_an_open_server(site: httpx.Client, runs: Filled) -> None:
    """Not even one that asks for no token: what a browser sends on its own lacks the key."""
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-origin"},
        {"cookie": "progstore-form=" + "a" * 32},
    ):
        for method, path, body in WRITES:
            assert site.request(method, path, json=body, headers=headers).status_code == 403, (path, headers)
    assert left(runs)[0] == [1, 2, 3, 4]
