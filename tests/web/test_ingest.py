"""What jobs on other machines record is taken in from who may push, and from nobody else."""

from __future__ import annotations

import gzip
import json
import re
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import progstore
from progstore.store import copying
from progstore_web import Access
from progstore_web.access import cookie_name, cookie_value
from progstore_web.api import ingest
from progstore_web.api.ingest import PLAIN_LIMIT, SENT_LIMIT
from tests.store.conftest import Filled
from tests.web.conftest import Serve

PATH = "/api/v1/ingest"
TOKENS = Access(tokens=("alpha",), view_tokens=("look",), push_tokens=("send",))


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    """What another machine has recorded: a session with one task."""
    other = Filled(tmp_path / "other.db")
    process = other.ended_process(host="elsewhere", boot_id="another", machine_id="another")
    session = other.session("nightly import", process_id=process)
    other.task(session, "Ingest", done=3, total=3, process_id=process)
    other.close()
    whole: dict[str, Any] = {}

    def keep(document: dict[str, Any]) -> progstore.IngestReport:
        for name, rows in document.items():
            whole[name] = [*whole.get(name, []), *rows] if isinstance(rows, list) else rows
        return progstore.IngestReport(rows=0)

    with progstore.open_store(str(tmp_path / "other.db")) as store:
        copying.copy(store._reader, keep)
    return whole


def names(site: httpx.Client, token: str = "") -> list[str]:
    """The sessions that the server shows; none where it has no store yet."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return [each["name"] for each in site.get("/api/v1/sessions", headers=headers).json().get("items", [])]


def test_a_document_is_taken_in_and_answered_for_and_its_clock_is_compared(
    site: httpx.Client, document: dict[str, Any], until: Callable[..., Any]
) -> None:
    """Compressed or not; what comes again changes nothing; the store is made where there is none."""
    document["sent_at"] = time.time() + 300
    body = gzip.compress(json.dumps(document).encode())
    answer = site.post(PATH, content=body, headers={"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["refused"], answer.json()["stop_requested"]) == (200, [], [])
    assert answer.json()["rows"] >= 3
    assert names(site) == ["nightly import"]
    again = site.post(PATH, json={**document, "sent_at": time.time() + 300})
    assert again.status_code == 200
    (shown,) = site.get("/api/v1/sessions").json()["items"]
    assert 290 < shown["clock_offset"] < 310
    page = site.get("/sessions/1").text
    assert "Its clock" in page
    assert re.search(r"4 min 5\d s ahead|5 min 0\d s ahead", page)
    site.post(PATH, json={**document, "sent_at": time.time()})
    # Once it is set right, nothing is said of it.
    assert "Its clock" not in until(lambda: site.get("/sessions/1").text, lambda text: "Its clock" not in text)


def test_only_a_push_token_and_the_admins_may(serve: Serve, document: dict[str, Any]) -> None:
    """A view token only reads, and no cookie stands for either: a browser cannot be made to push."""
    site = serve(access=TOKENS)
    assert site.post(PATH, json=document).status_code == 401
    assert site.post(PATH, json=document, headers={"authorization": "Bearer wrong"}).status_code == 401
    refused = site.post(PATH, json=document, headers={"authorization": "Bearer look"})
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
    for token in ("alpha", "send"):
        cookie = {"cookie": f"{cookie_name(token)}={cookie_value(token)}"}
        assert site.post(PATH, json=document, headers=cookie).status_code == 401
    assert names(site, "alpha") == []
    for token in ("send", "alpha"):
        answer = site.post(PATH, json=document, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 200, token
    assert names(site, "alpha") == ["nightly import"]


def test_what_is_no_document_is_refused_with_the_reason(site: httpx.Client) -> None:
    """Nothing of it is written, and what is too large is said with the limit."""
    bomb = gzip.compress(b" " * (PLAIN_LIMIT + 1), 1)
    for content, encoding, status, said in (
        (b"", "identity", 400, "not JSON"),
        (b"{", "identity", 400, "not JSON"),
        (b"[" * 100_000, "identity", 400, "not JSON"),
        (b"[]", "identity", 400, "a document is an object, got list"),
        (b'{"format": 9}', "identity", 400, "use the same major version on both sides"),
        (b'{"format": 1, "oh": []}', "identity", 400, "a document has no 'oh'"),
        (b"{}", "gzip", 400, "no gzip"),
        (gzip.compress(b"{}")[:-4], "gzip", 400, "no whole gzip"),
        (gzip.compress(b"{}") + b"more", "gzip", 400, "no whole gzip"),
        (b"{}", "br", 415, "not as 'br'"),
        (b" " * (SENT_LIMIT + 1), "identity", 413, f"{SENT_LIMIT:,} bytes at most"),
        (bomb, "gzip", 413, f"{PLAIN_LIMIT:,} bytes at most when it is unpacked"),
    ):
        answer = site.post(PATH, content=content, headers={"content-encoding": encoding})
        assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text


def test_a_row_that_no_store_could_hold_is_refused_by_itself(site: httpx.Client, document: dict[str, Any]) -> None:
    """The others of its document are written."""
    document["tasks"].append({**document["tasks"][0], "key": "bad", "done": "many"})
    answer = site.post(PATH, json=document).json()
    assert answer["refused"] == ["tasks[1]: done: it must be a number, got str"]
    assert names(site) == ["nightly import"]


def test_a_sender_that_is_older_than_a_field_is_taken_in_whole(site: httpx.Client, document: dict[str, Any]) -> None:
    """What was added to the rows since has a value that stands for not being told."""
    for process in document["processes"]:
        for added in ("faults", "last_fault"):
            del process[added]
    answer = site.post(PATH, json=document).json()
    assert answer["refused"] == []
    assert site.get("/api/v1/sessions/1").json()["pid"] is not None


@contextmanager
def sending(site: httpx.Client, length: int) -> Iterator[socket.socket]:
    """The connection of one who has announced a document of so many bytes, and has sent none of them yet."""
    address = urlsplit(str(site.base_url))
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        yield connection


def test_what_still_arrives_has_a_place_among_those_that_wait(
    site: httpx.Client, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So no more is held in memory than these may have, however many send at once."""
    monkeypatch.setattr(ingest, "MOST_WAITING", 1)
    body = json.dumps(document).encode()
    with sending(site, len(body)) as first:
        assert b" 100 " in first.recv(1000)  # it is waited for
        assert site.post(PATH, json=document).status_code == 503
        first.sendall(body)
        assert b" 200 " in first.recv(1000)
    assert site.post(PATH, json=document).status_code == 200


