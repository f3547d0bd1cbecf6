"""The SQL page: what may be asked of it, how answers look, and that nothing can be written or held up by it."""

from __future__ import annotations

import csv
import io
import re
import threading
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

import progstore
from progstore_web import Access
from progstore_web.shown.sql import AT_ONCE, EXAMPLES, ROWS_IN_FILES, ROWS_SHOWN, Asker
from tests.store.conftest import Filled
from tests.web.conftest import Serve

COUNTING = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n{end}) SELECT {what} FROM n"
ENDLESS = COUNTING.format(end="", what="max(i)")
REFUSED = (
    ("DELETE FROM tasks", "DELETE is not allowed"),
    ("INSERT INTO store_info VALUES ('a', 'b')", "INSERT is not allowed"),
    ("UPDATE tasks SET done = 5", "UPDATE is not allowed"),
    ("DROP VIEW v_tasks", "not allowed"),
    ("CREATE TEMP TABLE t (a)", "not allowed"),
    ("ATTACH 'other.db' AS other", "ATTACH is not allowed"),
    ("VACUUM INTO 'other.db'", "not allowed"),
    ("PRAGMA writable_schema = 1", "PRAGMA is not allowed"),
    ("PRAGMA journal_mode = DELETE", "PRAGMA is not allowed"),
    ("SELECT load_extension('evil')", "load_extension"),
    ("SELECT writefile('other.db', 'x')", "no such function"),
    ("SELECT 1; DELETE FROM tasks", "one statement"),
    ("BEGIN EXCLUSIVE", "not allowed"),
    ("SELECT * FROM nowhere", "no such table: nowhere"),
    ("SELECT 1 WHERE ?", "binding"),
    ("SELECT zeroblob(2000000000)", "too big"),
    ("SELECT 'a\0b'", "null character"),
    ("SELECT <script>alert(1)</script>", "syntax error"),
    ("-- nothing", "no answer"),
)
"""What cannot be asked, and what is said of it."""
HOSTILE = "<img src=x onerror=alert(1)>\"'&"


def asked(site: httpx.Client, q: str, page: str = "/sql") -> httpx.Response:
    """The answer to a question."""
    return site.get(page, params={"q": q})


def body_of(response: httpx.Response) -> str:
    """The page without the list of views below the answer."""
    return response.text.partition('<section class="views"')[0]


@pytest.fixture
def three(filled: Filled) -> Filled:
    """Two tasks that ended and one with an error, one of them of a hostile name."""
    session = filled.session(HOSTILE)
    filled.task(session, session_name=HOSTILE)
    filled.task(session, "Parse", "error", error_type="ValueError", error=HOSTILE)
    filled.task(session, "long", message="x" * 5000)
    return filled


@pytest.mark.usefixtures("three")
def test_a_question_is_answered_as_a_page_as_json_and_as_csv(site: httpx.Client) -> None:
    """The address holds the question; ids of ours are links, NULL is told from empty text, text stays text."""
    q = "SELECT session_id, id AS task_id, session, error, message FROM v_tasks ORDER BY id"
    page = asked(site, q)
    assert page.status_code == 200
    assert "3 rows" in page.text
    assert '<a href="/sessions/1">1</a>' in page.text
    assert '<a href="/sessions/1/tasks/2">2</a>' in page.text
    assert '<td class="null">NULL</td>' in page.text
    assert "<img src=x" not in page.text
    assert f"{'x' * 200}…" in page.text
    assert "x" * 2001 not in page.text
    assert f">\n{q}</textarea>" in page.text
    assert asked(site, q).text == page.text
    found = asked(site, q, "/sql.json").json()
    assert found["columns"] == ["session_id", "task_id", "session", "error", "message"]
    assert found["rows"][1] == [1, 2, "nightly", HOSTILE, ""]
    assert found["truncated"] is False
    table = list(csv.reader(io.StringIO(asked(site, q, "/sql.csv").text)))
    assert table[0] == found["columns"]
    assert table[3][-1] == "x" * 5000
    links = re.findall(r'href="(/sql\.(?:json|csv)\?[^"]+)"', page.text)
    assert [site.get(unescape(link)).status_code for link in links] == [200, 200]


