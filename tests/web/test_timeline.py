"""The timeline: lanes, what is drawn in them, and what ran at a moment that one picks."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from progstore import Store
from progstore_web.shown.moment import done_at
from progstore_web.shown.timeline import LANES_LIMIT, ROWS_LIMIT
from tests.store.conftest import Filled
from tests.web.test_task import text_of

Until = Callable[..., Any]


@pytest.fixture
def filled(store_path: Path) -> Iterator[Filled]:
    """A store that the test fills."""
    made = Filled(store_path)
    yield made
    made.close()


def ran(filled: Filled, name: str, start: float, end: float, status: str = "complete", **values: Any) -> int:
    """A session that began and ended so many seconds ago, with a task whose curve goes straight up to 100."""
    began, ended = filled.now - start, filled.now - end
    host = values.pop("host", "db1")
    session = filled.session(name, status=status, started_at=began, ended_at=ended, duration=start - end, host=host)
    row: dict[str, Any] = {"started_at": began, "ended_at": ended, "updated_at": ended, "duration": start - end}
    row["curve"] = json.dumps([[0, 0], [(start - end) / 2, 50], [start - end, 100]])
    filled.task(session, "Work", status, session_name=name, done=100, **row | values)
    return session


def at(filled: Filled, ago: float) -> str:
    """A moment, as it stands in an address."""
    return datetime.fromtimestamp(filled.now - ago, UTC).isoformat().replace("+00:00", "Z")


def lane(page: str, label: str) -> str:
    """The lane of that label."""
    found = re.search(rf'<span class="who" title="{re.escape(label)}">.*?</li>', page, re.DOTALL)
    assert found is not None, label
    return found[0]


def test_each_session_stands_in_the_lane_of_its_name_or_host(site: httpx.Client, filled: Filled) -> None:
    """As long as it took, where it was; overlapping ones in rows; what did not end well with a sign."""
    one = ran(filled, "etl", 3000, 2000)
    two = ran(filled, "etl", 2500, 1000, "error", host="db2")
    ran(filled, "backup", 900, 300, "cancelled")
    ran(filled, "long ago", 90_000, 80_000)
    page = site.get("/timeline?span=1h").text
    etl = lane(page, "etl")
    assert "long ago" not in page
    bars = re.findall(r'href="/sessions/(\d+)".*?class="span (\w+)" x="([\d.]+)%" y="(\d+)" width="([\d.]+)%"', etl)
    assert {(int(number), tone, y) for number, tone, _, y, _ in bars} == {(one, "good", "5"), (two, "bad", "21")}
    widths = {int(number): float(width) for number, *_, width in bars}
    assert widths[one] == pytest.approx(1000 / 36, abs=0.01)
    assert widths[two] == pytest.approx(1500 / 36, abs=0.01)
    assert '<use class="sign bad" href="#i-error"' in etl
    assert "#i-" not in re.sub("#i-error", "", etl)
    assert '<use class="sign idle" href="#i-cancelled"' in lane(page, "backup")
    hosts = site.get("/timeline?span=1h&by=host").text
    assert f'href="/sessions/{two}"' in lane(hosts, "db2")
    assert f'href="/sessions/{two}"' not in lane(hosts, "db1")
    assert "long ago" in site.get("/timeline?span=7d").text


def test_a_lost_session_ends_in_a_cross_at_its_last_sign(site: httpx.Client, filled: Filled) -> None:
    """One that runs goes on up to now; one that was lost long ago is not drawn for ever."""
    for name, started, moved, process in (
        ("lost", 3000.0, 2000.0, filled.dead_process()),
        ("gone", 400_000.0, 300_000.0, filled.dead_process()),
        ("alive", 3000.0, 5.0, filled.process(locked=True)),
    ):
        session = filled.session(name, status=None, started_at=filled.now - started, process_id=process)
        filled.task(session, "Work", "running", session_name=name, started_at=filled.now - started,
                    updated_at=filled.now - moved, process_id=process)  # fmt: skip
    page = site.get("/timeline?span=1h").text
    assert "gone" not in page
    dead, cross = (re.search(pattern, lane(page, "lost")) for pattern in (
        r'class="span bad dead" x="([\d.]+)%" y="5" width="([\d.]+)%"',
        r'<use class="sign bad" href="#i-lost" x="([\d.]+)%"',
    ))  # fmt: skip
    assert dead is not None
    assert cross is not None
    assert float(dead[2]) == pytest.approx(1000 / 36, abs=0.05)
    assert float(cross[1]) == pytest.approx(float(dead[1]) + float(dead[2]), abs=0.01)
    alive = re.search(r'class="span live" x="([\d.]+)%" y="5" width="([\d.]+)%"', lane(page, "alive"))
    assert alive is not None
    assert float(alive[2]) >= 3000 / 36 - 0.01
    found = {run["name"]: run for run in site.get("/timeline.json?span=1h").json()["sessions"]}
    assert (found["lost"]["state"], found["lost"]["ended"], found["alive"]["ended"]) == ("lost", True, False)


def test_a_declared_session_ends_with_its_last_task(site: httpx.Client, filled: Filled) -> None:
    """For it has no end of its own."""
    session = filled.session("declared", status=None, kind="declared", started_at=filled.now - 3000)
    filled.task(session, started_at=filled.now - 3000, ended_at=filled.now - 2400)
    old = filled.session("old", status=None, kind="declared", started_at=filled.now - 300_000)
    filled.task(old, started_at=filled.now - 300_000, ended_at=filled.now - 290_000)
    (run,) = site.get("/timeline.json?span=1h").json()["sessions"]
    assert run["name"] == "declared"
    assert run["end"] == pytest.approx(filled.now - 2400)


def test_a_moment_tells_what_ran_and_how_far_it_was(site: httpx.Client, filled: Filled) -> None:
    """Read off the curve and marked so; unknown where there is none."""
    ran(filled, "etl", 3000, 2000)
    ran(filled, "etl", 2500, 1000, curve=None)
    ran(filled, "backup", 2400, 300)
    ran(filled, "over", 3500, 2600)
    page = site.get(f"/timeline?span=1h&at={at(filled, 2448)}").text
    said = text_of(page.partition('id="then"')[2])
    assert "≈ 55 %" in said
    assert "≈ 55 it of 100" in said
    assert "unknown" in said
    assert "backup" not in said
    assert "over" not in said
    assert page.count('<line class="at"') == 3
    rows = list(csv.DictReader(io.StringIO(site.get(f"/timeline.csv?span=1h&at={at(filled, 2448)}").text)))
    assert [(row["session_name"], row["done_then"]) for row in rows] == [("etl", "55.0"), ("etl", "")]
    found = site.get(f"/timeline.json?at={at(filled, 2448)}").json()["ran"]
    assert [each["percent_then"] for each in found] == [55.0, None]
    assert "Nothing ran then" in site.get(f"/timeline?at={at(filled, 3590)}").text


def test_a_moment_long_ago_is_brought_into_sight(site: httpx.Client, filled: Filled) -> None:
    """And the way back leads to it and to now."""
    ran(filled, "old", 500_000, 499_000)
    assert "old" not in site.get("/timeline.csv?span=1h").text
    page = site.get(f"/timeline?span=1h&at={at(filled, 499_500)}").text
    assert "old" in lane(page, "old")
    assert ">Later<" in page
    earlier = re.search(r'href="(/timeline\?[^"]*)">Earlier<', page)
    assert earlier is not None
    before = site.get(html.unescape(earlier[1]))
    assert before.status_code == 200
    assert "Nothing ran in this time" in before.text


@pytest.mark.parametrize(
    ("values", "after", "done"),
    [
        ({}, 50.0, 50.0),
        ({"curve": "[[20, 10], [60, 11]]"}, 10.0, 5.0),
        ({"curve": "[[20, 10], [60, 11]]"}, 40.0, 10.0),
        ({"curve": "[[0, 0], [40, 0.5]]", "done": 0.5}, 20.0, 0.25),
        ({"curve": "[[0, 0], [40, 10]]"}, 70.0, 55.0),
        ({"curve": None}, 50.0, None),
        ({"curve": '"nonsense"'}, 50.0, None),
        ({"duration": 60.0}, 50.0, None),
        ({"status": "running", "ended_at": None, "duration": None, "done": 70}, 100.0, 70.0),
        ({"simulate_since": 1.0, "simulate_until": 80.0}, 50.0, None),
    ],
)
def test_how_far_it_was_is_never_more_than_the_curve_supports(
    filled: Filled, values: dict[str, Any], after: float, done: float | None
) -> None:
    """A count of whole things stays whole; where clock and task disagree nobody knows."""
    start = filled.now - 200
    row: dict[str, Any] = {
        "started_at": start,
        "ended_at": start + 100,
        "updated_at": start + 100,
        "duration": 100.0,
        "done": 100.0,
    }
    row |= {"curve": "[[0, 0], [100, 100]]"} | values
    task = filled.task(filled.session(), "Work", str(row.pop("status", "error")), **row)
    with Store(filled.file.path) as store:
        assert done_at(store.task(task), start + after) == done


def test_the_timeline_stays_one_that_can_be_read(site: httpx.Client, filled: Filled) -> None:
    """However many names and overlapping sessions there are; what is left out is told."""
    with filled.together():
        for number in range(LANES_LIMIT + 5):
            filled.session(f"name {number:03}", started_at=filled.now - 1000, ended_at=filled.now - 900)
        for _ in range(ROWS_LIMIT + 3):
            filled.session("name 000", started_at=filled.now - 1000, ended_at=filled.now - 900)
    page = site.get("/timeline?span=1h").text
    assert page.count('<svg class="track') == LANES_LIMIT
    assert "and 5 more names" in text_of(page)
    first = lane(page, "name 000")
    assert first.count("<rect") == ROWS_LIMIT
    assert "+ 4 at the same time" in first


@pytest.mark.parametrize("wrong", ["span=2h", "by=status", "at=yesterday", "at=99999-01-01", "at=1900-01-01", "at=nan"])
def test_what_cannot_be_shown_is_told(site: httpx.Client, filled: Filled, wrong: str) -> None:
    """With what would be right."""
    for path in ("/timeline", "/timeline.json", "/timeline.csv"):
        answer = site.get(f"{path}?{wrong}")
        assert answer.status_code == 400
        assert re.search("is one of|is name or host|is a time such as", answer.text)
