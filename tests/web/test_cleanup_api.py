"""What may be removed over HTTP, by whom, and that nobody else can."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

import progstore
from progstore_web import Access
from tests.store.conftest import Filled
from tests.web.conftest import Serve

TOKENS = Access(tokens=("alpha",), view_tokens=("beta",))
WRITES = (
    ("DELETE", "/api/v1/sessions/1"),
    ("DELETE", "/api/v1/tasks/1"),
    ("POST", "/api/v1/prune"),
    ("POST", "/api/v1/vacuum"),
)


@pytest.fixture
def three_ended(filled: Filled) -> Filled:
    """Three ended sessions of a task each."""
    for name in ("a", "b", "c"):
        filled.task(filled.session(name))
    return filled


def names_in(site: httpx.Client, **headers: str) -> set[str]:
    """The sessions that are there."""
    return {each["name"] for each in site.get("/api/v1/sessions", headers=headers).json()["items"]}


@pytest.mark.usefixtures("three_ended")
def test_a_session_and_a_task_are_deleted(site: httpx.Client) -> None:
    """Asked first, it is only counted; what is not there is a problem, as is what cannot be asked."""
    report = site.delete("/api/v1/sessions/2?dry_run=true").json()
    assert (report["sessions"], report["tasks"], report["dry_run"]) == (1, 1, True)
    assert names_in(site) == {"a", "b", "c"}
    assert site.delete("/api/v1/sessions/2").json()["sessions"] == 1
    assert names_in(site) == {"a", "c"}
    assert site.delete("/api/v1/tasks/3").json()["tasks"] == 1
    assert site.get("/api/v1/sessions/3/tasks").json()["items"] == []
    for path, status in (("sessions/2", 404), ("tasks/9", 404), ("sessions/1?froce=1", 400), ("sessions/x", 404)):
        assert site.delete(f"/api/v1/{path}").status_code == status, path


def test_what_runs_is_deleted_only_by_force(site: httpx.Client, ingest: Any) -> None:
    """And is named in the problem."""
    refused = site.delete("/api/v1/sessions/1")
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
    assert "force" in refused.json()["detail"]
    assert site.delete("/api/v1/sessions/1?force=true").json()["sessions"] == 1


@pytest.mark.usefixtures("three_ended")
def test_pruning_asks_first_unless_it_is_told_not_to(site: httpx.Client) -> None:
    """All that is given must match."""
    asked = site.post("/api/v1/prune", json={"keep_last": 0, "name": "a"}).json()
    assert (asked["sessions"], asked["dry_run"]) == (1, True)
    assert names_in(site) == {"a", "b", "c"}
    done = site.post("/api/v1/prune", json={"name": "a", "statuses": ["complete"], "dry_run": False}).json()
    assert (done["sessions"], done["dry_run"]) == (1, False)
    assert names_in(site) == {"b", "c"}
    assert site.post("/api/v1/vacuum").json()["bytes"] >= 0


@pytest.mark.usefixtures("three_ended")
@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'{"older_than": -1}', "older_than"),
        (b'{"older_then": 3}', "older_then"),
        (b'{"statuses": ["done"]}', "statuses"),
        (b'{"keep_last": 1.5}', "keep_last"),
        (b"{}", "say what"),
        (b"{", "JSON"),
        (b"[1]", "object"),
    ],
)
def test_a_body_that_cannot_be_understood_says_where(site: httpx.Client, body: bytes, word: str) -> None:
    """And removes nothing."""
    answer = site.post("/api/v1/prune", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert word.lower() in answer.json()["detail"].lower()
    assert names_in(site) == {"a", "b", "c"}


@pytest.mark.usefixtures("three_ended")
def test_a_body_that_is_too_large_is_refused(site: httpx.Client) -> None:
    """Before it is looked at."""
    answer = site.post("/api/v1/prune", content=b" " * 100_000, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")


@pytest.mark.usefixtures("three_ended")
def test_only_the_admin_removes_anything(serve: Serve) -> None:
    """Not who has no token, a wrong one, or one to look with; each is told what is missing."""
    site = serve(access=TOKENS)
    for method, path in WRITES:
        for authorization, status in (("", 401), ("Bearer gamma", 401), ("Bearer beta", 403)):
            answer = site.request(method, path, headers={"authorization": authorization}, json={"keep_last": 0})
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert names_in(site, authorization="Bearer beta") == {"a", "b", "c"}
    assert site.delete("/api/v1/sessions/1", headers={"authorization": "bearer alpha"}).status_code == 200


@pytest.mark.usefixtures("three_ended")
def test_a_browsers_cookie_alone_removes_nothing(serve: Serve) -> None:
    """It takes the key of our own form besides, which no other site can read; and another site is refused anyway."""
    site = serve(access=TOKENS)
    site.post("/login", data={"token": "alpha", "next": "/"})
    assert site.get("/history").status_code == 200
    key = site.cookies["progstore-form"]
    for headers, status in (
        ({}, 403),
        ({"x-csrf-token": "0" * 32}, 403),
        ({"x-csrf-token": key, "origin": "https://evil.example"}, 403),
        ({"x-csrf-token": key, "origin": str(site.base_url).rstrip("/")}, 200),
    ):
        assert site.delete("/api/v1/sessions/1", headers=headers).status_code == status, headers


@pytest.mark.usefixtures("three_ended")
def test_another_sites_page_cannot_use_a_server_without_tokens(site: httpx.Client) -> None:
    """A browser says where a request comes from; a program on this machine says nothing, and is let in."""
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert site.delete("/api/v1/sessions/1", headers=headers).status_code == 403
    assert site.delete("/api/v1/sessions/1").status_code == 200


def test_where_there_is_no_store_nothing_is_made(site: httpx.Client) -> None:
    """A clean-up does not create what it should clean."""
    assert site.post("/api/v1/prune", json={"keep_last": 0}).status_code == 503
    with progstore.open_store() as store, pytest.raises(progstore.StoreNotFound):
        store.sessions()
