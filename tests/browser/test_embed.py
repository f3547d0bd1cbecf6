"""Shared progress on pages of another site, in a real browser: the element, the frame, and who is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

import progstore
from progstore_web import Access
from progstore_web.pages.embed import share_key

Visit = Callable[..., Page]
TOKEN = "correct horse"  # noqa: S105  # of a server that lives for one test
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"
LISTEN = """() => {
    window.heard = [];
    for (const kind of ["change", "done", "error"])
        document.addEventListener(`progstore:${kind}`, ({ detail }) =>
            window.heard.push([kind, detail.state ?? String(detail), detail.percent ?? null]));
}"""


class OtherSite:
    """A site of somebody else, whose pages allow scripts and data of the progress server and of nobody else."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = site.pages.get(self.path, "").encode()
                self.send_response(200 if body else 404)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever).start()

    def shows(self, inside: str, server: Any) -> str:
        """The address of a new page with that in it."""
        policy = (
            f"default-src 'none'; script-src {server.address}; connect-src {server.address};"
            f" frame-src {server.address}; img-src data:; require-trusted-types-for 'script'"
        )
        path = f"/{len(self.pages)}"
        self.pages[path] = (
            '<!doctype html><html lang="en"><head><title>Shop</title><link rel="icon" href="data:,">'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
            f'<script src="{server.address}/embed/progress.js" async></script></head><body>{inside}</body></html>'
        )
        return self.address + path


@pytest.fixture
def shop() -> Iterator[OtherSite]:
    """A site on another port, which is another origin to a browser."""
    site = OtherSite()
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture
def key(store_path: Path) -> Callable[..., str]:
    """The share key of a session of this test's store."""

    def make(session_id: int = 1, *, token: str = "") -> str:
        with progstore.open_store(str(store_path)) as store:
            return share_key(Access(tokens=(token,) if token else ()), store.session(session_id))

    return make


