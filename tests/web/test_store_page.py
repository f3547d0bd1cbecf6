"""The store's page: what it tells of the file, clean-up in two steps, and who may clean up."""

from __future__ import annotations

import csv
import html
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

import progstore
from progstore.store.sqlite.lockfile import MAINTENANCE, LockFile
from progstore_web import Access
from progstore_web.wording import utc
from tests.store.conftest import Filled

Serve = Callable[..., httpx.Client]
DAY = 86_400.0
HARMFUL = '<img src=x onerror=alert(1)> & "it\'s"'


@pytest.fixture
def old(filled: Filled) -> Filled:
    """Ten days ago four sessions, one of which failed; today one; and one that runs since twenty days."""
    ago = filled.now - 10 * DAY
    for number in range(4):
        session = filled.session(
            HARMFUL if number == 3 else "nightly",
            status="error" if number == 0 else "complete",
            process_id=filled.ended_process(),
            started_at=ago + number,
        )
        task = filled.task(session, started_at=ago + number)
        filled.event(session, task, "started", at=ago)
        filled.meta(session, model="tiny")
    filled.task(filled.session("nightly"))
    running = filled.session("watch", status=None, process_id=filled.process(), started_at=filled.now - 20 * DAY)
    filled.task(running, status="running", process_id=5, started_at=filled.now - 20 * DAY)
    return filled


