"""The JSON: lists and pages of them, one session, tags, and what is said when something is wrong."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from progstore_web import Access
from tests.store.conftest import Filled

Serve = Callable[..., httpx.Client]
Until = Callable[..., Any]


@pytest.fixture
def history(run_program: Callable[..., str]) -> None:
    """Seven sessions: five named `even` that are complete, two named `odd` that ended with an error."""
    run_program(
        """
        import progstore

        for number in range(7):
            try:
                with progstore.session("odd" if number in (2, 5) else "even"):
                    for item in progstore.track(range(3), "Count", unit="item"):
                        if number in (2, 5) and item == 1:
                            raise ValueError("odd")
            except ValueError:
                pass
        """
    )


@pytest.mark.usefixtures("history")
def test_sessions_are_listed_newest_first_in_pages(site: httpx.Client) -> None:
    """Each page tells the cursor of the next; the last one tells none, and nothing is missing or twice."""
    seen: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = site.get("/api/v1/sessions", params={"limit": 3, **cursor}).json()
        seen += [session["id"] for session in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.usefixtures("history")
def test_sessions_are_chosen_by_status_and_name(site: httpx.Client) -> None:
    """One status, several of them in either way of writing, a name, or both."""

    def ids(query: str) -> list[int]:
        return [session["id"] for session in site.get(f"/api/v1/sessions?{query}").json()["items"]]

    assert ids("status=error") == [6, 3]
    assert ids("status=complete&name=odd") == []
    assert ids("name=odd") == [6, 3]
    assert ids("status=complete") == [7, 5, 4, 2, 1]
    assert ids("status=complete,error") == ids("status=complete&status=error") == ids("") == [7, 6, 5, 4, 3, 2, 1]


def test_a_session_has_its_tasks_events_and_process(site: httpx.Client, ingest: Any) -> None:
    """All of a page, for programs."""
    session = site.get("/api/v1/sessions/1").json()
    (task,) = session["tasks"]
    assert (session["name"], session["status"], session["overall_percent"]) == ("nightly import", "running", 30)
    assert session["verdict"]["life"] == "alive"
    assert session["meta"] == {"model": "all-MiniLM", "depth": {"levels": [1, 2]}}
    assert (task["name"], task["done"], task["total"], task["failed"], task["unit"]) == ("Ingest", 3, 10, 1, "file")
    assert "row 7: bad date" in [event["message"] for event in session["events"]]
    assert "program0.py" in session["process"]["command"]


def test_tasks_and_events_of_a_session_are_lists_of_their_own(
    site: httpx.Client, run_program: Callable[..., str]
) -> None:
    """Both in pages."""
    run_program(
        """
        import progstore

        with progstore.session("many"):
            for number in range(5):
                list(progstore.track(range(2), f"part {number}"))
        """
    )
    page = site.get("/api/v1/sessions/1/tasks?limit=3").json()
    rest = site.get("/api/v1/sessions/1/tasks", params={"limit": 3, "cursor": page["next_cursor"]}).json()
    names = [task["name"] for task in (*page["items"], *rest["items"])]
    assert sorted(names) == [f"part {number}" for number in range(5)]
    first = site.get("/api/v1/sessions/1/events?limit=2").json()
    after = site.get("/api/v1/sessions/1/events", params={"after": first["next_after"]}).json()
    everything = site.get("/api/v1/sessions/1/events").json()
    assert first["items"] + after["items"] == everything["items"]
    assert len(first["items"]) == 2
    assert site.get("/api/v1/sessions/1/events", params={"after": after["next_after"]}).json()["items"] == []


def test_what_did_not_change_is_not_sent_again(site: httpx.Client, ingest: Any) -> None:
    """Asked with the tag it is 304 without a body; a browser asks each time."""
    ingest.end()
    for path in ("now", "sessions", "sessions/1", "sessions/1/tasks", "sessions/1/events"):
        first = site.get(f"/api/v1/{path}")
        assert first.headers["cache-control"] == "private, no-cache"
        again = site.get(f"/api/v1/{path}", headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), path


def test_a_poller_sees_each_step(site: httpx.Client, ingest: Any, until: Until) -> None:
    """The tag it has becomes old as soon as the run goes on."""
    for done in (4, 5, 6):
        tag = site.get("/api/v1/sessions/1").headers["etag"]
        ingest.go_on(1)
        fresh = until(
            lambda tag=tag: site.get("/api/v1/sessions/1", headers={"if-none-match": tag}),
            lambda answer: answer.status_code == 200 and answer.json()["tasks"][0]["done"] > 3,
        )
        assert fresh.json()["tasks"][0]["done"] == done


PROBLEMS = [
    ("sessions/99", 404, "99"),
    ("sessions/99/tasks", 404, "99"),
    ("sessions/99/events", 404, "99"),
    (f"sessions/{2**80}/events", 404, "session"),
    ("sessions/x", 404, "nothing"),
    ("nowhere", 404, "nothing"),
    ("sessions?limit=0", 400, "limit"),
    ("sessions?limit=501", 400, "limit"),
    ("sessions?limit=many", 400, "limit"),
    ("sessions?cursor=%00nonsense", 400, "cursor"),
    ("sessions?status=broken", 400, "pending"),
    ("sessions?nmae=odd", 400, "nmae"),
    ("sessions/1/events?after=-1", 400, "after"),
    ("sessions/1/tasks?after=1", 400, "after"),
]


def test_a_problem_says_what_is_wrong(site: httpx.Client, ingest: Any) -> None:
    """As a problem document with a reason that a person can act on."""
    for query, status, word in PROBLEMS:
        answer = site.get(f"/api/v1/{query}")
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), query
        problem = answer.json()
        assert problem["status"] == status
        assert problem["title"]
        assert word in problem["detail"], query


def test_where_there_is_no_store_yet_lists_say_so(site: httpx.Client) -> None:
    """With what to do; the first page's content says that it is no fault."""
    answer = site.get("/api/v1/sessions")
    assert answer.status_code == 503
    assert "progstore demo" in answer.json()["detail"]
    now = site.get("/api/v1/now").json()
    assert (now["missing"], now["active"]["sessions"]) == (True, [])


