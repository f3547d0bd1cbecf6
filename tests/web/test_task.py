"""A task's page, and the tasks' timeline on their session's page."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable
from typing import Any

import httpx

Program = Callable[..., Any]
Until = Callable[..., Any]

REPORT = """
    import progstore

    with progstore.session("report", meta={"model": "x"}):
        for attempt in range(2):
            try:
                with progstore.track(name="Render", key="render", total=4, unit="page") as pages:
                    pages["etag"] = "x1"
                    for _ in progstore.track(range(5), "Inner", unit="row"):
                        pass
                    pages.update(3)
                    pages.fail_item("page 3: <b>torn</b>")
                    if attempt == 1:
                        raise ValueError("row 7: <bad> date")
            except ValueError:
                pass
        list(progstore.track(range(3), "Send", unit="mail"))
"""


def text_of(page: str) -> str:
    """What a page says, without its markup."""
    words = re.sub(r"<(title|svg).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r" (?=[,:])", "", re.sub(r"\s+", " ", words)))


def tasks_of(site: httpx.Client) -> dict[tuple[str, int], dict[str, Any]]:
    """The tasks of session 1 by name and attempt."""
    found = site.get("/api/v1/sessions/1").json()["tasks"]
    return {(task["name"], task["attempt"]): task for task in found}


def test_a_tasks_page_has_all_that_is_known_of_it(site: httpx.Client, run_program: Callable[..., str]) -> None:
    """Status, error with traceback, figures, other attempts, what is nested, metadata, events, and the way around."""
    run_program(REPORT)
    tasks = tasks_of(site)
    failed = tasks["Render", 2]
    page = site.get(f"/sessions/1/tasks/{failed['id']}").text
    said = text_of(page)
    for words in (
        "Render",
        "error",
        "attempt 2",
        "4 / 4 page",
        "ValueError: row 7: <bad> date",
        "Traceback",
        "etag x1",
    ):
        assert words in said
    for words in ("Other attempts", "Nested tasks", "5 / 5 row", "page 3: <b>torn</b>", "Key render"):
        assert words in said
    assert "<bad>" not in page
    assert "<b>torn" not in page
    for link in ("/sessions/1", f"/sessions/1/tasks/{tasks['Render', 1]['id']}", "/names/report?task=Render"):
        assert f'href="{link}"' in page
        assert site.get(link).status_code == 200
    inner = next(task for task in tasks.values() if task["parent_id"] == failed["id"])
    nested = site.get(f"/sessions/1/tasks/{inner['id']}").text
    assert "nested in" in text_of(nested)
    assert f'href="/sessions/1/tasks/{failed["id"]}"' in nested


def test_a_task_is_had_as_json_and_its_curve_as_csv(site: httpx.Client, ingest: Any) -> None:
    """The last point of the curve is where it is now."""
    ingest.end()
    task = site.get("/sessions/1/tasks/1.json").json()
    assert (task["name"], task["done"], task["attempts"]) == ("Ingest", 3.0, [])
    assert task["events"][0]["kind"] == "started"
    answer = site.get("/sessions/1/tasks/1.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    head, *points = csv.reader(io.StringIO(answer.text))
    assert head == ["seconds", "done"]
    assert float(points[-1][1]) == 3.0
    assert [float(at) for at, _ in points] == sorted(float(at) for at, _ in points)


def test_a_tasks_page_goes_on_with_it(site: httpx.Client, ingest: Any, until: Until) -> None:
    """As the session's does, and is not sent again while nothing changed; an ended one is not asked for again."""
    page = site.get("/sessions/1/tasks/1").text
    assert 'hx-get="/live/sessions/1/tasks/1"' in page
    assert 'data-changes="/live/sessions/1/changes"' in page
    assert "3 / 10 file" in text_of(page)
    ingest.go_on(4)
    live = site.get("/live/sessions/1/tasks/1")
    assert "7 / 10 file" in text_of(live.text)
    ingest.end()
    ended = site.get("/live/sessions/1/tasks/1")
    assert 'class="chip good"' in ended.text
    assert site.get("/live/sessions/1/tasks/1", headers={"if-none-match": ended.headers["etag"]}).status_code == 304
    assert "hx-get" not in site.get("/sessions/1/tasks/1").text


def test_a_killed_task_says_so_on_its_page(site: httpx.Client, ingest: Any, until: Until) -> None:
    """With the reason, and how far it came."""
    ingest.process.kill()
    ingest.process.wait()
    said = until(lambda: text_of(site.get("/sessions/1/tasks/1").text), lambda said: "is gone" in said)
    assert f"process {ingest.process.pid} is gone" in said
    assert "3 / 10 file" in said
    assert 'class="verdict bad"' in site.get("/sessions/1/tasks/1").text


def test_a_task_of_another_session_is_not_there(site: httpx.Client, run_program: Callable[..., str]) -> None:
    """Whatever the path says, with the way out."""
    run_program(
        """
        import progstore

        for name in ("one", "two"):
            with progstore.session(name):
                list(progstore.track(range(2), "Count"))
        """
    )
    assert site.get("/sessions/2/tasks/2").status_code == 200
    wrong = ("1/tasks/2", "2/tasks/1", "1/tasks/0", "1/tasks/x", "1/tasks/1.xml", "1/tasks/-1")
    for path in (*wrong, f"1/tasks/{'9' * 5000}", f"{2**70}/tasks/1", "1/tasks/%D9%A1"):
        for below in ("/sessions/", "/live/sessions/"):
            answer = site.get(below + path)
            assert answer.status_code == 404, path
            assert 'href="/"' in answer.text
    for path in ("1/tasks/2.json", "1/tasks/2.csv", "1/tasks/1.json.csv"):
        assert site.get(f"/sessions/{path}").status_code == 404


def test_a_sessions_page_has_a_timeline_of_its_tasks(site: httpx.Client, run_program: Callable[..., str]) -> None:
    """A lane each with its state in a word, and each task's name leads to its page."""
    run_program(REPORT)
    page = site.get("/sessions/1").text
    lanes = re.search(r'<ol class="gantt">.*?</ol>', page, re.DOTALL)
    assert lanes is not None
    tasks = site.get("/api/v1/sessions/1").json()["tasks"]
    assert lanes[0].count("<li") == len(tasks) == 5
    for task in tasks:
        assert f'href="/sessions/1/tasks/{task["id"]}" title="{task["name"]}"' in lanes[0]
        assert page.count(f'href="/sessions/1/tasks/{task["id"]}"') >= 2
    assert lanes[0].count('aria-label="error"') == 1
    for bar in re.findall(r'<rect class="span \w+" x="([\d.]+)%" y="3" width="([\d.]+)%"', lanes[0]):
        assert 0 <= float(bar[0]) <= float(bar[0]) + float(bar[1]) <= 100.001


def test_many_tasks_leave_a_timeline_that_one_can_read(site: httpx.Client, run_program: Callable[..., str]) -> None:
    """The last to start, and how many more there are."""
    run_program(
        """
        import progstore

        with progstore.session("many"):
            for number in range(60):
                list(progstore.track(range(1), f"part {number}"))
        """
    )
    page = site.get("/sessions/1").text
    lanes = re.search(r'<ol class="gantt">.*?</ol>', page, re.DOTALL)
    assert lanes is not None
    assert lanes[0].count("<li") == 40
    assert "part 59" in lanes[0]
    assert "and 20 more that started earlier" in text_of(page)
