"""The pytest fixture that users get: a store of its own for each test, and nothing heavy at import."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

RunTests = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_users_tests(tmp_path: Path) -> RunTests:
    """Runs the given source as a user's test file in a pytest of its own, with more environment where it is given."""

    def run(source: str, **environment: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "test_users.py").write_text("import os, subprocess, sys, progstore\n" + source, encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PROGSTORE_"))}
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "-p",
                "progstore.testing",
                "test_users.py",
            ],
            cwd=tmp_path,
            env={
                **kept,
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # only for speed: there are many plugins in this environment
                "PROGSTORE_URL": str(tmp_path / "users.db"),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_each_test_has_a_store_of_its_own(run_users_tests: RunTests) -> None:
    """Two tests that record under one name do not see each other's tasks."""
    done = run_users_tests("""
def test_one(progstore_store):
    list(progstore.track("ab", "Same"))
    assert [task.done for task in progstore_store.store.tasks()] == [2]

def test_two(progstore_store):
    list(progstore.track("abc", "Same"))
    assert [task.done for task in progstore_store.store.tasks()] == [3]
""")
    assert "2 passed" in done.stdout, done.stdout


def test_the_users_own_history_stays_as_it_was(run_users_tests: RunTests, tmp_path: Path) -> None:
    """Nothing is recorded where PROGSTORE_URL or configure() pointed before the test."""
    done = run_users_tests("""
progstore.configure(store="configured.db")

def test_one(progstore_store):
    list(progstore.track("ab", "Mine"))
    assert len(progstore_store.store.tasks()) == 1
""")
    assert "1 passed" in done.stdout, done.stdout
    assert not (tmp_path / "users.db").exists()
    assert not (tmp_path / "configured.db").exists()


def test_settings_come_back_after_the_test(run_users_tests: RunTests, tmp_path: Path) -> None:
    """What was configured before the fixture holds again after it."""
    done = run_users_tests("""
progstore.configure(store="configured.db")

def test_one(progstore_store):
    progstore.configure(interval=9)

def test_two():
    list(progstore.track("ab", "Configured"))
    assert progstore.flush(10)
    with progstore.open_store("configured.db") as store:
        assert [task.name for task in store.tasks()] == ["Configured"]
""")
    assert "2 passed" in done.stdout, done.stdout
    assert (tmp_path / "configured.db").exists()


def test_a_child_process_of_a_test_records_into_its_store(run_users_tests: RunTests) -> None:
    """A program that the test starts finds the store by the environment."""
    done = run_users_tests("""
def test_one(progstore_store):
    subprocess.run([sys.executable, "-c", "import progstore; list(progstore.track('ab', 'Child'))"], check=True)
    assert [task.name for task in progstore_store.store.tasks()] == ["Child"]
""")
    assert "1 passed" in done.stdout, done.stdout


def test_the_fixture_records_where_recording_is_off(run_users_tests: RunTests, tmp_path: Path) -> None:
    """PROGSTORE_RECORD=0 keeps a suite from writing; who asks for the fixture wants to see what was recorded."""
    done = run_users_tests(
        """
def test_without():
    assert list(progstore.track("ab", "Off")) == ["a", "b"]
    assert progstore.flush(10)

def test_with(progstore_store):
    list(progstore.track("ab", "On"))
    assert [task.name for task in progstore_store.store.tasks()] == ["On"]
""",
        PROGSTORE_RECORD="0",
    )
    assert "2 passed" in done.stdout, done.stdout
    assert not (tmp_path / "users.db").exists()


def test_a_store_with_nothing_in_it_says_so(run_users_tests: RunTests) -> None:
    """A test whose code recorded nothing gets an error that says what makes a store, not an empty list by chance."""
    done = run_users_tests("""
import pytest

def test_one(progstore_store):
    assert os.environ["PROGSTORE_URL"] == progstore_store.url
    with pytest.raises(progstore.StoreNotFound):
        progstore_store.store.tasks()
""")
    assert "1 passed" in done.stdout, done.stdout


def test_a_pytest_run_that_does_not_use_it_pays_nothing(tmp_path: Path) -> None:
    """The plugin is loaded into every pytest run of the user, so it must not load the database or the command line."""
    heavy = ["sqlalchemy", "alembic", "click", "tqdm", "progstore.live", "progstore.store"]
    code = f"import sys, progstore.testing; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
