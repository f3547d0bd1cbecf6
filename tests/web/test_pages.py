"""The pages as a browser gets them, over runs that real processes make."""

from __future__ import annotations

import csv
import html
import io
import re
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

import progstore
from tests.store.conftest import Filled

Serve = Callable[..., httpx.Client]
Program = Callable[..., Any]
Until = Callable[..., Any]


def text_of(page: str) -> str:
    """What a page says, without its markup."""
    words = re.sub(r"<(title|svg).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r" (?=[,:])", "", re.sub(r"\s+", " ", words)))


def test_a_run_is_shown_with_how_far_it_is(site: httpx.Client, ingest: Any) -> None:
    """Name, status in words, count with unit, failed items, percent, message, and a bar that can be read aloud."""
    page = site.get("/").text
    said = text_of(page)
    for words in ("1 running", "nightly import", "Ingest", "3 / 10 file", "1 failed", "30 %", "part 2"):
        assert words in said
    bar = re.search(r'<div class="bar[^>]*role="progressbar"[^>]*>', page)
    assert bar is not None
    assert 'aria-label="Ingest"' in bar[0]
    assert 'aria-valuenow="30.0"' in bar[0]
    assert 'aria-valuetext="3 / 10 file, 30 %, 1 failed, running"' in bar[0]


def test_the_page_goes_on_with_the_run(site: httpx.Client, ingest: Any, until: Until) -> None:
    """What the page fetches each second follows the store, up to the end."""
    assert "3 / 10 file" in text_of(site.get("/live/now").text)
    ingest.go_on(4)
    assert "7 / 10 file" in until(lambda: text_of(site.get("/live/now").text), lambda said: "7 / 10" in said)
    ingest.end()
    said = until(lambda: text_of(site.get("/live/now").text), lambda said: "nothing running" in said)
    assert "nothing running" in said
    assert "complete" in said


def test_a_killed_run_needs_attention_and_says_how_far_it_came(site: httpx.Client, ingest: Any, until: Until) -> None:
    """Though nothing was written: the reader finds that its process is gone."""
    assert "1 running" in text_of(site.get("/live/now").text)
    ingest.process.kill()
    ingest.process.wait()
    said = until(lambda: text_of(site.get("/live/now").text), lambda said: "1 lost" in said)
    assert "nothing running, 1 lost" in said
    assert "Needs attention" in said
    assert f"process {ingest.process.pid} is gone" in said
    assert "3 / 10 file" in said


def test_a_stopped_run_is_suspended_and_says_how_it_goes_on(site: httpx.Client, ingest: Any, until: Until) -> None:
    """And is running again after it."""
    ingest.process.send_signal(signal.SIGSTOP)
    said = until(lambda: text_of(site.get("/live/now").text), lambda said: "1 suspended" in said)
    assert f"kill -CONT {ingest.process.pid}" in said
    ingest.process.send_signal(signal.SIGCONT)
    assert "1 running" in until(lambda: text_of(site.get("/live/now").text), lambda said: "1 running" in said)


def test_a_session_has_its_tree_its_metadata_its_process_and_its_events(
    site: httpx.Client, run_program: Callable[..., str]
) -> None:
    """All that the store knows about it, on one page."""
    run_program(
        """
        import progstore

        with progstore.session("report", meta={"model": "all-MiniLM"}):
            with progstore.track(name="Outer", total=2, unit="page") as outer:
                for row in progstore.track(range(5), "Inner", unit="row"):
                    pass
                outer["etag"] = "x1"
                outer.update(2)
        """,
        "--token",
        "secret-thing",
    )
    page = site.get("/sessions/1").text
    said = text_of(page)
    for words in ("report", "complete", "Outer", "2 / 2 page", "Inner", "5 / 5 row", "all-MiniLM", "etag", "x1"):
        assert words in said
    for words in (
        "Command line",
        "program0.py",
        "Directory",
        "User",
        "Python 3.",
        "Process id",
        "Session uid",
        "started",
    ):
        assert words in said
    assert "secret-thing" not in page
    outer, inner = (
        re.search(rf'depth-(\d)" id="t\d+">(?:(?!id="t).)*>{name}<', page, re.DOTALL) for name in ("Outer", "Inner")
    )
    assert outer is not None
    assert inner is not None
    assert (outer[1], inner[1]) == ("0", "1")


def test_an_error_is_shown_with_its_traceback(site: httpx.Client, program: Program) -> None:
    """On the first page its text, on the session's page all of it."""
    failing = program(
        """
        import progstore

        with progstore.session("report"), progstore.track(range(10), "Render", unit="page") as pages:
            for page in pages:
                if page == 5:
                    raise ValueError("row 7: <bad> date")
        """
    )
    failing.communicate()
    board, session = (site.get(path).text for path in ("/", "/sessions/1"))
    assert "1 error" in text_of(board)
    assert "ValueError: row 7: <bad> date" in text_of(board)
    assert "Traceback (most recent call last)" in text_of(session)
    assert "<bad>" not in session


def test_whatever_a_job_can_name_is_shown_as_text(site: httpx.Client, run_program: Callable[..., str]) -> None:
    """Names, keys, units, messages, metadata, errors and events are escaped on every page; JSON is sent as JSON."""
    evil = "<img src=x onerror=alert(1)>\"'{{70001*7}}&"
    run_program(
        """
        import sys
        import progstore

        evil = sys.argv[1]
        with progstore.session(evil, meta={evil: evil, "nested": {evil: [evil]}}):
            task = progstore.track(name=evil, total=2, unit=evil, key=evil, meta={evil: [evil]})
            try:
                with task:
                    task.update(1)
                    task.message(evil)
                    task.fail_item(evil)
                    raise type(evil, (Exception,), {})(evil)
            except Exception:
                pass
            list(progstore.track(range(1), evil))
        """,
        evil,
    )
    quoted = urlencode({"session": evil, "task": evil})
    (share,) = re.findall(r'href="(/embed/[^"]+)"', site.get("/sessions/1").text)
    for path in (
        *("/", "/live/now", "/sessions/1", "/live/sessions/1", "/sessions/1/tasks/1", "/live/sessions/1/tasks/1"),
        *("/history", "/history?sort=name", "/compare?task=1&task=2", "/delete?session=1", "/timeline", "/names"),
        *(f"/names?{quoted}", "/sql?q=SELECT+*+FROM+v_tasks", share),
    ):
        page = site.get(path).text
        assert "<img src=x" not in page, path
        assert evil in html.unescape(page), path
        assert "490007" not in page, path
    for path in ("/api/v1/now", "/api/v1/sessions", "/api/v1/sessions/1", "/api/v1/tasks/1", "/history.json"):
        answer = site.get(path)
        assert answer.headers["content-type"] == "application/json"
        assert evil in answer.text.replace('\\"', '"')


@pytest.mark.parametrize("page", ["/now", "/sessions/1", "/compare"])
def test_what_a_page_shows_is_had_as_json_and_csv(site: httpx.Client, filled: Filled, page: str) -> None:
    """Under its address with that ending, which the page links; the table has a line for each task that is shown."""
    session = filled.session()
    for name in ("Fetch", "=1+1"):
        filled.task(session, name)
    asked = "?task=1&task=2" if page == "/compare" else ""
    shown = site.get(f"{page.removesuffix('/now') or '/'}{asked}").text
    for ending in (".json", ".csv"):
        assert f'href="{html.escape(page + ending + asked)}"' in shown
    assert '"name":"Fetch"' in site.get(f"{page}.json{asked}").text
    table = site.get(f"{page}.csv{asked}")
    assert table.headers["content-type"].startswith("text/csv")
    lines = {line["name"]: line for line in csv.DictReader(io.StringIO(table.text))}
    assert set(lines) == {"Fetch", "'=1+1"}
    assert (lines["Fetch"]["session_id"], lines["Fetch"]["done"]) == ("1", "100.0")
    again = site.get(f"{page}.csv{asked}", headers={"if-none-match": table.headers["etag"]})
    assert again.status_code == 304
    for wrong in (".xml", ".json.csv"):
        assert site.get(f"{page}{wrong}{asked}").status_code == 404


def test_text_of_another_encoding_is_shown(site: httpx.Client, run_program: Callable[..., str]) -> None:
    """Of any language, and what was no text at all."""
    run_program(
        r"""
        import progstore

        with progstore.session("\u65e5\u672c \U0001f600 \ud800 \x00 \u202e"):
            list(progstore.track(range(2), "Gr\u00fc\u00dfe", unit="\u00b5m"))
        """
    )
    said = text_of(site.get("/sessions/1").text)
    assert "日本 😀" in said
    assert "Grüße" in said
    assert "2 / 2 µm" in said


def test_where_there_is_no_store_yet_the_next_command_is_said(site: httpx.Client, store_path: Path) -> None:
    """And looking does not make one."""
    for _ in range(2):
        answer = site.get("/")
        assert answer.status_code == 200
        assert "progstore demo" in answer.text
        assert str(store_path) in html.unescape(answer.text)
    assert list(store_path.parent.glob("progstore.db*")) == []


def test_the_page_comes_alive_with_the_first_loop(
    site: httpx.Client, run_program: Callable[..., str], until: Until
) -> None:
    """Without a restart of the server, or of the page."""
    assert "Nothing recorded yet" in site.get("/live/now").text
    run_program("import progstore; list(progstore.track(range(3), 'First', unit='item'))")
    said = until(lambda: text_of(site.get("/live/now").text), lambda said: "3 / 3 item" in said)
    assert "3 / 3 item" in said


def test_a_file_that_is_no_store_is_named_with_the_reason(serve: Serve, tmp_path: Path) -> None:
    """The page opens and says so; JSON says 503."""
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database, and long enough to be taken for a header of one" * 20)
    site = serve(path=broken)
    page = site.get("/")
    assert page.status_code == 200
    assert "The store cannot be read" in page.text
    assert "broken.db" in page.text
    for path in ("/api/v1/sessions", "/api/v1/sessions/1"):
        assert site.get(path).status_code == 503
    refused = site.get("/sessions/1")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")


def test_opening_pages_writes_nothing(site: httpx.Client, ingest: Any, store_path: Path) -> None:
    """No row of any table differs after every page was opened."""
    ingest.end()

    def rows() -> dict[str, list[Any]]:
        with sqlite3.connect(f"file:{store_path}?mode=ro", uri=True) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            found = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in tables}
        connection.close()
        return found

    before = rows()
    for path in (
        "/",
        "/live/now",
        "/sessions/1",
        "/live/sessions/1",
        "/api/v1/now",
        "/api/v1/sessions",
        "/sessions/99",
    ):
        site.get(path)
    assert rows() == before


