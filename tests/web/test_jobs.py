"""Jobs on the board: the forms, who may send them, how many run at once, and stopping what heeds it."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar

import progstore
from progstore.store.tables import tasks
from progstore_web import Access, ProgstorePlugin
from progstore_web.shown.job_run import job_state
from tests.conftest import Declare
from tests.store.conftest import Filled
from tests.web.conftest import Serve, eventually

JOBS = """
    from datetime import date
    from pathlib import Path
    from typing import Literal


    @progstore.job("reindex")
    def reindex(folder: Path, width: int = 800, mode: Literal["fast", "safe"] = "fast", since: date | None = None,
                dry_run: bool = True, tags: list[str] = [], api_key: str = "hush-hush", sure: bool | None = None,
                note: str = "<b>", ratio: float = 0.5) -> None:
        '''Read <all> photos again.

        With more in it.'''


    @progstore.job("tidy")
    def tidy(task: progstore.Task) -> None: ...
"""
STOPPABLE = """
    import itertools, time
    import progstore

    with progstore.session("nightly import"):
        for number in progstore.track(itertools.count(), "rows", stoppable=True):
            if number == 3:
                print(progstore.flush(10), flush=True)
            time.sleep(0.01)
"""
ADMIN = {"authorization": "Bearer alpha"}
VIEWER = {"authorization": "Bearer viewer"}


@pytest.fixture
def jobs(declare: Declare) -> Mapping[str, progstore.Job]:
    """Two jobs, one with all kinds of parameters."""
    return declare(JOBS)


@pytest.fixture
def stoppable(program: Callable[..., subprocess.Popen[str]]) -> subprocess.Popen[str]:
    """A program that runs until it is asked to stop, in session 1."""
    process = program(STOPPABLE)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def form_of(page: httpx.Response) -> dict[str, str]:
    """What proves that a form is ours."""
    found = re.search(r'name="form_key" value="(\w+)"', page.text)
    assert found is not None
    return {"form_key": found[1]}


def test_each_job_has_a_form_made_from_its_signature(serve: Serve, jobs: Mapping[str, progstore.Job]) -> None:
    """With the defaults filled in and everything escaped; a job that takes nothing only has a button."""
    page = serve(jobs=jobs).get("/jobs")
    assert page.status_code == 200
    text = re.sub(r"\s+", " ", page.text)
    assert "Read &lt;all&gt; photos again." in text
    assert "With more" not in text
    for part in (
        r'type="text" name="arg.folder" value="" required',
        r'name="arg.width" value="800" inputmode="numeric"',
        r'name="arg.mode"> <option selected>fast</option><option>safe</option>',
        r'type="date" name="arg.since" value=""',
        r'type="checkbox" id="j1-5" name="arg.dry_run" value="true" checked',
        r'<textarea class="field" id="j1-6" name="arg.tags"',
        r'type="password" name="arg.api_key" value="" autocomplete="new-password"',
        "</option><option>true</option><option>false</option>",
        r'name="arg.note" value="&lt;b&gt;"',
        r'name="arg.ratio" value="0.5" inputmode="decimal"',
    ):
        assert part in text, part
    assert text.count("never run") == 2
    assert text.count("<details>") == 1


def test_jobs_and_their_last_runs_are_had_as_json_and_csv(
    serve: Serve, jobs: Mapping[str, progstore.Job], filled: Filled
) -> None:
    """Where there are jobs; without, there is no such page."""
    filled.meta(filled.session("tidy", status="error"), job="tidy")
    site = serve(jobs=jobs)
    reindex, tidy = site.get("/jobs.json").json()["items"]
    assert (reindex["name"], reindex["last"], tidy["last"]["status"]) == ("reindex", None, "error")
    head, first, last = csv.reader(io.StringIO(site.get("/jobs.csv").text))
    assert dict(zip(head, first, strict=True))["parameters"].startswith("folder, width, mode")
    assert last[:5] == ["tidy", "", "", "1", "error"]
    assert "hush" not in site.get("/jobs.json").text
    assert {serve().get(path).status_code for path in ("/jobs", "/jobs.json", "/jobs.csv")} == {404}


def test_what_is_wrong_is_said_where_it_was_typed(
    serve: Serve, jobs: Mapping[str, progstore.Job], ask: Callable[..., Any]
) -> None:
    """All of it at once, what was typed stays but for secrets, and nothing is started."""
    site = serve(jobs=jobs)
    typed = {"arg.width": "wide", "arg.tags": "sea\n<sun>", "arg.api_key": "hunter2", "arg.ratio": "", "arg.nope": "1"}
    answer = site.post("/jobs/reindex", data={**form_of(site.get("/jobs")), **typed})
    assert (answer.status_code, answer.headers["cache-control"]) == (400, "no-store")
    text = re.sub(r"\s+", " ", answer.text)
    assert re.search(r'value="wide" .*?aria-describedby="j1-2-fault" aria-invalid="true"', text)
    assert "a whole number, got &#39;wide&#39;" in text
    assert re.search(r'id="j1-1-fault">.{,80}is needed', text)
    assert "a number, got &#39;&#39;" in text
    assert "sea &lt;sun&gt;</textarea>" in text
    assert "hunter2" not in text
    assert 'name="arg.dry_run" value="true" checked' not in text
    assert "<details open>" in text
    assert ask("SELECT count(*) FROM sessions") in ([], [0])


def test_a_form_starts_the_job_and_leads_to_its_run(
    serve: Serve, jobs: Mapping[str, progstore.Job], until: Callable[..., Any]
) -> None:
    """With what was ticked, chosen and left empty; the page of jobs then shows it as the last run."""
    site = serve(jobs=jobs)
    form = {**form_of(site.get("/jobs")), "arg.folder": "/srv/photos", "arg.width": "9", "arg.tags": "sea\r\n\r\nsun"}
    form |= {"arg.mode": "safe", "arg.since": "", "arg.sure": "false", "arg.note": "", "arg.ratio": "1"}
    answer = site.post("/jobs/reindex", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sessions/1")
    meta = site.get("/api/v1/sessions/1").json()["meta"]
    assert (meta["job"], meta["started by"]) == ("reindex", "web")
    assert meta["arguments"] == {
        "folder": "/srv/photos", "width": 9, "mode": "safe", "since": None, "dry_run": False, "tags": ["sea", "sun"],
        "sure": False, "note": "", "ratio": 1.0,
    }  # fmt: skip
    assert until(lambda: site.get("/api/v1/jobs/runs/1").json(), lambda told: told["done"])["state"] == "complete"
    assert '<a href="/sessions/1">run 1</a>' in site.get("/jobs").text


def test_only_a_form_of_ours_starts_anything(serve: Serve, jobs: Mapping[str, progstore.Job]) -> None:
    """And only the admin's; who may only read is shown no form."""
    site = serve(jobs=jobs)
    site.get("/jobs")
    for headers in ({}, {"origin": "https://evil.example"}):
        assert site.post("/jobs/tidy", data={"form_key": "0" * 32}, headers=headers).status_code == 403
    assert site.post("/api/v1/jobs/tidy", json={}, headers={"sec-fetch-site": "same-origin"}).status_code == 403
    guarded = serve(jobs=jobs, access=Access(tokens=("alpha",), view_tokens=("viewer",)))
    page = guarded.get("/jobs", headers=VIEWER)
    assert page.status_code == 200
    assert "<form" not in page.text
    assert guarded.post("/jobs/tidy", headers=VIEWER).status_code == 403
    assert guarded.get("/jobs").status_code == 401


