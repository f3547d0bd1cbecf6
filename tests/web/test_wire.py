"""How the wire takes posts in: together, in bounded memory, and with a word where it cannot."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from click.testing import CliRunner
from litestar.exceptions import ServiceUnavailableException

import progstore
from progstore import Status, Store
from progstore_web import retention
from progstore_web.command import ui
from progstore_web.retention import Retention
from progstore_web.wire import intake as intake_module
from progstore_web.wire import memory as memory_module
from progstore_web.wire import tasks as tasks_module
from progstore_web.wire.intake import Intake
from progstore_web.wire.memory import Memory
from progstore_web.wire.posts import Post, read_post
from progstore_web.wire.state import MOST_POINTS, State
from progstore_web.wire.tasks import TaskReader
from progstore_web.wire.translator import Arrived, Translator
from tests.store.conftest import Filled

Until = Callable[..., Any]


@pytest.fixture
def store(filled: Filled) -> Any:
    """This test's store, opened."""
    with Store(filled.location.url) as opened:
        yield opened


def arrived(task_id: str, **said: Any) -> Arrived:
    """A post that has come."""
    return Arrived(Post(task_id=task_id, **said), "10.0.0.7")


def write(store: Store, *posts: Arrived) -> None:
    """As a server does that was just started."""
    Translator(store, Memory(store)).write(posts)


def test_posts_of_many_clients_at_once_are_all_kept(site: httpx.Client) -> None:
    """Each is answered once it is written, whoever else posts."""

    def job(number: int) -> None:
        for n in range(5):
            answer = site.post("/progress", json={"task_id": f"job {number}", "n": n, "total": 5})
            assert answer.status_code == 200, answer.text

    with ThreadPoolExecutor(8) as jobs:
        list(jobs.map(job, range(8)))
    told = site.get("/tasks").json()["tasks"]
    assert {key: told[key]["n"] for key in told} == {f"job {number}": 4 for number in range(8)}


def test_what_waits_for_the_store_is_written_together(store: Store) -> None:
    """One transaction for all of it; the last of a task's posts is what is left."""
    version = store.data_version()
    write(store, *(arrived("a", n=float(n), total=10.0) for n in range(8)), arrived("b", status="close"))
    assert store.data_version() == version + 1
    assert {task.key: task.done for task in store.tasks()} == {"a": 7, "b": 0}


def test_an_attempt_that_ends_while_another_begins_is_kept(store: Store) -> None:
    """Though they are written together."""
    words = ("start", "update", "close", "start")
    write(store, *(arrived("a", status=word, n=float(n), timestamp=float(n)) for n, word in enumerate(words)))
    assert [(task.attempt, task.status, task.done) for task in store.session(1).tasks] == [
        (1, Status.COMPLETE, 2),
        (2, Status.RUNNING, 3),
    ]
    assert [event.kind for event in store.events()] == ["started", "complete", "started"]


def test_when_too_many_wait_the_next_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those before are answered once the store has caught up."""
    monkeypatch.setattr(intake_module, "MOST_WAITING", 2)
    may_go_on, written = threading.Event(), list[str]()

    def slow(posts: Sequence[Arrived]) -> None:
        assert may_go_on.wait(30)
        written.extend(each.post.task_id for each in posts)

    async def run() -> None:
        intake = Intake(slow)
        async with anyio.create_task_group() as group:
            group.start_soon(intake.put, arrived("a"))
            while intake._waiting or intake._thread is None:  # until it is being written
                await anyio.lowlevel.checkpoint()
            for name in "bc":
                group.start_soon(intake.put, arrived(name))
            while len(intake._waiting) < 2:
                await anyio.lowlevel.checkpoint()
            with pytest.raises(ServiceUnavailableException):
                await intake.put(arrived("d"))
            may_go_on.set()
        intake.close()

    anyio.run(run)
    assert written == ["a", "b", "c"]


def test_a_store_that_cannot_be_written_is_a_word_to_the_client(site: httpx.Client, store_path: Path) -> None:
    """And nothing is remembered that was not written; once it can be, all is as the next post says."""
    site.post("/progress", json={"task_id": "a", "n": 1, "total": 9})
    kept = store_path.rename(store_path.with_suffix(".kept"))
    store_path.mkdir()
    answer = site.post("/progress", json={"task_id": "a", "n": 2})
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.headers["retry-after"] == "2"
    store_path.rmdir()
    kept.rename(store_path)
    assert site.post("/progress", json={"task_id": "a", "n": 3}).status_code == 200
    told = site.get("/tasks").json()["tasks"]["a"]
    assert (told["n"], told["total"]) == (3, 9)


def test_a_task_that_was_forgotten_is_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, and nothing is taken back by what a post does not say."""
    monkeypatch.setattr(memory_module, "MOST_STATES", 2)
    memory = Memory(store)
    translator = Translator(store, memory)
    for name in "abcd":
        translator.write([arrived(name, n=5.0, total=10.0, unit="row", desc="Load: ", meta={"x": "1"})])
    assert len(memory._states) == 2
    translator.write([arrived("a", n=6.0)])
    task = next(task for task in store.tasks() if task.key == "a")
    assert (task.done, task.total, task.unit, task.name, task.meta) == (6, 10, "row", "Load", {"x": 1})