@pytest.mark.usefixtures("three")
def test_the_page_explains_the_views_and_gives_examples_that_work(site: httpx.Client) -> None:
    """Every view with each column and its meaning; each example answers without a fault."""
    page = site.get("/sql").text
    with progstore.open_store() as store:
        for (name,) in store.query("SELECT name FROM sqlite_master WHERE type = 'view'").rows:
            listed = page.partition(f"<code>{name}</code>")[2].partition("</details>")[0]
            columns = store.query(f"SELECT * FROM {name} LIMIT 0").columns
            assert re.findall(r"<dt><code>(\w+)</code></dt><dd>.", listed) == list(columns), name
    links = [unescape(link) for link in re.findall(r'href="(/sql\?[^"]+)"', page)]
    assert len(links) == len(EXAMPLES)
    for link in links:
        answered = site.get(link)
        assert (answered.status_code, 'class="fault"' in answered.text) == (200, False), link
    assert "At most 5 s, 1,000 rows here and 10,000 in files" in page


@pytest.mark.usefixtures("three")
def test_what_cannot_be_asked_is_said_beside_the_question(site: httpx.Client) -> None:
    """In SQLite's words; the question stays in its box, and programs are told as a problem."""
    for q, said in REFUSED:
        page = asked(site, q)
        assert page.status_code == 400, q
        fault = re.search(r'role="alert">(.+)</p>', page.text)
        assert fault is not None
        assert said in unescape(fault[1])
        assert "<script>alert" not in page.text
        kept = re.search(r"<textarea[^>]*>\n(.*)</textarea>", page.text, re.DOTALL)
        assert kept is not None
        assert unescape(kept[1]) == q
        for form in ("/sql.json", "/sql.csv"):
            problem = asked(site, q, form)
            assert (problem.status_code, problem.headers["content-type"]) == (400, "application/problem+json"), q
            assert said in problem.json()["detail"]
    assert site.get("/sql.json", params={"q": "SELECT count(*) FROM v_tasks"}).json()["rows"] == [[3]]


@pytest.mark.usefixtures("three")
def test_what_is_asked_wrongly_is_not_taken_for_a_question(site: httpx.Client) -> None:
    """Another parameter, or none where data is asked for."""
    assert site.get("/sql.json").status_code == 400
    assert asked(site, "  ", "/sql.csv").status_code == 400
    assert site.get("/sql", params={"query": "SELECT 1"}).status_code == 400
    assert asked(site, "  ").status_code == 200
    assert asked(site, "SELECT '" + "x" * 40_000 + "'").status_code == 200


@pytest.mark.usefixtures("three")
def test_more_rows_than_are_shown_are_said_to_be_there(site: httpx.Client) -> None:
    """On the page, and in the files that hold more of them; a wide answer shows fewer."""
    many = COUNTING.format(end=" LIMIT 20000", what="i")
    page = asked(site, many)
    assert "The first 1,000 rows" in page.text
    assert body_of(page).count("<tr>") == ROWS_SHOWN + 1
    found = asked(site, many, "/sql.json").json()
    assert (len(found["rows"]), found["truncated"]) == (ROWS_IN_FILES, True)
    table = asked(site, many, "/sql.csv")
    assert (len(table.text.splitlines()), table.headers["progstore-truncated"]) == (ROWS_IN_FILES + 1, "10000")
    assert "1,000 rows" in asked(site, COUNTING.format(end=" LIMIT 1000", what="i")).text
    assert "truncated" not in asked(site, "SELECT 1", "/sql.csv").headers
    wide = asked(site, COUNTING.format(end=" LIMIT 1000", what=", ".join(f"i AS c{place}" for place in range(100))))
    assert "The first 200 rows" in wide.text


