"""Takes the pictures for README and docs: `python tests/browser/screenshots.py [FOLDER]`, docs/images by default.

Everything in them is real: programs that hash and compress the files of this Python installation, one that is killed,
one that is stopped, one that fails; recorded into a store of their own and shown by `progstore ui` in chromium.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

FOLDER = Path(__file__).parents[2] / "docs" / "images"
PROGRAM = str(Path(sys.executable).with_name("progstore"))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
)
WIDE = {"width": 1180, "height": 760}
PHONE = {"width": 390, "height": 844}

FILES = """
import hashlib, os, sys, sysconfig, time, zlib
import progstore

library = sysconfig.get_path("stdlib")
paths = sorted(entry.path for entry in os.scandir(library) if entry.is_file())

def content(path):
    with open(path, "rb") as file:
        return file.read()
"""

HASH = """
with progstore.session("hash files", meta={"algorithm": "sha256"}):
    for path in progstore.track(paths, "Hash", unit="file"):
        hashlib.sha256(content(path)).digest()
"""

REPORT = """
with progstore.session("report"), progstore.track(paths, "Render", unit="page") as pages:
    for number, path in enumerate(pages):
        content(path).decode("ascii" if number > 60 else "utf-8")
        if number == 77:
            int("2026-13-01")
"""

EARLY = """
with progstore.session("find first"):
    for path in progstore.track(paths, "Search", unit="file"):
        if b"class Fraction" in content(path):
            break
"""

BACKUP = """
size = sum(map(os.path.getsize, paths))
with progstore.session("backup"), progstore.track(name="Compress", total=size, unit="B") as task:
    for path in paths:
        zlib.compress(content(path), 9)
        task.update(os.path.getsize(path))
        time.sleep(0.02)
"""

TRAIN = """
with progstore.session("train resnet", meta={"batch": 64, "lr": 0.001}):
    for step in progstore.track(range(50_000), "epoch 3", unit="step"):
        hashlib.sha256(b"x" * 4096).digest()
        time.sleep(0.001)
"""

IMPORT = """
with progstore.session("nightly import", meta={"model": "all-MiniLM", "source": "s3://warehouse/2026/11/21"}):
    for path in progstore.track(paths[:40], "Fetch", unit="page"):
        hashlib.sha256(content(path)).digest()
    with progstore.track(name="Ingest", total=30_000, unit="row") as ingest:
        part = 0
        while ingest.done < 29_000:
            part += 1
            ingest.message(f"part {part} of 40: {os.path.basename(paths[part % len(paths)])}")
            for line in progstore.track(range(600), f"Parse part {part}", unit="line"):
                hashlib.sha256(b"x" * 2000).digest()
                time.sleep(0.004)
                ingest.update(1)
            ingest.fail_item(f"part {part}: row 7 has no date")
"""

WATCH = """
with progstore.session("watch inbox"), progstore.track(name="Messages", unit="message") as task:
    while True:
        task.update(1)
        time.sleep(0.7)
"""

JOBS = """
import datetime, time
from pathlib import Path
from typing import Literal
import progstore

@progstore.job("reindex")
def reindex(folder: Path, width: int = 800, mode: Literal["fast", "safe"] = "fast",
            since: datetime.date | None = None, tags: list[str] = [], dry_run: bool = False) -> None:
    "Read all photos of a folder again."
    for photo in progstore.track(range(200), "Photos", unit="photo", stoppable=True):
        time.sleep(0.002)

@progstore.job("tidy")
def tidy() -> None:
    "Remove what nobody has looked at for a year."
