"""What axe, which checks pages for those who cannot see them well or use no mouse, finds on each page: nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, ViewportSize

import progstore
from progstore_web import Access
from progstore_web.pages.embed import share_key

PROGRAM = str(Path(sys.executable).with_name("progstore"))
TOKEN = "correct horse"  # noqa: S105  # of a server that lives for these tests
WIDE, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)
ENDED = """
import progstore

for run in range(3):
    with progstore.session("nightly import", meta={"model": "all-MiniLM", "depth": {"levels": [1, 2]}}):
        with progstore.track(name="Ingest", total=10, unit="file", meta={"batch": 64}) as task:
            for row in progstore.track(range(5), "Parse", unit="row"):
                task.update(2)
            task.fail_item("row 7: bad date")
            task.message("part 2")
try:
    with progstore.session("report"), progstore.track(range(10), "Render", unit="page") as pages:
        for page in pages:
            if page == 5:
                raise ValueError("row 7: <bad> date")
except ValueError:
    pass
with progstore.session("find first"):
    for file in progstore.track(range(10), "Search", unit="file"):
        if file == 3:
            break
print(progstore.flush(10), flush=True)
"""
LIVE = """
import sys
import progstore

with progstore.session("train"), progstore.track(name="epoch 3", total=1000, unit="step") as task:
    task.update(300)
    task.message("loss 0.13")
    assert not task.stop_requested
    with progstore.track(name="Messages", unit="message") as open_end:
        open_end.update(7)
        print(progstore.flush(10), flush=True)
        sys.stdin.read()
"""
JOBS = """
import datetime
from typing import Literal

import progstore


@progstore.job
def reindex(folder: str, mode: Literal["fast", "safe"], since: datetime.date | None = None, width: int = 800,
            dry_run: bool = False, tags: list[str] = [], token: str = "") -> None:
    "Read all photos again."


@progstore.job
def tidy() -> None: ...
"""
PAGES = (
    "/",
    "/jobs",
    "/sessions/7/stop",
    "/history",
    "/history?q=status%3Aerror",
    "/history?q=status%3Anonsense",
    "/sessions/1",
    "/sessions/4",
    "/sessions/6",
    "/sessions/1/tasks/1",
    "/names",
    "/names?session=nightly+import",
    "/timeline",
    "/sql",
    "/store",
    "/compare?task=1&task=3",
    "/delete?task=1",
    "/logout",
    "/sessions/99",
)
"""As the admin sees them; runs 1 to 3 were complete, 4 failed, 5 was left early, 6 is lost and 7 runs."""
OF_STRANGERS = ("/login", "/embed/KEY", "/embed/KEY?frame=1", "/embed/1-none")
"""As they are seen without a token."""
LOOK = """async () => {
    document.querySelectorAll("details").forEach(each => { each.open = true; });
    const found = await axe.run({ resultTypes: ["violations"] });
    return found.violations.map(each => [each.id, each.help, each.nodes.map(node => node.target.join(" "))]);
}"""


@pytest.fixture(scope="module")
def store_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store with runs that ended in every way, one that was killed and one that goes on."""
    path = tmp_path_factory.mktemp("accessibility") / "progstore.db"
    running: list[subprocess.Popen[str]] = []
    for source in (ENDED, LIVE, LIVE):
        running.append(_start([sys.executable, "-c", source], path))
        assert running[-1].stdout is not None
        assert running[-1].stdout.readline() == "True\n"
        if len(running) == 2:
            running[-1].kill()
            running[-1].wait()
    yield path
    for process in running:
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def server(store_of_all: Path) -> Iterator[str]:
    """The address of a server of that store, which asks for a token."""
    (store_of_all.parent / "photo_jobs.py").write_text(JOBS, encoding="utf-8")
    command = [PROGRAM, "ui", "--no-open", "--port", "0", "--token", TOKEN, "--jobs", "photo_jobs"]
    process = _start(command, store_of_all)
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found is not None
    yield found[0].rstrip("/")
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture(scope="module")
def look(chromium: Browser) -> Iterator[Callable[..., dict[str, Any]]]:
    """A way to have a page checked, light and wide, then dark on a phone."""
    # What the checker brings along is what the pages' own policy rightly forbids.
    admin = chromium.new_context(bypass_csp=True, extra_http_headers={"authorization": f"Bearer {TOKEN}"}).new_page()
    stranger = chromium.new_context(bypass_csp=True).new_page()

    def check(address: str, *, signed_in: bool) -> dict[str, Any]:
        page = admin if signed_in else stranger
        page.set_viewport_size(WIDE)
        page.emulate_media(color_scheme="light")
        answer = page.goto(address)
        assert answer is not None
        page.evaluate(AXE_SCRIPT)
        found = {"status": answer.status, "light": page.evaluate(LOOK)}
        page.set_viewport_size(PHONE)
        page.emulate_media(color_scheme="dark")
        return {**found, "dark": page.evaluate(LOOK), "too wide": _overflow(page)}

    yield check
    admin.context.close()
    stranger.context.close()


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_found_on_a_page(path: str, server: str, look: Callable[..., dict[str, Any]]) -> None:
    """Light and dark, wide and on a phone, where it is no wider than the phone."""
    status = 404 if path.endswith("99") else 400 if "nonsense" in path else 200
    assert look(server + path, signed_in=True) == {"status": status, "light": [], "dark": [], "too wide": 0}


@pytest.mark.parametrize("path", OF_STRANGERS)
def test_nothing_is_found_on_what_strangers_see(
    path: str, server: str, store_of_all: Path, look: Callable[..., dict[str, Any]]
) -> None:
    """The sign-in, and what is shared."""
    with progstore.open_store(str(store_of_all)) as store:
        key = share_key(Access(tokens=(TOKEN,)), store.session(7))
    status = 404 if "none" in path else 200
    address = server + path.replace("KEY", key)
    assert look(address, signed_in=False) == {"status": status, "light": [], "dark": [], "too wide": 0}


def _start(command: list[str], store: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=store.parent,
        env={**os.environ, "PROGSTORE_URL": str(store), "PROGSTORE_BAR": "0", "PYTHONUNBUFFERED": "1"},
    )


def _overflow(page: Page) -> int:
    width: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return width
