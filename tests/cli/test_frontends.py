"""Frontends join the command line by entry point, and a broken one takes nothing down."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from progstore import frontends

if TYPE_CHECKING:
    from tests.cli.conftest import PlugIn, Run

SAMPLE = Path(__file__).parents[1] / "frontends_sample"
OFFERING = """
import click
class Frontend:
    name = summary = "anything"
    def commands(self):
        return [click.Command({command!r}, callback=lambda: click.echo({answer!r}), help={answer!r})]
frontend = Frontend()
"""


@pytest.fixture
def installed_sample(tmp_path: Path) -> Path:
    """The folder into which the sample frontend's wheel was unpacked, as an installer does."""
    built = tmp_path / "built"
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    subprocess.run(command, cwd=SAMPLE, check=True, capture_output=True)
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    return tmp_path / "site"


def test_an_installed_package_adds_its_command(run_process: Run, installed_sample: Path) -> None:
    """It stands in the help text beside ours, and runs."""
    env = {"PYTHONPATH": str(installed_sample)}
    listed = run_process("--help", env=env)
    assert "\n  tally       Count sessions by status.\n" in listed.stdout
    assert listed.stderr == ""
    shown = run_process("tally", "--help", env=env)
    assert shown.stdout.startswith("Usage: progstore tally [OPTIONS]\n")
    assert run_process("tally").returncode == 2


def test_an_error_of_progstore_in_a_frontend_ends_as_in_ours(
    run_process: Run, installed_sample: Path, tmp_path: Path
) -> None:
    """One line and the documented exit code."""
    done = run_process("tally", "--store", str(tmp_path / "none.db"), env={"PYTHONPATH": str(installed_sample)})
    assert done.returncode == 3
    assert done.stderr.startswith("progstore: ")
    assert done.stderr.count("\n") == 1


def test_our_pages_come_in_by_the_same_road() -> None:
    """`ui` is offered by the web frontend, not known to the core."""
    loaded = frontends.load(())
    assert loaded.offers["ui"].frontend == "web"
    assert loaded.summaries["web"]
    assert not loaded.warnings


def test_help_loads_no_frontend_s_packages() -> None:
    """Neither Litestar nor SQLAlchemy is imported to list the commands."""
    program = (
        "import sys, click.testing; from progstore.cli import main;"
        "result = click.testing.CliRunner().invoke(main, ['--help']); assert ' ui ' in result.output, result.output;"
        "print([name for name in ('litestar', 'sqlalchemy', 'jinja2', 'rich', 'asyncio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import sys; sys.exit('no')", "SystemExit: no"),
        ("raise RuntimeError('half\\ndone')", "RuntimeError: half done"),
        ("frontend = None", "AttributeError"),
        ("import own_part_that_is_gone", "ModuleNotFoundError"),
        ("class F:\n name = summary = 'x'\n commands = lambda self: ['text']\nfrontend = F()", "TypeError: commands()"),
        ("class F:\n name = summary = 'x'\n commands = lambda self: 1/0\nfrontend = F()", "ZeroDivisionError"),
    ],
)
def test_a_broken_frontend_is_one_warning(run_process: Run, plug_in: PlugIn, source: str, reason: str) -> None:
    """Its name, its package and what it raised; the rest of the help text is as ever."""
    if "own_part" in source:
        source = "import acme_board.part"
    folder = plug_in("acme-board", source)
    done = run_process("--help", env={"PYTHONPATH": str(folder)})
    assert done.returncode == 0
    assert "\n  ui " in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("progstore: warning: the frontend 'acme-board' of the package acme-board is broken")
    assert reason in line


def test_a_core_command_runs_without_a_look_at_frontends(run_process: Run, plug_in: PlugIn) -> None:
    """A broken frontend is not even loaded for `db path`."""
    folder = plug_in("acme-board", "raise RuntimeError('loaded')")
    done = run_process("db", "path", env={"PYTHONPATH": str(folder)})
    assert (done.returncode, done.stderr) == (0, "")


