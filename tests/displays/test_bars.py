"""The bar on a terminal: what is seen while a task runs, and what stays when it has ended."""

from __future__ import annotations

import gc
import io
import sys

import pytest

import progstore
from progstore.displays.bars import Bars
from tests.displays.terminal import on_terminal


def test_a_loop_has_a_bar_whose_last_line_comes_before_what_is_printed_next() -> None:
    """The final state is drawn when the loop ends, not when the thread gets to it."""
    shown = on_terminal("""
        import progstore
        for item in progstore.track(range(200), "Ingest", unit="record"): pass
        print("after")
    """)
    assert shown.code == 0
    assert shown.screen[0].startswith("Ingest: 100%|██")
    assert "200/200" in shown.screen[0]
    assert "record/s" in shown.screen[0]
    assert shown.screen[1:] == ["after", ""]


def test_a_running_loop_is_drawn_from_outside() -> None:
    """Frames are drawn while the loop runs, without the loop's doing."""
    shown = on_terminal("""
        import progstore
        for item in progstore.track(range(4), "Ingest"): until(f"| {item}/4 [")
    """)
    assert shown.code == 0


def test_nested_bars_stand_below_and_are_wiped_when_they_end() -> None:
    """Only the outermost bar stays."""
    shown = on_terminal("""
        import progstore
        for item in progstore.track(range(3), "Outer"):
            for each in progstore.track(range(3), "inner"): until(f"| {each}/3 [")
        print("after")
    """)
    assert shown.code == 0
    assert "\n\rinner:" in shown.written
    assert shown.screen[0].startswith("Outer: 100%")
    assert shown.screen[1:] == ["after", ""]


def test_quick_nested_loops_are_not_drawn_at_all() -> None:
    """What begins and ends between two frames costs nothing on the terminal."""
    shown = on_terminal("""
        import progstore
        for item in progstore.track(range(300), "Outer"):
            for each in progstore.track("ab", "inner"): pass
    """)
    assert shown.written.count("inner") <= 20
    assert shown.screen[0].startswith("Outer: 100%")


def test_failed_items_and_the_message_stand_behind_the_bar() -> None:
    """Both also at the end."""
    shown = on_terminal("""
        import progstore
        with progstore.track(name="Load", total=10) as task:
            task.update(7)
            for row in range(3): task.fail_item(f"row {row}")
            task.message("part 2")
    """)
    assert "10/10" in shown.screen[0]
    assert shown.screen[0].endswith(", 3 failed, part 2]")


def test_an_error_is_seen_at_the_end_of_the_bar() -> None:
    """Its type and first words, on one line."""
    shown = on_terminal("""
        import progstore
        try:
            with progstore.track(name="Load", total=10) as task:
                task.update(4)
                raise ValueError("bad\\nrow")
        except ValueError:
            print("after")
    """)
    assert "4/10" in shown.screen[0]
    assert shown.screen[0].endswith("✗ ValueError: bad row]")
    assert shown.screen[1] == "after"


def test_a_terminal_without_the_sign_gets_another() -> None:
    """Nothing is written that the terminal's encoding cannot say."""
    shown = on_terminal(
        """
        import progstore
        try:
            with progstore.track(name="Größe", total=10) as task: raise ValueError("ü")
        except ValueError: pass
        """,
        PYTHONIOENCODING="ascii",
    )
    assert shown.screen[0].startswith("Gr??e:   0%|")
    assert shown.screen[0].endswith("x ValueError: ?]")


def test_a_loop_that_was_left_says_so() -> None:
    """Cancelled work keeps its line, with the reason."""
    shown = on_terminal("""
        import progstore
        for item in progstore.track(range(10), "Search"):
            if item == 4: break
        print("after")
    """)
    assert "4/10" in shown.screen[0]
    assert shown.screen[0].endswith("✗ cancelled: left early]")
    assert shown.screen[1] == "after"


def test_a_nested_error_keeps_its_line() -> None:
    """It is the one nested line worth keeping, and the outer bar is drawn on below it."""
    shown = on_terminal("""
        import progstore
        for item in progstore.track(range(2), "Outer"):
            until(f"| {item}/2 [")
            try:
                with progstore.track(name="inner", total=3) as task: raise ValueError("x")
            except ValueError: pass
    """)
    assert shown.code == 0
    assert [line.partition(":")[0] for line in shown.screen] == ["inner", "inner", "Outer", ""]
    assert shown.screen[0].endswith("✗ ValueError: x]")
    assert shown.screen[2].startswith("Outer: 100%")


def test_a_percent_is_drawn_without_counts() -> None:
    """What reports or simulates percents has nothing to count."""
    shown = on_terminal("""
        import progstore
        with progstore.track(name="Report", total=7) as task:
            task.report(45, "half way")
            task.cancel("enough")
    """)
    assert shown.screen[0].startswith("Report:  45%|")
    assert shown.screen[0].endswith("| [00:00, ✗ cancelled: enough]")


