"""Asking in SQL, deleting and cleaning up in a real browser: with the keyboard, without scripts, on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

Visit = Callable[..., Page]

RUNS = """
    import progstore

    for number in range(3):
        with progstore.session("nightly import <img src=x onerror=alert(1)>"):
            with progstore.track(name="Ingest", total=4, unit="file") as task:
                task.update(4)
    print(progstore.flush(10))
"""


@pytest.fixture
def runs(run_program: Callable[..., str]) -> None:
    """Three runs of a name that would do harm."""
    assert run_program(RUNS) == "True\n"


@pytest.mark.usefixtures("runs")
def test_a_question_is_asked_with_the_keyboard_and_mended(server: Any, visit: Visit) -> None:
    """What is wrong with it stands beside it; the address opens the same answer again; the files are there."""
    page = visit(f"{server.address}/sql")
    box = page.get_by_role("textbox", name="Question in SQL")
    expect(box).to_be_focused()
    page.keyboard.type("DELETE FROM tasks")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("DELETE is not allowed")
    expect(box).to_have_value("DELETE FROM tasks")
    expect(box).to_be_focused()
    box.fill("SELECT session_id, session, error FROM v_tasks\nORDER BY session_id")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("row")).to_have_count(4)
    expect(page.get_by_role("cell", name="NULL")).to_have_count(3)
    expect(page.get_by_role("cell", name="nightly import <img src=x onerror=alert(1)>")).to_have_count(3)
    assert page.locator("main img").count() == 0
    page.reload()
    expect(page.get_by_role("heading", name="3 rows")).to_be_visible()
    found = page.request.get(page.get_by_role("link", name="JSON").evaluate("link => link.href")).json()
    assert [row[0] for row in found["rows"]] == [1, 2, 3]
    page.get_by_text("v_tasks", exact=True).click()
    expect(page.get_by_text("items done, failed ones too").filter(visible=True)).to_have_count(1)
    page.get_by_role("link", name="Success by name").click()
    expect(page.get_by_role("columnheader", name="median_seconds")).to_be_visible()
    page.get_by_role("link", name="Curve of the last task").click()
    expect(page.get_by_role("columnheader", name="done")).to_be_visible()


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("context", [{"viewport": {"width": 390, "height": 844}}, {"java_script_enabled": False}])
def test_a_phone_and_a_browser_without_scripts_do_the_same(server: Any, visit: Visit, context: dict[str, Any]) -> None:
    """They ask, choose, are told what would go, and delete it; nothing is wider than the page."""
    page = visit(f"{server.address}/sql", **context)
    page.get_by_role("textbox").fill("SELECT * FROM v_tasks")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("row")).to_have_count(4)
    for address in ("/sql?q=select+*+from+v_sessions", "/sql?q=select+nothing", "/store", "/delete?session=1&task=2"):
        page.goto(server.address + address)
        main, whole = page.locator("main").bounding_box(), page.locator("html").bounding_box()
        assert main is not None
        assert whole is not None
        assert main["width"] <= whole["width"]
    if "viewport" in context:
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    page.goto(f"{server.address}/history")
    page.get_by_role("checkbox").nth(0).check()
    page.get_by_role("checkbox").nth(1).check()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete 2 tasks?")
    page.get_by_role("link", name="Leave it").click()
    expect(page.get_by_role("checkbox")).to_have_count(3)
    page.goto(f"{server.address}/delete?session=1&session=2&next=/history")
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url(f"{server.address}/history")
    expect(page.get_by_role("checkbox")).to_have_count(1)


@pytest.mark.usefixtures("runs")
def test_the_store_is_cleaned_up_by_its_form(server: Any, visit: Visit) -> None:
    """It says what would go, may be left alone, and then does it; the vacuum asks as well."""
    page = visit(f"{server.address}/store")
    page.get_by_role("textbox", name="Session name").fill("nightly import <img src=x onerror=alert(1)>")
    page.get_by_role("spinbutton", name="Spare the newest").fill("1")
    page.get_by_role("button", name="Show what would go").click()
    expect(page.get_by_role("status").filter(visible=True)).to_contain_text("2 sessions, 2 tasks")
    page.get_by_role("link", name="Leave it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("with 3 sessions")
    page.get_by_role("spinbutton", name="Spare the newest").fill("1")
    page.get_by_role("button", name="Show what would go").click()
    page.get_by_role("button", name="Remove 2 sessions").click()
    expect(page.get_by_role("status").filter(visible=True)).to_contain_text("2 sessions, 2 tasks")
    expect(page.get_by_role("heading", level=1)).to_contain_text("with 1 session")
    page.get_by_role("button", name="Vacuum…", exact=True).click()
    page.get_by_role("button", name="Vacuum", exact=True).click()
    expect(page.get_by_role("status").filter(visible=True)).to_contain_text("went back to the disk")