def test_the_name_stays_and_what_is_said_later_is_a_message(store: Store) -> None:
    """A bar's description may change with every step; its history has one name."""
    write(store, arrived("a", desc="Epoch"), arrived("a", desc="loss 0.3: "))
    (task,) = store.tasks().items
    assert (task.name, task.message) == ("Epoch", "loss 0.3")
    write(store, arrived("a", desc="Epoch: "))
    assert store.task(task.id).message == ""


def test_who_posts_has_given_a_sign_of_life(store: Store) -> None:
    """The client's address stands for its process, which nobody here can see."""
    write(store, arrived("a", status="start"))
    (session,) = store.sessions().items
    assert session.verdict is not None
    assert session.verdict.reason.startswith("10.0.0.7 gave a sign of life")
    write(store, arrived("a", status="close"))
    (session,) = store.sessions().items
    assert (session.status, session.verdict, session.host) == (Status.COMPLETE, None, "10.0.0.7")


def test_a_long_run_has_a_curve_of_all_of_it() -> None:
    """Of a bounded number of points, so that rate and finish time can be told."""
    state = State(task_id="a")
    for second in range(5000):
        assert state.take(Post(task_id="a", n=float(second)), "h", 1e9 + second)
    points = state.curve.points
    assert MOST_POINTS // 2 <= len(points) < MOST_POINTS
    assert (points[0], points[-1][0] > 4800) == ((0.0, 0.0), True)
    gaps = [after[0] - before[0] for before, after in pairwise(points)]
    assert max(gaps) <= 3 * min(gaps)


def test_what_runs_is_told_before_what_ended_last(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are more than are told, those that ended first are left out, however long others have run."""
    monkeypatch.setattr(tasks_module, "SHOWN_LIMIT", 3)
    for name, status in (("runs 1", "start"), ("old", "close"), ("new", "close"), ("runs 2", "start")):
        write(store, arrived(name, status=status))
    told = TaskReader(store, Memory(store), began=0.0).read(time.time())
    assert list(told.by_id) == ["runs 2", "runs 1", "new"]


def test_what_is_long_is_not_remembered_but_read_again(store: Store) -> None:
    """Ten thousand tasks are remembered: each of them is small, whatever its client said of it."""
    memory, long = Memory(store), "x" * 60_000
    translator = Translator(store, memory)
    translator.write([arrived("a", desc="Fetch", n=1.0, total=9.0), arrived("b", desc=long)])
    assert set(memory._states) == {"a"}
    translator.write([arrived("a", desc=long, n=2.0)])
    assert not memory._states
    translator.write([arrived("a", desc="Sort", n=3.0)])
    task = next(each for each in store.tasks() if each.key == "a")
    assert (task.name, task.message, task.done, task.total, task.attempt) == ("Fetch", "Sort", 3, 9, 1)
    assert set(memory._states) == {"a"}


def test_text_in_metadata_is_cleaned(store: Store) -> None:
    """What no page can show is replaced; the rest is kept as it is."""
    write(store, Arrived(read_post(b'{"task_id":"a","meta":{"x":["\\u0000",{"y":"\xc3\xbc"}],"n":1.5}}'), "h"))
    (task,) = store.tasks().items
    assert task.meta == {"x": ["\ufffd", {"y": "ü"}], "n": 1.5}


# Retention (acceptance line 20)


def test_what_ended_long_ago_goes_by_itself(
    store: Store, filled: Filled, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what runs stays, however long it has; a clean-up that is at work only puts it off."""
    monkeypatch.setattr(retention, "SHORTEST", 0.02)
    write(
        store, *(arrived(name, status=word) for name, word in (("old", "close"), ("runs", "start"), ("new", "close")))
    )
    filled.run("UPDATE tasks SET ended_at = ended_at - 100, updated_at = updated_at - 100 WHERE key = 'old'")
    filled.run("UPDATE sessions SET ended_at = ended_at - 100, started_at = started_at - 100 WHERE name <> 'new'")
    with Retention(store, 60.0):
        keys = until(lambda: {task.key for task in store.tasks()}, lambda keys: "old" not in keys)
    assert keys == {"runs", "new"}


def test_what_is_wrong_with_a_store_does_not_end_its_retention(
    filled: Filled, until: Until, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and once the store is mended, what ended long ago goes."""
    monkeypatch.setattr(retention, "SHORTEST", 0.02)
    filled.session(started_at=5.0)
    filled.close()
    path, kept = Path(filled.url), Path(f"{filled.url}.kept")
    path.rename(kept)
    path.write_bytes(b"no store" * 1000)
    with Store(filled.url) as store, Retention(store, 0.2):
        until(lambda: caplog.messages, bool)
        kept.replace(path)
        until(store.sessions, lambda page: not page.items)
    (said,) = caplog.messages
    assert said.startswith("what ended more than 0.2 s ago is not removed: ")


def test_without_a_time_nothing_goes(store: Store) -> None:
    """0 is never."""
    with Retention(store, 0.0) as kept:
        assert not kept._thread.is_alive()


def test_the_time_is_an_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere on the command line; anything else is a mistake with right examples."""
    given = list[float]()
    monkeypatch.setattr("progstore_web.server.serve", lambda *_, retention, **__: given.append(retention))
    for text in ("7d", "0"):
        assert CliRunner().invoke(ui, ["--no-open", "--port", "0", "--retention", text]).exit_code == 0
    assert given == [7 * 86400.0, 0.0]
    refused = CliRunner().invoke(ui, ["--retention", "soon"])
    assert isinstance(refused.exception, progstore.BadFilter)
