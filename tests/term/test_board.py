"""What the board reads and how its lines fit: without a terminal."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

import progstore
from progstore import Filter, Life, Verdict
from progstore.wording import Lane
from progstore_term.board import Board, BoardReader
from progstore_term.reading import Reading
from progstore_term.rows import SORTS, Choices, headline, rows_of
from progstore_term.table import Style, lines_of
from progstore_term.wording import left, one_line, percent, rate
from tests.store.conftest import Filled
from tests.term.conftest import Stage


@pytest.fixture
def board(stage: Stage) -> Board:
    """The board of the store with work in every state."""
    with progstore.open_store(stage.url) as store:
        return BoardReader(store).read(time.time())


def test_no_line_is_longer_than_the_terminal_and_the_name_is_the_last_to_go(board: Board) -> None:
    """At every width, with wide letters too; columns go one after the other."""
    rows = rows_of(board, Choices(show_all=True))
    titles = set()
    for columns in (*range(1, 60), *range(60, 220, 7)):
        lines = lines_of(rows, Style(columns))
        assert max(cell_len(line.text.plain) for line in lines) <= columns
        assert lines[0].text.plain.startswith("name"[:columns]) or columns < 4
        titles.add(" ".join(lines[0].text.plain.split()))
    assert any("rate" in each and "message" in each for each in titles)
    assert "name done" in titles


def test_sessions_are_sorted_within_their_lanes(board: Board) -> None:
    """By name, by percent, by time; the newest first where nobody chose."""
    orders = {}
    for sort in SORTS:
        rows = rows_of(board, Choices(sort=sort))
        orders[sort] = [row.label.split(" / ")[-1] for row in rows if row.key and row.key[0] == "session"]
    assert orders["newest"][0].endswith("nightly import")
    assert orders["name"][:1] == ["Upload"]
    attention = orders["percent"][2:5]
    assert attention in (["Pages", "Frames", "Documents"], ["Pages", "Documents", "Frames"])


def test_what_has_ended_is_left_out_where_there_is_more_to_see(board: Board) -> None:
    """Of complete tasks the newest are listed, with what they are nested in; all of them where all is wanted."""
    few = [row.label for row in rows_of(board, Choices(hint="; a shows them"))]
    assert "… 4 more tasks; a shows them" in few
    assert "part 0" not in few
    assert few.index("Files") < few.index("part 7") < few.index("rows") < few.index("Vendor")
    everything = [row.label for row in rows_of(board, Choices(show_all=True))]
    assert {f"part {number}" for number in range(8)} <= set(everything)
    folded = [row.label for row in rows_of(board, Choices(turned={key for key in _keys(board) if key[0] == "task"}))]
    assert "Files" in folded
    assert "rows" not in folded


def _keys(board: Board) -> list[tuple[str, int]]:
    return [row.key for row in rows_of(board, Choices()) if row.key is not None and row.folds]


def test_a_board_on_which_nothing_lives_is_not_read_again(run_program: Callable[..., str]) -> None:
    """Nothing can change on it without a write."""
    run_program("import progstore\nfor _ in progstore.track(range(3), 'Frames'): pass")
    with progstore.open_store() as store:
        reader = BoardReader(store)
        board = reader.read(time.time())
        assert [card.lane for card in board.cards] == ["Completed"]
        assert not board.is_live
        assert reader.again(board, time.time()) is board


def test_many_that_wait_are_said_apart_and_do_not_hide_one_that_runs(store_path: Path) -> None:
    """Only so many are looked at, and the board says that there are more."""
    with closing(Filled(store_path)) as filled, filled.together():
        process = filled.process()
        session = filled.session("busy", status=None, process_id=process, started_at=filled.now - 90)
        filled.task(session, status="running", process_id=process)
        for _ in range(101):
            filled.session("waits", status=None, kind="declared")
    with progstore.open_store() as store:
        board = BoardReader(store).read(time.time())
    busy, *_ = board.lane(Lane.ACTIVE)
    assert busy.session.name == "busy"
    assert headline(board) == "1 running, 99 pending, and more"
    assert rows_of(board, Choices())[0].label == "Active (100+)"
    assert headline(Board()) == "nothing running"
    assert headline(Board(more_live=True)) == "and more"


def test_what_was_written_wrongly_is_shown_as_what_it_can_be_and_the_board_goes_on(
    run_program: Callable[..., str],
) -> None:
    """Whatever another program has written."""
    run_program("import os, progstore\ntask = progstore.track(name='A')\nprogstore.flush(30)\nos._exit(0)")
    with progstore.open_store() as store:
        told = threading.Event()
        with closing(sqlite3.connect(store.name)) as other, Reading(store, "", 0.05, told.set) as reading:
            assert told.wait(10)
            for done, shown in (("abc", 0), (3, 3)):
                told.clear()
                other.execute("UPDATE tasks SET done = ?", (done,))
                other.commit()
                assert told.wait(10)
                assert reading.board is not None
                assert reading.board.trouble == ""
                assert [task.done for card in reading.board.cards for task in card.tasks] == [shown]


def test_a_lost_session_changes_its_lane_at_the_next_look(stage: Stage) -> None:
    """What was alive at the last look is asked about again, and judged anew."""
    with progstore.open_store(stage.url) as store:
        reader = BoardReader(store)
        board = reader.read(time.time(), Filter(name="Frames"))
        (card,) = board.cards
        (task,) = card.tasks
        alive = Verdict(life=Life.ALIVE, reason="it lived when we looked")
        before = replace(
            card, session=replace(card.session, verdict=alive), tasks=(replace(task, verdict=alive),), lane=Lane.ACTIVE
        )
        (after,) = reader.again(Board(cards=(before,)), time.time()).cards
    assert after.lane == "Needs attention"
    assert after.session.verdict is not None
    assert after.session.verdict.life is Life.LOST
    assert after.tasks[0].verdict is not None


def test_numbers_are_said_as_people_say_them() -> None:
    """An estimate has one unit, a percent is rounded down, slow rates are turned, control characters are shown."""
    assert [left(seconds) for seconds in (-1, 5.4, 89, 130, 3 * 3600, 3 * 86_400)] == [
        "~0 s", "~5 s", "~89 s", "~2 min", "~3 h", "~3 d",
    ]  # fmt: skip
    assert percent(99.999, simulated=False) == "99%"
    assert percent(12.3, simulated=True) == "~12%"
    assert rate(0.1, "file") == "10 s/file"
    assert rate(1500, "B") == "1.5 kB/s"
    assert rate(1e-310, "file") == ""
    assert one_line("a\x1b[2Jb\r\nc\ud800") == "a\\x1b[2Jb  c\\ud800"


def test_the_command_line_does_not_load_rich_before_the_board_is_wanted(run_program: Callable[..., str]) -> None:
    """`progstore --help` loads all frontends, and must stay quick."""
    said = run_program(
        """
        import sys, progstore_term
        print([command.name for command in progstore_term.frontend.commands()], "rich" in sys.modules)
        """
    )
    assert said.strip() == "['top'] False"