def test_a_frontend_cannot_shadow_a_core_command(run_process: Run, plug_in: PlugIn) -> None:
    """Ours runs, and the help text's warning names theirs."""
    folder = plug_in("acme-board", OFFERING.format(command="db", answer="theirs"))
    env = {"PYTHONPATH": str(folder)}
    assert run_process("db", "path", env=env).stdout != "theirs\n"
    done = run_process("--help", env=env)
    assert "theirs" not in done.stdout
    assert "the command 'db' of the frontend 'acme-board' of the package acme-board is left out" in done.stderr
    assert "progstore has its own" in done.stderr


def test_a_frontend_cannot_take_the_place_of_our_pages(run_process: Run, plug_in: PlugIn) -> None:
    """Whatever it is called; the warning names it."""
    folder = plug_in("aaa", OFFERING.format(command="ui", answer="theirs"))
    done = run_process("ui", "--help", env={"PYTHONPATH": str(folder)})
    assert "--no-open" in done.stdout
    assert "'ui' of the frontend 'aaa' of the package aaa is left out: the frontend 'web'" in done.stderr


def test_of_two_frontends_with_one_command_the_first_wins(run_process: Run, plug_in: PlugIn) -> None:
    """The warning names both; ours go first, the others by name."""
    plug_in("zeta", OFFERING.format(command="board", answer="zeta"))
    folder = plug_in("acme", OFFERING.format(command="board", answer="acme"))
    env = {"PYTHONPATH": str(folder)}
    done = run_process("board", env=env)
    assert done.stdout == "acme\n"
    assert "'board' of the frontend 'zeta' of the package zeta is left out" in done.stderr
    assert "the frontend 'acme' of the package acme has it already" in done.stderr


def test_a_frontend_whose_packages_are_missing_shows_the_install_line(run_process: Run, plug_in: PlugIn) -> None:
    """In the help text, and where its command is asked for."""
    folder = plug_in("acme", "import no_such_package", extra="board")
    env = {"PYTHONPATH": str(folder)}
    listed = run_process("--help", env=env)
    assert 'pip install "acme[board]"' in " ".join(listed.stdout.split())
    assert listed.stderr == ""
    asked = run_process("board", env=env)
    assert asked.returncode == 2
    assert 'pip install "acme[board]"' in asked.stderr


def test_a_command_whose_packages_are_missing_ends_with_the_install_line(run_process: Run, plug_in: PlugIn) -> None:
    """Packages are imported when the command runs; that is when they are missed."""
    source = (
        OFFERING.format(command="board", answer="")
        + "\n"
        + (
            "def run():\n    import no_such_package\n"
            "Frontend.commands = lambda self: [click.Command('board', callback=run)]\n"
        )
    )
    folder = plug_in("acme", source, extra="board")
    done = run_process("board", env={"PYTHONPATH": str(folder)})
    assert done.returncode == 6
    assert done.stderr == "progstore: the frontend 'board' needs no_such_package: pip install \"acme[board]\"\n"


def test_without_litestar_the_pages_say_what_to_install() -> None:
    """The help text lists `ui` all the same; the command ends with the install line."""
    program = (
        "import sys\n"
        "for name in ('litestar', 'jinja2', 'uvicorn', 'msgspec'): sys.modules[name] = None\n"
        "from progstore.cli import main; main(sys.argv[1:])"
    )
    helped = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=True)
    assert "\n  ui " in helped.stdout
    assert helped.stderr == ""
    command = [sys.executable, "-c", program, "ui", "--no-open", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 6
    assert done.stderr.splitlines()[-1].endswith('pip install "progstore[web]"')
    assert "Traceback" not in done.stderr


def test_without_an_extra_of_that_name_the_package_itself_is_named(
    plug_in: PlugIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing better to advise."""
    folder = plug_in("acme", "import no_such_package")
    monkeypatch.syspath_prepend(str(folder))
    assert frontends.load(()).missing["acme"].endswith('pip install "acme"')


def test_what_a_frontend_offers_are_click_commands() -> None:
    """Also groups; the loader hands them on as they are."""
    offer = frontends.load(()).offers["ui"]
    assert isinstance(offer.command, click.Command)
    assert offer.command.name == "ui"
