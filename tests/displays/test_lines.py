"""Log lines where there is no terminal: few enough for a log file, and the end is always told."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

import progstore
from progstore.displays.lines import Lines
from progstore.live.task import Task
from tests.conftest import Program


def task(name: str = "Load", total: float | None = None, unit: str = "row") -> Task[None]:
    """A task that nobody draws yet."""
    return progstore.track(name=name, total=total, unit=unit, bar=False, record=False)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The messages so far."""
    return list(caplog.messages)


def test_there_is_a_line_per_ten_percent(caplog: pytest.LogCaptureFixture) -> None:
    """However often it is looked, and none before the first ten."""
    caplog.set_level(logging.INFO, logger="progstore")
    display, load = Lines(), task(total=1000)
    display.open(load.state)
    for _ in range(1000):
        load.update(1)
        display.draw(load.state)
    percents = [f"Load: {percent} %" for percent in range(10, 101, 10)]
    assert [message.split(",")[0] for message in said(caplog)] == percents
    assert ", 300 of 1,000 row, about " in said(caplog)[2]


def test_the_end_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """With counts, what failed, and the last message."""
    caplog.set_level(logging.INFO, logger="progstore")
    display, load = Lines(), task(total=5)
    display.open(load.state)
    load.update(4)
    load.fail_item("row 5")
    load.message("part 2")
    load.complete()
    display.close(load.state)
    assert said(caplog) == ["Load: complete, 5 of 5 row in 0.0 s, 1 failed, part 2"]


def test_an_error_and_its_reason_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """On one line, as everything."""
    caplog.set_level(logging.INFO, logger="progstore")
    display, load = Lines(), task()
    display.open(load.state)
    load.update(2)
    load.error(ValueError("bad\nrow"))
    display.close(load.state)
    assert said(caplog) == ["Load: ValueError: bad row, 2 row in 0.0 s"]


def test_a_percent_that_was_said_stands_for_the_counts(caplog: pytest.LogCaptureFixture) -> None:
    """There are none."""
    caplog.set_level(logging.INFO, logger="progstore")
    display, load = Lines(), task()
    display.open(load.state)
    load.report(41.9, "half way")
    display.draw(load.state)
    assert said(caplog) == ["Load: 41 %, half way"]


def test_a_simulated_percent_is_called_so(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody counted it."""
    caplog.set_level(logging.INFO, logger="progstore")
    display, load = Lines(), task()
    display.open(load.state)
    load.report(50)
    load.simulate(until=50)
    display.draw(load.state)
    assert said(caplog) == ["Load: about 50 %, Analyzing..."]


def test_a_job_off_a_terminal_logs_lines_and_draws_nothing(run_program: Callable[..., str]) -> None:
    """The nested loop is told of by nobody."""
    printed = run_program(
        """
        import logging, sys, threading
        logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
        import progstore
        for item in progstore.track(range(2), "Load", record=False):
            for each in progstore.track(range(4), "inner", record=False): threading.Event().wait(0.1)
        """,
        PROGSTORE_BAR="auto",
    ).splitlines()
    assert printed[0].startswith("INFO progstore Load: 50 %, 1 of 2 it, about ")
    assert printed[-1].startswith("INFO progstore Load: complete, 2 of 2 it in ")
    assert len(printed) == 2


def test_without_logging_a_job_off_a_terminal_says_nothing(program: Program) -> None:
    """Cron mails every line."""
    process = program(
        "import progstore\nfor _ in progstore.track(range(9), 'Load', record=False): pass", PROGSTORE_BAR="auto"
    )
    assert process.communicate(timeout=60) == ("", "")
