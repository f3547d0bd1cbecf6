"""Progressista's client under its own names: recorded here, and whoever listens hears what its server would."""

from __future__ import annotations

import gc
import io
import logging
import threading
from collections.abc import Callable
from typing import Any
from weakref import ref

import pytest

import progstore
from progstore.adapters import progressista
from progstore.adapters.progressista import RemoteTqdm
from progstore.adapters.tqdm import tqdm
from tests.adapters.conftest import Recorded


class Listening(RemoteTqdm[Any]):
    """Hears what would be posted."""

    def __init__(self, *args: Any, posts: list[dict[str, Any]], **kwargs: Any) -> None:
        self.posts = posts
        self.heard = threading.Event()
        super().__init__(*args, file=io.StringIO(), **kwargs)

    def _post(self, payload: dict[str, Any]) -> None:
        self.posts.append(payload)
        if payload["status"] in ("close", "error"):
            self.heard.set()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was warned of yet."""
    monkeypatch.setattr(progressista, "_told", set())


def _paper(**keywords: Any) -> dict[str, Any]:
    return {"file": io.StringIO(), **keywords}


def test_its_keywords_are_ours(recorded: Recorded) -> None:
    """The task's id is its key, and metadata stays with it; without an id each bar has a key of its own."""
    for _ in RemoteTqdm(
        range(4),
        **_paper(desc="ETL", task_id="job-x:worker-1", unit="rows", meta={"model": "all-MiniLM"}),
        push_every=0.1,
        request_timeout=1.0,
        headers={"Authorization": "Bearer secret"},
        session="nightly",
    ):
        pass
    with RemoteTqdm(total=2, **_paper(desc="ETL")) as bar:
        bar.update(1)
        bar.set_description("ETL, part 2")
        bar.update(1)
    first, second = recorded()
    assert (first.key, first.name, first.unit, first.done, first.total, first.status, dict(first.meta)) == (
        *("job-x:worker-1", "ETL", "rows", 4, 4, "complete"),
        {"model": "all-MiniLM"},
    )
    assert first.session_name == "nightly"
    assert (second.done, second.status, second.message) == (2, "complete", "ETL, part 2")
    assert second.key != first.key
    assert issubclass(RemoteTqdm, tqdm)


def test_what_it_would_have_posted_can_be_heard(recorded: Recorded, until: Callable[..., Any]) -> None:
    """In order, with the keys of its payload; also after nobody holds the bar any more, which is then let go of."""
    gc.disable()
    posts: list[dict[str, Any]] = []
    bar = Listening(total=5, posts=posts, desc="Load", task_id="a", meta={"k": 1}, push_every=0.05)
    heard, gone = bar.heard, ref(bar)
    bar.update(5)
    bar.close()
    bar.close()
    del bar
    try:
        assert heard.wait(30)
        assert until(lambda: gone() is None)
    finally:
        gc.enable()
    first = posts[0]
    assert (first["task_id"], first["status"], first["total"], first["desc"]) == ("a", "start", 5, "Load")
    assert (first["unit"], first["meta"]) == ("it", {"k": 1})
    assert {post["status"] for post in posts[1:-1]} <= {"update"}
    assert (posts[-1]["status"], posts[-1]["n"]) == ("close", 5)
    assert [post["timestamp"] for post in posts] == sorted(post["timestamp"] for post in posts)
    assert recorded()[0].status == "complete"


def test_an_error_is_heard_as_one_and_the_next_attempt_starts_anew() -> None:
    """Progressista knew of closing alone."""
    posts: list[dict[str, Any]] = []
    bar = Listening([1, 2], posts=posts)
    with pytest.raises(KeyError), bar:
        raise KeyError("x")
    assert bar.heard.wait(30)
    bar.heard.clear()
    list(bar)
    assert bar.heard.wait(30)
    assert [post["status"] for post in posts if post["status"] != "update"] == ["start", "error", "start", "close"]


