"""Deleting what was chosen: what the page says would go, what its form does, and who cannot use it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from pathlib import Path

import httpx
import pytest

import progstore
from progstore_web import Access
from progstore_web.shown.clearing import CHOSEN_LIMIT
from tests.store.conftest import Filled
from tests.web.conftest import Job, Serve

HOSTILE = "<img src=x onerror=alert(1)>"
TOKENS = Access(tokens=("alpha",), view_tokens=("beta",))


@pytest.fixture
def five(filled: Filled) -> Filled:
    """Four sessions that ended, the second with a nested task; and one that lost its owner."""
    for name in ("a", HOSTILE, "c", "d"):
        session = filled.session(name)
        task = filled.task(session, f"of {name}", session_name=name)
        filled.event(session, task)
    filled.task(2, "nested", parent_id=2, session_name=HOSTILE)
    lost = filled.dead_process()
    filled.task(filled.session("left", status=None, process_id=lost), status="running", process_id=lost)
    return filled


def hidden(page: str) -> dict[str, list[str]]:
    """What the form of the page that deletes carries."""
    form = page.partition('method="post"')[2].partition("</form>")[0]
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form):
        found.setdefault(name, []).append(unescape(value))
    return found


def asked(site: httpx.Client, chosen: Sequence[tuple[str, str]]) -> httpx.Response:
    """The page that asks whether these shall go."""
    return site.get("/delete", params=httpx.QueryParams(list(chosen)))


def left() -> tuple[list[int], list[int]]:
    """The sessions and the tasks that are in the store."""
    with progstore.open_store() as store:
        return (
            [row[0] for row in store.query("SELECT id FROM v_sessions ORDER BY id").rows],
            [row[0] for row in store.query("SELECT id FROM v_tasks ORDER BY id").rows],
        )


@pytest.mark.usefixtures("five")
def test_what_was_chosen_is_told_first_and_then_deleted(site: httpx.Client) -> None:
    """With all that hangs on it; what is told removes nothing, the form removes that and leads back."""
    page = asked(site, [("session", "1"), ("task", "2"), ("session", "1"), ("next", "/history?q=name%3Aa")])
    assert page.status_code == 200
    assert "Delete 1 session and 1 task?" in page.text
    assert "In all 1 session, 3 tasks with what is nested in them, 2 events: about " in page.text
    assert HOSTILE not in page.text
    assert left() == ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6])
    form = hidden(page.text)
    assert (form["session"], form["task"], form["next"]) == (["1"], ["2"], ["/history?q=name%3Aa"])
    done = site.post("/delete", data=form)
    assert (done.status_code, done.headers["location"]) == (303, "/history?q=name%3Aa")
    assert left() == ([2, 3, 4, 5], [3, 4, 6])
    assert site.post("/delete", data=form).status_code == 303  # pressed twice
    assert left() == ([2, 3, 4, 5], [3, 4, 6])


@pytest.mark.usefixtures("five")
def test_what_lost_its_owner_may_go(site: httpx.Client) -> None:
    """As the first page's button asks for it."""
    form = re.search(r'<form action="/delete" method="get">(.*?)</form>', site.get("/").text, re.DOTALL)
    assert form is not None
    ids = re.findall(r'name="session" value="(\d+)"', form[1])
    assert ids == ["5"]
    page = asked(site, [("session", "5"), ("next", "/")])
    assert "session 5, lost" in page.text
    assert "has not ended" not in page.text
    assert site.post("/delete", data=hidden(page.text)).headers["location"] == "/"
    assert left()[0] == [1, 2, 3, 4]


def test_what_runs_stays(site: httpx.Client, ingest: Job) -> None:
    """The page says so, with a way out, and a form that asks for it all the same is refused."""
    with progstore.session("ended"), progstore.track(name="quick", total=1) as task:
        task.update(1)
    assert progstore.flush(10)
    page = asked(site, [("session", "1"), ("session", "2")])
    assert "This stays: it has not ended" in page.text
    assert "<code>progstore show 1</code>" in page.text
    assert "delete(sessions=[1], force=True)" in page.text
    form = hidden(page.text)
    assert form["session"] == ["2"]
    refused = site.post("/delete", data={**form, "session": ["1", "2"], "force": "1"})
    assert (refused.status_code, left()[0]) == (409, [1, 2])
    only = asked(site, [("task", "1")])
    assert ("Nothing to delete" in only.text, hidden(only.text)) == (True, {})
    assert "delete(tasks=[1], force=True)" in only.text
    assert site.post("/delete", data=form).status_code == 303
    assert left()[0] == [1]
    ingest.end()
    assert site.post("/delete", data={**form, "session": "1"}).status_code == 303
    assert left() == ([], [])


