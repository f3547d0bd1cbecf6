"""Names: all histories, one with its past, and the badge; whatever the names hold."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.store.conftest import Filled
from tests.web.test_charts import image
from tests.web.test_task import text_of

Until = Callable[..., Any]

NASTY = (
    "", "..", ".", "/", "/lead", "a/b/../c", "//host", "?x=1", "#x", "100%", "%2F", "a+b & c=d", "'\"", "two\nlines",
    "<img src=x onerror=alert(1)>", "badge.svg", "x.json", "日本 😀", " blank ", "\\..\\",
)  # fmt: skip


@pytest.fixture
def filled(store_path: Path) -> Iterator[Filled]:
    """A store that the test fills."""
    made = Filled(store_path)
    yield made
    made.close()


def ended(filled: Filled, name: str, task: str, status: str, **values: Any) -> int:
    """A run of the history that ended a minute ago."""
    started = values.pop("started_at", filled.now - 70)
    session = filled.session(name, status=status, started_at=started)
    return filled.task(session, task, status, session_name=name, started_at=started, **values)


def test_names_are_listed_by_session_name_with_their_figures(site: httpx.Client, filled: Filled) -> None:
    """The last started first; as JSON and CSV too."""
    for number in range(10):
        ended(filled, "etl", "load", "error" if number == 4 else "complete", started_at=1000.0 + number,
              duration=float(number))  # fmt: skip
        ended(filled, "etl", "=parse", "complete", started_at=1000.0 + number)
    ended(filled, "backup", "copy", "cancelled", started_at=2000.0)
    page = site.get("/names").text
    said = text_of(page)
    assert said.index("backup") < said.index("etl") < said.index("load")
    assert "90 % 1 failed" in said
    assert "1 cancelled" in said
    items = site.get("/names.json").json()["items"]
    assert [(each["session_name"], each["runs"]) for each in items] == [("backup", 1), ("etl", 10), ("etl", 10)]
    load = next(each for each in items if each["name"] == "load")
    assert (load["median"], load["p90"], load["success_rate"]) == (5.0, 9.0, 0.9)
    rows = list(csv.DictReader(io.StringIO(site.get("/names.csv").text)))
    assert [row["name"] for row in rows] == [each["name"].replace("=", "'=") for each in items]
    one = text_of(site.get("/names/etl").text)
    assert "load" in one
    assert "backup" not in one


def test_a_history_has_its_figures_its_strip_its_curves_and_its_runs(site: httpx.Client, filled: Filled) -> None:
    """The newest 60 in the strip, each a link with its state in words; 20 in the table, and the rest in History."""
    curve = "[[0, 0], [5, 40], [9, 90]]"
    runs = [
        ended(filled, "etl", "load", "error" if number % 10 == 9 else "complete", started_at=1000.0 + number,
              duration=10.0 + number, curve=curve)
        for number in range(70)
    ]  # fmt: skip
    page = site.get("/names/etl").text
    assert page == site.get("/names?session=etl&task=load", headers={"cookie": ""}).text
    said = text_of(page)
    for words in ("The last 60 runs", "90 %", "70", "All of them in History", "the 20 before it"):
        assert words in said
    strip = re.search(r'<ol class="strip".*?</ol>', page, re.DOTALL)
    assert strip is not None
    assert strip[0].count("<li>") == 60
    assert strip[0].count('href="#i-error"') == 6
    assert f"/tasks/{runs[-1]}" in strip[0].rpartition("<li>")[2]
    assert f"/tasks/{runs[9]}" not in page
    heights = [float(height) for height in re.findall(r'<rect class="span \w+" width="100%" height="([\d.]+)"', page)]
    assert heights == sorted(heights)
    assert heights[-1] == 72.0
    assert page.count('<path class="past"') == 20
    assert page.count("<tr>") == 21
    history = re.search(r'href="(/history\?q=[^"]*)"', page)
    assert history is not None
    data = site.get("/names.json?session=etl&task=load").json()
    assert (data["runs"], data["errors"], len(data["newest_runs"])) == (70, 7, 60)
    assert len(site.get("/names.csv?session=etl&task=load").text.splitlines()) == 61


def test_curves_of_runs_that_had_different_amounts_to_do_are_drawn_in_percent(
    site: httpx.Client, filled: Filled
) -> None:
    """Else the smaller would lie on the ground."""
    for total in (10.0, 1000.0):
        ended(filled, "etl", "load", "complete", total=total, done=total, curve=f"[[0, 0], [10, {total}]]")
    page = site.get("/names/etl").text
    assert "<span>100 %</span>" in page
    assert page.count('d="M0.0 100.0L100.0 0.0"') == 2


def test_a_lost_run_is_marked_as_lost(site: httpx.Client, ingest: Any, until: Until) -> None:
    """In the strip, in words, and on the badge."""
    ingest.process.kill()
    ingest.process.wait()
    page = until(lambda: site.get("/names/nightly%20import").text, lambda page: "#i-lost" in page.partition("strip")[2])
    assert re.search(r'<rect class="span bad dead"', page)
    assert re.search(r'aria-label="lost, [^"]*3 / 10 file', page)
    assert "lost" in site.get("/names/badge.svg?session=nightly import&task=Ingest").text


@pytest.mark.parametrize(
    ("status", "said"),
    [("complete", "passing"), ("error", "failing"), ("cancelled", "cancelled")],
)
def test_a_badge_says_how_the_last_run_ended(site: httpx.Client, filled: Filled, status: str, said: str) -> None:
    """In words, with how long ago; of a session name alone too."""
    ended(filled, "etl", "load", "complete", started_at=filled.now - 5000)
    ended(filled, "etl", "load", status, started_at=filled.now - 310)
    for address, name in (("session=etl&task=load", "etl · load"), ("session=etl", "etl")):
        answer = site.get(f"/names/badge.svg?{address}")
        assert answer.headers["content-type"].startswith("image/svg+xml")
        assert "no-cache" in answer.headers["cache-control"]
        assert image(answer.content).attrib["aria-label"] == f"{name}: {said} 5 min ago"
        again = site.get(f"/names/badge.svg?{address}", headers={"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304


def test_a_badge_of_what_runs_says_how_far_it_is(site: httpx.Client, ingest: Any) -> None:
    """And of what never ran that nobody knows."""
    said = {
        address: image(site.get(f"/names/badge.svg?{address}").content).attrib["aria-label"]
        for address in ("session=nightly import&task=Ingest", "session=nobody", "session=nobody&task=x")
    }
    assert list(said.values()) == ["nightly import · Ingest: running 30 %", "nobody: unknown", "nobody · x: unknown"]


def test_whatever_a_name_holds_its_links_lead_to_it(serve: Any, filled: Filled) -> None:
    """From the list to the name, to the history, to its data and its badge; below a root path."""
    site = serve(root_path="/jobs")
    for session_name in NASTY:
        for task_name in (session_name, "second"):
            ended(filled, session_name, task_name, "complete")
    listed = html.unescape(site.get("/jobs/names").text)
    listed_links = set(re.findall(r'href="(/jobs/names[/?][^"]*)"', listed))
    assert len(listed_links) >= 2 * len(NASTY)
    seen = set()
    for link in sorted(listed_links):
        answer = site.get(link, follow_redirects=True)
        assert answer.status_code == 200, link
        assert "<img src=x" not in answer.text
        data = re.search(r'href="(/jobs/names\.json\?[^"]*task=[^"]*)"', answer.text)
        if data is None or "?" not in link:
            continue
        history = site.get(html.unescape(data[1])).json()
        seen.add((history["session_name"], history["name"]))
        badge = re.search(r'<img class="badge" src="([^"]*)"', answer.text)
        assert badge is not None
        assert "passing" in image(site.get(html.unescape(badge[1])).content).attrib["aria-label"]
        history_link = re.search(r'href="(/jobs/history\?q=[^"]*)"', answer.text)
        assert history_link is not None
    assert seen == {(name, task) for name in NASTY for task in (name, "second")}


def test_a_name_that_nobody_has_is_not_there(site: httpx.Client, filled: Filled) -> None:
    """With the way out, and no difference between the forms."""
    ended(filled, "etl", "load", "complete")
    for path in ("/names/nobody", "/names?session=nobody", "/names?session=etl&task=x", "/names.json?session=nobody"):
        assert site.get(path).status_code == 404, path


def test_the_snippet_shows_the_badge_and_leads_to_the_page(site: httpx.Client, filled: Filled) -> None:
    """As it is pasted, with the server's address."""
    ended(filled, "night [1]\n", "load", "complete")
    page = html.unescape(site.get("/names", params={"session": "night [1]\n"}).text)
    found = re.search(r"\[!\[([^\]\n]*)\]\((\S+)\)\]\((\S+)\)", page)
    assert found is not None
    assert found[1] == "night  1"
    for address in (found[2], found[3]):
        assert address.startswith(str(site.base_url))
        assert httpx.get(address).status_code == 200


def test_where_there_is_no_store_yet_the_next_command_is_said(site: httpx.Client, store_path: Path) -> None:
    """On both pages, and looking does not make one; a badge says that nobody knows."""
    for path in ("/names", "/timeline", "/timeline?at=2026-11-21T02:14:00Z"):
        answer = site.get(path)
        assert answer.status_code == 200
        assert "progstore demo" in answer.text
    assert site.get("/names.json").json()["items"] == []
    assert "unknown" in site.get("/names/badge.svg?session=etl").text
    assert not store_path.exists()