@pytest.mark.usefixtures("three")
def test_any_value_that_sqlite_knows_can_be_shown(site: httpx.Client) -> None:
    """Blobs, infinities, NUL in text, odd column names, columns of one name, and no row at all."""
    q = """SELECT x'00ff' AS a, 9e999 AS b, 'a' || char(0) || 'b' AS c, 1 AS "<b>", 2 AS "<b>", 0.5 AS d, '' AS e"""
    page = asked(site, q)
    assert page.status_code == 200
    for shown in ("X&#39;00FF&#39;", "Infinity", "&lt;b&gt;", "0.5"):
        assert f">{shown}<" in page.text
    assert "<b>" not in body_of(page)
    assert asked(site, q, "/sql.json").json()["rows"] == [["X'00FF'", "Infinity", "a\0b", 1, 2, 0.5, ""]]
    assert "No rows" in asked(site, "SELECT 1 AS a WHERE 0").text
    formula = asked(site, "SELECT '=cmd()' AS \"=a\", -5 AS n", "/sql.csv").text.splitlines()
    assert formula == ["'=a,n", "'=cmd(),-5"]


def test_a_question_that_takes_too_long_is_ended(three: Filled) -> None:
    """And its place is free again."""
    with progstore.open_store(three.file.path) as store:
        asker = Asker(store, seconds=0.1)
        with asker.place() as is_free:
            assert is_free
            shown = asker.shown(ENDLESS)
        assert (shown.answer, shown.fault[:20]) == (None, "interrupted after 0.")
        with asker.place() as is_free:
            assert is_free


@pytest.mark.usefixtures("three")
def test_a_few_slow_questions_leave_the_server_to_others(site: httpx.Client, until: Any) -> None:
    """Those who come too much are told so at once; every other page is answered; in time each question is ended."""
    ended: list[int] = []

    def ask_for_ever() -> None:
        status = 503
        while status == 503:  # the question that only looks may have come first
            status = httpx.get(f"{site.base_url}/sql", params={"q": ENDLESS}, timeout=60).status_code
        ended.append(status)

    threads = [threading.Thread(target=ask_for_ever) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    refused = until(lambda: asked(site, "SELECT 1"), lambda response: response.status_code == 503)
    problem = asked(site, "SELECT 1", "/sql.json")
    history = site.get("/history")
    waiting = list(ended)
    for thread in threads:
        thread.join()
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert "no more at once" in refused.text
    assert ">\nSELECT 1</textarea>" in refused.text
    assert (problem.status_code, problem.headers["content-type"]) == (503, "application/problem+json")
    assert problem.headers["retry-after"] == "2"
    assert "no more at once" in problem.json()["detail"]
    assert (history.status_code, waiting) == (200, [])
    assert ended == [400] * AT_ONCE
    assert asked(site, "SELECT 1").status_code == 200


def test_where_there_is_no_store_the_page_says_how_to_begin(site: httpx.Client, store_path: Path) -> None:
    """And makes none."""
    page = site.get("/sql")
    assert (page.status_code, "Nothing recorded yet" in page.text) == (200, True)
    assert asked(site, "SELECT 1", "/sql.json").status_code == 503
    assert not store_path.exists()


@pytest.mark.usefixtures("three")
def test_a_view_token_may_ask_and_who_has_none_may_not(serve: Serve) -> None:
    """A question only reads."""
    site = serve(access=Access(tokens=("alpha",), view_tokens=("beta",)))
    for token, status in (("beta", 200), ("alpha", 200), ("gamma", 401)):
        for page in ("/sql", "/sql.json", "/sql.csv"):
            answered = site.get(page, params={"q": "SELECT 1"}, headers={"authorization": f"Bearer {token}"})
            assert answered.status_code == status, (token, page)


@pytest.mark.usefixtures("three")
def test_links_stand_below_the_root(serve: Serve) -> None:
    """The form, the examples, the files and the ids."""
    page = asked(serve(root_path="/jobs"), "SELECT session_id FROM v_tasks").text
    assert not [link for link in re.findall(r'(?:href|action|src)="([^"#]+)"', page) if not link.startswith("/jobs/")]
