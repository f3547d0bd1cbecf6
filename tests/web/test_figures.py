"""What programs ask of the whole store: tasks, histories, events, exports, and figures for Prometheus."""

from __future__ import annotations

import csv
import json
import re

import httpx
import pytest

from progstore_web import Access
from tests.store.conftest import Filled
from tests.web.conftest import Serve


@pytest.fixture
def filled_site(site: httpx.Client, filled: Filled) -> httpx.Client:
    """A server of forty tasks in two sessions, of which one failed and one lost its owner."""
    for name in ("nightly", 'we"ird\n\\name'):
        session = filled.session(name, process_id=filled.ended_process())
        for number in range(20):
            filled.task(session, f"Step {number}", session_name=name, done=number, duration=float(number))
        filled.event(session, message="hello")
    broken = filled.session("broken", status=None, process_id=filled.dead_process())
    filled.task(broken, "Load", "running", session_name="broken", process_id=1)
    filled.task(broken, "Read", "error", session_name="broken")
    return site


def test_tasks_are_filtered_sorted_and_paged(filled_site: httpx.Client) -> None:
    """By the same words as on the page."""
    longest = filled_site.get("/api/v1/tasks", params={"q": "session:nightly", "sort": "-took", "limit": 8}).json()
    assert [task["name"] for task in longest["items"]] == [f"Step {number}" for number in range(19, 11, -1)]
    asked = {"q": "session:nightly", "sort": "-took", "limit": 8, "cursor": longest["next_cursor"]}
    assert filled_site.get("/api/v1/tasks", params=asked).json()["items"][0]["name"] == "Step 11"
    assert filled_site.get("/api/v1/tasks/1").json()["name"] == "Step 0"
    facets = filled_site.get("/api/v1/facets", params={"q": "session:broken"}).json()
    assert facets["status"] == {"error": 1, "running": 1}


def test_histories_have_their_figures(filled_site: httpx.Client) -> None:
    """The newest first, or one of them."""
    names = filled_site.get("/api/v1/names?limit=3").json()["items"]
    assert len(names) == 3
    asked = {"session": "nightly", "task": "Step 4"}
    history = filled_site.get("/api/v1/names/history", params=asked).json()
    assert (history["runs"], history["median"]) == (1, 4.0)
    assert filled_site.get("/api/v1/names/history", params={**asked, "task": "none"}).status_code == 404


def test_events_are_read_on_from_the_last_one_that_is_known(filled_site: httpx.Client) -> None:
    """Of all sessions, in order of id."""
    first = filled_site.get("/api/v1/events?limit=1").json()
    assert first["items"][0]["message"] == "hello"
    rest = filled_site.get(f"/api/v1/events?after={first['next_after']}").json()
    assert [event["id"] for event in rest["items"]] == [2]
    assert filled_site.get(f"/api/v1/events?after={rest['next_after']}").json() == {"items": [], "next_after": 2}


def test_everything_is_exported_in_pieces(filled_site: httpx.Client) -> None:
    """As lines of JSON or as a table; what is wrong is a problem before anything is sent."""
    with filled_site.stream("GET", "/api/v1/export?q=session:nightly") as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert [json.loads(line)["name"] for line in answer.iter_lines()] == [f"Step {n}" for n in range(20)]
    table = filled_site.get("/api/v1/export?format=csv")
    assert table.headers["content-disposition"] == 'attachment; filename="progstore.csv"'
    assert len(list(csv.DictReader(table.text.splitlines()))) == 42
    for wrong in ("format=xml", "q=status:none", "limit=3"):
        answer = filled_site.get(f"/api/v1/export?{wrong}")
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), wrong


def test_an_export_of_nothing_is_empty(site: httpx.Client, filled: Filled) -> None:
    """And no fault."""
    answer = site.get("/api/v1/export")
    assert (answer.status_code, answer.content) == (200, b"")


def test_prometheus_is_told_what_runs_and_what_last_ended_well(filled_site: httpx.Client) -> None:
    """In its own format; what a job is called cannot break out of a label."""
    answer = filled_site.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert 'progstore_tasks{status="complete"} 40.0' in lines
    assert 'progstore_live_sessions{state="lost"} 0.0' not in lines
    assert any(line.startswith('progstore_last_success_timestamp_seconds{session="nightly"} ') for line in lines)
    assert any('{session="we\\"ird\\n\\\\name"}' in line for line in lines)
    form = re.compile(r'# (HELP|TYPE) \w+ .+|\w+\{\w+="(?:[^"\\\n]|\\.)*"\} [-+.e\d]+')
    assert [line for line in lines if not form.fullmatch(line)] == []


def test_metrics_are_behind_the_token_and_there_before_the_store(serve: Serve) -> None:
    """A machine that has recorded nothing yet is no fault."""
    site = serve(access=Access(tokens=("alpha",)))
    assert site.get("/metrics").status_code == 401
    answer = site.get("/metrics", headers={"authorization": "Bearer alpha"})
    assert (answer.status_code, 'progstore_tasks{status="running"} 0.0' in answer.text) == (200, True)
