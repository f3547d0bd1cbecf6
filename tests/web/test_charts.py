"""The drawings: paths, axes with round steps, spans side by side, and what a curve says about a moment."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from progstore_web.badge import badge
from progstore_web.charts import Place, count_axis, path, place, rates, reached, rows_of_places, time_axis
from progstore_web.links import name_address, names_link
from progstore_web.tables import csv_of

SECONDS = st.floats(1e-3, 1e9)


def image(svg: bytes) -> ET.Element:
    """The image; raises where it is not well-formed."""
    return ET.fromstring(svg)  # noqa: S314  # our own


def test_a_path_begins_at_the_lower_left() -> None:
    """What lies outside is drawn on the edge; what is no number is left out."""
    assert path([(0, 0), (5, 10), (10, 20)]) == "M0.0 20.0L50.0 10.0L100.0 0.0"
    assert path([(0, 0), (20, 5)], right=10, top=10, height=100) == "M0.0 100.0L100.0 50.0"
    assert path([(0, 0), (math.nan, 5)]) == ""
    assert path([]) == ""
    assert path([(0, 0), (0, 0)]) == "M0.0 20.0L0.0 20.0"


def test_rates_never_fall_below_zero() -> None:
    """A count that goes back is no negative work; two points at once say nothing."""
    assert rates([(0, 0), (2, 10), (2, 11), (4, 1)]) == [(2, 5.0), (4, 0.0)]


@given(largest=st.floats(1e-6, 1e15))
def test_an_axis_of_counts_has_few_round_steps(largest: float) -> None:
    """All is on it, and no more than half of it is empty."""
    axis = count_axis(largest)
    assert 1 <= axis.steps <= 6
    assert axis.end >= largest * (1 - 1e-6)
    assert axis.end <= largest * 2.1
    assert float(f"{axis.end / axis.steps:.1e}") == pytest.approx(axis.end / axis.steps)
    assert len(axis.marks) == axis.steps


@given(longest=SECONDS)
@example(longest=864_018.0)
def test_an_axis_of_time_has_steps_that_clocks_have(longest: float) -> None:
    """Seconds, minutes, hours, then days."""
    axis = time_axis(longest)
    assert 1 <= axis.steps <= 6
    assert axis.end >= longest * (1 - 1e-6)
    assert axis.steps * 86_400 >= axis.end or (axis.end / axis.steps) % 86_400 == pytest.approx(0, abs=1)


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_an_axis_of_nothing_is_an_axis(wrong: float) -> None:
    """The page must open all the same."""
    assert (count_axis(wrong).end, time_axis(wrong).end) == (1.0, 1.0)


@given(start=st.floats(-1e3, 1e3), longer=st.floats(0, 2e3))
def test_a_span_stays_on_its_axis_and_can_be_seen(start: float, longer: float) -> None:
    """However short it is, or far it reaches out."""
    found = place(start, start + longer, 0, 100)
    assert 0 <= found.x < 100
    assert found.width >= 0.2
    assert found.end <= 100.001


def test_spans_that_overlap_stand_in_rows() -> None:
    """In the first row where there is room; those that find none are told apart."""
    places = [Place(0, 50), Place(10, 10), Place(20, 10), Place(15, 5), Place(60, 5)]
    assert rows_of_places(places, 2) == [0, 1, 1, None, 0]
    assert rows_of_places([], 2) == []


@given(
    steps=st.lists(st.tuples(st.floats(0.01, 100), st.floats(0, 1e6)), min_size=1, max_size=64),
    part=st.floats(0, 1),
)
def test_what_a_curve_says_is_never_above_its_next_point(steps: list[tuple[float, float]], part: float) -> None:
    """And nothing is said outside of it."""
    points, at, done = [(0.0, 0.0)], 0.0, 0.0
    for seconds, more in steps:
        at, done = at + seconds, done + more
        points.append((at, done))
    after = at * part
    found = reached(points, after)
    assert found is not None
    before = max(y for x, y in points if x <= after)
    following = min(y for x, y in points if x >= after)
    assert before - 1e-6 * done <= found <= following
    assert reached(points, at * 1.01 + 1) is None
    assert reached(points[:1], 0) is None


@pytest.mark.parametrize(
    "name", ["", "plain", "<b>&\"'", "x" * 500, "\x00\x1b\x07\ud800\ufffe bell\n", "日本語", "a]]>b", "--"]
)
def test_a_badge_is_an_image_whatever_the_name(name: str) -> None:
    """Well-formed, with the words in it, and not wider than it must be."""
    drawn = image(badge(name, "passing 12 min ago", "good"))
    texts = ["".join(each.itertext()) for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[1] == "passing 12 min ago"
    assert drawn.attrib["aria-label"].endswith(": passing 12 min ago")
    assert float(drawn.attrib["width"]) < 800
    assert len(texts[0]) <= 60


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("nightly import", "/names/nightly%20import"),
        ("é?#&%", "/names/%C3%A9%3F%23%26%25"),
        ("", "/names?session="),
        ("a/b", "/names?session=a%2Fb"),
        ("/lead", "/names?session=%2Flead"),
        ("..", "/names?session=.."),
        (".hidden", "/names?session=.hidden"),
        ("badge.svg", "/names?session=badge.svg"),
        ("x.json", "/names?session=x.json"),
        ("two\nlines", "/names?session=two%0Alines"),
        ("ends ", "/names?session=ends%20"),
        ("\ud800", "/names/%3F"),
    ],
)
def test_a_name_travels_in_a_path_only_where_it_can(name: str, address: str) -> None:
    """Else as a query, where everything can."""
    assert names_link(name) == address
    assert name_address("/names.json", name, "a b") == f"/names.json?{names_query(name)}&task=a%20b"


def names_query(name: str) -> str:
    """The same name as a query."""
    return name_address("", name).removeprefix("?")


def test_a_table_holds_no_formulas() -> None:
    """Numbers stay numbers, negative ones too."""
    assert csv_of(("a", "b"), [("=1+1", -2), ("@x", None), ('say "x, y"', 0.5)]) == (
        b'a,b\r\n\'=1+1,-2\r\n\'@x,\r\n"say ""x, y""",0.5\r\n'
    )