def test_a_page_that_did_not_change_is_not_sent_again(site: httpx.Client, ingest: Any, until: Until) -> None:
    """Who has it is told so, until the run goes on; then it is another one."""
    ingest.end()
    for path in ("/", "/live/now", "/sessions/1", "/live/sessions/1"):
        first = site.get(path)
        tag = first.headers["etag"]
        again = site.get(path, headers={"if-none-match": f'"other", W/{tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert site.get(path, headers={"if-none-match": '"other"'}).status_code == 200


def test_the_tag_of_a_running_page_changes_with_the_run(site: httpx.Client, ingest: Any, until: Until) -> None:
    """However often it is asked for in between."""
    tag = site.get("/live/sessions/1").headers["etag"]
    ingest.go_on(1)
    fresh = until(lambda: site.get("/live/sessions/1").headers["etag"], lambda seen: seen != tag)
    assert fresh != tag


def test_a_page_that_is_not_there_is_a_page(site: httpx.Client, ingest: Any) -> None:
    """With the way back, and the status that programs look at."""
    for path in ("/sessions/99", "/sessions/0", "/sessions/-1", f"/sessions/{2**70}", f"/sessions/{'9' * 5000}", "/no"):
        answer = site.get(path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"].startswith("text/html")
        assert 'href="/"' in answer.text


def test_no_file_but_the_pages_own_is_served(site: httpx.Client) -> None:
    """However the path is written."""
    for path in ("x/../app.py", "x/..%2fapp.py", "x/%2e%2e/app.py", "x/no.js", "x/THIRD-PARTY.md"):
        assert site.get(f"/static/{path}").status_code == 404, path


def test_files_are_kept_by_browsers_until_they_change(site: httpx.Client) -> None:
    """Their address has a version in it; under another version they are asked for again."""
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', site.get("/").text)
    assert len(addresses) >= 4
    for address in addresses:
        answer = site.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    old = re.sub(r"/static/\w+", "/static/old", addresses[0])
    assert site.get(old).headers["cache-control"] == "no-cache"


def test_pages_ask_no_other_host_for_anything(site: httpx.Client, ingest: Any) -> None:
    """Every address in them is a path of this server, and there is neither script nor style inside."""
    for path in ("/", "/sessions/1", "/login", "/nowhere"):
        page = site.get(path, follow_redirects=True).text
        for address in re.findall(r'(?:href|src|action|hx-get)="([^"]*)"', page):
            assert address.startswith(("/", "#")), address
        assert " style=" not in page
        assert "<style" not in page
        assert re.findall(r"<script(?![^>]*src=)", page) == []
        assert re.findall(r"\son\w+=", page) == []


@pytest.mark.parametrize("where", [{"root_path": "/jobs"}, {"root_path": "/jobs/"}, {"mounted_at": "/jobs"}])
def test_below_a_root_path_every_link_begins_with_it(serve: Serve, ingest: Any, where: dict[str, str]) -> None:
    """Given by hand behind a proxy, or set by the application around; what the links name is there."""
    site = serve(**where)
    for path in ("/jobs/", "/jobs/sessions/1"):
        page = site.get(path).text
        addresses = re.findall(r'(?:href|src|hx-get)="(/[^"]*)"', page)
        assert addresses
        for address in addresses:
            assert address.startswith("/jobs/")
            assert site.get(address).status_code == 200, address


def test_a_proxy_may_take_the_root_path_off(serve: Serve, ingest: Any) -> None:
    """Links have it all the same."""
    page = serve(root_path="/jobs").get("/")
    assert page.status_code == 200
    assert 'href="/jobs/sessions/1"' in page.text


def test_signing_in_works_below_a_root_path(serve: Serve) -> None:
    """The cookie is for that path, and the way back leads there."""
    from progstore_web import Access

    site = serve(root_path="/jobs", access=Access(tokens=("alpha",)))
    assert 'action="/jobs/login"' in site.get("/jobs/sessions/7").text
    answer = site.post("/jobs/login", data={"token": "alpha", "next": "/sessions/7"})
    assert answer.headers["location"] == "/jobs/sessions/7"
    assert "path=/jobs;" in answer.headers["set-cookie"].lower() + ";"
    assert site.get("/jobs/?token=alpha").headers["location"] == "/jobs/"


def test_a_root_path_begins_with_a_slash() -> None:
    """Anything else is a mistake that is told at once."""
    from progstore_web import create_app

    for wrong in ("jobs", "//jobs"):
        with pytest.raises(ValueError, match="root_path"):
            create_app(progstore.open_store(), root_path=wrong)


def test_many_tasks_are_folded_and_none_that_failed(site: httpx.Client, run_program: Callable[..., str]) -> None:
    """A session of hundreds of tasks stays a page that one can read."""
    run_program(
        """
        import progstore

        with progstore.session("many"):
            for number in range(150):
                try:
                    with progstore.track(name=f"part {number}", total=1) as task:
                        if number == 7:
                            raise ValueError("bad")
                        task.update(1)
                except ValueError:
                    pass
        """
    )
    page = site.get("/sessions/1").text
    said = text_of(page)
    assert len(re.findall(r'<li class="task', page)) < 60
    assert "part 7 " in said
    assert "part 149" in said
    assert "complete tasks left out here" in said
    assert len(site.get("/api/v1/sessions/1").json()["tasks"]) == 150
    assert "more tasks" in text_of(site.get("/").text) or "150 tasks" in text_of(site.get("/").text)
