"""The pages in a real browser, while real processes record what they show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page, expect

Visit = Callable[..., Page]
Work = Callable[[str], Any]


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than its window."""
    width: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return width


def test_a_page_follows_a_run_while_one_watches(server: Any, visit: Visit, ingest: Any) -> None:
    """From a third to the end, without a reload; the title says it too."""
    page = visit(server.address)
    bar = page.get_by_role("progressbar", name="Ingest")
    expect(bar).to_have_attribute("aria-valuenow", "30.0")
    expect(page).to_have_title("1 running · progstore")
    page.evaluate("document.body.dataset.same = 'yes'")
    ingest.go_on(4)
    expect(bar).to_have_attribute("aria-valuenow", "70.0")
    expect(page.get_by_text("7 / 10 file")).to_be_visible()
    ingest.go_on(3)
    ingest.end()
    expect(page.get_by_role("heading", level=1)).to_have_text("nothing running")
    expect(page.get_by_role("listitem").filter(has_text="nightly import")).to_contain_text("complete")
    expect(page).to_have_title("nothing running · progstore")
    assert page.evaluate("document.body.dataset.same") == "yes"


def test_a_killed_run_is_shown_as_lost_while_one_watches(server: Any, visit: Visit, ingest: Any) -> None:
    """On its own page too, with why and how far it came."""
    board, session = visit(server.address), visit(f"{server.address}/sessions/1")
    expect(session.get_by_text("running", exact=True).first).to_be_visible()
    ingest.process.kill()
    ingest.process.wait()
    expect(board.get_by_role("heading", level=1)).to_have_text("nothing running, 1 lost")
    for page in (board, session):
        expect(page.get_by_text(f"process {ingest.process.pid} is gone").first).to_be_visible()
        expect(page.get_by_text("3 / 10 file")).to_be_visible()


def test_a_sessions_page_follows_its_events(server: Any, visit: Visit, work: Work) -> None:
    """Newest first, with what happened."""
    job = work(
        """
        import sys
        import progstore

        with progstore.session("nightly import", meta={"model": "all-MiniLM"}):
            with progstore.track(name="Ingest", total=10, unit="file") as task:
                print(progstore.flush(10), flush=True)
                for line in sys.stdin:
                    task.fail_item("row 7: <b>bad</b> date")
                    print(progstore.flush(10), flush=True)
        """
    )
    page = visit(f"{server.address}/sessions/1")
    expect(page.get_by_role("heading", name="Events")).to_be_visible()
    job.go_on(1)
    expect(page.get_by_role("listitem").filter(has_text="row 7: <b>bad</b> date").first).to_be_visible()
    expect(page.get_by_text("all-MiniLM")).to_be_visible()
    expect(page.get_by_text("program0.py").first).to_be_visible()


def test_the_page_says_when_the_server_is_gone_and_goes_on_when_it_is_back(
    start_server: Any, visit: Visit, ingest: Any
) -> None:
    """Without a reload, and right again at once."""
    server = start_server()
    page = visit(server.address)
    expect(page.get_by_text("3 / 10 file")).to_be_visible()
    server.end()
    notice = page.get_by_role("status")
    expect(notice).to_contain_text("The server cannot be reached")
    ingest.go_on(5)
    start_server(port=server.port)
    expect(page.get_by_text("8 / 10 file")).to_be_visible(timeout=20_000)
    expect(notice).to_be_hidden()