@pytest.mark.usefixtures("history")
def test_tasks_are_listed_by_a_filter_in_any_order(site: httpx.Client) -> None:
    """Pages go on in that order; one task can be asked for, and how many there are of each kind."""
    failed = site.get("/api/v1/tasks", params={"q": "session:odd status:cancelled"}).json()
    assert [task["session_id"] for task in failed["items"]] == [6, 3]
    first = site.get("/api/v1/tasks", params={"sort": "items", "limit": 4}).json()
    rest = site.get("/api/v1/tasks", params={"sort": "items", "limit": 4, "cursor": first["next_cursor"]}).json()
    assert [task["done"] for task in (*first["items"], *rest["items"])] == [1, 1, 3, 3, 3, 3, 3]
    one = site.get("/api/v1/tasks/3").json()
    assert (one["name"], one["session_name"], one["status"], one["done"]) == ("Count", "odd", "cancelled", 1)
    facets = site.get("/api/v1/facets", params={"q": "name:Count"}).json()
    assert (facets["status"], facets["session_name"]) == ({"complete": 5, "cancelled": 2}, {"even": 5, "odd": 2})
    sessions = site.get("/api/v1/sessions", params={"q": "session:odd"}).json()
    assert [session["id"] for session in sessions["items"]] == [6, 3]


@pytest.mark.usefixtures("history")
def test_names_and_events_of_the_whole_store(site: httpx.Client) -> None:
    """The figures of every history, of one, and all that happened since an event."""
    names = {each["session_name"]: each for each in site.get("/api/v1/names").json()["items"]}
    assert (names["even"]["runs"], names["even"]["success_rate"], names["odd"]["cancelled"]) == (5, 1.0, 2)
    assert len(site.get("/api/v1/names?limit=1").json()["items"]) == 1
    one = site.get("/api/v1/names/history", params={"session": "odd", "task": "Count"}).json()
    assert one["runs"] == names["odd"]["runs"] == 2
    everything = site.get("/api/v1/events").json()
    part = site.get("/api/v1/events?limit=5").json()
    later = site.get("/api/v1/events", params={"after": part["next_after"]}).json()
    assert part["items"] + later["items"] == everything["items"]
    assert {event["session_id"] for event in everything["items"]} == set(range(1, 8))