@pytest.mark.usefixtures("five")
def test_what_is_chosen_must_be_there_and_be_numbers(site: httpx.Client) -> None:
    """Each fault says what is wrong, and removes nothing; what is gone already is only counted."""
    many = [("session", str(number + 1)) for number in range(CHOSEN_LIMIT + 1)]
    wrong: list[tuple[list[tuple[str, str]], int, str]] = [
        ([], 400, "choose what to delete"),
        ([("session", "x")], 400, "the number of a session"),
        ([("task", "-1")], 400, "the number of a task"),
        ([("task", "١")], 400, "the number of a task"),  # noqa: RUF001  # a digit, but none of ours
        ([("task", "9" * 30)], 400, "the number of a task"),
        ([("sessions", "1")], 400, "there is no"),
        (many, 400, "at most 500"),
        ([("session", "99")], 404, "Nothing to delete"),
        ([("task", str(2**63 - 1))], 404, "Nothing to delete"),
    ]
    for chosen, status, said in wrong:
        page = asked(site, chosen)
        assert (page.status_code, said.lower() in page.text.lower()) == (status, True), said
    key = site.cookies["progstore-form"]
    assert site.post("/delete", data={"form_key": key}).status_code == 400
    some = asked(site, [("session", "1"), ("session", "99")])
    assert (some.status_code, "1 of what was chosen is not in the store any more" in some.text) == (200, True)
    most = asked(site, many[:-1])
    assert (most.status_code, "495 of what was chosen are not" in most.text) == (200, True)
    assert left() == ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6])


@pytest.mark.usefixtures("five")
def test_a_form_of_another_site_deletes_nothing(serve: Serve) -> None:
    """It takes the key of our own form, and a page of ours that sends it; nobody is led to another site afterwards."""
    site = serve(access=TOKENS)
    site.post("/login", data={"token": "alpha", "next": "/"})
    own = str(site.base_url).rstrip("/")
    form = hidden(asked(site, [("session", "1")]).text)
    without = {name: value for name, value in form.items() if name != "form_key"}
    for data, headers, status in (
        (without, {}, 403),
        ({**without, "form_key": "0" * 32}, {}, 403),
        ({**without, "form_key": ["", *form["form_key"]]}, {}, 403),
        (form, {"origin": "https://evil.example"}, 403),
        (form, {"origin": "null"}, 403),
        (form, {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, 403),
    ):
        assert site.post("/delete", data=data, headers=headers).status_code == status, (data, headers)
    assert left()[0] == [1, 2, 3, 4, 5]
    assert site.get("/delete?session=1&next=//evil.example").text.count("evil") == 0
    for number, target in enumerate(("//evil.example", "https://evil.example", "/\\evil.example", "/\r\nx: y"), 1):
        data = {**form, "session": str(number), "next": target}
        done = site.post("/delete", data=data, headers={"origin": own})
        assert (done.status_code, done.headers["location"]) == (303, "/"), target
    assert left()[0] == [5]


@pytest.mark.usefixtures("five")
def test_only_the_admin_is_asked(serve: Serve) -> None:
    """A view token sees neither the page nor a way to it; without a token one is asked to sign in."""
    site = serve(access=TOKENS)
    for authorization, status in (("", 401), ("Bearer gamma", 401), ("Bearer beta", 403)):
        headers = {"authorization": authorization}
        assert site.get("/delete?session=1", headers=headers).status_code == status
        assert site.post("/delete", data={"session": "1"}, headers=headers).status_code == status
    for page in ("/", "/history"):
        assert "/delete" not in site.get(page, headers={"authorization": "Bearer beta"}).text
    assert left()[0] == [1, 2, 3, 4, 5]
    assert site.post("/delete", data={"session": "1"}, headers={"authorization": "Bearer alpha"}).status_code == 303
    assert left()[0] == [2, 3, 4, 5]


def test_asking_writes_nothing(five: Filled, site: httpx.Client) -> None:
    """Neither the file nor its log is touched."""
    paths = [Path(five.file.path), Path(five.file.wal)]
    site.get("/")
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths]
    assert asked(site, [("session", "1"), ("task", "2")]).status_code == 200
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths] == before


@pytest.mark.usefixtures("five")
def test_below_a_root_one_is_led_back_below_it(serve: Serve) -> None:
    """The links, the form and the way back."""
    site = serve(root_path="/jobs")
    page = asked(site, [("session", "1"), ("next", "/history")])
    assert not [link for link in re.findall(r'(?:href|action)="([^"#]+)"', page.text) if not link.startswith("/jobs/")]
    assert site.post("/delete", data=hidden(page.text)).headers["location"] == "/jobs/history"