def test_what_is_too_large_or_does_not_arrive_is_not_waited_for(
    site: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one is refused before any of it is sent, the other after a while."""
    with sending(site, SENT_LIMIT + 1) as large:
        assert b" 413 " in large.recv(1000)
    monkeypatch.setattr(ingest, "ARRIVAL_SECONDS", 0.05)
    with sending(site, 10) as silent:
        received = b""
        while b" 408 " not in received:
            piece = silent.recv(1000)
            assert piece, received
            received += piece


def test_machines_that_push_do_not_hold_up_who_looks(
    site: httpx.Client, document: dict[str, Any], store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait for the store; too many are asked to come again."""
    site.post(PATH, json=document)
    crowd = 40  # more than there are threads for pages
    monkeypatch.setattr(ingest, "MOST_WAITING", crowd - 1)
    with closing(sqlite3.connect(store_path, isolation_level=None)) as other, ThreadPoolExecutor(crowd) as threads:
        other.execute("BEGIN IMMEDIATE")
        pushed = [threads.submit(site.post, PATH, json=document, timeout=60) for _ in range(crowd)]
        sent_away = next(as_completed(pushed)).result()
        assert site.get("/history").status_code == 200
        assert sum(each.done() for each in pushed) == 1
        other.execute("ROLLBACK")
    assert (sent_away.status_code, sent_away.headers["retry-after"]) == (503, "2")
    assert sorted(each.result().status_code for each in pushed) == [200] * (crowd - 1) + [503]
