"""The history: what is found, counted, sorted and paged, as a page, as JSON, as CSV and as SQL; and the comparison."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from progstore import Filter, Status, open_store
from progstore_web import Access
from progstore_web.sql_of import sql_of
from tests.store.conftest import Filled

HOSTILE = "<img src=x onerror=alert(1)> \"quoted\" 'and' 100%_/\\ ?#..\n"


@pytest.fixture
def filled(store_path: Path) -> Iterator[Filled]:
    """30 sessions of a root and a nested task each, on two hosts, some with metadata; then two odd ones."""
    made = Filled(store_path)
    with made.together():
        for number in range(30):
            started = made.now - 3600 + number * 60
            name = {"session_name": "even" if number % 2 == 0 else "odd"}
            session = made.session(name["session_name"], started_at=started, host="far" if number % 3 == 0 else "near")
            status = "error" if number % 5 == 0 else "cancelled" if number == 7 else "complete"
            task = made.task(
                session,
                f"task {number % 4}",
                status,
                started_at=started,
                duration=float(number % 6) * 10,
                done=float(number),
                failed=float(number % 7 == 6),
                message=f"message {number}%",
                error_type="ValueError" if status == "error" else None,
                curve="[[0, 0], [5, 40], [10, 100]]",
                **name,
            )
            made.task(session, "nested", parent_id=task, started_at=started, **name)
        odd = made.session(HOSTILE, host=HOSTILE, started_at=made.now - 30)
        made.task(
            odd, HOSTILE, session_name=HOSTILE, started_at=made.now - 30, unit="=1+1", message="=cmd()|' /C calc'!A0"
        )
        made.task(made.session("last"), "waiting", "pending", session_name="last")
    made.meta(1, 1, model="base", lr=0.5, deep=True, tags=["a", 1], said='say "no"')
    made.meta(2, model="base")
    made.meta(3, 5, **{"k\"e'y. é": "x'y", "lr": 1})
    made.run("UPDATE metadata SET value = '[\"a\",1]' WHERE key = 'tags'")  # as the recorder writes it
    yield made
    made.close()


def ids(page: httpx.Response) -> list[int]:
    """The tasks of a page in order, by the boxes that choose them."""
    return [int(each) for each in re.findall(r'name="task" value="(\d+)"', page.text)]


def link(page: httpx.Response, label: str) -> str:
    """Where the link with that text leads."""
    found = re.search(rf'<a [^>]*href="([^"]*)"[^>]*>(?:<[^>]*>)*{label}', page.text)
    assert found is not None, label
    return html.unescape(found[1])


def test_roots_are_shown_newest_first_and_paged_to_the_end(site: httpx.Client, filled: Filled) -> None:
    """Each once; the way on and the way back stand on the page, and nested tasks are a click away."""
    page = site.get("/history?limit=10")
    assert 'aria-sort="descending"' in page.text
    found = ids(page)
    assert "Newest" not in page.text
    while "Older" in page.text:
        page = site.get(link(page, "Older"))
        found += ids(page)
    with open_store(str(filled.file.path)) as store:
        assert found == [task.id for task in store.tasks(Filter(roots=True), limit=100)]
    assert ids(site.get(link(page, "Newest"))) == found[:10]
    assert len(ids(site.get("/history?nested=1&limit=100"))) == 62
    assert "Show nested tasks too" in page.text
    by_name = site.get("/history", params={"q": "name:nested"})
    assert len(ids(by_name)) == 30
    assert "with nested tasks" in by_name.text


def test_a_row_says_all_that_the_history_knows(site: httpx.Client, filled: Filled) -> None:
    """And leads to the task, its session and all its runs."""
    text = site.get("/history", params={"q": "meta.lr:0.5"}).text
    said = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())
    for words in (
        "even \u203a task 0",
        "error",
        "ValueError",
        "0.00 s",
        "0 / 100 it",
        "far",
        "deep true",
        "lr 0.5",
        "+2",
    ):
        assert words in said
    for address in ("/sessions/1", "/sessions/1/tasks/1", "/names/even?task=task%200"):
        assert f'href="{address}"' in text
    assert re.search(r'<svg class="spark"[^>]*><path d="M0.0 20.0L50.0 12.0L100.0 0.0"/>', text)


TYPED = {
    "status:error": 6,
    "status:error,cancelled host:near": 5,
    "session:odd took>30s": 5,
    "took>=30s took<50s": 10,
    "since:90m": 31,
    "meta.model:base": 2,
    "message 7": 1,
    "7%": 3,
    "in:1,2": 2,
    "is:live": 1,
    'name:"task 1" is:root': 8,
}


def test_what_is_typed_is_found_the_same_in_every_form(site: httpx.Client, filled: Filled) -> None:
    """The page, JSON and CSV list the same tasks."""
    for typed, number in TYPED.items():
        asked = {"q": typed}
        found = ids(site.get("/history", params=asked))
        assert len(found) == number, typed
        assert [item["id"] for item in site.get("/history.json", params=asked).json()["items"]] == found
        lines = list(csv.DictReader(io.StringIO(site.get("/history.csv", params=asked).text)))
        assert [int(line["id"]) for line in lines] == found


def test_a_mistake_is_shown_beside_the_box_with_what_was_typed(site: httpx.Client, filled: Filled) -> None:
    """With 400, the right words, and the box to mend it in; a parameter that is not there is refused too."""
    page = site.get("/history", params={"q": 'host:near "<b>'})
    assert page.status_code == 400
    assert 'value="host:near &#34;&lt;b&gt;"' in page.text
    assert "How to ask" in page.text
    said = html.unescape(page.text)
    assert "the quote at character 11 is not closed" in said
    assert "pending, running, complete, error, cancelled" in html.unescape(
        site.get("/history", params={"q": "status:failed"}).text
    )
    for query in ("sort=size", "cursor=%25", "limit=501", "limit=x", "nested=maybe", "stauts=error", "q=status:lost"):
        assert site.get(f"/history?{query}").status_code == 400, query
        assert site.get(f"/history.csv?{query}").status_code == 400, query


def test_facets_count_and_a_click_adds_or_removes_one(site: httpx.Client, filled: Filled) -> None:
    """What was typed besides stays as it is, an age ago too."""
    page = site.get("/history", params={"q": 'since:90m "message"', "sort": "-took"})
    counted = dict(re.findall(r'<span class="value">([^<]*)</span><span class="num">(\d+)</span>', page.text))
    assert (counted["complete"], counted["error"], counted["cancelled"]) == ("23", "6", "1")
    assert (counted["near"], counted["far"], counted["even"]) == ("20", "10", "15")
    added = link(page, "near")
    assert parse_qs(urlsplit(added).query) == {"q": ['since:90m "message" host:near'], "sort": ["-took"]}
    narrowed = site.get(added)
    assert len(ids(narrowed)) == 20
    assert 'aria-current="true"' in narrowed.text
    assert parse_qs(urlsplit(link(narrowed, "<span aria-hidden=.true.>✓ </span>near")).query)["q"] == [
        'since:90m "message"'
    ]
    both = site.get("/history", params={"q": "status:error,cancelled"})
    assert parse_qs(urlsplit(link(both, "<span aria-hidden=.true.>✓ </span>error")).query)["q"] == ["status:cancelled"]


def test_headers_sort_and_say_among_how_many(site: httpx.Client, filled: Filled) -> None:
    """First the largest, with a second click the smallest; the pages go on in that order."""
    page = site.get(link(site.get("/history?limit=7"), "Took"))
    assert "the newest 10,000 that match" in page.text
    took = [item["duration"] for item in site.get("/history.json?sort=-took&limit=40").json()["items"]]
    assert took == sorted(took, key=lambda seconds: seconds or 0, reverse=True)
    second = site.get(link(page, "Next"))
    wanted = [item["id"] for item in site.get("/history.json?sort=-took&limit=40").json()["items"]]
    assert ids(page) + ids(second) == wanted[:14]
    assert ids(site.get(link(page, "Took")))[0] != wanted[0]
    assert 'aria-sort="ascending"' in site.get(link(page, "Task")).text


def test_hostile_names_are_text_on_every_page_and_no_formula_in_a_table(site: httpx.Client, filled: Filled) -> None:
    """Facets, rows, links and the comparison escape them; a spreadsheet does not calculate them."""
    page = site.get("/history?nested=1")
    chosen = [int(each) for each in ids(page) if each == 61]
    assert chosen
    compared = site.get("/compare?task=61&task=1")
    for text in (page.text, compared.text):
        assert "<img" not in text
        assert "&lt;img src=x onerror=alert(1)&gt;" in text
    facet = next(each for each in re.findall(r'href="(/history\?[^"]*host%3A[^"]*)"', page.text) if "img" in each)
    assert ids(site.get(html.unescape(facet))) == [61]
    (line,) = (each for each in csv.DictReader(io.StringIO(site.get("/history.csv").text)) if each["id"] == "61")
    assert (line["unit"], line["message"]) == ("'=1+1", "'=cmd()|' /C calc'!A0")
    assert line["name"] == HOSTILE


def test_json_and_csv_lead_to_the_next_page(site: httpx.Client, filled: Filled) -> None:
    """By a cursor, and by a link in the header; a client that has it already is told so."""
    first = site.get("/history.json?limit=20&q=status:complete")
    second = site.get(
        "/history.json", params={"limit": 20, "q": "status:complete", "cursor": first.json()["next_cursor"]}
    )
    assert second.json()["next_cursor"] is None
    assert "link" not in second.headers
    table = site.get("/history.csv?limit=20&q=status:complete")
    assert table.headers["content-type"].startswith("text/csv")
    following = re.match(r'<([^>]*)>; rel="next"', table.headers["link"])
    assert following is not None
    lines = csv.DictReader(io.StringIO(site.get(following[1]).text))
    assert [int(line["id"]) for line in lines] == [item["id"] for item in second.json()["items"]]
    again = site.get("/history.json?limit=20&q=status:complete", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304


FILTERS = (
    Filter(),
    Filter(roots=True),
    Filter(name=HOSTILE),
    Filter(session_name="it's", roots=True),
    Filter(session_name="odd", statuses=frozenset({Status.COMPLETE, Status.ERROR})),
    Filter(host=HOSTILE),
    Filter(host="near", roots=True, longer_than=20.0, shorter_than=50.0),
    Filter(text="7%"),
    Filter(text="100%_/\\"),
    Filter(text="MESSAGE 1", roots=True),
    Filter(text="'; DROP TABLE tasks --"),
    Filter(live=True),
    Filter(session_ids=(1, 2, 31)),
    Filter(meta={"model": "base"}),
    Filter(meta={"lr": "0.5"}),
    Filter(meta={"lr": "1"}),
    Filter(meta={"lr": "1.0"}),
    Filter(meta={"deep": "true", "model": "base"}),
    Filter(meta={"tags": '["a",1]'}),
    Filter(meta={"said": 'say "no"'}),
    Filter(meta={"model": '"base"'}),
    Filter(meta={"k\"e'y. é": "x'y"}),
    Filter(meta={"model": "NaN"}),
    Filter(name="a\0b"),
)


def test_the_sql_gives_the_same_tasks(filled: Filled) -> None:
    """In the same order, whatever stands in names, metadata and texts, sorted by anything."""
    filled.task(1, "written late", message="message 1", session_name="even", started_at=filled.now - 9999)
    with open_store(str(filled.file.path)) as store:
        middle = store.tasks(Filter(roots=True), limit=15).items[-1].started_at
        found = set()
        for wanted in (*FILTERS, Filter(since=middle), Filter(until=middle, roots=True)):
            for sort in ("-started", "started", "-took", "rate", "name"):
                listed = [task.id for task in store.tasks(wanted, sort=sort, limit=20)]
                sql = sql_of(wanted, sort, 20)
                assert [row[0] for row in store.query(sql).rows] == listed, sql
                found.add(len(listed) > 0)
        assert found == {True, False}


def test_the_page_links_to_its_sql(site: httpx.Client, filled: Filled) -> None:
    """With the filter as it is, ready to be run."""
    page = site.get("/history", params={"q": "host:near status:error", "sort": "-took"})
    address = re.search(r'href="(/sql\?[^"]*)"', page.text)
    assert address is not None
    sql = parse_qs(urlsplit(html.unescape(address[1])).query)["q"][0]
    with open_store(str(filled.file.path)) as store:
        assert [row[0] for row in store.query(sql).rows] == ids(page)


def test_tasks_are_compared_side_by_side(site: httpx.Client, filled: Filled) -> None:
    """Their figures, in what their metadata differs, and a line each, told apart without colour."""
    page = site.get("/compare?task=1&task=5&task=3")
    said = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page.text)).split())
    for words in ("3 tasks side by side", "lr ≠ differs 0.5 1", "Status error complete", "far near", "100 it"):
        assert words in said
    drawn = re.findall(r'<path d="M0\.0 [^"]*"( stroke-dasharray="[^"]*")?/></g>', page.text)
    assert len(drawn) == len(set(drawn)) == 3
    data = site.get("/compare.json?task=1&task=5").json()
    assert [task["id"] for task in data["tasks"]] == [1, 5]
    assert data["differing"] == sorted(["deep", "k\"e'y. é", "lr", "model", "said", "tags"])
    for query in ("", "task=1", "task=1&task=1", "&".join(f"task={number}" for number in range(1, 12)), "task=x"):
        assert site.get(f"/compare?{query}").status_code == 400, query
    assert site.get("/compare?task=1&task=999").status_code == 404


def test_an_empty_history_says_what_to_do_next(site: httpx.Client, store_path: Path, serve: Callable[..., Any]) -> None:
    """Where there is no store yet, where nothing matches, and where only nested tasks would."""
    page = site.get("/history")
    assert page.status_code == 200
    assert "progstore demo" in page.text
    made = Filled(store_path)
    assert "progstore demo" in serve().get("/history").text
    task = made.task(made.session(), "outer")
    made.task(1, "inner", parent_id=task, message="word")
    made.close()
    client = serve(root_path="/jobs")
    nothing = client.get("/history", params={"q": "word"})
    assert "No task matches" in nothing.text
    assert ids(client.get(link(nothing, "show them too").removeprefix("/jobs"))) == [2]
    assert len(ids(client.get(link(nothing, "Show all tasks").removeprefix("/jobs")))) == 1


def test_only_who_may_write_is_offered_to_delete(serve: Callable[..., Any], filled: Filled) -> None:
    """A view token reads and compares."""
    client = serve(access=Access(tokens=("change",), view_tokens=("look",)))
    for token, offered in (("change", True), ("look", False)):
        text = client.get("/history", headers={"authorization": f"Bearer {token}"}).text
        assert ("formaction" in text) is offered
        assert ">Compare<" in text
    assert client.get("/history.json").status_code in {401, 403}
    assert json.loads(client.get("/history.json", headers={"authorization": "Bearer look"}).text)
