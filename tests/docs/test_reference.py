"""The reference is whole: nothing that a user can call, type or set is missing from it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import progstore

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="session")
def built_docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the pages as Sphinx builds them, where a warning is an error."""
    target = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "text", str(DOCS), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def test_every_command_stands_in_the_reference(built_docs: Path) -> None:
    """What `progstore --help` lists has its own help on the page of commands."""
    page = (built_docs / "reference" / "generated" / "commands.txt").read_text("utf-8")
    program = Path(sys.executable).with_name("progstore")
    listed = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  (\w[\w-]*)  ", listed.partition("Commands:")[2], re.MULTILINE)
    assert commands
    assert [name for name in commands if f"\nprogstore {name}" not in page] == []


def test_every_public_name_stands_in_the_reference(built_docs: Path) -> None:
    """Each name of `progstore.__all__` is on the page of the Python API."""
    page = (built_docs / "reference" / "python.txt").read_text("utf-8")
    assert [name for name in progstore.__all__ if not re.search(rf"\bprogstore\.{name}\b", page)] == []


def test_every_variable_of_the_environment_stands_in_the_reference() -> None:
    """Each PROGSTORE_ variable that the sources name is explained, and none that they do not know."""
    sources = [path for folder in ("progstore", "frontends") for path in (ROOT / folder).rglob("*.py")]
    known = {name for path in sources for name in re.findall(r"\bPROGSTORE_[A-Z]+\b", path.read_text("utf-8"))}
    page = (DOCS / "reference" / "environment.md").read_text("utf-8")
    assert set(re.findall(r"\bPROGSTORE_[A-Z]+\b", page)) == known


def test_links_between_pages_lead_somewhere() -> None:
    """A relative link of README names a file that is there; Sphinx sees to the pages' own."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / "README.md").read_text("utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []
