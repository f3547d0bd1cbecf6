"""The display `rich` comes in by its entry point and draws what tqdm would."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import RunInTerminal

JOB = """
import progstore, time
with progstore.track(range(3), "Outer [bold]", unit="file", bar="rich", record=False) as outer:
    for item in outer:
        for _ in progstore.track(range(4), "inner", bar="rich", record=False):
            time.sleep(0.05)
        outer.fail_item("\\x1b[2Jrow 7")
with progstore.track(name="Said", bar="rich", record=False) as task:
    task.report(42.9, "half\\x1b[2J way")
    time.sleep(0.3)
"""


def test_bars_are_drawn_by_rich(run_in_terminal: RunInTerminal) -> None:
    """The outer bar stays with its counts, the nested one goes; what a job says cannot steer the terminal."""
    code, printed = run_in_terminal([sys.executable, "-c", JOB], 100)
    assert code == 0
    assert "inner" in printed
    last = [line for line in printed.splitlines() if "Outer [bold]" in line][-1]
    assert "100%" in last
    assert "3/3 file" in last
    assert "3 failed" in last
    assert "42%" in printed
    assert "\x1b[2J" not in printed
    assert "Traceback" not in printed


def test_without_rich_there_is_an_install_line_and_the_job_goes_on() -> None:
    """One warning, and the loop's items all the same."""
    program = (
        "import sys; sys.modules['rich'] = sys.modules['rich.console'] = None\n"
        "import progstore\n"
        "print(sum(progstore.track([1, 2, 3], 'Sum', bar='rich', record=False)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "6\n"
    assert 'pip install "progstore[term]"' in done.stderr