@pytest.mark.parametrize("how", ["stream", "poll"])
def test_the_element_follows_a_job_from_another_site(
    how: str, start_server: Any, shop: OtherSite, visit: Visit, ingest: Any, key: Callable[..., str]
) -> None:
    """To its end, with events, though the server asks everybody else for a token; then it asks for nothing more."""
    server = start_server("--token", TOKEN, "--allow-origin", shop.address)
    source = f"{server.address}/embed/{key(token=TOKEN)}"
    poll = 'poll="0.2"' if how == "poll" else ""
    page = visit(shop.shows(f'<progstore-progress src="{source}" tasks {poll}>loading</progstore-progress>', server))
    bars = page.get_by_role("progressbar")
    expect(bars).to_have_count(2)
    expect(bars.first).to_have_accessible_name("nightly import")
    expect(bars.first).to_have_attribute("aria-valuenow", "30")
    expect(bars.last).to_have_attribute("aria-valuetext", "3 / 10 file · 30 % · running")
    page.evaluate(LISTEN)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    ingest.go_on(4)
    expect(bars.first).to_have_attribute("aria-valuenow", "70")
    page.locator("progstore-progress").evaluate("each => each.removeAttribute('tasks')")
    expect(bars).to_have_count(1)
    ingest.go_on(3)
    ingest.end()
    expect(page.get_by_text("100 % · complete")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("nightly import: complete")
    heard = page.evaluate("window.heard")
    assert ["change", "running", 70] in heard
    assert heard[-1] == ["done", "complete", 100]
    assert [kind for kind, *_ in heard].count("done") == 1
    assert {url.rpartition("/")[2] for url in asked} == {"stream" if how == "stream" else "progress.json"}


def test_what_a_job_names_is_text_wherever_it_is_shared(
    start_server: Any, shop: OtherSite, visit: Visit, run_program: Callable[..., str], key: Callable[..., str]
) -> None:
    """Names, units, messages and kinds of errors; on the shared page, in its frame and in the element."""
    run_program(
        """
        import sys
        import progstore

        evil = sys.argv[1]
        with progstore.session(evil):
            for state in ("complete", "error"):
                task = progstore.track(name=evil + state, total=2, unit=evil)
                try:
                    with task:
                        task.update(2 if state == "complete" else 1)
                        task.message(evil)
                        if state == "error":
                            raise type(evil, (Exception,), {})(evil)
                except Exception:
                    pass
        """,
        EVIL,
    )
    server = start_server("--allow-origin", shop.address)
    source = f"{server.address}/embed/{key()}"
    inside = f'<progstore-progress src="{source}" tasks></progstore-progress><iframe src="{source}?frame=1"></iframe>'
    host, own = visit(shop.shows(inside, server)), visit(source)
    for shown in (host, host.frame_locator("iframe"), own):
        expect(shown.get_by_text(EVIL, exact=True).first).to_be_visible()
        expect(shown.locator("img")).to_have_count(0)
    for page in (host, own):
        expect(page.get_by_text(f"1 / 2 {EVIL} · 50 % · error: {EVIL}").first).to_be_visible()


def test_many_elements_on_one_page_are_all_right(
    start_server: Any, shop: OtherSite, visit: Visit, ingest: Any, key: Callable[..., str]
) -> None:
    """More than a browser has connections to one server; their script may be there as often as they are."""
    server = start_server("--allow-origin", "*")
    source = f"{server.address}/embed/{key()}"
    again = f'<script src="{server.address}/embed/progress.js" async></script>'
    page = visit(shop.shows(f'{again}<progstore-progress src="{source}"></progstore-progress>' * 9, server))
    expect(page.get_by_text("30 % · running")).to_have_count(9)
    ingest.go_on(2)
    expect(page.get_by_text("50 % · running")).to_have_count(9)
    page.evaluate("document.querySelectorAll('progstore-progress').forEach((each, at) => at > 2 && each.remove())")
    ingest.go_on(1)
    expect(page.get_by_text("60 % · running")).to_have_count(3)


def test_the_element_says_that_the_server_is_gone_and_goes_on_when_it_is_back(
    start_server: Any, shop: OtherSite, visit: Visit, ingest: Any, key: Callable[..., str]
) -> None:
    """What the page has inside the element gives way to what is known."""
    server = start_server("--allow-origin", shop.address)
    source = f"{server.address}/embed/{key()}"
    page = visit(shop.shows(f'<progstore-progress src="{source}">wait for it</progstore-progress>', server))
    expect(page.get_by_text("30 % · running")).to_be_visible()
    assert "wait for it" not in page.locator("body").aria_snapshot()
    page.evaluate(LISTEN)
    server.end()
    expect(page.get_by_text("not reachable")).to_be_visible()
    assert page.evaluate("window.heard[0][0]") == "error"
    ingest.go_on(5)
    start_server("--allow-origin", shop.address, port=server.port)
    expect(page.get_by_text("80 % · running")).to_be_visible(timeout=20_000)


def test_an_element_that_nobody_looks_at_rests(
    start_server: Any, shop: OtherSite, visit: Visit, ingest: Any, key: Callable[..., str]
) -> None:
    """And is right at once when somebody looks again, at another session too."""
    server = start_server("--allow-origin", shop.address)
    address = shop.shows(
        f'<progstore-progress src="{server.address}/embed/{key()}"></progstore-progress><p>the shop</p>', server
    )
    hidden, witness = visit(address), visit(address)
    for page in (hidden, witness):
        expect(page.get_by_text("30 % · running")).to_be_visible()
    turn = """hidden => {
        Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    hidden.evaluate(turn, True)
    ingest.go_on(1)
    expect(witness.get_by_text("40 % · running")).to_be_visible()
    expect(hidden.get_by_text("30 % · running")).to_be_visible()
    hidden.evaluate(turn, False)
    expect(hidden.get_by_text("40 % · running")).to_be_visible()


def test_a_site_that_was_not_named_reads_nothing_and_only_the_shared_page_is_framed(
    start_server: Any, shop: OtherSite, chromium: Browser, ingest: Any, key: Callable[..., str]
) -> None:
    """The same page, seen under a name that the server was told and under one that it was not."""
    server = start_server("--allow-origin", shop.address)
    source = f"{server.address}/embed/{key()}"
    named = shop.shows(
        f'<progstore-progress src="{source}"></progstore-progress>'
        f'<iframe id="shared" src="{source}?frame=1"></iframe><iframe id="board" src="{server.address}/"></iframe>',
        server,
    )
    window = chromium.new_context()
    page, said = window.new_page(), list[str]()
    page.on("console", lambda message: said.append(_text(message)))
    page.goto(named)
    expect(page.locator("progstore-progress").get_by_text("30 % · running")).to_be_visible()
    expect(page.frame_locator("#shared").get_by_role("progressbar", name="nightly import")).to_be_visible()
    assert any("frame-ancestors 'none'" in line for line in said)
    said.clear()
    page.goto(named.replace("127.0.0.1", "localhost"))
    expect(page.locator("progstore-progress").get_by_text("not reachable")).to_be_visible()
    assert any("blocked by CORS policy" in line for line in said)
    assert any(f"frame-ancestors 'self' {shop.address}" in line for line in said)
    window.close()


def _text(message: ConsoleMessage) -> str:
    return message.text
