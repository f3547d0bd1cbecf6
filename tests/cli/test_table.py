"""Tables fit the terminal, and are complete where they are piped."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from progstore.cli.look import Look
from progstore.cli.table import Column, fits, records, render
from progstore.cli.text import width

PIPED = Look(columns=None, colour=False, unicode=True)


def terminal(columns: int, *, colour: bool = False, unicode: bool = True) -> Look:
    """A terminal of that many columns."""
    return Look(columns=columns, colour=colour, unicode=unicode)


def example() -> list[Column]:
    """A table of two rows that takes 52 columns."""
    return [
        Column(title="id", cells=["7", "12"], right=True),
        Column(title="name", cells=["nightly import of everything", "日本語"], least=8),
        Column(title="started", cells=["2026-11-01 08:30", "09:00:00"], drop=1),
    ]


def test_a_wide_terminal_shows_the_whole_table() -> None:
    """Numbers line up to the right, text to the left, wide characters count as two."""
    assert render(example(), terminal(80)) == [
        "ID  NAME                          STARTED",
        " 7  nightly import of everything  2026-11-01 08:30",
        "12  日本語                        09:00:00",
    ]


def test_a_narrow_terminal_cuts_names_first() -> None:
    """What was cut says so."""
    assert render(example(), terminal(40))[1] == " 7  nightly import of…  2026-11-01 08:30"
    assert render(example(), terminal(40, unicode=False))[1] == " 7  nightly import o..  2026-11-01 08:30"


def test_a_very_narrow_terminal_drops_columns() -> None:
    """The id and the beginning of the name stay to the last."""
    assert render(example(), terminal(20)) == ["ID  NAME", " 7  nightly import…", "12  日本語"]


def test_a_pipe_gets_everything() -> None:
    """However long the names are."""
    assert render(example(), PIPED) == render(example(), terminal(200))


def test_a_terminal_is_spared_columns_in_which_nothing_stands() -> None:
    """A pipe gets them, for a program counts columns."""
    columns = [Column(title="id", cells=["7"]), Column(title="failed", cells=[""]), Column(title="host", cells=["a"])]
    assert render(columns, terminal(80)) == ["ID  HOST", "7   a"]
    assert render(columns, PIPED) == ["ID  FAILED  HOST", "7           a"]


def test_a_table_that_cannot_fit_is_turned() -> None:
    """A block for each row, uncut; a pipe gets the table all the same."""
    columns = [Column(title="n", cells=["1", "2"], right=True), Column(title="words", cells=["x" * 50, "y"])]
    assert not fits(columns, terminal(40))
    assert fits(columns, terminal(55))
    assert fits(columns, PIPED)
    assert records(columns, terminal(40)) == ["n      1", f"words  {'x' * 50}", "", "n      2", "words  y"]


def test_colour_does_not_count_as_width() -> None:
    """Cells are padded before they are painted."""
    column = Column(title="status", cells=["error", "complete"], colours=["red", "green"])
    rows = render([column, Column(title="x", cells=["1", "2"])], terminal(80, colour=True))
    assert rows[1] == "\x1b[31merror   \x1b[0m  1"


@given(
    st.lists(
        st.tuples(st.text(st.characters(min_codepoint=32, max_codepoint=0x9FFF, categories=["L", "N"])), st.text("01")),
        min_size=1,
    ),
    st.integers(40, 200),
)
def test_no_line_is_wider_than_the_terminal(rows: list[tuple[str, str]], columns: int) -> None:
    """Whatever stands in a column that may be cut, beside one that may be dropped."""
    names, numbers = zip(*rows, strict=True)
    table = [Column(title="name", cells=names, least=10), Column(title="n", cells=numbers, right=True, drop=1)]
    assert max(width(line) for line in render(table, terminal(columns))) <= columns
