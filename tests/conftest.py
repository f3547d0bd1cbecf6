"""What every test stands on: a store of its own, a clean environment, real programs, and ways to wait for them."""

from __future__ import annotations

import importlib
import os
import platform
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote

import pytest
from hypothesis import settings

from progstore import config

if TYPE_CHECKING:
    from progstore import Job

Declare = Callable[..., "Mapping[str, Job]"]
Program = Callable[..., "subprocess.Popen[str]"]
Answer = TypeVar("Answer")

PATIENCE = 30.0
"""Seconds after which what has not come will not come."""


LONGEST = 3600
"""Seconds that the long form of a test may take."""

# The gate tries the same examples each time, and fewer; whoever runs the tests by hand searches on.
settings.register_profile("gate", derandomize=True, max_examples=50, deadline=None)
if os.environ.get("PROGSTORE_CI"):
    settings.load_profile("gate")


def pytest_configure() -> None:
    """Programs that are started here answer the keys of a terminal, also where the tests themselves run in the
    background of a shell, which lets what it starts there ignore them.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--soak` runs the long forms of the tests that kill processes and fill stores."""
    parser.addoption("--soak", action="store_true", help="run the long forms: hundreds of kills instead of dozens")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long forms get their time."""
    if config.getoption("--soak"):
        for item in items:
            item.add_marker(pytest.mark.timeout(LONGEST))


@pytest.fixture
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether the long forms were asked for."""
    return bool(request.config.getoption("--soak"))


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """The URL of a PostgreSQL server that all workers of this run share."""
    from tests import postgres

    base = tmp_path_factory.getbasetemp()
    with postgres.shared((base if worker_id == "master" else base.parent) / "postgres") as url:
        yield url


@pytest.fixture(scope="session")
def postgres_database(postgres_server: str, worker_id: str) -> Iterator[str]:
    """The URL of a database of this worker's own."""
    from tests import postgres

    with postgres.database(postgres_server, f"progstore_{worker_id}_{os.getpid()}") as url:
        yield url


@pytest.fixture
def postgres_store(postgres_database: str) -> str:
    """The URL of a store without any rows in this worker's database; there may be no tables yet."""
    import psycopg

    from tests import postgres

    with psycopg.connect(postgres_database) as connection:
        postgres.empty(connection)
    return postgres_database


@pytest.fixture
def empty_database(postgres_server: str, worker_id: str) -> Iterator[str]:
    """The URL of a database in which there is nothing at all."""
    from tests import postgres

    with postgres.database(postgres_server, f"progstore_empty_{worker_id}_{os.getpid()}") as url:
        yield url


LONG_RUN = Path(__file__).parents[1] / "docs" / "long-run.md"
"""Where the figures of the newest long run stand, for the page of promises."""


class Figures(NamedTuple):
    """What one long form tried; `seen` is what else it measured."""

    what: str
    rounds: str
    items: int
    lost: int
    seen: str


_figures = pytest.StashKey[list[Figures]]()


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[[Figures], None]:
    """Says what a test measured; at the end of a long run without failures, that takes its place in LONG_RUN."""

    def say(found: Figures) -> None:
        request.config.stash.setdefault(_figures, []).append(found)
        told = f"{found.what}: {found.rounds}, {found.items:,} items, {found.lost} lost; {found.seen}"
        request.config.get_terminal_writer().line(f"\n{told}")

    return say


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep the figures of a long run."""
    found = session.config.stash.get(_figures, [])
    if not (found and session.config.getoption("--soak")) or exitstatus != pytest.ExitCode.OK:
        return
    where = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with Python {platform.python_version()}, SQLite "
        f"{sqlite3.sqlite_version}, Linux {platform.release()}, {os.cpu_count()} cores."
    )
    head = ["| what | rounds | items | lost | seen |", "|---|---|---|---|---|"]
    known = LONG_RUN.read_text("utf-8").splitlines()[4:] if LONG_RUN.exists() else []
    rows = {line.split(" | ")[0]: line for line in known}
    for each in found:
        rows[f"| {each.what}"] = f"| {each.what} | {each.rounds} | {each.items:,} | {each.lost} | {each.seen} |"
    LONG_RUN.write_text("\n".join([where, "", *head, *rows.values(), ""]), encoding="utf-8")


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """Where this test's store is; the file is made by whatever records first."""
    return tmp_path / "progstore.db"


