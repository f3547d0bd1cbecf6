"""Programs that nobody edits: patched from within, run by the command line, or by any interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tqdm as before  # as a module of a program has it long before anybody installs anything
from tqdm import tqdm as imported_before

import progstore
from tests.cli.conftest import PROGRAM

Ask = Callable[..., list[Any]]
RunProgram = Callable[..., str]

TASKS = "SELECT session_name, name, status, done FROM tasks ORDER BY id"
INSTALLS = "from progstore.patch import install; install()\n"


@pytest.fixture
def patched() -> Iterator[None]:
    """What a test installs is gone after it."""
    yield
    progstore.patch.uninstall()


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`progstore run` in a folder of the user's."""
    return subprocess.run(
        [PROGRAM, "run", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


# Line 9


@pytest.mark.usefixtures("patched")
@pytest.mark.filterwarnings("ignore::tqdm.TqdmExperimentalWarning")
def test_install_covers_every_module_of_tqdm_and_names_imported_before(ask: Ask) -> None:
    """Whatever road leads to a bar; no thread and no widget of tqdm's own is missing."""
    progstore.patch.install()
    import tqdm.asyncio
    import tqdm.auto
    import tqdm.autonotebook
    import tqdm.contrib.concurrent
    import tqdm.notebook
    import tqdm.std

    kinds: dict[str, Callable[..., Any]] = {
        "before": imported_before,
        "package before": before.tqdm,
        "trange": lambda _, **options: before.trange(3, **options),
        "std": tqdm.std.tqdm,
        "asyncio": tqdm.asyncio.tqdm,
        "auto": tqdm.auto.tqdm,
        "autonotebook": tqdm.autonotebook.tqdm,
        "notebook": lambda items, **options: tqdm.notebook.tqdm(items, display=False, **options),
    }
    for name, kind in kinds.items():
        assert list(kind(range(3), desc=name)) == [0, 1, 2]
    assert tqdm.contrib.concurrent.thread_map(str, range(3), desc="concurrent") == ["0", "1", "2"]
    assert progstore.flush(10)
    recorded = ask("SELECT name, status, done FROM tasks ORDER BY id")
    assert recorded == [(name, "complete", 3.0) for name in (*kinds, "concurrent")]


@pytest.mark.usefixtures("patched")
def test_a_second_install_merges_defaults_and_uninstall_restores_all(tmp_path: Path, ask: Ask) -> None:
    """The store of the first call stays, the session of the second comes on top; then neither holds, and no bar is
    recorded.
    """
    plain_new, finders = vars(imported_before)["__new__"], list(sys.meta_path)
    other = tmp_path / "other.db"
    progstore.patch.install(store=str(other))
    progstore.patch.install(session="second", interval=0.2)
    list(imported_before(range(2), desc="in the other store"))
    assert progstore.flush(10)
    with progstore.open_store(str(other)) as store:
        (task,) = store.tasks()
        (session,) = store.sessions()
    assert (session.name, task.name, task.done) == ("second", "in the other store", 2)
    progstore.patch.uninstall()
    assert vars(imported_before)["__new__"] is plain_new
    assert sys.meta_path == finders
    list(imported_before(range(2), desc="unrecorded"))
    list(progstore.track(range(2), "in this test's store"))
    assert progstore.flush(10)
    assert [name for _, name, *_ in ask(TASKS)] == ["in this test's store"]


def test_install_imports_neither_tqdm_nor_rich_but_patches_them_when_they_come(
    run_program: RunProgram, ask: Ask
) -> None:
    """Until then it costs a program nothing; then tqdm's own thread belongs to tqdm's own class, as ever."""
    run_program("""
        import sys, progstore
        progstore.patch.install()
        assert not {"tqdm", "rich", "logging", "typing", "sqlalchemy"} & sys.modules.keys()
        from tqdm import tqdm
        for _ in tqdm(range(3), desc="tqdm's"): pass
        assert tqdm.monitor.is_alive()
        from rich.progress import track
        for _ in track(range(4), "rich's"): pass
    """)
    assert [(name, status, done) for _, name, status, done in ask(TASKS)] == [
        ("tqdm's", "complete", 3.0),
        ("rich's", "complete", 4.0),
    ]


# Line 10


def test_a_script_runs_as_it_does_without_and_its_bars_are_recorded(tmp_path: Path, ask: Ask) -> None:
    """Arguments, a module beside it, its exit code, and the bar on stderr; with and without the `--`."""
    (tmp_path / "sibling.py").write_text("VALUE = 5\n", encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, sibling\n"
        "from tqdm import tqdm\n"
        "for _ in tqdm(range(sibling.VALUE), desc='Work', mininterval=0): pass\n"
        "print(*sys.argv, sep='\\n')\n"
        "sys.exit(7 if __name__ == '__main__' else 1)\n",
        encoding="utf-8",
    )
    for arguments in (["--unit", "x"], ["--", "--unit", "x"]):
        done = run("script.py", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (7, f"{script}\n--unit\nx\n"), done.stderr
        assert "Work: 100%" in done.stderr
    assert ask(TASKS) == [("script", "Work", "complete", 5.0)] * 2
    assert ask("SELECT end_status, message FROM sessions") == [("error", "exit code 7")] * 2


def test_a_missing_script_is_said_and_exits_2(tmp_path: Path, store_path: Path) -> None:
    """Nothing is recorded of it."""
    done = run("missing.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "progstore: cannot run missing.py: No such file or directory\n"
    assert not store_path.exists()


# Line 11


def test_a_module_of_the_working_directory_runs_and_is_recorded(tmp_path: Path, ask: Ask) -> None:
    """The options behind its name are its own."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").touch()
    (tmp_path / "pkg" / "mod.py").write_text(
        "import sys\nfrom . import __name__ as above\nfrom tqdm import trange\n"
        "for _ in trange(3, desc='Module'): pass\nprint(above, __name__, sys.argv[1:], __spec__.name)\n",
        encoding="utf-8",
    )
    done = run("-m", "pkg.mod", "--flag", "--name", "its own", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "pkg __main__ ['--flag', '--name', 'its own'] pkg.mod\n"
    assert ask(TASKS) == [("pkg.mod", "Module", "complete", 3.0)]
    assert ask("SELECT end_status FROM sessions") == ["complete"]


# Line 12


def test_sitecustomize_records_plain_programs_and_their_child_processes(tmp_path: Path, ask: Ask) -> None:
    """`python script.py` and nothing else; settings that cannot be do not stop an interpreter."""
    (tmp_path / "sitecustomize.py").write_text(INSTALLS, encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(
        "import subprocess, sys\n"
        "from tqdm import tqdm\n"
        "for _ in tqdm(range(3), desc=f'Plain {len(sys.argv)}'): pass\n"
        "if len(sys.argv) == 1:\n"
        "    subprocess.run([sys.executable, __file__, 'child'], check=True)\n",
        encoding="utf-8",
    )
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PROGSTORE_INTERVAL": "soon", "PROGSTORE_RECORD": "perhaps"}
    done = subprocess.run(
        [sys.executable, script.name], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # Either of them may have written first.
    assert sorted(ask(TASKS)) == [("script", "Plain 1", "complete", 3.0), ("script", "Plain 2", "complete", 3.0)]
    assert len(ask("SELECT id FROM sessions")) == 1


# A library that draws its own bars


@pytest.mark.usefixtures("patched")
def test_a_library_that_draws_its_own_bars_is_recorded_unchanged(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    """Three bars of tqdm's for a pool, as pqdm shows them; what it gives back, and its errors, stay what they were."""
    from pqdm.threads import pqdm  # type: ignore[import-untyped]  # it has no types

    def invert(number: int) -> float:
        return 1 / number

    progstore.patch.install()
    results = pqdm([1, 2, 0], invert, n_jobs=2, desc="Invert")
    assert results[:2] == [1.0, 0.5]
    assert isinstance(results[2], ZeroDivisionError)
    assert "PROCESSING TASKS | Invert: 100%" in capsys.readouterr().err
    assert progstore.flush(10)
    assert [row[1:] for row in ask(TASKS)] == [
        ("QUEUEING TASKS | Invert", "complete", 3.0),
        ("PROCESSING TASKS | Invert", "complete", 3.0),
        ("COLLECTING RESULTS | Invert", "complete", 3.0),
    ]
