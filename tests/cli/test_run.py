"""`progstore run`: a program runs as it does under plain Python, and is on record."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import PROGRAM, Run, RunInTerminal

Ask = Callable[..., list[Any]]
Until = Callable[..., Any]

TELLS = '''"""What it is for."""
import inspect, os, pickle, sys, warnings

def double(number):
    return 2 * number

warnings.warn("old", DeprecationWarning)
main = sys.modules["__main__"]
print(sys.argv, sys.path[0], sys.stdin.read(), sys.stdout.errors, sys.stderr.errors)
print(__name__, __doc__, __file__, __package__, __spec__ and __spec__.name, type(__loader__).__name__)
print(main.__dict__ is globals(), pickle.loads(pickle.dumps(double))(4), inspect.getsource(double)[:3])
'''
FAILS = """
import atexit, sys
atexit.register(print, "at exit")

def work():
    raise ValueError("x") from KeyError(1)

work()
"""


def both(folder: Path, *arguments: str) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of plain Python and of `progstore run` with the same arguments."""
    ended = []
    for command in ([sys.executable], [PROGRAM, "run"]):
        done = subprocess.run(
            [*command, *arguments], cwd=folder, input="typed", capture_output=True, text=True, check=False
        )
        ended.append((done.returncode, done.stdout, done.stderr))
    return ended