def test_a_page_polls_where_streams_are_not_to_be_had(server: Any, visit: Visit, ingest: Any) -> None:
    """Each second; with a stream it is told, and asks hardly ever by itself."""
    page = visit(server.address)
    expect(page.get_by_text("3 / 10 file")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(3500)
    assert len(asked) <= 1
    page.context.route("**/changes", lambda route: route.fulfill(status=503))
    page.reload()
    expect(page.get_by_text("3 / 10 file")).to_be_visible()
    ingest.go_on(1)
    expect(page.get_by_text("4 / 10 file")).to_be_visible()


def test_a_page_that_nobody_looks_at_asks_for_nothing(server: Any, visit: Visit, ingest: Any) -> None:
    """Hidden it rests; looked at again it is right at once."""
    page = visit(server.address)
    expect(page.get_by_text("3 / 10 file")).to_be_visible()
    hide = "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true}); %s }"
    page.evaluate(hide % "", True)
    asked: list[str] = []
    page.wait_for_timeout(1200)  # a request that was under way when it was hidden
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2500)
    assert asked == []
    ingest.go_on(1)
    page.evaluate(hide % "document.dispatchEvent(new Event('visibilitychange'))", False)
    expect(page.get_by_text("4 / 10 file")).to_be_visible()


def test_a_page_comes_alive_with_the_first_loop(server: Any, visit: Visit, run_program: Callable[..., str]) -> None:
    """While it shows that nothing was recorded yet."""
    page = visit(server.address)
    expect(page.get_by_role("heading", name="Nothing recorded yet")).to_be_visible()
    expect(page.get_by_text("progstore demo", exact=True).last).to_be_visible()
    run_program("import progstore; list(progstore.track(range(3), 'First', unit='item'))")
    expect(page.get_by_text("3 / 3 item")).to_be_visible()


def test_whatever_a_job_can_name_runs_no_script(server: Any, visit: Visit, run_program: Callable[..., str]) -> None:
    """Neither when the page is opened nor when it is merged into the one that is open."""
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    pages = [visit(server.address)]
    run_program(
        """
        import sys
        import progstore

        evil = sys.argv[1]
        with progstore.session(evil, meta={evil: evil}):
            task = progstore.track(name=evil, total=2, unit=evil, key=evil, meta={evil: [evil]})
            try:
                with task:
                    task.update(1)
                    task.message(evil)
                    task.fail_item(evil)
                    raise ValueError(evil)
            except ValueError:
                pass
            list(progstore.track(range(1), evil))
        """,
        evil,
    )
    quoted = urlencode({"session": evil, "task": evil})
    paths: tuple[str, ...] = ("sessions/1", "sessions/1/tasks/1", "history", "compare?task=1&task=2", "timeline")
    paths = (*paths, "delete?session=1", "names", f"names?{quoted}", "sql?q=SELECT+*+FROM+v_tasks")
    pages += [visit(f"{server.address}/{path}") for path in paths]
    for page in pages:
        expect(page.get_by_text(evil).first).to_be_visible()
        expect(page.locator("img[src=x]")).to_have_count(0)
        expect(page.locator("#live script")).to_have_count(0)


def test_a_traceback_that_was_closed_stays_closed(server: Any, visit: Visit, work: Work) -> None:
    """The page goes on around it."""
    job = work(
        """
            import sys
            import progstore

            with progstore.session("report"):
                try:
                    with progstore.track(name="Render", total=1):
                        raise ValueError("bad")
                except ValueError:
                    pass
                with progstore.track(name="Go on", total=10) as task:
                    print(progstore.flush(10), flush=True)
                    for line in sys.stdin:
                        task.update(int(line))
                        print(progstore.flush(10), flush=True)
            """
    )
    page = visit(f"{server.address}/sessions/1")
    traceback = page.get_by_text("Traceback (most recent call last)")
    expect(traceback).to_be_visible()
    page.locator("summary").click()
    expect(traceback).to_be_hidden()
    job.go_on(4)
    expect(page.get_by_text("4 / 10")).to_be_visible()
    expect(traceback).to_be_hidden()


