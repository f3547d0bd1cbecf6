"""A job is started and stopped in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

Visit = Callable[..., Page]

JOBS = '''
import itertools
import time

import progstore


@progstore.job("reindex")
def reindex(folder: str, task: progstore.Task, width: int = 800, dry_run: bool = False) -> None:
    """Read all photos of a folder again."""
    print(folder, width, dry_run)
    for number in itertools.count():
        if task.stop_requested:
            break
        task.message(f"photo {number}")
        time.sleep(0.01)
'''


def test_a_job_is_started_by_its_form_and_stopped(
    start_server: Callable[..., Any], visit: Visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong is mended where it was typed; the run is followed live, and ends when it was asked to."""
    (tmp_path / "photo_jobs.py").write_text(JOBS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    page = visit(start_server("--jobs", "photo_jobs").address)
    page.get_by_role("link", name="Jobs", exact=True).click()
    job = page.get_by_role("region", name="reindex")
    expect(job).to_contain_text("Read all photos of a folder again.")
    job.get_by_text("Start …").click()
    job.get_by_label("folder").fill("/srv/photos")
    job.get_by_label("width").fill("wide")
    job.get_by_label("dry_run").check()
    job.get_by_role("button", name="Start reindex").click()
    expect(job.get_by_role("alert")).to_be_visible()
    expect(job.get_by_label("width")).to_have_accessible_description("a whole number, got 'wide'")
    expect(job.get_by_label("folder")).to_have_value("/srv/photos")
    expect(job.get_by_label("dry_run")).to_be_checked()
    job.get_by_label("width").fill("600")
    job.get_by_role("button", name="Start reindex").click()

    expect(page).to_have_url(re.compile(r"/sessions/1$"))
    expect(page.get_by_text("/srv/photos 600 True")).to_be_visible(timeout=30_000)
    page.get_by_role("link", name="Stop …").click()
    expect(page.get_by_role("heading", name="Stop reindex?")).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page).to_have_url(re.compile(r"/sessions/1$"))
    expect(page.locator(".title")).to_contain_text("cancelled", timeout=30_000)
    expect(page.locator(".page > .message")).to_have_text("stop requested")
    expect(page.get_by_role("link", name="Stop …")).to_have_count(0)
