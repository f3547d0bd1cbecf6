"""The lines for cron and systemd on the page about cleaning up do there what the page says."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.conftest import Filled

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "clean-up.md").read_text("utf-8")
PROGRAM = str(Path(sys.executable).with_name("progstore"))
DAY = 86_400.0


@pytest.fixture
def units(tmp_path: Path) -> dict[str, Path]:
    """The page's units by the ends of their names, as files that start this progstore."""
    found = re.findall(r"`(progstore-prune\.(\w+))`:\n\n```ini\n(.*?)```", PAGE, re.DOTALL)
    for name, _, text in found:
        (tmp_path / name).write_text(text.replace("%h/.local/bin/progstore", PROGRAM), encoding="utf-8")
    return {kind: tmp_path / name for name, kind, _ in found}


@pytest.fixture
def aged(store_path: Path) -> Iterator[Filled]:
    """Thirty sessions of one name that ended 40 days ago, and one of another."""
    filled = Filled(store_path)
    with filled.together():
        process = filled.ended_process()
        for name in ["nightly"] * 30 + ["report"]:
            started = filled.now - 40 * DAY
            filled.task(filled.session(name, started_at=started, process_id=process), started_at=started)
    yield filled
    filled.close()


def values(unit: Path) -> dict[str, str]:
    """The settings of a unit, whichever section they stand in."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep capital letters
    parser.read(unit, encoding="utf-8")
    return {name: value for section in parser.sections() for name, value in parser[section].items()}


def start(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it with nothing in its environment but what is given, in the root directory, as cron and systemd do."""
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)


def test_the_timer_starts_a_service_that_cleans_up(units: dict[str, Path], aged: Filled) -> None:
    """Its command removes what it says, says so once, and then has nothing to say."""
    service, timer = values(units["service"]), values(units["timer"])
    assert (service["Type"], timer["WantedBy"]) == ("oneshot", "timers.target")
    command = shlex.split(service["ExecStart"])
    done = start(command, PROGSTORE_URL=aged.location.path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("removed 10 sessions, 10 tasks, 0 events: ")
    again = start(command, PROGSTORE_URL=aged.location.path)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_systemd_understands_the_units(units: dict[str, Path]) -> None:
    """By its own word where it is installed; elsewhere they have the sections that it needs."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        assert [path.read_text("utf-8").partition("\n")[0] for path in units.values()] == ["[Unit]", "[Unit]"]
        return
    done = start([analyze, "verify", *map(str, units.values())])
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    when = start([analyze, "calendar", values(units["timer"])["OnCalendar"]])
    assert "Normalized form: *-*-* 04:00:00" in when.stdout


def test_the_line_for_cron_works_without_any_environment(aged: Filled) -> None:
    """No PATH, no language, and a store that the line names; without HOME the default store is still the user's own."""
    line = re.search(r"^0 4 \* \* \*  \$HOME/\.local/bin/progstore (prune .*)$", PAGE, re.MULTILINE)
    assert line is not None
    command = [PROGRAM, *shlex.split(line[1]), "--store", aged.location.path]
    done = start(command)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("removed 10 sessions, 10 tasks, 0 events: ")
    home = os.path.expanduser("~")
    assert start([PROGRAM, "db", "path"]).stdout == start([PROGRAM, "db", "path"], HOME=home).stdout