"""


def main(folder: Path) -> None:
    """Record the scene, and take every picture into `folder`."""
    if CHROMIUM is None:
        sys.exit("no chromium on this machine; on Debian: apt install chromium")
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as cleanup:
        home = cleanup.enter_context(tempfile.TemporaryDirectory())
        for name in [name for name in os.environ if name.startswith("PROGSTORE_")]:
            del os.environ[name]
        os.environ |= {"PROGSTORE_URL": f"{home}/progstore.db", "PROGSTORE_BAR": "0"}
        run = _runner(cleanup, Path(home))
        _record(run)
        address = _serve(cleanup)
        playwright = cleanup.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        cleanup.callback(browser.close)
        _take_all(browser, address, folder)
        (Path(home) / "photo_jobs.py").write_text(JOBS, encoding="utf-8")
        _take_jobs(browser, _serve(cleanup, "--jobs", "photo_jobs", folder=home), folder)


def _runner(cleanup: ExitStack, home: Path) -> Callable[[str, str], subprocess.Popen[bytes]]:
    """A way to start a program under a name; what still runs is killed at the end."""

    def run(name: str, source: str) -> subprocess.Popen[bytes]:
        script = home / name
        script.write_text(FILES + source, encoding="utf-8")
        process = subprocess.Popen([sys.executable, str(script)], cwd=home, stderr=subprocess.DEVNULL)
        cleanup.callback(process.wait)
        cleanup.callback(process.kill)
        return process

    return run


def _record(run: Callable[[str, str], subprocess.Popen[bytes]]) -> None:
    """Some that ended in each way, one killed, one stopped, and two that go on."""
    for name, source in (
        ("hash_files.py", HASH),
        ("find_first.py", EARLY),
        ("hash_files.py", HASH),
        ("report.py", REPORT),
    ):
        run(name, source).wait()
    train = run("train.py", TRAIN)
    backup = run("backup.py", BACKUP)
    time.sleep(3)
    train.kill()
    backup.send_signal(signal.SIGSTOP)
    run("watch.py", WATCH)
    run("import.py", IMPORT)
    for _ in range(14):
        run("hash_files.py", HASH).wait()


def _serve(cleanup: ExitStack, *options: str, folder: str | None = None) -> str:
    command = [PROGRAM, "ui", "--no-open", "--port", "0", *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
    cleanup.callback(server.communicate)
    cleanup.callback(server.kill)
    assert server.stdout is not None
    found = re.search(r"http://\S+", server.stdout.readline())
    assert found is not None
    return found[0].rstrip("/")


PAGES = {
    "history": "/history",
    "name": "/names?session=hash+files&task=Hash",
    "timeline": "/timeline?span=1h",
    "sql": "/sql?q=SELECT+name%2C+runs%2C+success_rate%2C+round%28median_seconds%2C+2%29+AS+median+FROM+v_names",
    "store": "/store",
}


def _take_all(browser: Browser, address: str, folder: Path) -> None:
    for scheme, ending in (("light", ""), ("dark", "-dark")):
        page = _open(browser, address, scheme, WIDE)
        page.screenshot(path=folder / f"now-{scheme}.png", full_page=True)
        page.get_by_role("link", name="nightly import").click()
        expect(page.get_by_role("heading", name="Events")).to_be_visible()
        page.wait_for_timeout(1500)
        page.screenshot(path=folder / f"session{ending}.png")
        page.goto(address)
        page.get_by_role("link", name="report").click()
        expect(page.get_by_text("Traceback (most recent call last)")).to_be_visible()
        page.wait_for_timeout(1500)
        page.screenshot(path=folder / f"error{ending}.png")
        for name, path in PAGES.items():
            page.goto(address + path)
            page.screenshot(path=folder / f"{name}{ending}.png")
        phone = _open(browser, address, scheme, PHONE)
        phone.screenshot(path=folder / f"phone{ending}.png")


def _take_jobs(browser: Browser, address: str, folder: Path) -> None:
    """The page of jobs with a form that is filled in, after a run of it."""
    for scheme, ending in (("light", ""), ("dark", "-dark")):
        page = browser.new_context(
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": WIDE["width"], "height": 560},
            device_scale_factor=1.5,
        ).new_page()
        for folder_of_photos in ("/srv/photos/2025", "/srv/photos/2026"):
            page.goto(address + "/jobs")
            form = page.get_by_role("region", name="reindex")
            form.get_by_text("Start …").click()
            form.get_by_label("folder").fill(folder_of_photos)
            form.get_by_label("tags").fill("sea\nsun")
            if folder_of_photos.endswith("5"):
                form.get_by_role("button", name="Start reindex").click()
                expect(page.locator(".title")).to_contain_text("complete", timeout=30_000)
        page.screenshot(path=folder / f"jobs{ending}.png")


def _open(browser: Browser, address: str, scheme: str, size: dict[str, int]) -> Page:
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": size["width"], "height": size["height"]},
        device_scale_factor=1.5,
    )
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_role("heading", name="Active")).to_be_visible()
    page.wait_for_timeout(1500)  # the bars move to their place
    return page


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