def text_of(page: str) -> str:
    """What a page says, without its markup."""
    words = re.sub(r"<(title|svg|option).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r" (?=[,:.])", "", re.sub(r"\s+", " ", words)))


def key_of(site: httpx.Client) -> str:
    """What the forms of this client's pages carry."""
    found = re.search(r'name="form_key" value="(\w{32})"', site.get("/store").text)
    assert found is not None
    return found[1]


def names(old: Filled) -> list[str]:
    """The sessions that are left, in order of their names."""
    with progstore.open_store(old.location.path) as store:
        return sorted(session.name for session in store.sessions())


@contextmanager
def cleaning(old: Filled) -> Iterator[None]:
    """While another clean-up is at work."""
    lock = LockFile(old.location.lock, create=True)
    assert lock.try_lock(MAINTENANCE)
    try:
        yield
    finally:
        lock.close()


def test_the_page_tells_what_there_is(site: httpx.Client, old: Filled) -> None:
    """Size, rows, age, versions, who writes and who wrote; the same as JSON and as a table."""
    old.process(host="db9", progstore_version="0.0.9", dropped_events=7, ended_at=old.now - 5)
    said = text_of(site.get("/store").text)
    facts = site.get("/store.json").json()
    rows = dict(list(csv.reader(io.StringIO(site.get("/store.csv").text)))[1:])
    assert facts["rows"] == {"processes": 6, "sessions": 6, "tasks": 6, "events": 4, "metadata": 4}
    assert facts["size"] == int(rows["size"]) == os.stat(old.location.path).st_size
    assert facts["oldest_start"] == pytest.approx(old.now - 20 * DAY)
    assert facts["written_by"]["progstore 0.0.9 on db9"] == int(rows["written_by: progstore 0.0.9 on db9"]) == 1
    assert (facts["writers"], facts["dropped_events"]) == ({"alive": 1}, 7)
    assert facts["progstore"] == progstore.__version__
    assert "integrity" not in facts
    for words in (
        f"with 6 sessions since {utc(facts['oldest_start'])}",
        old.location.path,
        f"{facts['schema']} up to date",
        "metadata 4",
        "writing now 1",
        "processes of progstore 0.0.9 on db9 1",
        "events that were counted, but not kept 7",
    ):
        assert words in said, words


def test_looking_writes_nothing(site: httpx.Client, old: Filled) -> None:
    """Neither the page nor what it would remove."""
    before = [os.stat(path).st_mtime_ns for path in (old.location.path, old.location.wal)]
    key = key_of(site)
    site.get("/store.csv")
    said = site.post("/store/prune", data={"form_key": key, "days": "1"})
    assert (said.status_code, said.headers["cache-control"]) == (200, "no-store")
    assert [os.stat(path).st_mtime_ns for path in (old.location.path, old.location.wal)] == before


def test_a_clean_up_says_what_would_go_and_then_does_it(site: httpx.Client, old: Filled) -> None:
    """The form that confirms carries the same rule; what runs and what is newer stays."""
    rule: dict[str, Any] = {"form_key": key_of(site), "days": "1.5", "keep_last": "0", "status": ["complete", "error"]}
    page = site.post("/store/prune", data=rule).text
    assert re.search(r"4 sessions, 4 tasks and 4 events would go, about [\d.]+ k?B\.", text_of(page))
    assert len(names(old)) == 6
    confirm = re.search(r"<section class=\"panel sure\".*?</section>", page, re.DOTALL)
    assert confirm is not None
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', confirm[0])
    assert {name: value for name, value in fields if name != "status"} == {
        "form_key": rule["form_key"],
        "confirmed": "1",
        "days": "1.5",
        "name": "",
        "keep_last": "0",
        "megabytes": "",
    }
    assert [value for name, value in fields if name == "status"] == ["complete", "error"]
    said = text_of(site.post("/store/prune", data={**rule, "confirmed": "1"}).text)
    assert "4 sessions, 4 tasks and 4 events went: " in said
    assert names(old) == ["nightly", "watch"]
    again = text_of(site.post("/store/prune", data={**rule, "confirmed": "1"}).text)
    assert "0 sessions, 0 tasks and 0 events went" in again


def test_a_store_that_cannot_become_so_small_is_told_of(site: httpx.Client, old: Filled) -> None:
    """Before and after, with why."""
    rule = {"form_key": key_of(site), "megabytes": "0", "days": "0"}
    for confirmed in ("0", "1"):
        said = text_of(site.post("/store/prune", data={**rule, "confirmed": confirmed}).text)
        assert re.search(r"he store takes (about )?[\d,]+ bytes even so, more than the 0 asked for", said), said
    assert names(old) == ["watch"]


def test_a_rule_narrows_what_goes(site: httpx.Client, old: Filled) -> None:
    """By name with whatever it holds, by status, and sparing the newest; the form keeps what was typed."""
    key = key_of(site)

    def would_go(**rule: Any) -> int:
        said = text_of(site.post("/store/prune", data={"form_key": key, **rule}).text)
        found = re.search(r"(\d+) sessions?, \d+ tasks? and \d+ events? would go", said)
        return int(found[1]) if found else 0

    assert would_go(status="error") == 1
    assert would_go(keep_last="1") == 3
    assert would_go(days="30") == 0
    assert would_go(megabytes="0") == 4
    assert would_go(megabytes="1.5") == 0
    assert would_go(name=HARMFUL) == 1
    assert would_go(name=HARMFUL, status=["error", "cancelled"]) == 0
    page = site.post("/store/prune", data={"form_key": key, "name": HARMFUL}).text
    assert f'value="{html.escape(HARMFUL).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")}"' in page
    assert "<img" not in page


REFUSED: tuple[tuple[dict[str, str], str], ...] = (
    ({}, "say what to remove"),
    ({"days": "-1"}, "the age in days is a number from 0"),
    ({"days": "nan"}, "the age in days"),
    ({"days": "1e400"}, "the age in days"),
    ({"days": "<b>"}, "the age in days"),
    ({"keep_last": "2.5"}, "whole number"),
    ({"keep_last": "-1"}, "how many to keep"),
    ({"status": "running"}, "only what has ended"),
    ({"megabytes": "2GB"}, "the size in MB is a number from 0"),
)


def test_a_rule_that_cannot_be_is_refused(site: httpx.Client, old: Filled) -> None:
    """With what is right, and nothing goes."""
    key = key_of(site)
    for rule, word in REFUSED:
        answer = site.post("/store/prune", data={"form_key": key, "confirmed": "1", **rule})
        assert answer.status_code == 400, rule
        assert word in text_of(answer.text), rule
        assert "got '<b>" not in answer.text, rule
    assert len(names(old)) == 6


def test_a_vacuum_is_asked_for_twice(site: httpx.Client, old: Filled) -> None:
    """It says how many bytes there are to be had, and then how many went."""
    key = key_of(site)
    session = old.session("large")
    for _ in range(60):
        old.event(session, message="x" * 9000)
    assert site.delete(f"/api/v1/sessions/{session}", headers={"x-csrf-token": key}).status_code == 200
    free = site.get("/store.json").json()["free_size"]
    assert free > 400_000
    assert "of free pages go back to the disk" in text_of(site.post("/store/vacuum", data={"form_key": key}).text)
    assert site.get("/store.json").json()["free_size"] == free
    said = text_of(site.post("/store/vacuum", data={"form_key": key, "confirmed": "1"}).text)
    assert "kB went back to the disk." in said
    assert site.get("/store.json").json()["free_size"] == 0
    assert "Nothing was free" in site.post("/store/vacuum", data={"form_key": key, "confirmed": "1"}).text


def test_while_another_clean_up_works_one_is_told_to_wait(site: httpx.Client, old: Filled) -> None:
    """With what was typed still there."""
    key = key_of(site)
    with cleaning(old):
        answer = site.post("/store/prune", data={"form_key": key, "days": "3", "confirmed": "1"})
        vacuum = site.post("/store/vacuum", data={"form_key": key, "confirmed": "1"})
    assert (answer.status_code, vacuum.status_code) == (503, 503)
    assert "nother clean-up is at work; try again when it has ended." in text_of(answer.text)
    assert 'name="days" type="number" min="0" step="any" inputmode="decimal" value="3"' in answer.text
    assert "nother clean-up is at work" in text_of(vacuum.text)
    assert len(names(old)) == 6


def test_another_sites_form_is_refused(serve: Serve, old: Filled) -> None:
    """Without the form's key, with a wrong one, without the cookie, or from another origin, with and without tokens."""
    for access in (Access(), Access(tokens=("alpha",))):
        site = serve(access=access)
        if access.needs_token:
            site.get("/?token=alpha")
        key = key_of(site)
        for path in ("/store/prune", "/store/vacuum"):
            for sent, headers in (
                ({}, {}),
                ({"form_key": "0" * 32}, {}),
                ({"form_key": ""}, {}),
                ({"form_key": key}, {"origin": "http://evil.example"}),
                ({"form_key": key}, {"origin": "null"}),
            ):
                answer = site.post(path, data={"days": "0", "confirmed": "1", **sent}, headers=headers)
                assert answer.status_code == 403, (path, sent, headers)
        own = httpx.post(
            f"{site.base_url}/store/prune",
            data={"days": "0", "confirmed": "1", "form_key": key},
            headers={"origin": str(site.base_url).rstrip("/")},
        )
        assert own.status_code == (401 if access.needs_token else 403)
    assert len(names(old)) == 6


def test_who_may_only_read_has_no_forms_and_cannot_send_them(serve: Serve, old: Filled) -> None:
    """Neither by a bearer nor by a sign-in, even with the key of a form."""
    site = serve(access=Access(tokens=("alpha",), view_tokens=("look",)))
    assert site.post("/store/prune", data={"days": "0", "confirmed": "1"}).status_code == 401
    assert site.get("/store?token=look").status_code == 303
    page = site.get("/store").text
    assert "Clean up" not in page
    assert "<form" not in page
    key = site.cookies["progstore-form"]
    for headers in ({}, {"authorization": "Bearer look"}):
        for path in ("/store/prune", "/store/vacuum"):
            answer = site.post(path, data={"days": "0", "confirmed": "1", "form_key": key}, headers=headers)
            assert answer.status_code == 403
            assert "view token only reads" in answer.text
    assert len(names(old)) == 6


def test_where_there_is_no_store_yet_the_page_says_how_to_begin(site: httpx.Client) -> None:
    """And makes none."""
    page = site.get("/store")
    assert (page.status_code, "progstore demo" in page.text, "Clean up" in page.text) == (200, True, False)
    assert site.get("/store.json").json()["exists"] is False
    assert "exists,False" in site.get("/store.csv").text
    assert site.post("/store/vacuum", data={"form_key": "x"}).status_code == 403