def test_no_more_jobs_run_at_once_than_may(serve: Serve, jobs: Mapping[str, progstore.Job]) -> None:
    """409, on the page beside the form, which keeps what was typed."""
    site = serve(jobs=jobs, jobs_at_once=0)
    answer = site.post("/api/v1/jobs/tidy", json={})
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("0 jobs of this server run already")
    form = {**form_of(site.get("/jobs")), "arg.folder": "/srv/photos", "arg.width": "1", "arg.mode": "fast"}
    page = site.post("/jobs/reindex", data={**form, "arg.ratio": "1"})
    assert page.status_code == 409
    assert "run already" in page.text
    assert 'value="/srv/photos"' in page.text


def test_where_no_process_can_be_started_that_is_said(
    serve: Serve, jobs: Mapping[str, progstore.Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As something that may pass, on the page too; the run that came to nothing tells it as well."""
    site = serve(jobs=jobs)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    answer = site.post("/api/v1/jobs/tidy", json={})
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert answer.json()["detail"].startswith("no process could be started for it: ")
    page = site.post("/jobs/tidy", data=form_of(site.get("/jobs")))
    assert page.status_code == 503
    assert "no process could be started for it" in page.text
    assert [site.get(f"/api/v1/jobs/runs/{number}").json()["state"] for number in (1, 2)] == ["error", "error"]


def test_without_jobs_there_is_no_page_of_them(site: httpx.Client, serve: Serve, jobs: Any) -> None:
    """Nor a link to it; with some there is, on every page."""
    assert site.post("/api/v1/jobs/tidy", json={}).status_code == 404
    assert site.get("/jobs").status_code == 404
    assert "/jobs" not in site.get("/history").text
    assert site.get("/api/v1/jobs").json() == {"items": []}
    assert '<a href="/jobs">Jobs</a>' in serve(jobs=jobs).get("/history").text


def test_the_api_says_what_jobs_take(serve: Serve, jobs: Mapping[str, progstore.Job]) -> None:
    """And what is wrong with what it was sent, for each parameter."""
    site = serve(jobs=jobs)
    told = site.get("/api/v1/jobs")
    reindex, tidy = told.json()["items"]
    assert (reindex["name"], reindex["summary"], tidy["parameters"]) == ("reindex", "Read <all> photos again.", [])
    assert [each["kind"] for each in reindex["parameters"][:4]] == ["path", "int", "choice", "date"]
    answer = site.post("/api/v1/jobs/reindex", json={"width": "wide", "nope": 1})
    assert (answer.status_code, set(answer.json()["faults"])) == (400, {"width", "nope", "folder"})
    for body in (b"[]", b"7", b"{", b'{"width": ' + b"1" * 70_000 + b"}"):
        assert site.post("/api/v1/jobs/reindex", content=body).status_code in (400, 413), body[:20]
    assert "hush-hush" not in told.text + site.get("/jobs").text


def test_what_heeds_it_is_asked_to_stop_on_the_board(site: httpx.Client, stoppable: subprocess.Popen[str]) -> None:
    """Whoever started it: a button on its card and page, a question, and then it ends."""
    for path in ("/", "/sessions/1"):
        assert '<a class="button small" href="/sessions/1/stop">Stop …</a>' in site.get(path).text
    assert "<dt>stoppable</dt>" not in site.get("/sessions/1").text
    question = site.get("/sessions/1/stop")
    assert "Stop nightly import?" in question.text
    assert site.post("/sessions/1/stop", headers={"origin": str(site.base_url)}).status_code == 403
    answer = site.post("/sessions/1/stop", data=form_of(question))
    assert (answer.status_code, answer.headers["location"]) == (303, "/sessions/1")
    assert "Stop …" not in site.get("/sessions/1").text
    assert stoppable.wait(30) == 0
    told = eventually(lambda: site.get("/api/v1/sessions/1").json(), lambda told: told["status"] == "cancelled")
    assert (told["message"], told["tasks"][0]["message"]) == ("stop requested", "stop requested")
    late = site.post("/sessions/1/stop", data=form_of(question))
    assert late.status_code == 409
    assert "nightly import has ended" in late.text


def test_what_does_not_heed_it_has_no_button(site: httpx.Client, filled: Filled) -> None:
    """A question about it says why; who asks all the same by the API is told."""
    session = filled.session("nightly import", status=None, process_id=filled.process())
    filled.task(session, status="running", process_id=1)
    assert site.post("/api/v1/sessions/2/stop").status_code == 404
    for path in ("/", f"/sessions/{session}"):
        assert "Stop …" not in site.get(path).text
    assert "cannot be stopped from here" in site.get("/sessions/1/stop").text
    site.cookies.clear()
    answer = site.post("/api/v1/sessions/1/stop")
    assert (answer.status_code, answer.json()["heeded"]) == (202, False)
    assert "asked to stop" in site.get("/sessions/1").text


def test_the_percent_of_a_job_is_never_more_than_is_known(filled: Filled) -> None:
    """Its own task's; where that counts nothing, of the only loop in it, but never 100 before the end."""
    session = filled.session("reindex", status=None, process_id=filled.process())
    filled.meta(session, job="reindex")
    root = filled.task(session, status="running", process_id=1, key="job", total=None)

    def percent() -> float | None:
        with progstore.open_store(filled.location.url) as store:
            return job_state(store.session(session)).percent

    assert percent() is None
    loop = filled.task(session, status="running", process_id=1, done=66, total=99, parent_id=root)
    assert percent() == 66.6
    filled.change(tasks, loop, done=99, status="complete", ended_at=filled.now)
    assert percent() == 99.9
    filled.task(session, status="running", process_id=1, done=1, total=2, parent_id=root)
    assert percent() is None
    filled.change(tasks, root, percent=12.39)
    assert percent() == 12.3
    filled.change(tasks, root, status="complete", ended_at=filled.now)
    assert percent() == 100.0


def test_a_job_whose_process_was_lost_is_done(filled: Filled) -> None:
    """Nothing more will come of it; the verdict is the error."""
    session = filled.session("reindex", status=None, process_id=filled.dead_process())
    filled.meta(session, job="reindex")
    filled.task(session, status="running", process_id=1, key="job")
    with progstore.open_store(filled.location.url) as store:
        told = job_state(store.session(session))
    assert (told.done, told.state) == (True, "lost")
    assert "is gone" in str(told.error)


def test_only_the_admin_stops(serve: Serve, filled: Filled) -> None:
    """And never by GET."""
    session = filled.session("nightly import", status=None, process_id=filled.process())
    task = filled.task(session, status="running", process_id=1)
    filled.meta(session, task, stoppable=True)
    site = serve(access=Access(tokens=("alpha",), view_tokens=("viewer",)))
    assert "Stop …" in site.get("/sessions/1", headers=ADMIN).text
    assert "Stop …" not in site.get("/sessions/1", headers=VIEWER).text
    for path in ("/api/v1/sessions/1/stop", "/sessions/1/stop"):
        assert site.post(path, headers=VIEWER).status_code == 403
        assert site.post(path).status_code == 401
    assert site.get("/sessions/1/stop", headers=VIEWER).status_code == 403
    assert site.get("/api/v1/sessions/1/stop", headers=ADMIN).status_code == 405
    assert site.get("/api/v1/sessions/1", headers=ADMIN).json()["stop_requested_at"] is None


def test_another_application_offers_jobs_too(store_path: Any, jobs: Mapping[str, progstore.Job]) -> None:
    """The plugin takes them as `create_app` does."""
    from litestar.testing import TestClient

    with progstore.open_store(str(store_path)) as store:
        app = Litestar(plugins=[ProgstorePlugin(store, auth=Access(hosts=None), jobs=jobs)], openapi_config=None)
        with TestClient(app) as client:
            assert '<a href="/progress/jobs" aria-current="page">Jobs</a>' in client.get("/progress/jobs").text
