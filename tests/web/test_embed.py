"""Share links: what they show, to whom, and what they must never tell."""

from __future__ import annotations

import html
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import progstore
from progstore_web import Access
from progstore_web.pages.embed import share_key

Serve = Callable[..., httpx.Client]
Until = Callable[..., Any]
TOKEN = "correct horse"  # noqa: S105  # of a server that lives for one test
SHOP = "https://shop.example"
TOLD = {"name", "text", "status", "life", "state", "ended", "percent", "message", "started_at", "ended_at", "tasks"}

REPORT = """
    import progstore

    declared = progstore.Session.create(tasks={"load": "Load"}, name="load")
    declared.start("load")
    declared.error("load", "no date in /srv/acme/row7")
    progstore.flush(10)
    with progstore.session("report", meta={"customer": "acme"}):
        for page in progstore.track(range(10), "Render", unit="page"):
            if page == 5:
                raise ValueError("no date in /srv/acme/row7")
"""


@pytest.fixture
def key_of(store_path: Path) -> Callable[..., str]:
    """The share key of a session as a server with that access makes it."""

    def make(session_id: int, access: Access) -> str:
        with progstore.open_store(str(store_path)) as store:
            return share_key(access, store.session(session_id))

    return make


def test_who_has_the_link_sees_that_session_without_a_token_and_nothing_else(
    serve: Serve, ingest: Any, key_of: Callable[..., str]
) -> None:
    """The session's page leads there; every other address still asks for the token."""
    access = Access(tokens=(TOKEN,))
    site = serve(access=access)
    shared = f"/embed/{key_of(1, access)}"
    facts = site.get(f"{shared}/progress.json").json()
    assert (facts["name"], facts["state"], facts["percent"], facts["message"]) == (
        "nightly import",
        "running",
        30,
        "part 2",
    )
    assert facts["tasks"][0]["text"] == "3 / 10 file · 30 % · running"
    page = site.get(shared)
    assert page.status_code == 200
    assert "nightly import" in page.text
    assert "set-cookie" not in page.headers
    assert TOKEN not in page.text
    for path in ("/", "/sessions/1", "/api/v1/sessions/1", "/api/v1/sessions/1/stream", "/live/now"):
        assert site.get(path).status_code == 401, path
    session = site.get("/sessions/1", headers={"authorization": f"Bearer {TOKEN}"})
    assert f'href="{shared}"' in session.text
    assert site.delete(f"{shared}/progress.json").status_code == 405


def test_strangers_are_told_nothing_about_the_machine_the_data_or_the_error(
    site: httpx.Client, program: Callable[..., Any], key_of: Callable[..., str], store_path: Path
) -> None:
    """Of an error its type; no text, traceback, host, process, command line, directory or metadata."""
    program(REPORT).communicate()
    shared, declared = (f"/embed/{key_of(number, Access())}" for number in (2, 1))
    facts = site.get(f"{shared}/progress.json").json()
    assert set(facts) == TOLD
    assert (facts["status"], facts["ended"], facts["percent"]) == ("error", True, 50)
    assert facts["tasks"][0]["error_type"] == "ValueError"
    assert facts["tasks"][0]["text"] == "5 / 10 page · 50 % · error: ValueError"
    with progstore.open_store(str(store_path)) as store:
        host = store.session(2).host
    with httpx.Client(base_url=site.base_url, headers={"host": "localhost"}) as other:
        for path in (shared, f"{shared}?frame=1", f"{shared}/progress.json", f"{declared}/progress.json", declared):
            said = other.get(path).text
            for secret in ("acme", "Traceback", "program0", host, str(store_path.parent), '"pid"', "uid"):
                assert secret not in said, (path, secret)


def test_the_store_is_not_named_to_strangers_when_it_cannot_be_read(
    site: httpx.Client, run_program: Callable[..., str], key_of: Callable[..., str], store_path: Path
) -> None:
    """Why it cannot be read names files, and is the owner's to know."""
    run_program("import progstore; list(progstore.track(range(3), 'First'))")
    shared = f"/embed/{key_of(1, Access())}"
    for file in store_path.parent.glob("progstore.db*"):
        file.unlink()
    store_path.write_bytes(b"no store at all, but long enough to be taken for the header of one" * 30)
    for path in (shared, f"{shared}/progress.json", f"{shared}/stream"):
        answer = site.get(path)
        assert answer.status_code == 503
        assert "cannot be read at the moment" in answer.text
        assert "progstore.db" not in answer.text


