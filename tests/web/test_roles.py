"""Every address of the server, and who is let in there: one that is added later is asked about too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import progstore
from progstore_web import Access, create_app
from progstore_web.access import cookie_name, cookie_value
from tests.store.conftest import Filled
from tests.web.conftest import Serve

TOKENS = Access(tokens=("alpha",), view_tokens=("look",), push_tokens=("send",))
OPEN = re.compile(r"/login|/logout|/health|/static/.*|/embed/.*|/ws")
"""What nobody needs a token for: the sign-in itself and its end, what tells nothing, and what a key lets in; the web
socket asks for one in its own way.
"""
SENDING = {("POST", "/progress"), ("POST", "/api/v1/ingest")}
ADMINS = {("GET", "/delete"), ("GET", "/sessions/1/stop")}
"""Pages of what only the admin may do."""
BODIES = {"/api/v1/prune": b'{"older_than": 1e9, "dry_run": false}'}

Address = tuple[str, str]


@pytest.fixture
def site(serve: Serve, filled: Filled) -> httpx.Client:
    """A server with tokens and one session with one task."""
    filled.task(filled.session("nightly import"), "Ingest", done=3, total=3)
    return serve(access=TOKENS)


@pytest.fixture
def addresses(filled: Filled) -> list[Address]:
    """All of them but the open ones, with their methods."""
    with progstore.Store(filled.location.url) as store:
        return list(_addresses(create_app(store)))


def _addresses(app: Any) -> Iterator[Address]:
    for route in app.app.routes:
        path = re.sub(r"\{(session_id|session|task_id|task)(:\w+)?\}", "1", route.path_format)
        path = re.sub(r"\{\w+(:\w+)?\}", "unknown", path)
        if OPEN.fullmatch(path):
            continue
        for method in route.methods:
            if method in ("GET", "POST", "DELETE"):
                yield method, path


def asked(site: httpx.Client, address: Address, **headers: str) -> int:
    """The status of an answer, of which no more is read: some have no end."""
    method, path = address
    body = BODIES.get(path) if method == "POST" else None
    with site.stream(method, path, headers={**headers, "content-type": "application/json"}, content=body) as answer:
        status = answer.status_code
    site.cookies.clear()
    return status


def test_nobody_is_let_in_anywhere(site: httpx.Client, addresses: list[Address]) -> None:
    """Wherever a token is needed, it is asked for before anything else is looked at."""
    assert len(addresses) > 50
    assert {each for each in addresses if asked(site, each) != 401} == set()


def test_who_pushes_is_let_in_only_where_progress_is_sent(site: httpx.Client, addresses: list[Address]) -> None:
    """There what he sent is looked at, which is nothing."""
    told = {each: asked(site, each, authorization="Bearer send") for each in addresses}
    assert {each for each, status in told.items() if status not in (401, 403)} == SENDING
    assert {told[each] for each in SENDING} == {400}


def test_who_views_changes_nothing(site: httpx.Client, addresses: list[Address]) -> None:
    """By whatever method, nor is he shown what only the admin may press."""
    told = {each: asked(site, each, authorization="Bearer look") for each in addresses}
    refused = {each for each, status in told.items() if status in (401, 403)}
    assert refused == {each for each in addresses if each[0] != "GET"} | ADMINS


def test_a_cookie_alone_changes_nothing(site: httpx.Client, addresses: list[Address]) -> None:
    """A browser sends it unasked: only what a page of ours carries besides makes it count, or nothing where a browser
    has no business.
    """
    cookie = {"cookie": f"{cookie_name('alpha')}={cookie_value('alpha')}"}
    for origin in ({}, {"origin": str(site.base_url).rstrip("/")}, {"origin": "https://evil.example"}):
        told = {each: asked(site, each, **cookie, **origin) for each in addresses if each[0] != "GET"}
        assert {each for each, status in told.items() if status not in (401, 403)} == set(), origin