def test_pages_fit_every_window_in_light_and_dark(server: Any, visit: Visit, run_program: Callable[..., str]) -> None:
    """Nothing has to be scrolled sideways, however long the words are."""
    run_program(
        """
        import progstore

        long = "a-very-long-name-without-any-space-" * 6
        with progstore.session(long, meta={long: long, "table": [[1, 2]] * 50}):
            with progstore.track(name=long, total=10**9, unit=long) as outer:
                outer.update(123456789)
                for _ in progstore.track(range(3), "Inner " + long, unit="B"):
                    progstore.current().message(long)
                outer.fail_item(long)
        """
    )
    for scheme in ("light", "dark"):
        page = visit(server.address, color_scheme=scheme)
        for path in ("/", "/sessions/1", "/nowhere"):
            page.goto(server.address + path)
            for width in (320, 390, 768, 1280):
                page.set_viewport_size({"width": width, "height": 800})
                assert overflow(page) <= 0, (path, width)
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            lightness = sum(int(part) for part in ground.strip("rgb() ").split(",")) / 3
            assert (lightness < 64) == (scheme == "dark")


def test_times_are_those_of_who_reads(server: Any, visit: Visit, ingest: Any) -> None:
    """Each browser tells them in its own zone; without script they are told in UTC."""
    tokyo, plain = (
        visit(f"{server.address}/sessions/1", timezone_id=zone, java_script_enabled=script)
        for zone, script in (("Asia/Tokyo", True), ("UTC", False))
    )
    started = tokyo.locator("dl.figures time-at").first
    expect(started).to_be_visible()
    hour = int(str(started.get_attribute("at"))[11:13])
    shown = started.evaluate("each => each.shadowRoot.textContent")
    assert f"{(hour + 9) % 24:02}:" in shown
    expect(plain.locator("dl.figures time").first).to_contain_text("UTC")
    expect(plain.get_by_text("3 / 10 file")).to_be_visible()


def test_everything_is_reached_by_keyboard(server: Any, visit: Visit, ingest: Any) -> None:
    """First the way past the header, then the links in the order of the page."""
    page = visit(server.address)
    reached = []
    for _ in range(10):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
    rooms = ["Now", "History", "Names", "Timeline", "SQL", "Store"]
    assert reached == ["To the content", "progstore", *rooms, "nightly import", "This page as JSON"]


def test_signing_in_with_the_form(start_server: Any, visit: Visit, ingest: Any) -> None:
    """A wrong token is refused with a word; the right one leads to the page that was asked for."""
    server = start_server("--token", "alpha")
    page = visit(f"{server.address}/sessions/1")
    page.get_by_label("Token").fill("gamma")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("That is not a token of this server.")
    page.get_by_label("Token").fill("alpha")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("nightly import")
    assert page.url == f"{server.address}/sessions/1"
    assert page.evaluate("document.cookie") == ""


def test_signing_in_with_the_address(start_server: Any, visit: Visit, ingest: Any) -> None:
    """The token does not stay in it."""
    server = start_server("--token", "alpha")
    page = visit(f"{server.address}/?token=alpha")
    expect(page.get_by_text("3 / 10 file")).to_be_visible()
    assert page.url == f"{server.address}/"


def test_a_link_from_another_site_opens_the_page_of_who_is_signed_in(
    start_server: Any, visit: Visit, ingest: Any
) -> None:
    """Though the browser keeps a strict cookie back at first."""
    server = start_server("--token", "alpha")
    page = visit(f"{server.address}/?token=alpha")
    expect(page.get_by_text("3 / 10 file")).to_be_visible()
    # To a browser, localhost is another site than 127.0.0.1.
    page.goto(f"http://localhost:{server.port}/login")
    page.evaluate("address => { location.href = address }", f"{server.address}/sessions/1")
    expect(page.get_by_role("heading", level=1)).to_have_text("nightly import")


def test_a_page_behind_a_proxys_path_goes_on_by_itself(start_server: Any, visit: Visit, ingest: Any) -> None:
    """What it asks for is below that path too."""
    server = start_server("--root-path", "/jobs")
    page = visit(f"{server.address}/")
    expect(page.get_by_text("3 / 10 file")).to_be_visible()
    ingest.go_on(2)
    expect(page.get_by_text("5 / 10 file")).to_be_visible()
    page.get_by_role("link", name="nightly import").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("nightly import")
    assert page.url == f"{server.address}/sessions/1"