@pytest.fixture(autouse=True)
def clean_settings(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Recording goes to this test's store, drawing is off, and nothing of the developer's own settings is left."""
    for variable in [name for name in os.environ if name.startswith("PROGSTORE_")]:
        monkeypatch.delenv(variable)
    # Set, then deleted: what progstore publishes there during the test is gone after it.
    monkeypatch.setenv("PROGSTORE_SESSION", "")
    monkeypatch.delenv("PROGSTORE_SESSION")
    monkeypatch.setenv("PROGSTORE_URL", str(store_path))
    monkeypatch.setenv("PROGSTORE_BAR", "0")
    monkeypatch.setattr(config, "_configured", {})
    monkeypatch.setattr(config, "_installed", {})
    monkeypatch.setattr(config, "_warned", set())
    yield
    if "progstore.live.exits" in sys.modules:
        from progstore.live.exits import leave_store
        from progstore.live.recorder import recorder

        recorder.flush(1)  # so that it knows by now of every store that the test named
        for url in recorder.stores():
            leave_store(url)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """Starts a Python program from its source, with its input and output as pipes; what still runs is killed at the
    end.
    """
    running: list[subprocess.Popen[str]] = []

    def start(
        source: str, *arguments: str, executable: str = sys.executable, **environment: str
    ) -> subprocess.Popen[str]:
        script = tmp_path / f"program{len(running)}.py"
        script.write_text(textwrap.dedent(source), encoding="utf-8")
        process = subprocess.Popen(
            [executable, str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def run_program(program: Program, soak: bool) -> Callable[..., str]:
    """Runs a Python program from its source to its end and returns what it printed; it must end well."""

    def run(source: str, *arguments: str, **environment: str) -> str:
        process = program(source, *arguments, **environment)
        output, errors = process.communicate(timeout=LONGEST if soak else 60)
        assert process.returncode == 0, errors
        return output

    return run


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Writes a module that declares jobs into a folder where Python looks for modules, and loads it."""
    from progstore.jobs import declaring  # not every test's

    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(declaring, "_declared", {})

    def declare(source: str, *, module: str = "photo_jobs") -> Mapping[str, Job]:
        (tmp_path / f"{module}.py").write_text(f"import progstore\n\n{textwrap.dedent(source)}", encoding="utf-8")
        importlib.invalidate_caches()
        sys.modules.pop(module, None)  # an earlier test's
        return declaring.load_jobs(module)

    return declare


@pytest.fixture
def ask(store_path: Path) -> Callable[..., list[Any]]:
    """Asks the store in SQL, each time over a fresh connection; nothing while the tables are not there yet.

    A row of one column is given as its value.
    """

    def ask(sql: str, *parameters: object) -> list[Any]:
        if not store_path.exists():
            return []
        connection = sqlite3.connect(f"file:{quote(str(store_path))}?mode=ro", uri=True, timeout=10)
        try:
            rows = connection.execute(sql, parameters).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return []
        finally:
            connection.close()
        return [row[0] if len(row) == 1 else row for row in rows]

    return ask


@pytest.fixture
def until() -> Callable[..., Any]:
    """Waits until a condition holds and gives what it said; fails where it never does."""

    def until(condition: Callable[[], Answer], seconds: float = PATIENCE) -> Answer:
        deadline = time.monotonic() + seconds
        while not (answer := condition()):
            assert time.monotonic() < deadline, f"did not come within {seconds:g} s; the last answer was {answer!r}"
            time.sleep(0.01)
        return answer

    return until
