"""`progstore top` on a real terminal: what is seen, what the keys do, and that the terminal is as before afterwards."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from click.testing import CliRunner, Result

import progstore
from progstore.cli import main
from tests.term.conftest import PROGRAM, Open, Pane, Stage

ENTERED, LEFT = "\x1b[?1049h", "\x1b[?1049l"


def fills(shown: Pane, columns: int, lines: int) -> bool:
    """Whether the board has been drawn in a window of this size, and nothing stands beyond its edge."""
    last = shown.screen[-1] if lines > 1 else shown.screen[0]
    return len(shown.screen) == lines and bool(last) and all(len(line) <= columns for line in shown.screen)


def top(*arguments: str) -> Result:
    """`progstore top` with its output piped."""
    return CliRunner().invoke(main, ["top", *arguments], prog_name="progstore")


def test_piped_it_prints_one_table_of_plain_text(stage: Stage) -> None:
    """Lanes with trees in them, counts, words for every state, and no escape sequence, not even from a name."""
    done = top("--store", stage.url)
    assert done.exit_code == 0
    assert "\x1b" not in done.output
    lines = done.output.splitlines()
    titles = [title for title in lines[0].split() if title not in ("left", "~")]  # an estimate goes when it has passed
    assert titles == ["name", "state", "done", "items", "took", "rate", "host", "message"]
    headings = [line for line in lines if line.endswith(")") and line.startswith(("Active", "Needs", "Completed"))]
    assert headings == ["Active (2)", "Needs attention (3)", "Completed (1)"]
    said = {line.split("  ")[0].strip() if line[0] != " " else line.strip().split("  ")[0]: line for line in lines}
    evil = next(line for name, line in said.items() if "evil" in name)
    assert r"evil \x1b[2J [red] 東京 / Upload" in evil
    assert " 25% " in evil
    assert " 2 GB/8 GB " in evil
    assert evil.endswith("part 2")
    assert "30%" in said["Files"]
    assert "3/10 file" in said["Files"]
    assert "    rows " in done.output, "nested below Files"
    assert "      Vendor" in done.output, "nested below rows"
    assert "~" in said["Vendor"], "an estimate is marked"
    assert "waiting" in said["Vendor"]
    assert f"process {stage.lost} is gone; last seen at item 1,975 of 20,000" in done.output
    assert "lost since " in done.output
    assert f"suspended: process {stage.suspended} is stopped" in done.output
    assert "ValueError: row 7 has no date" in done.output
    assert "2/2 tasks" in next(line for name, line in said.items() if "cleanup" in name)
    assert "… 4 more tasks" in said, "of the complete parts the newest are listed"
    closed = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" top --store "$1" >&-', PROGRAM, stage.url], capture_output=True, check=False
    )
    assert (closed.returncode, closed.stderr) == (0, b""), "nobody reads it"


def test_work_that_does_not_go_on_has_no_estimate(stage: Stage) -> None:
    """Nobody knows when what is lost or stopped will be done."""
    lines = top("--store", stage.url, "name:Frames").output.splitlines()
    assert "left ~" not in lines[0]
    assert "lost" in lines[2]


def test_piped_json_and_filters(stage: Stage, tmp_path: Path) -> None:
    """The same lanes for programs; a filter asks for tasks; what is wrong is told by an exit code."""
    found = json.loads(top("--store", stage.url, "--json").output)
    assert [len(found[lane]) for lane in ("active", "needs_attention", "completed")] == [2, 3, 1]
    assert found["active"][0]["name"] == "nightly import"
    assert {task["name"] for task in found["active"][0]["tasks"]} >= {"Files", "rows", "Vendor"}
    failed = json.loads(top("--store", stage.url, "--json", "status:error", "name:Pages").output)
    assert [card["name"] for card in failed["needs_attention"]] == ["report"]
    assert not failed["active"]
    assert top("--store", stage.url, "name:nobody").output == "Nothing was found.\n"
    wrong = top("--store", stage.url, "status:great")
    assert wrong.exit_code == 2
    assert "there is no status 'great'" in wrong.output
    missing = top("--store", str(tmp_path / "none.db"))
    assert missing.exit_code == 3
    assert "there is no store at" in missing.output


def test_the_live_board_obeys_keys_sizes_and_filters(stage: Stage, pane: Open) -> None:
    """Colours, a mark at what is chosen, folding, help, a filter with its complaint, and windows of any size."""
    shown = pane(PROGRAM, "top", "--store", stage.url)
    shown.until("Completed (1)")
    assert all(said in shown.screen[0] for said in ("2 running, ", "1 suspended", "1 lost", "1 error", stage.url[:20]))
    assert "\x1b[2J [red]" not in shown.written
    assert r"evil \x1b[2J" in shown.text
    assert "\x1b[31m† lost" in shown.written
    assert "‖ suspended" in shown.text
    assert "█" in shown.text
    assert shown.screen[3].startswith("> ▾ ")
    assert "nightly import" in shown.screen[3]
    shown.press("\x1b[Bj")
    shown.until(lambda: any(line.startswith("> ") and "part 4" in line for line in shown.screen))
    assert re.match(r"task \d+/\d+  started [\d:]+  took ", shown.screen[-2])
    assert f"process {stage.running}" in shown.screen[-2]
    shown.press("k ")
    shown.until(lambda: "▸ Files" in shown.text and "Vendor" not in shown.text)
    shown.press("\r")
    shown.until("Vendor")
    shown.press("?")
    shown.until("fold or unfold what is chosen")
    shown.press("?s")
    shown.until("by name")
    shown.press("a")
    shown.until("part 0")
    shown.press("/status:great\r")
    shown.until("! status:great: there is no status")
    assert shown.screen[-1] == "filter: status:great_"
    assert "complete, error, cancelled" in " ".join(line.strip() for line in shown.screen), "nothing of it is cut off"
    shown.press("\x15name:Frames\r")
    shown.until(lambda: "filter: name:Frames" in shown.screen[0] and "nightly" not in shown.text)
    assert f"process {stage.lost} is gone" in shown.text
    shown.press("/\x15\r")
    shown.until("nightly")
    for columns, lines in ((80, 24), (30, 9), (9, 4), (2, 1), (120, 40)):
        shown.resize(columns, lines)
        shown.until(partial(fills, shown, columns, lines))
    shown.until("q quit")
    shown.press("q")
    assert shown.ended() == 0
    assert shown.settings() == shown.attributes
    assert shown.written.endswith(LEFT)
    assert "\x1b[?25h" in shown.written


def test_the_terminal_is_as_before_however_it_ends(stage: Stage, pane: Open, tmp_path: Path) -> None:
    """Ctrl-Z gives the shell its terminal and `fg` takes it again; Ctrl-C and a signal end it, each as it should."""
    shell = pane("bash", "--norc", "-i", PS1="$ ", PROGSTORE_URL=stage.url)
    shell.until("$")
    shell.press(f"stty -g > {tmp_path}/before\n")
    shell.press(f"{PROGRAM} top\n")
    shell.until("Needs attention")
    shell.press("\x1a")
    shell.until("Stopped")
    assert "Needs attention" not in shell.text
    shell.press("fg\n")
    shell.until("Needs attention")
    shell.press("j")
    shell.until(lambda: any(line.startswith(">   ▾ Files") for line in shell.screen))
    shell.press("\x03")
    shell.until("stopped by Ctrl-C")
    shell.press(f'echo "code $?"; stty -g > {tmp_path}/after\n')
    shell.until("code 130")
    shell.press(f"{PROGRAM} top & wait $!; jobs\n")
    shell.until("Stopped")  # in the background nothing may take the terminal
    shell.press("fg\n")
    shell.until("Needs attention")
    os.kill(shell.in_front(), signal.SIGTERM)
    shell.until(lambda: "Needs attention" not in shell.text)
    shell.press(f'echo "code $?"; stty -g > {tmp_path}/last; echo all"well"\n')
    shell.until("code 143")
    shell.until("allwell")
    assert len({(tmp_path / name).read_text("utf-8") for name in ("before", "after", "last")}) == 1
    assert shell.written.count(LEFT) >= 3


def test_it_waits_for_a_store_and_goes_on_with_another_in_its_place(
    tmp_path: Path, pane: Open, stage: Stage, run_program: Callable[..., str]
) -> None:
    """No store yet is said in a line; so is one that cannot be read; then the board goes on."""
    path = tmp_path / "later.db"
    shown = pane(PROGRAM, "top", "--store", str(path), "--interval", "0.05", columns=200)
    shown.until("! there is no store at")
    run_program(
        """
        import progstore
        for _ in progstore.track(range(3), "First"): pass
        """,
        PROGSTORE_URL=str(path),
    )
    shown.until("/ First")
    assert "! there is no store" not in shown.text
    path.rename(tmp_path / "away.db")
    shown.until("! there is no store at")
    (tmp_path / "away.db").rename(path)
    shown.until(lambda: "! there is no store" not in shown.text)
    for log in tmp_path.glob("later.db-*"):  # beside which nothing would be missed yet
        log.unlink()
    (tmp_path / "bad.db").write_text("this is no database, " * 100, encoding="utf-8")
    os.replace(tmp_path / "bad.db", path)
    shown.until("is no SQLite database")
    with progstore.open_store(stage.url) as store:
        store.backup(str(tmp_path / "copy.db"))
    os.replace(tmp_path / "copy.db", path)
    shown.until("nightly import")
    assert "no SQLite" not in shown.text
    os.kill(shown.process.pid, signal.SIGTERM)
    assert shown.ended() == -signal.SIGTERM
    assert shown.settings() == shown.attributes


def test_without_colour_everything_is_still_said(stage: Stage, pane: Open) -> None:
    """NO_COLOR is obeyed, `--once` prints one table on a terminal too, and a terminal without Unicode gets ASCII."""
    shown = pane(PROGRAM, "top", "--once", "--store", stage.url, NO_COLOR="1", PYTHONIOENCODING="ascii")
    assert shown.ended() == 0
    assert ENTERED not in shown.written
    assert "\x1b[3" not in shown.written
    assert "! lost" in shown.written
    assert "= suspended" in shown.written
    assert "#" in shown.written
