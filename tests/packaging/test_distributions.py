"""The wheel and the sdist hold everything, and what is installed from them works outside the repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import progstore

ROOT = Path(__file__).parents[2]
PACKAGES = ("progstore", "frontends/progstore_web", "frontends/progstore_term", "migrations/progstore_migrations")


def _build(tree: Path, target: Path, *what: str) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), *what, str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the tree."""
    target = tmp_path_factory.mktemp("wheel")
    _build(ROOT, target, "--wheel")
    return next(target.glob("*.whl"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, built from the tree."""
    target = tmp_path_factory.mktemp("sdist")
    _build(ROOT, target, "--sdist")
    return next(target.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment into which the wheel was installed.

    The packages that it depends on are lent by the environment that runs these tests, behind its own.
    """
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    programs = environment / "bin"
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "-q"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    lent = sysconfig.get_path("purelib")
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(lent + "\n", encoding="utf-8")
    return programs


def _run(folder: Path, *command: str | Path) -> str:
    """What a command prints, run in a folder outside the repository and recording into a store there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "PROGSTORE"))}
    environment = {**kept, "PROGSTORE_URL": str(folder / "progstore.db")}
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    """Migrations, templates, static files and the `py.typed` markers are files of the packages like any other."""
    expected = {
        path.relative_to((ROOT / package).parent).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("[!.]*")
        if path.is_file() and path.suffix != ".pyc" and not any(part.startswith(".") for part in path.parts)
    }
    held = {name for name in _contents(wheel) if ".dist-info/" not in name}
    assert held == expected
    assert {f"{package.rpartition('/')[2]}/py.typed" for package in PACKAGES} <= held


def test_the_sdist_builds_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    """Whoever builds from the sdist gets what we built from the repository, byte for byte."""
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    _build(tree, tmp_path / "built", "--wheel")
    assert _contents(next((tmp_path / "built").glob("*.whl"))) == _contents(wheel)


def test_the_sdist_brings_the_tests_and_the_pages(sdist: Path) -> None:
    """A distribution's packager can run what we run."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"CHANGELOG.md", "LICENSE", "README.md", "docs/index.md", "pyproject.toml", "tests/conftest.py"} <= names


def test_the_installed_command_line_says_its_version(installed: Path, tmp_path: Path) -> None:
    """The console script, and the version in one place."""
    assert progstore.__version__ in _run(tmp_path, installed / "progstore", "--version")


def test_what_is_imported_is_what_was_installed(installed: Path, tmp_path: Path) -> None:
    """No path leads back into the repository."""
    code = "import {0}; print({0}.__file__)"
    for package in PACKAGES:
        printed = _run(tmp_path, installed / "python", "-c", code.format(package.rpartition("/")[2]))
        assert printed.startswith(str(installed.parent))


def test_an_installed_progstore_records_and_reads(installed: Path, tmp_path: Path) -> None:
    """A store is created with its migrations' version, filled and listed."""
    code = "import progstore\nfor _ in progstore.track([1, 2, 3], 'Installed'): pass"
    _run(tmp_path, installed / "python", "-c", code)
    printed = _run(tmp_path, installed / "progstore", "sql", "SELECT name, done, status FROM v_tasks", "--json")
    assert "Installed" in printed
    _run(tmp_path, installed / "progstore", "db", "upgrade")


def test_pytest_finds_the_fixture_of_the_installed_progstore(installed: Path, tmp_path: Path) -> None:
    """A user writes `progstore_store` as an argument and needs no import."""
    (tmp_path / "test_users.py").write_text(
        "import progstore\n"
        "def test_a_loop(progstore_store):\n"
        "    list(progstore.track([1, 2], 'Ours'))\n"
        "    (task,) = progstore_store.store.tasks()\n"
        "    assert (task.name, task.done, task.status) == ('Ours', 2, 'complete')\n",
        encoding="utf-8",
    )
    assert "1 passed" in _run(tmp_path, installed / "python", "-m", "pytest", "-p", "no:cacheprovider", "test_users.py")


def test_a_users_type_checker_sees_our_types(installed: Path, tmp_path: Path) -> None:
    """A loop over `track` keeps the type of its items, and work by hand needs no annotation."""
    (tmp_path / "user.py").write_text(
        "import progstore\n"
        "for path in progstore.track(['a', 'b'], 'Ingest'):\n"
        "    reveal_type(path)\n"
        "with progstore.track(name='By hand', total=2) as task:\n"
        "    task.update()\n",
        encoding="utf-8",
    )
    checker = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(installed / "python")]
    printed = _run(tmp_path, *checker, "--cache-dir", str(tmp_path / "cache"), "user.py")
    assert re.search(r'Revealed type is "(builtins\.)?str"', printed)


def test_the_extras_name_every_package_that_a_frontend_needs(installed: Path, tmp_path: Path) -> None:
    """What `pip install progstore[web]` promises is in the metadata of the wheel."""
    code = "from importlib.metadata import metadata; print(*metadata('progstore').get_all('Provides-Extra'))"
    assert set(_run(tmp_path, installed / "python", "-c", code).split()) == {"dev", "postgres", "term", "web"}