def test_a_wrong_key_looks_the_same_whether_or_not_the_session_exists(
    serve: Serve, ingest: Any, key_of: Callable[..., str]
) -> None:
    """404 with the same words, in every form; also for another token's key and for another session's signature."""
    access = Access(tokens=(TOKEN,))
    site = serve(access=access)
    good = key_of(1, access)
    number, mark, signature = good.split("-")
    wrong = (
        f"2-{mark}-{signature}",
        f"1-{mark[::-1]}-{signature}",
        f"1-{mark}-{signature[:-1]}{'0' if signature[-1] != '0' else '1'}",
        f"1-{mark}-{access.sign(number)}",
        key_of(1, Access(tokens=("another",))),
        key_of(1, Access()),
        f"99-{mark}-{access.sign(f'99-{mark}')}",
        f"1-{'0' * 16}-{access.sign(f'1-{chr(48) * 16}')}",
        f"{'9' * 30}-{mark}-{signature}",
        "1",
        "x",
        "%00",
        "é",
    )
    for suffix in ("", "/progress.json", "/stream"):
        answers = [site.get(f"/embed/{key}{suffix}") for key in wrong]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.text for answer in answers}) == 1
    assert site.get(f"/embed/{good}").status_code == 200
    assert site.get("/embed/..%2F..%2Fsessions%2F1").status_code == 404


def test_a_link_outlives_a_restart_and_dies_with_its_token_its_store_or_its_session(
    serve: Serve,
    run_program: Callable[..., str],
    key_of: Callable[..., str],
    until: Until,
    tmp_path: Path,
    store_path: Path,
) -> None:
    """Another store's first session does not answer to it."""
    run_program("import progstore; list(progstore.track(range(3), 'First'))")
    run_program("import progstore; list(progstore.track(range(3), 'Second'))", PROGSTORE_URL=str(tmp_path / "b.db"))
    access = Access(tokens=(TOKEN,))
    path = f"/embed/{key_of(1, access)}/progress.json"
    site = serve(access=access)
    assert [site.get(path).status_code, serve(access=access).get(path).status_code] == [200, 200]
    assert serve(access=Access(tokens=("changed",))).get(path).status_code == 404
    assert serve(access=access, path=tmp_path / "b.db").get(path).status_code == 404
    with progstore.open_store(str(store_path)) as store:
        store.delete(sessions=[1])
    assert until(lambda: site.get(path).status_code, lambda status: status == 404) == 404


def test_the_json_is_sent_again_only_when_it_changed_and_the_stream_follows(
    site: httpx.Client, ingest: Any, key_of: Callable[..., str], until: Until
) -> None:
    """304 from the reader's memory, and each state as a server-sent event, up to the end."""
    shared = f"/embed/{key_of(1, Access())}"
    ingest.go_on(1)
    with site.stream("GET", f"{shared}/stream", timeout=30) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert '"percent":40' in next(line for line in lines if line.startswith("data: "))
        ingest.go_on(2)
        assert '"percent":60' in next(line for line in lines if '"percent":60' in line)
    ingest.end()
    ended = until(lambda: site.get(f"{shared}/progress.json"), lambda answer: answer.json()["ended"])
    again = site.get(f"{shared}/progress.json", headers={"if-none-match": ended.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    with site.stream("GET", f"{shared}/stream", headers={"accept": "application/x-ndjson"}, timeout=30) as stream:
        assert '"ended":true' in next(stream.iter_lines())


def test_only_the_sites_that_are_named_may_read_it_from_their_pages(
    serve: Serve, run_program: Callable[..., str], key_of: Callable[..., str]
) -> None:
    """The exact origin, without credentials, below /embed alone; errors too, so that the page knows what is wrong."""
    run_program("import progstore; list(progstore.track(range(3), 'First'))")
    named = Access(origins=frozenset({SHOP}))
    site, key = serve(access=named), key_of(1, named)
    below = (f"/embed/{key}/progress.json", "/embed/progress.js", "/embed/1-x/progress.json", f"/embed/{key}")
    for path in below:
        answer = site.get(path, headers={"origin": SHOP})
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert "Origin" in answer.headers["vary"]
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        for stranger in ("https://evil.example", f"{SHOP}.evil.example", "http://shop.example", "null", ""):
            refused = site.get(path, headers={"origin": stranger})
            assert "access-control-allow-origin" not in refused.headers
            assert "Origin" in refused.headers["vary"]
    for path in ("/", "/sessions/1", "/api/v1/sessions/1", "/api/v1/sessions/1/stream/x", "/embed"):
        answer = site.get(path, headers={"origin": SHOP})
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    everybody = Access(origins=frozenset({"*"}))
    answer = serve(access=everybody).get(f"/embed/{key}/progress.json", headers={"origin": "https://any.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    nobody = serve().get(f"/embed/{key}/progress.json", headers={"origin": SHOP})
    assert "access-control-allow-origin" not in nobody.headers


def test_the_shared_page_alone_may_be_framed(
    serve: Serve, run_program: Callable[..., str], key_of: Callable[..., str]
) -> None:
    """By the sites that are named, or by all where none is; everything else by nobody."""
    run_program("import progstore; list(progstore.track(range(3), 'First'))")
    open_site, named = serve(), serve(access=Access(origins=frozenset({SHOP})))
    shared = f"/embed/{key_of(1, Access())}"
    for site, framed_by in ((open_site, "*"), (named, f"'self' {SHOP}")):
        answer = site.get(shared)
        assert f"frame-ancestors {framed_by};" in answer.headers["content-security-policy"]
        assert "x-frame-options" not in answer.headers
        for path in ("/", "/sessions/1", "/login", "/api/v1/now", "/embed", "/nothing"):
            answer = site.get(path)
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["x-frame-options"] == "DENY"
    for path in (shared, "/"):
        policy = open_site.get(path).headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")


def test_the_page_says_how_to_paste_it(
    serve: Serve, run_program: Callable[..., str], key_of: Callable[..., str]
) -> None:
    """Whole addresses, below the path where a proxy shows them; names are escaped for the place where they go."""
    evil = '"><script>alert(1)</script>'
    run_program(f"import progstore\nwith progstore.session({evil!r}): list(progstore.track(range(3), 'First'))")
    site = serve(root_path="/jobs")
    key = key_of(1, Access())
    page = site.get(f"/jobs/embed/{key}").text
    address = f"{site.base_url}/jobs/embed"
    pasted = [html.unescape(block) for block in re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", page, re.DOTALL)]
    assert pasted == [
        (
            f'<script src="{address}/progress.js" async></script>\n'
            f'<progstore-progress src="{address}/{key}"></progstore-progress>'
        ),
        (
            f'<iframe src="{address}/{key}?frame=1" title="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"'
            ' width="100%" height="90" style="border: 0"></iframe>'
        ),
        f"{address}/{key}",
    ]
    assert "<script>" not in page
    assert f"{html.escape(evil).replace('&quot;', '&#34;')}: 100 % · complete</progstore-progress>" in page
    for link in set(re.findall(r'<(?:link|a|script)[^>]* (?:href|src)="([^"]+)"', page)):
        assert link.startswith("/jobs/")
        assert site.get(link).status_code == 200
    framed = site.get(f"/jobs/embed/{key}?frame=1").text
    assert "<pre" not in framed
    assert "<progstore-progress" in framed


def test_the_component_is_small_and_kept_until_it_changes(site: httpx.Client) -> None:
    """Under 4 kB as it is sent, of one file that asks for no other."""
    answer = site.get("/embed/progress.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert len(answer.content) < 4000
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|import\b", answer.text)
    again = site.get("/embed/progress.js", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


def test_a_crowd_of_tasks_is_not_sent_to_everybody(
    site: httpx.Client, run_program: Callable[..., str], key_of: Callable[..., str]
) -> None:
    """The newest of them are."""
    run_program(
        """
        import progstore

        with progstore.session("crowd"):
            for number in range(80):
                list(progstore.track(range(2), f"part {number}"))
        """
    )
    names = [task["name"] for task in site.get(f"/embed/{key_of(1, Access())}/progress.json").json()["tasks"]]
    assert names == [f"part {number}" for number in range(50, 80)]


def test_looking_by_a_link_writes_nothing(
    site: httpx.Client, run_program: Callable[..., str], key_of: Callable[..., str], store_path: Path
) -> None:
    """A link is not even noted in the store."""
    run_program("import progstore; list(progstore.track(range(3), 'First'))")

    def dump() -> list[str]:
        with sqlite3.connect(f"file:{store_path}?mode=ro", uri=True) as connection:
            lines = list(connection.iterdump())
        connection.close()
        return lines

    before, key = dump(), key_of(1, Access())
    for path in (f"/embed/{key}", f"/embed/{key}/progress.json", "/embed/1-1"):
        site.get(path)
    assert dump() == before
