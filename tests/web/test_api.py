"""The JSON: lists and pages of them, one session, tags, and what is said when something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

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
