"""The shell completes commands and options."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import PlugIn, Run

BASH = shutil.which("bash") or "bash"
PROGRAM = Path(sys.executable).with_name("progstore")
COMPLETE = """
eval "$(progstore completion bash)"
COMP_WORDS=({words}); COMP_CWORD={place}
_progstore_completion progstore
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed_for_each_shell(run: Run, shell: str) -> None:
    """Alone, ready for `eval` or `source`."""
    done = run("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_PROGSTORE_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.parametrize(
    ("words", "place", "expected"),
    [
        ("progstore exp", 1, ["export"]),
        ("progstore db re", 2, ["recover"]),
        ("progstore ls --sta", 2, ["--status"]),
        ("progstore ls --status l", 3, ["lost"]),
        ("progstore u", 1, ["ui"]),
    ],
)
def test_bash_completes_commands_options_and_their_values(words: str, place: int, expected: list[str]) -> None:
    """Those of frontends, too."""
    env = {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    script = COMPLETE.format(words=words, place=place)
    done = subprocess.run([BASH, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == (expected, "")


def test_a_broken_frontend_does_not_disturb_whoever_types(run_process: Run, plug_in: PlugIn) -> None:
    """Its warning is for commands; it must not stand in the middle of a line that is being written."""
    folder = plug_in("acme", "raise RuntimeError('broken')")
    asked = {"_PROGSTORE_COMPLETE": "bash_complete", "COMP_WORDS": "progstore u", "COMP_CWORD": "1"}
    done = run_process(env={"PYTHONPATH": str(folder), **asked})
    assert (done.stdout, done.stderr) == ("plain,ui\n", "")


def test_another_shell_is_refused(run: Run) -> None:
    """With those that there are."""
    done = run("completion", "tcsh")
    assert done.returncode == 2
    assert "'bash', 'zsh', 'fish'" in done.stderr
