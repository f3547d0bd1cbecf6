"""Stored text on the terminal: no command, bar or line lets it move the cursor, change colours or hide what follows."""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import progstore
from progstore.cli import main
from progstore.displays.bars import Bars
from progstore.displays.lines import Lines
from progstore_term import RichDisplay
from tests.displays.terminal import on_terminal
from tests.hostile.hostility import EVERYTHING, TEXTS, hostile_store
from tests.store.conftest import Filled

TEXT = EVERYTHING + TEXTS["null"]
FOR_PEOPLE = (
    ("ls",), ("show", "1"), ("show", "2"), ("show", "2/4"), ("sql", "SELECT * FROM v_tasks"), ("db", "check"),
    ("prune", "--older-than", "1s", "--dry-run"), ("check", EVERYTHING, "--max-age", "1h"), ("check", "gone\x1b[2J"),
    ("show", "gone\x1b[2J"), ("ls", "--name", "gone\x1b[2J"), ("sql", "SELECT '\x1b[2J"), ("top", "--once"),
)  # fmt: skip
FOR_PROGRAMS = (
    ("show", "1/1", "--json"), ("ls", "--json"), ("ls", "--csv"), ("export",), ("export", "--format", "csv"),
    ("sql", "--json", "SELECT * FROM v_tasks"), ("sql", "--csv", "SELECT * FROM v_tasks"), ("top", "--json"),
)  # fmt: skip
"""What these print is left as it is where it is piped, but on a terminal."""
IN_TURN = """
    from progstore.cli import main
    for command in {commands}:
        try:
            main(command, prog_name="progstore", standalone_mode=False)
        except SystemExit:
            pass
    print("all of them")
"""
STEERING = {"Cc", "Cf", "Zl", "Zp", "Cs"}
"""Kinds of characters that steer a terminal or turn what stands around them."""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def steering(printed: str) -> set[str]:
    """What could steer a terminal, but for the ends of lines and what joins signs."""
    return {char for char in printed if unicodedata.category(char) in STEERING and char not in "\n\u200d"}


def test_no_command_lets_stored_text_steer_the_terminal(filled: Filled) -> None:
    """Nor what was typed, where a message repeats it."""
    hostile_store(filled, TEXT)
    for command in FOR_PEOPLE:
        done = CliRunner().invoke(main, command, prog_name="progstore", catch_exceptions=False)
        assert (done.exit_code in (0, 1, 2, 4), steering(done.output)) == (True, set()), command


def test_what_is_for_programs_is_shown_with_escapes_on_a_terminal(filled: Filled, store_path: Path) -> None:
    """And there only: a pipe gets the text as it is."""
    hostile_store(filled, TEXT)
    shown = on_terminal(IN_TURN.format(commands=FOR_PROGRAMS + FOR_PEOPLE[:6]), PROGSTORE_URL=str(store_path))
    assert "all of them" in shown.screen[-2]
    assert steering(COLOUR.sub("", shown.written).replace("\r\n", "\n")) == set()
    piped = CliRunner().invoke(main, ("ls", "--json"), prog_name="progstore").output
    assert json.loads(piped)[0]["name"] == TEXT


@pytest.mark.parametrize("made", [Bars, RichDisplay])
def test_no_bar_lets_a_text_steer_the_terminal(made: type[Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Neither tqdm's nor rich's, nor with what a job says; their own ways to draw are all that is there."""
    display = made()
    task = progstore.track(name=TEXT, unit=TEXT, total=3, bar=False, record=False)
    display.open(task.state)
    task.update(1)
    task.message(TEXT)
    display.draw(task.state)
    task.error(ValueError(TEXT))
    display.close(task.state)
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert "alert(1)" in drawn
    assert steering(drawn) <= {"\r"}


def test_no_line_in_a_log_is_broken_or_steered_by_a_text(caplog: pytest.LogCaptureFixture) -> None:
    """A line stays one line."""
    caplog.set_level(logging.INFO, logger="progstore")
    display = Lines()
    task = progstore.track(name=TEXT, unit=TEXT, total=3, bar=False, record=False)
    display.open(task.state)
    task.update(2)
    task.message(TEXT)
    display.draw(task.state)
    task.error(ValueError(TEXT))
    display.close(task.state)
    assert len(caplog.messages) == 2
    assert steering("".join(caplog.messages)) | ({"\n"} & set("".join(caplog.messages))) == set()
