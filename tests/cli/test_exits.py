"""How the program ends: exit codes, closed pipes, interrupts, odd terminals; never with a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from progstore import errors
from progstore.cli import main
from progstore.cli.exits import MEANINGS, code_of

if TYPE_CHECKING:
    from tests.cli.conftest import Run, RunInTerminal

PROGRAM = str(Path(sys.executable).with_name("progstore"))

MANY = "with recursive n(i) as (select 1 union all select i + 1 from n limit 100000) select i from n"
"""More rows than a pipe holds."""


def commands(command: click.Command, *path: str) -> list[tuple[str, ...]]:
    """The paths of all commands below `command`."""
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    below = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
    return [path, *(each for name, child in below if child for each in commands(child, *path, name))]


@pytest.mark.parametrize("path", commands(main), ids=" ".join)
def test_every_command_has_a_help_with_examples(run: Run, path: tuple[str, ...]) -> None:
    """Each example is a line that begins with `progstore`, or has it in it; no line is too long for 100 columns."""
    done = run(*path, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: {' '.join(['progstore', *path])}")
    if path != ("db", "upgrade"):
        assert "  progstore " in done.stdout or "$(progstore " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_exit_codes_stand_in_the_help(run: Run) -> None:
    """All in the program's own, and those that a command may have in the command's."""
    shown = run("--help").stdout
    for code, meaning in MEANINGS.items():
        assert f"    {code:<4} {meaning}\n" in shown
    assert "    1    it has not\n" in run("check", "--help").stdout


@pytest.mark.parametrize(
    "error",
    [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.ProgstoreError)],
)
def test_every_error_has_a_documented_exit_code(error: type[errors.ProgstoreError]) -> None:
    """None of them is 0."""
    assert code_of(error("x")) in set(MEANINGS) - {0}


def test_no_command_is_a_mistake_and_shows_the_help(run: Run) -> None:
    """Nothing was asked."""
    done = run()
    assert done.returncode == 2
    assert "Usage: progstore" in done.stderr + done.stdout


def test_an_unknown_command_is_answered_with_a_near_one(run: Run) -> None:
    """A typing mistake is told from a command that is not there."""
    assert "Did you mean 'show'?" in run("shwo").stderr
    assert run("shwo").returncode == 2


def test_the_version_is_printed(run: Run) -> None:
    """As `progstore 1.2.3`."""
    import progstore

    assert run("--version").stdout == f"progstore {progstore.__version__}\n"


def test_reading_commands_import_nothing_they_do_not_need() -> None:
    """`--help` is quick: neither the database layer nor a server is loaded for it."""
    program = (
        "import sys; from progstore.cli import main\n"
        "try: main(['ls', '--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('sqlalchemy', 'sqlite3', 'litestar', 'importlib.metadata') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n[]\n")


@pytest.mark.parametrize(
    "command", [["sql", MANY, "--limit", "1000000"], ["sql", MANY, "--csv"], ["export"], ["ls"], ["--help"]]
)
def test_a_closed_pipe_ends_quietly(known_store: str, command: list[str]) -> None:
    """As with `| head -1`: no traceback, no word, and an exit code that is not success."""
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen([PROGRAM, *command], stdout=writing, stderr=subprocess.PIPE, text=True) as process:
        os.close(writing)
        _, errors = process.communicate()
    assert known_store
    assert errors == ""
    assert process.returncode == 141


@pytest.mark.usefixtures("known_store")
def test_an_output_that_cannot_be_written_is_one_line() -> None:
    """A full disk must not look like success."""
    for command in (["ls"], ["export"], ["ls", "--csv"]):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([PROGRAM, *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 7
        assert done.stderr == "progstore: [Errno 28] No space left on device\n"


@pytest.mark.usefixtures("known_store")
def test_a_closed_output_harms_nothing() -> None:
    """As with `>&-`."""
    done = subprocess.run(["/bin/sh", "-c", f"{PROGRAM} ls >&-"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("known_store")
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_that_speaks_no_unicode_gets_ascii(run_in_terminal: RunInTerminal, encoding: str) -> None:
    """Symbols and bars have stand-ins; other text is escaped."""
    code, printed = run_in_terminal([PROGRAM, "ls"], env={"PYTHONIOENCODING": encoding, "NO_COLOR": "1"})
    assert code == 0
    assert ("✗ error" in printed) == (encoding == "utf-8")
    assert ("x error" in printed) == (encoding != "utf-8")
    assert "Traceback" not in printed
    code, printed = run_in_terminal([PROGRAM, "sql", "select 'naïve 日本'"], env={"PYTHONIOENCODING": encoding})
    assert code == 0
    assert "na" in printed


@pytest.mark.usefixtures("known_store")
def test_colour_is_for_terminals_that_want_it(run_in_terminal: RunInTerminal) -> None:
    """NO_COLOR and TERM=dumb switch it off; the words stay."""
    _, coloured = run_in_terminal([PROGRAM, "ls"], 100)
    assert "\x1b[31m✗ error" in coloured
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        _, plain = run_in_terminal([PROGRAM, "ls"], 100, env=env)
        assert "\x1b" not in plain
        assert "✗ error" in plain


@pytest.mark.usefixtures("known_store")
def test_a_terminal_is_told_where_more_is(run_in_terminal: RunInTerminal) -> None:
    """After the newest ones, how to see the others."""
    _, printed = run_in_terminal([PROGRAM, "ls", "--limit", "2"])
    assert printed.endswith("progstore: the newest 2 are shown; --limit 10 shows more\n")
    _, printed = run_in_terminal([PROGRAM, "sql", "select * from v_tasks where id = 2"], env={"NO_COLOR": "1"})
    assert "error       bad row" in printed


@pytest.mark.usefixtures("known_store")
def test_ctrl_c_is_one_line_and_exit_code_130(run_in_terminal: RunInTerminal) -> None:
    """Here while waiting for what does not end."""
    code, printed = run_in_terminal([PROGRAM, "wait", "6"], interrupt_at="waiting for session 6 'watch'")
    assert code == 130
    assert printed.splitlines()[-1] == "progstore: stopped by Ctrl-C"
    assert "Traceback" not in printed


@pytest.mark.usefixtures("known_store")
def test_what_goes_to_a_terminal_cannot_steer_it(run_in_terminal: RunInTerminal) -> None:
    """Not as JSON, as CSV or as an export either."""
    for command in (
        ["ls"],
        ["ls", "--json"],
        ["ls", "--csv"],
        ["export"],
        ["export", "--format", "csv"],
        ["show", "4/4"],
    ):
        _, printed = run_in_terminal([PROGRAM, *command], env={"NO_COLOR": "1"})
        assert "\x1b" not in printed, command