def test_an_export_holds_every_task_that_matches(site: httpx.Client, filled: Filled) -> None:
    """More than one page and one piece of it, as lines of JSON and as CSV; no formula in what a spreadsheet opens."""
    for number in range(3):
        session = filled.session(f"s{number}")
        for part in range(400):
            filled.task(session, name=f"=part {part}", session_name=f"s{number}", message="x" * 200)
    lines = site.get("/api/v1/export").text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == list(range(1, 1201))
    answer = site.get("/api/v1/export", params={"format": "csv", "q": "session:s1"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert (len(rows), rows[0]["name"], rows[0]["session_name"]) == (400, "'=part 0", "s1")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="progstore.csv"'
    assert site.get("/api/v1/export", params={"q": "session:nowhere"}).text == ""


@pytest.mark.usefixtures("history")
def test_what_is_asked_wrongly_of_the_lists_is_a_problem(site: httpx.Client) -> None:
    """Before anything of an answer has begun."""
    for query, status, word in (
        ("tasks?q=status:failed", 400, "failed"),
        ("tasks?sort=size", 400, "sort"),
        ("tasks?cursor=x", 400, "cursor"),
        ("tasks?status=error", 400, "status"),
        (f"tasks?q={'a' * 2001}", 400, "q"),
        ("tasks/999", 404, "999"),
        ("sessions?q=name:a&name=b", 400, "once"),
        ("names?limit=0", 400, "limit"),
        ("names/history?session=odd", 400, "task"),
        ("names/history?session=odd&task=nothing", 404, "nothing"),
        (f"events?after={2**64}", 400, "after"),
        ("events?limit=1001", 400, "limit"),
        ("export?q=took:5", 400, "took"),
        ("export?format=xlsx", 400, "ndjson"),
        ("facets?q=a:b", 400, "a:"),
    ):
        answer = site.get(f"/api/v1/{query}")
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), query
        assert word in answer.json()["detail"], query


@pytest.mark.usefixtures("history")
def test_an_id_that_no_store_has_is_said_as_it_was_asked_for(site: httpx.Client) -> None:
    """Also where it is beyond all that a store could have: nothing is said of another one."""
    for method, path in (
        ("GET", "/api/v1/sessions/"),
        ("GET", "/api/v1/tasks/"),
        ("DELETE", "/api/v1/sessions/"),
        ("DELETE", "/api/v1/tasks/"),
        ("POST", "/api/v1/sessions/{}/stop"),
        ("GET", "/sessions/{}/stop"),
        ("GET", "/sessions/"),
        ("GET", "/sessions/1/tasks/"),
    ):
        number = 2**63 + 5
        answer = site.request(method, path.format(number) if "{}" in path else f"{path}{number}")
        assert (answer.status_code, str(number) in answer.text) == (404, True), (method, path)


def test_metrics_are_what_prometheus_reads(serve: Serve, filled: Filled) -> None:
    """Text whose labels are escaped and whose names are the newest hundred; behind the token."""
    for number in range(110):
        filled.session(f"job {number}", started_at=filled.now - 5000 + number)
    session = filled.session('quote " back \\ line\nend <b>', started_at=filled.now - 60)
    filled.task(session, status="error")
    watching = filled.session("watch", status=None, process_id=filled.process(locked=True))
    filled.task(watching, status="running", process_id=1)
    site = serve(access=Access(tokens=("alpha",), view_tokens=("look",)))
    assert site.get("/metrics").status_code == 401
    answer = site.get("/metrics", headers={"authorization": "Bearer look"})
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = {}
    for line in answer.text.splitlines():
        if not line.startswith(("# HELP progstore_", "# TYPE progstore_")):
            match = re.fullmatch(r'(progstore_\w+)\{(\w+)="((?:[^"\\\n]|\\["\\n])*)"\} (\S+)', line)
            assert match is not None, line
            samples[match[1], match[3]] = float(match[4])
    assert samples["progstore_tasks", "error"] == samples["progstore_tasks", "running"] == 1
    assert samples["progstore_tasks", "complete"] == 0
    assert samples["progstore_live_sessions", "running"] == 1
    assert samples["progstore_store_bytes", "file"] > 0
    started = {name: at for (family, name), at in samples.items() if family == "progstore_last_start_timestamp_seconds"}
    assert len(started) == 100
    assert started['quote \\" back \\\\ line\\nend <b>'] == pytest.approx(filled.now - 60)
    assert "job 109" in started
    assert "job 0" not in started
    assert samples["progstore_last_success_duration_seconds", "job 109"] == 10


def test_metrics_of_no_store_are_zero(site: httpx.Client) -> None:
    """A watchdog that begins first is no fault."""
    answer = site.get("/metrics")
    assert answer.status_code == 200
    assert 'progstore_tasks{status="error"} 0.0' in answer.text