def write(path: Path, text: str) -> str:
    """Write a program and return its path as text."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_script_finds_itself_as_under_plain_python(tmp_path: Path, ask: Ask) -> None:
    """Its own names, arguments, path, input and streams, also behind a symbolic link; without bars it is a run, too."""
    write(tmp_path / "real" / "tells.py", TELLS)
    (tmp_path / "link.py").symlink_to(tmp_path / "real" / "tells.py")
    plain, recorded = both(tmp_path, str(tmp_path / "link.py"), "-m", "--help", "a b")
    assert recorded == plain
    assert plain[0] == 0, plain
    assert ask("SELECT name, end_status, message FROM sessions") == [("link", "complete", "")]


def test_a_program_may_be_called_like_a_standard_module(tmp_path: Path, ask: Ask) -> None:
    """It may import itself by that name; recording does not take it for the other one, which would run it twice."""
    source = "print(__name__)\nif __name__ == '__main__':\n    import json\n    print(json.__file__)\n"
    plain, recorded = both(tmp_path, write(tmp_path / "json.py", source))
    assert recorded == plain
    assert plain[1].splitlines() == ["__main__", "json", str(tmp_path / "json.py")]
    assert ask("SELECT name, end_status FROM sessions") == [("json", "complete")]


@pytest.mark.parametrize("kind", ["package", "folder", "zip"])
def test_packages_folders_and_zip_files_run_as_under_plain_python(tmp_path: Path, ask: Ask, kind: str) -> None:
    """The session is called like them."""
    write(tmp_path / "app" / "__main__.py", TELLS)
    write(tmp_path / "app" / "__init__.py", "")
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        archive.write(tmp_path / "app" / "__main__.py", "__main__.py")
    arguments = {
        "package": ["-m", "app", "-m"],
        "folder": [str(tmp_path / "app"), "x"],
        "zip": [str(tmp_path / "app.pyz"), "--x"],
    }[kind]
    plain, recorded = both(tmp_path, *arguments)
    assert recorded == plain
    assert plain[0] == 0, plain
    assert ask("SELECT name FROM sessions") == ["app"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (FAILS, "ValueError: x"),
        ("def f(:\n", "SyntaxError: invalid syntax (fails.py, line 1)"),
        ("import sys; sys.exit('no input')", "exit code 1: no input"),
        ("import sys; sys.exit(True)", "exit code 1"),
        ("import sys; sys.excepthook = lambda *_: print('own'); 1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.excepthook = lambda *_: 1 / 0; ''[1]", "IndexError: string index out of range"),
    ],
    ids=["exception", "syntax", "exit", "exit by truth", "own hook", "broken hook"],
)
def test_what_ends_a_program_is_printed_as_ever_and_its_session_is_an_error(
    tmp_path: Path, ask: Ask, source: str, message: str
) -> None:
    """The very traceback of plain Python."""
    plain, recorded = both(tmp_path, write(tmp_path / "fails.py", source))
    assert recorded == plain
    assert plain[0] == 1
    assert ask("SELECT name, end_status, message FROM sessions") == [("fails", "error", message)]


def test_ctrl_c_ends_a_program_as_ever(tmp_path: Path, ask: Ask, run_in_terminal: RunInTerminal) -> None:
    """By SIGINT, after its own traceback; its bar was drawn until then."""
    script = write(
        tmp_path / "long.py",
        "import time\nfrom tqdm import tqdm\n"
        "for n in tqdm(range(3), desc='Long', mininterval=0):\n"
        "    if n:\n        print('sleeping', flush=True)\n        time.sleep(60)\n",
    )
    code, shown = run_in_terminal([PROGRAM, "run", script], interrupt_at="sleeping")
    assert code == -signal.SIGINT
    assert "Long:  33%|" in shown
    assert shown.rstrip().endswith("KeyboardInterrupt")
    assert "progstore" not in shown
    assert ask("SELECT status, done FROM tasks") == [("cancelled", 1.0)]
    assert ask("SELECT end_status, message FROM sessions") == [("cancelled", "interrupted")]


def test_sigterm_ends_a_program_and_its_record(tmp_path: Path, ask: Ask, until: Until) -> None:
    """It dies of the signal, having written its last state."""
    script = write(
        tmp_path / "long.py",
        "import time\nfrom tqdm import tqdm\nbar = tqdm(total=9, desc='Long')\nbar.update(4)\ntime.sleep(60)\n",
    )
    with subprocess.Popen([PROGRAM, "run", script], stderr=subprocess.DEVNULL) as process:
        until(lambda: ask("SELECT done FROM tasks WHERE done = 4"))
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
    assert ask("SELECT status, done FROM tasks") == [("cancelled", 4.0)]
    assert ask("SELECT end_status, message FROM sessions") == [("cancelled", "ended by a signal")]


def test_functions_of_the_program_reach_pools_of_processes(tmp_path: Path, ask: Ask) -> None:
    """Forked and spawned; what forked ones draw is recorded in the same session."""
    script = write(
        tmp_path / "pools.py",
        "import multiprocessing\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from tqdm import trange\n"
        "def work(number):\n"
        "    for _ in trange(number, desc='Inner'): pass\n"
        "    return __name__, number\n"
        "if __name__ == '__main__':\n"
        "    for method in ('fork', 'spawn'):\n"
        "        context = multiprocessing.get_context(method)\n"
        "        with ProcessPoolExecutor(1, mp_context=context) as pool:\n"
        "            print(*pool.map(work, [3]))\n",
    )
    plain, recorded = both(tmp_path, script)
    assert recorded[:2] == plain[:2] == (0, "('__main__', 3)\n('__mp_main__', 3)\n"), recorded
    assert ask("SELECT session_name, name, done FROM tasks") == [("pools", "Inner", 3.0)]


def test_name_metadata_store_and_interval_are_given_in_front(tmp_path: Path, ask: Ask) -> None:
    """They hold for child processes, too; a relative path is taken from where the program was started."""
    script = write(
        tmp_path / "moves.py",
        "import os, progstore, subprocess, sys\nos.chdir('/')\nprogstore.flush(10)\n"
        "subprocess.run([sys.executable, '-c', 'import progstore; list(progstore.track([1], \"Child\"))'])\n"
        "print(os.environ['PROGSTORE_INTERVAL'], sys.argv[1:])\n",
    )
    options = ["--name", "nightly import", "--meta", "day=monday", "--store", "progstore.db", "--interval", "0.2"]
    done = subprocess.run(
        [PROGRAM, "run", *options, script, "--name", "x"],
        cwd=tmp_path,
        env={**os.environ, "PROGSTORE_URL": str(tmp_path / "other.db")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "0.2 ['--name', 'x']\n"), done.stderr
    assert ask("SELECT session_name, name FROM tasks") == [("nightly import", "Child")]
    assert ask("SELECT key, value FROM metadata") == [("day", '"monday"')]


def test_what_it_is_started_in_has_its_tasks(tmp_path: Path, ask: Ask) -> None:
    """Within a program that is recorded it is part of that one, unless it is given a name."""
    script = write(tmp_path / "inner.py", "from tqdm import tqdm\nlist(tqdm([1], desc='Bar'))\n")
    source = (
        "import progstore, subprocess, sys\n"
        "with progstore.session('outer'):\n"
        "    for name in ([], ['--name', 'own']):\n"
        "        subprocess.run([*sys.argv[1:3], *name, sys.argv[3]], check=True)\n"
    )
    subprocess.run([sys.executable, "-c", source, PROGRAM, "run", script], check=True, stderr=subprocess.DEVNULL)
    assert ask("SELECT session_name, name FROM tasks") == [("outer", "Bar"), ("own", "Bar")]
    assert ask("SELECT s.name FROM sessions s JOIN sessions o ON s.parent_uid = o.uid WHERE o.name = 'outer'") == [
        "own"
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Missing argument 'PROGRAM'"),
        (("--colour", "x.py"), "No such option"),
        (("--meta", "novalue", "x.py"), "write KEY=VALUE"),
        (("-m",), "Missing argument 'PROGRAM'"),
    ],
)
def test_what_cannot_be_understood_is_said_before_anything_runs(
    run: Run, arguments: tuple[str, ...], said: str
) -> None:
    """With exit code 2."""
    done = run("run", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-m", "nothing_of_this_name.at_all"), "No module named 'nothing_of_this_name'"),
        (("-m", "wsgiref"), "it is a package without a __main__"),
        (("-m", ".relative"), "a module is named from the top, without a dot in front"),
        ((os.curdir,), "it has no __main__.py"),
    ],
)
def test_what_is_not_there_is_said_and_leaves_no_record(
    tmp_path: Path, store_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """In one line, with exit code 2."""
    done = subprocess.run([PROGRAM, "run", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"progstore: cannot run {arguments[-1]}: {said}\n"
    assert not store_path.exists()


def test_a_package_that_fails_above_the_module_fails_the_program(tmp_path: Path, ask: Ask) -> None:
    """With the package's own traceback."""
    write(tmp_path / "broken" / "__init__.py", "raise ValueError('above')\n")
    write(tmp_path / "broken" / "mod.py", "")
    done = subprocess.run(
        [PROGRAM, "run", "-m", "broken.mod"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "Traceback (most recent call last):"
    assert "importlib" not in done.stderr
    assert "progstore" not in done.stderr
    assert ask("SELECT name, end_status, message FROM sessions") == [("broken.mod", "error", "ValueError: above")]