def test_a_simulation_moves_by_the_clock() -> None:
    """A tilde says that it is a guess, words of its own stand where the job says nothing, and completion fills it."""
    shown = on_terminal("""
        import progstore
        with progstore.track(name="Call") as task:
            task.simulate(until=80, expect=1)
            until("Analyzing...")
    """)
    assert shown.code == 0
    assert "Call: ~4" in shown.written
    assert shown.screen[0].startswith("Call: 100%|")


def test_what_counts_nothing_shows_its_time() -> None:
    """A block without total and updates is no "0it"."""
    shown = on_terminal("import progstore\nwith progstore.track(name='Wait'): pass")
    assert shown.screen[0] == "Wait: [00:00]"


def test_bytes_are_drawn_with_prefixes() -> None:
    """Nobody reads nine digits."""
    shown = on_terminal("""
        import progstore
        with progstore.track(name="Get", total=3 * 2**20, unit="B") as task: task.update(3 * 2**20)
    """)
    assert "3.00M/3.00M" in shown.screen[0]
    assert "B/s" in shown.screen[0]


def test_names_and_messages_cannot_steer_the_terminal() -> None:
    """Escape sequences, carriage returns and new lines in them are taken out."""
    shown = on_terminal("""
        import progstore
        with progstore.track(name="a\\x1b[2Jb\\rc", total=1) as task:
            task.message("d\\x1b]0;title\\x07e\\nf")
            task.update(1)
    """)
    assert "\x1b[2J" not in shown.written
    assert "\x1b]0" not in shown.written
    assert shown.screen[0].startswith("a[2Jb c: 100%")
    assert shown.screen[0].endswith("d]0;titlee f]")


def test_a_long_message_leaves_place_for_the_bar() -> None:
    """It is cut by the terminal's width, and no line is longer than the terminal."""
    shown = on_terminal(
        """
        import progstore
        with progstore.track(name="Load", total=1) as task:
            task.message("word " * 100)
            task.update(1)
        """,
        columns=90,
    )
    assert "100%|█" in shown.screen[0]
    assert shown.screen[0].endswith("…]")
    assert max(map(len, shown.screen)) < 90


def test_counts_beyond_the_total_and_below_nothing_are_drawn() -> None:
    """Neither is an error, nor a warning."""
    shown = on_terminal(
        """
        import progstore
        with progstore.track(name="Over", total=2) as task: task.update(2.25)
        with progstore.track(name="Far", total=2) as task: task.update(7)
        with progstore.track(name="Under", total=2) as task: task.update(-1)
        with progstore.track(name="Dust", total=1) as task:
            for _ in range(3): task.update(0.1)
        """,
        PYTHONWARNINGS="error",
    )
    assert "2/2" in shown.screen[0]
    assert "7 it" in shown.screen[1] or "7it" in shown.screen[1]
    assert "0/2" in shown.screen[2]
    assert "0.3/1" in shown.screen[3]
    assert "Warning" not in shown.written


def test_tqdm_write_prints_above_the_bar() -> None:
    """Lines of the user's own stay whole, and the bar below them."""
    shown = on_terminal("""
        import progstore
        from tqdm import tqdm
        for item in progstore.track(range(5), "Load"):
            until(f"| {item}/5 [")
            tqdm.write(f"line {item}")
    """)
    assert shown.screen[:5] == [f"line {item}" for item in range(5)]
    assert shown.screen[5].startswith("Load: 100%")


def test_a_bar_of_tqdms_own_has_a_line_of_its_own() -> None:
    """Bars of both kinds take each other's place into account."""
    shown = on_terminal("""
        import progstore
        from tqdm import tqdm
        for item in progstore.track(range(3), "Ours"):
            until(f"| {item}/3 [")
            for each in tqdm(range(2), desc="Theirs", leave=False): pass
    """)
    assert "\n\rTheirs:" in shown.written
    assert shown.screen[0].startswith("Ours: 100%")
    assert shown.screen[1:] == [""]


def test_bars_that_are_let_go_of_draw_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar of tqdm's own draws its last line then; in a forked child that would be the parent's bar."""
    paper = io.StringIO()
    monkeypatch.setattr(sys, "stderr", paper)
    task = progstore.track(name="Load", total=3, bar=False, record=False)
    bars = Bars()
    bars.open(task.state)
    bars.draw(task.state)
    drawn = paper.getvalue()
    assert "Load:   0%|" in drawn
    del bars
    gc.collect()
    assert paper.getvalue() == drawn


def test_no_bar_is_drawn_where_it_is_switched_off() -> None:
    """Neither by the keyword nor by the environment."""
    assert on_terminal("import progstore\nfor _ in progstore.track([1], 'a', bar=False): pass").written == ""
    assert on_terminal("import progstore\nfor _ in progstore.track([1], 'a'): pass", PROGSTORE_BAR="0").written == ""
