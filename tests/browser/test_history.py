"""The history in a real browser: narrowed down, sorted, compared, on a phone, with names that would do harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

Visit = Callable[..., Page]

RUNS = """
    import progstore

    for number in range(3):
        with progstore.session("nightly import", meta={"model": ("tiny", "base", "base")[number]}):
            with progstore.track(name="Ingest", total=40, unit="file", meta={"rate": number}) as task:
                for _ in range(40 - number):
                    task.update(1)
                task["number"] = number
    try:
        with progstore.session("report <img src=x onerror=alert(1)>"):
            with progstore.track(name="<script>alert(1)</script> 'a' \\"b\\"", total=2) as task:
                task.update(1)
                raise ValueError("<b>row 7</b>")
    except ValueError:
        pass
    print(progstore.flush(10))
"""


@pytest.fixture
def runs(run_program: Callable[..., str]) -> None:
    """Three runs of one name, and one that failed, with names that would do harm."""
    assert run_program(RUNS) == "True\n"


@pytest.mark.usefixtures("runs")
def test_the_history_is_narrowed_down_sorted_and_compared(server: Any, visit: Visit) -> None:
    """By typing, by clicks and by keys; the address holds it all."""
    page = visit(f"{server.address}/history")
    rows = page.get_by_role("row").filter(has=page.get_by_role("checkbox"))
    expect(rows).to_have_count(4)
    expect(rows.first).to_contain_text("ValueError: <b>row 7</b>")
    box = page.get_by_role("searchbox", name="Filter")
    box.fill("status:failed")
    box.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("there is no status 'failed'")
    expect(box).to_have_value("status:failed")
    expect(box).to_be_focused()
    box.fill('session:"nightly import"')
    page.get_by_role("button", name="Filter").click()
    expect(rows).to_have_count(3)
    page.get_by_role("link", name="Items").click()
    expect(page.get_by_role("columnheader", name="Items")).to_have_attribute("aria-sort", "descending")
    expect(rows.first).to_contain_text("40 file")
    expect(rows.last).to_contain_text("38 / 40 file")
    rows.first.get_by_role("checkbox").check()
    rows.last.get_by_role("checkbox").press("Space")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 tasks side by side")
    expect(page.get_by_role("row").filter(has_text="number")).to_contain_text("≠ differs")
    page.go_back()
    expect(rows).to_have_count(3)
    page.get_by_role("link", name="Clear").click()
    expect(rows).to_have_count(4)


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("context", [{"viewport": {"width": 390, "height": 844}}, {"java_script_enabled": False}])
def test_a_phone_and_a_browser_without_scripts_show_it_too(server: Any, visit: Visit, context: dict[str, Any]) -> None:
    """Nothing is wider than the page, and what a name holds is only text."""
    page = visit(f"{server.address}/history", **context)
    expect(page.get_by_role("checkbox")).to_have_count(4)
    assert page.locator("main img, main script").count() == 0
    expect(page.get_by_text("<script>alert(1)</script>").first).to_be_visible()
    for address in ("/history", "/history?q=host:nowhere", "/history?q=a:b", "/compare?task=1&task=4"):
        page.goto(server.address + address)
        box = page.locator("html").bounding_box()
        main = page.locator("main").bounding_box()
        assert box is not None
        assert main is not None
        assert main["width"] <= box["width"]
    if "viewport" in context:
        page.goto(f"{server.address}/history")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
        page.get_by_text("Narrow down").click()
        page.get_by_role("link", name="error", exact=False).filter(visible=True).first.click()
        expect(page.get_by_role("checkbox")).to_have_count(1)
