"""Every example in README and docs runs as it stands, and prints what the page says it prints."""

from __future__ import annotations

import errno
import os
import pty
import re
import socket
import subprocess
import sys
import termios
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"^# (\w+\.py)\n")


def _pages() -> list[Path]:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in pages if "generated" not in page.parts and BLOCK.search(page.read_text("utf-8"))]


@pytest.fixture
def reader_environment(tmp_path: Path) -> dict[str, str]:
    """The environment of someone who follows a page in an empty folder, with progstore installed."""
    strangers = ("PROGSTORE_", "PYTEST_", "COLUMNS", "LINES")  # a test runner may have set the size, too
    kept = {name: value for name, value in os.environ.items() if not name.startswith(strangers)}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "PROGSTORE_URL": str(tmp_path / "progstore.db"),
        "TERM": "xterm",
    }


@pytest.mark.parametrize("document", _pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_of_a_page_run_in_order(
    document: Path, tmp_path: Path, reader_environment: dict[str, str]
) -> None:
    """A Python block that begins with `# name.py` is saved under that name; any other block is run.

    Printed numbers may differ from the page's, words may not; `...` stands for anything.
    """
    for language, text in BLOCK.findall(document.read_text("utf-8")):
        named = NAMED.match(text)
        if language == "console":
            _run_console(text, tmp_path, reader_environment)
        elif named:
            (tmp_path / named.group(1)).write_text(text, encoding="utf-8")
        else:
            _run([sys.executable, "-c", text], tmp_path, reader_environment)


def test_the_display_of_the_page_about_frontends_draws(tmp_path: Path, reader_environment: dict[str, str]) -> None:
    """Where a package is installed that names it as the page says."""
    page = (ROOT / "docs" / "write-a-frontend.md").read_text("utf-8")
    (source,) = (text for _, text in BLOCK.findall(page) if text.startswith("# progstore_ends.py"))
    named = re.search(r'^\[project\.entry-points\."(progstore\.displays)"\]\n(ends = )"(.*)"$', page, re.MULTILINE)
    assert named is not None
    package = tmp_path / "progstore_ends-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: progstore-ends\nVersion: 1.0\n", encoding="utf-8")
    (package / "entry_points.txt").write_text(f"[{named[1]}]\n{named[2]}{named[3]}\n", encoding="utf-8")
    (tmp_path / "progstore_ends.py").write_text(source, encoding="utf-8")
    job = "import progstore\nfor file in progstore.track(range(3), 'Ingest', unit='file', bar='ends'): pass"
    assert _run([sys.executable, "-c", job], tmp_path, reader_environment) == "'Ingest': 3 file, complete\n"


def _run_console(text: str, folder: Path, environment: dict[str, str]) -> None:
    command = ""
    expected: list[str] = []
    for line in [*text.splitlines(), "$ true"]:
        if not line.startswith("$ "):
            expected.append(line)
            continue
        if command:
            printed = _run(["bash", "-c", command], folder, environment)
            assert not expected or _says(printed, expected), f"$ {command}\n{printed}"
        command, expected = line[2:], []


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What a command shows on a terminal, once it has ended well."""
    terminal, its_end = pty.openpty()
    termios.tcsetwinsize(its_end, (40, 88))
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=its_end, stdout=its_end, stderr=its_end)
    os.close(its_end)
    shown = b"".join(iter(lambda: _read(terminal), b""))
    os.close(terminal)
    text = _as_left_standing(shown.decode())
    assert process.wait() == 0, f"{command[-1]}\n{text}"
    return text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError as error:
        if error.errno != errno.EIO:  # how Linux says that nobody has the other end any more
            raise
        return b""


def _as_left_standing(shown: str) -> str:
    """The text without colours and without what a bar drew over, on a machine that is called as on the pages."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r\n", "\n")
    standing = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in plain.split("\n"))
    return standing.replace(socket.gethostname(), "laptop")


def _says(printed: str, expected: list[str]) -> bool:
    """Whether what was printed has the shape of what the page shows."""
    pattern = re.escape(_masked("\n".join(expected))).replace(re.escape("..."), ".*")
    return re.fullmatch(pattern, _masked(printed), re.DOTALL) is not None


def _masked(text: str) -> str:
    text = re.sub(r"\d+(?:[.,:]\d+)*", "0", text)
    text = re.sub(r"[█░▏▎▍▌▋▊▉]+", "=", text)
    return "\n".join(re.sub(r"\s+", " ", line).strip() for line in text.strip().splitlines())
