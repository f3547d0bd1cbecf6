"""Task, names and timeline in a real browser: live, on phones, in light and dark, picked by mouse and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import Job, Visit


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_a_task_is_followed_on_its_page(server: Any, visit: Visit, ingest: Job) -> None:
    """Reached from its session; it goes on by itself up to the end, and leads to its history."""
    page = visit(f"{server.address}/sessions/1")
    page.get_by_role("link", name="Ingest").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ingest")
    expect(page.get_by_text("3 / 10 file")).to_be_visible()
    page.evaluate("document.body.dataset.same = 'yes'")
    ingest.go_on(4)
    expect(page.get_by_text("7 / 10 file")).to_be_visible()
    ingest.end()
    expect(page.locator(".title .chip")).to_have_text("complete")
    expect(page).to_have_title(re.compile("complete"))
    assert page.evaluate("document.body.dataset.same") == "yes"
    page.get_by_role("link", name="all its runs").click()
    expect(page.get_by_role("heading", name="One run")).to_be_visible()
    assert page.locator("img.badge").evaluate("image => image.complete && image.naturalWidth > 50")


def test_a_moment_is_picked(server: Any, visit: Visit, ingest: Job) -> None:
    """By a click on a lane, by a mark on the axis, and by typing; told in the reader's own zone."""
    page = visit(f"{server.address}/timeline?span=1h", timezone_id="Asia/Tokyo")
    track = page.get_by_role("group", name="nightly import: 1 run")
    box = track.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
    expect(page.get_by_text("Nothing ran then.")).to_be_visible()
    assert "at=" in page.url
    expect(page.locator("line.at")).to_have_count(1)
    shown = page.locator("#at").input_value()
    first, last = (page.locator("#timeline").get_attribute(f"data-{end}") for end in ("first", "last"))
    picked = "([first, last]) => new Date(Date.parse(first) + (Date.parse(last) - Date.parse(first)) * 0.25).getHours()"
    assert int(shown[11:13]) == page.evaluate(picked, [first, last])
    ingest.end()
    page.goto(f"{server.address}/timeline?span=1h")
    began = page.evaluate(
        "fetch('/api/v1/sessions/1').then(answer => answer.json()).then(session => {"
        " const at = new Date((session.tasks[0].started_at + session.tasks[0].ended_at) * 500);"
        " return new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19) })"
    )
    page.locator("#at").fill(began)
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="What ran at")).to_be_visible()
    page.locator(".ticks a").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing ran then.")).to_be_visible()


def test_the_pages_fit_every_window_in_light_and_dark(
    server: Any, visit: Visit, run_program: Callable[..., str]
) -> None:
    """Whatever the names hold, without script too; nothing has to be scrolled sideways but tables."""
    run_program(
        """
        import progstore

        long = "a-very-long-name-without-any-space-" * 4
        for name in (long, "<img src=x onerror=alert(1)>", ""):
            with progstore.session(name):
                with progstore.track(name=name, total=4, unit=name[:60]) as outer:
                    for _ in progstore.track(range(3), "Inner " + name, unit="B"):
                        outer.update(1)
                    outer.fail_item(name)
        """
    )
    long = "a-very-long-name-without-any-space-" * 4
    paths = ("/names", f"/names/{long}?task={long}", "/timeline?span=1h", "/timeline?span=7d&by=host", "/sessions/1",
             "/sessions/1/tasks/1")  # fmt: skip
    for scheme, script in (("light", True), ("dark", False)):
        page = visit(server.address, color_scheme=scheme, java_script_enabled=script)
        for path in paths:
            answer = page.goto(server.address + path)
            assert answer is not None
            assert answer.status == 200
            expect(page.locator("main img:not(.badge)")).to_have_count(0)
            for width in (320, 390, 1280):
                page.set_viewport_size({"width": width, "height": 800})
                assert overflow(page) <= 0, (path, width)
