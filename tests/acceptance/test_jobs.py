"""Jobs: started from the web by name, asked how far they are, and known after their end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import progstore
from progstore_web import Access
from tests.conftest import Declare
from tests.web import conftest as web

serve = web.serve
REINDEX = """
    @progstore.job("reindex")
    def reindex(gate: str, task: progstore.Task, photos: int = 8) -> None:
        task.total = photos
        task.update(3)
        open(gate).read()
        task.update(photos - 3)


    @progstore.job("fail")
    def fail(row: int) -> None:
        raise ValueError(f"row {row} has no date")
"""


def test_a_registered_job_is_started_from_the_web(
    serve: web.Serve, declare: Declare, tmp_path: Path, until: Callable[..., Any]
) -> None:
    """An id, percent 0.0, not done; then percent to one decimal; after its end a poll still says done."""
    site = serve(jobs=declare(REINDEX))
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    started = site.post("/api/v1/jobs/reindex", json={"gate": str(gate)})
    told = started.json()
    assert (started.status_code, told["percent"], told["done"], told["error"]) == (202, 0.0, False, None)
    assert isinstance(told["id"], int)
    place = started.headers["location"]
    assert place == f"/api/v1/jobs/runs/{told['id']}"
    until(lambda: site.get(place).json()["percent"] == 37.5)
    assert site.get(place).json()["done"] is False
    gate.write_text("go on")
    until(lambda: site.get(place).json()["done"])
    for _ in range(2):
        ended = site.get(place).json()
        assert (ended["percent"], ended["state"], ended["done"], ended["error"]) == (100.0, "complete", True, None)


def test_an_unknown_id_is_no_process_key(serve: web.Serve, declare: Declare) -> None:
    """404, with that detail; and so before there is a store, for a session that is no job's, for what is no id."""
    site = serve(jobs=declare(REINDEX))
    assert site.get("/api/v1/jobs/runs/1").json()["detail"] == "Invalid process key."
    for _ in progstore.track(range(3)):
        pass
    assert progstore.flush(10)
    for unknown in ("1", "99", str(2**80), "reindex", "0", "-1"):
        answer = site.get(f"/api/v1/jobs/runs/{unknown}")
        assert (answer.status_code, answer.json()["detail"]) == (404, "Invalid process key."), unknown


def test_a_job_that_raised_says_done_and_the_error(
    serve: web.Serve, declare: Declare, until: Callable[..., Any]
) -> None:
    """With its type and its text."""
    site = serve(jobs=declare(REINDEX))
    place = site.post("/api/v1/jobs/fail", json={"row": 7}).headers["location"]
    until(lambda: site.get(place).json()["done"])
    ended = site.get(place).json()
    assert (ended["state"], ended["error"]) == ("error", "ValueError: row 7 has no date")


def test_only_registered_names_start_and_only_by_post_and_for_the_admin(
    serve: web.Serve, declare: Declare, ask: Callable[..., Any]
) -> None:
    """No other name of the module, no module, no class; and never by GET."""
    site = serve(jobs=declare(REINDEX), access=Access(tokens=("alpha",), view_tokens=("viewer",)))
    admin, viewer = {"authorization": "Bearer alpha"}, {"authorization": "Bearer viewer"}
    for name in ("progstore", "photo_jobs", "photo_jobs.fail", "os.system", "Popen", "__main__"):
        assert site.post(f"/api/v1/jobs/{name}", json={}, headers=admin).status_code == 404, name
    for path in ("/api/v1/jobs/fail?row=7", "/jobs/fail?arg.row=7"):
        assert site.get(path, headers=admin).status_code == 405, path
    assert site.post("/api/v1/jobs/fail", json={"row": 7}, headers=viewer).status_code == 403
    assert site.post("/api/v1/jobs/fail", json={"row": 7}).status_code == 401
    assert ask("SELECT count(*) FROM sessions") in ([], [0])
