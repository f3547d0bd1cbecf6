"""The pages on a PostgreSQL store: each answers, and the SQL that they offer says there what it says of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from progstore import Filter, Status, Store, open_store
from progstore_web.shown.sql import EXAMPLES, examples
from progstore_web.sql_of import sql_of
from tests.store.conftest import Filled
from tests.web.conftest import Serve

PAGES = (
    *("/", "/history?q=first", "/sessions/1", "/sessions/1/tasks/1", "/names", "/timeline", "/sql", "/store"),
    *("/history.csv", "/store.json", "/api/v1/sessions", "/metrics"),
)
FILTERS = (
    Filter(),
    Filter(text="FIRST"),
    Filter(text="50%_"),
    Filter(statuses=frozenset({Status.RUNNING})),
    Filter(name="second", session_name="nightly"),
    Filter(host="nowhere"),
    Filter(meta={"model": "x"}),
    Filter(meta={"lr": "0.5"}),
    Filter(meta={"deep": "true"}),
    Filter(meta={"said": 'say "no"'}),
    Filter(meta={"tags": '["a", 1]'}),
)


@pytest.fixture
def filled(postgres_store: str) -> Iterator[Filled]:
    """A few tasks of every kind."""
    made = Filled(postgres_store)
    session = made.session()
    made.meta(session, model="x")
    for name, status in (("first", "complete"), ("second 50%_", "error"), ("second", "running"), ("third", "pending")):
        number = made.task(session, name, status, process_id=made.process(), curve="[[0.0, 0.0], [2.0, 50.0]]")
        made.meta(session, number, lr=0.5, deep=True, said='say "no"', tags=["a", 1])
        made.event(session, number, "started")
    yield made
    made.close()


@pytest.fixture
def store(filled: Filled) -> Iterator[Store]:
    """The same store, opened for reading."""
    with open_store(filled.url) as opened:
        yield opened


def test_every_page_answers(filled: Filled, serve: Serve) -> None:
    """With what there is."""
    site = serve(path=filled.url)
    for path in PAGES:
        page = site.get(path)
        assert page.status_code == 200, (path, page.text)
    assert site.get("/store.json").json()["url"] == filled.url


def test_every_example_is_answered(store: Store) -> None:
    """In the server's own words for times."""
    assert len(examples(store)) == len(EXAMPLES)
    for example in examples(store):
        assert store.query(example.sql).columns, example.title


def test_the_sql_of_a_list_gives_the_same_tasks(store: Store) -> None:
    """In the same order, whatever is asked for."""
    for wanted in FILTERS:
        for sort in ("-started", "started", "-took", "rate", "name"):
            listed = [task.id for task in store.tasks(wanted, sort=sort, limit=20)]
            sql = sql_of(wanted, sort, 20, postgresql=True)
            assert [row[0] for row in store.query(sql).rows] == listed, sql