def test_a_listener_that_fails_stops_nothing(recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    """As posting to a server that is down stopped nothing."""

    class Failing(Listening):
        def _post(self, payload: dict[str, Any]) -> None:
            super()._post(payload)
            raise OSError("down")

    bar = Failing(range(3), posts=[])
    assert list(bar) == [0, 1, 2]
    assert bar.heard.wait(30)
    assert recorded()[0].status == "complete"
    assert progstore.flush(10)
    assert "on_progress raised" in caplog.text


def test_a_server_that_is_named_gets_nothing_and_one_warning_says_so(
    recorded: Recorded, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By keyword or variable, without its password; not where a `_post` of one's own sends it."""
    caplog.set_level(logging.WARNING, "progstore")
    list(RemoteTqdm(range(1), **_paper()))
    assert caplog.messages == []
    monkeypatch.setenv("PROGRESSISTA_SERVER_URL", "https://me:secret@jobs.example:8000/progress")
    list(Listening(range(1), posts=[]))
    assert caplog.messages == []
    for _ in range(2):
        list(RemoteTqdm(range(1), **_paper()))
    list(RemoteTqdm(range(1), server_url="http://other/progress", **_paper()))
    assert caplog.messages == [
        "RemoteTqdm records in the store of this machine; nothing is sent to jobs.example:8000",
        "RemoteTqdm records in the store of this machine; nothing is sent to other",
    ]
    assert [task.status for task in recorded()] == ["complete"] * 5


@pytest.mark.parametrize(
    ("variable", "setting", "keyword", "expected"),
    [
        (None, {}, None, 0.5),
        ("1.5", {}, None, 1.5),
        ("1.5", {"interval": 2}, None, 2),
        ("1.5", {"interval": 2}, 3.0, 3),
        ("abc", {}, None, 0.5),
        ("-1", {}, None, 0.5),
        ("nan", {}, None, 0.5),
    ],
)
def test_the_interval_is_whoevers_comes_first(
    variable: str | None,
    setting: dict[str, Any],
    keyword: float | None,
    expected: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Keyword, our settings, its variable, our default."""
    if variable is not None:
        monkeypatch.setenv("PROGRESSISTA_PUSH_INTERVAL", variable)
    progstore.configure(**setting)
    bar = RemoteTqdm(total=1, push_every=keyword, **_paper())
    assert bar._progstore is not None
    assert bar._progstore.task.state.interval == expected
    bar.close()


def test_what_a_post_of_ones_own_needs_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the names that Progressista gives it."""
    attributes: Callable[[Any], tuple[object, ...]] = lambda bar: (  # noqa: E731  # one line is clearest
        bar._server_url,
        bar._headers,
        bar._request_timeout,
    )
    plain = RemoteTqdm(total=1, **_paper(record=False))
    assert attributes(plain) == ("http://localhost:8000/progress", None, 2.0)
    monkeypatch.setenv("PROGRESSISTA_API_TOKEN", "secret")
    monkeypatch.setenv("PROGRESSISTA_REQUEST_TIMEOUT", "0.5")
    told = RemoteTqdm(total=1, server_url="http://x/progress", **_paper(record=False))
    assert attributes(told) == ("http://x/progress", {"Authorization": "Bearer secret"}, 0.5)
    plain.close()
    told.close()


def test_wrong_arguments_are_told(recorded: Recorded) -> None:
    """As those of any bar."""
    with pytest.raises(TypeError, match="JSON"):
        RemoteTqdm(total=1, meta={"a": object()}, **_paper())
    with pytest.raises(ValueError, match="interval"):
        RemoteTqdm(total=1, push_every=-1, **_paper())
    with pytest.raises(TypeError, match="key"):
        RemoteTqdm(total=1, task_id=5, **_paper())  # type: ignore[arg-type]  # wrong on purpose
    assert recorded() == []
