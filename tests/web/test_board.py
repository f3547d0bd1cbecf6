"""The first page's lanes: what runs, what needs somebody, what was taken over, and what ended."""

from __future__ import annotations

import html
import re

import httpx
import pytest

from progstore_web import Access
from tests.store.conftest import Filled
from tests.web.conftest import Serve


def text_of(page: str) -> str:
    """What a reader sees of it."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def lane(page: str, name: str) -> str:
    """The lane of that name."""
    found = re.search(rf'<section class="lane" aria-labelledby="{name}">(.*?)</section>', page, re.DOTALL)
    assert found, name
    return found[1]


def test_of_nine_completed_the_six_newest_are_shown(site: httpx.Client, filled: Filled) -> None:
    """And how many more there are, newest first; the button says how many it would clear."""
    for number in range(9):
        filled.task(filled.session(f"job {number}", started_at=filled.now - 100 + number))
    completed = lane(site.get("/").text, "completed")
    assert re.findall(r"job \d", text_of(completed))[:6] == [f"job {number}" for number in (8, 7, 6, 5, 4, 3)]
    assert "job 2" not in completed
    assert "+ 3 more" in text_of(completed)
    assert "Clear 9" in text_of(completed)
    assert completed.count('name="session"') == 9


def test_an_empty_lane_has_nothing_to_clear(site: httpx.Client, filled: Filled) -> None:
    """Its button is there, says none, and does nothing; what runs is not offered."""
    session = filled.session(status=None, process_id=filled.process())
    filled.task(session, status="running", process_id=1, done=5, total=None)
    page = site.get("/").text
    for name in ("attention", "completed"):
        assert re.search(r"<button[^>]* disabled>Clear 0</button>", lane(page, name))
    assert "Clear" not in lane(page, "active")
    assert "5 / ∞ it" in text_of(lane(page, "active"))
    assert "1 running" in text_of(page)


def test_what_has_not_begun_is_not_said_to_run(site: httpx.Client, filled: Filled) -> None:
    """It is counted apart; programs are told the same."""
    filled.task(filled.session("waits", status=None, kind="declared"), status="pending")
    assert site.get("/api/v1/now").json()["headline"] == "nothing running, 1 pending"
    assert "<title>nothing running, 1 pending · progstore</title>" in site.get("/").text


def test_many_that_wait_do_not_hide_one_that_runs(site: httpx.Client, filled: Filled) -> None:
    """It stands above them though they are newer. Only so many are looked at; the page says so, and where more are."""
    process = filled.process()
    with filled.together():
        session = filled.session("busy", status=None, process_id=process, started_at=filled.now - 90)
        filled.task(session, status="running", process_id=process)
        for _ in range(101):
            filled.session("waits", status=None, kind="declared")
    page = site.get("/").text
    active = lane(page, "active")
    assert active.index("busy") < active.index("waits")
    assert "/history?q=is:live" in active
    assert "Active 100+" in text_of(active)
    assert "1 running, 99 pending, and more" in re.sub(" ,", ",", text_of(page))


@pytest.mark.parametrize(("status", "found_by"), [("error", "status:error"), (None, "is:live")])
def test_what_needs_attention_beyond_what_is_shown_is_linked(
    site: httpx.Client, filled: Filled, status: str | None, found_by: str
) -> None:
    """The link leads to where it is: what was lost has no end, and is stored as running."""
    process = filled.dead_process()
    for _ in range(13):
        session = filled.session(status=status, process_id=process)
        filled.task(session, status=status or "running", process_id=process)
    attention = lane(site.get("/").text, "attention")
    assert f'<a href="/history?q={found_by}">+ 1 more</a>' in attention


def test_who_may_only_look_is_offered_no_button(serve: Serve, filled: Filled) -> None:
    """Neither for completed nor for failed sessions."""
    filled.task(filled.session())
    site = serve(access=Access(tokens=("alpha",), view_tokens=("beta",)))
    for token, number in (("alpha", 2), ("beta", 0)):
        page = site.get("/", headers={"authorization": f"Bearer {token}"}).text
        assert page.count(">Clear ") == number, token


def test_what_was_lost_says_when_and_at_which_item(site: httpx.Client, filled: Filled) -> None:
    """And is cleared with what failed, but not what still moves."""
    lost = filled.session("lost", status=None, process_id=filled.dead_process())
    filled.task(lost, status="running", process_id=1, done=31_207, unit="row")
    failed = filled.session("failed", status="error", started_at=filled.now - 50)
    filled.task(failed, status="error", error_type="ValueError", error="row 7")
    attention = lane(site.get("/").text, "attention")
    assert re.search(r"lost since .* at row 31,207: process \d+ is gone", text_of(attention))
    assert re.findall(r'name="session" value="(\d+)"', attention) == [str(failed), str(lost)]


def test_an_old_error_no_longer_needs_attention(site: httpx.Client, filled: Filled) -> None:
    """After a day it is one of those that ended."""
    old = filled.session("old", status="error", started_at=filled.now - 25 * 3600)
    filled.task(old, status="error", started_at=filled.now - 25 * 3600)
    page = site.get("/").text
    assert "Nothing was lost" in lane(page, "attention")
    assert "old" in lane(page, "completed")


@pytest.mark.parametrize(
    ("received", "where"),
    [(-100.0, "recovered"), (-5.0, "recovered"), (-4000.0, "attention"), (5.0, "active"), (None, "attention")],
)
def test_what_was_sent_is_recovered_until_it_reports(
    site: httpx.Client, filled: Filled, received: float | None, where: str
) -> None:
    """One of which nothing was received since this server began, whether it was alive then or silent for a while; one
    that was silent for more than an hour is lost. What writes to the store itself is never recovered.
    """
    far = filled.process(host="far", machine_id="m", boot_id="b", pid_namespace="p", heartbeat_at=filled.now - 100)
    session = filled.session("import", status=None, process_id=far, host="far")
    filled.task(session, status="running", process_id=far)
    if received is not None:
        filled.run(f"INSERT INTO remotes VALUES ({far}, {filled.now + received}, 0)")
    page = site.get("/").text
    assert "import" in lane(page, where)
    assert ("1 recovered" in text_of(page)) == (where == "recovered")
