"""Questions to a store and typed filters: whatever is asked is answered or is a clear error of ours."""

from __future__ import annotations

import base64
import contextlib
import json
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from progstore import BadFilter, Filter, ProgstoreError, Status, change_filter, open_store, parse_filter, write_filter
from progstore.store.filters import Cursor
from progstore.store.store import Store
from tests.hostile.hostility import TEXTS
from tests.store.conftest import Filled

ANYTHING: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=20)
    | st.binary(max_size=10)
    | st.sampled_from([10**400, -(10**400), 10**5000, -(10**5000), 2**63, 2**63 - 1, "x" * 2**20, object(), len, 1j])
    | st.sampled_from(list(TEXTS.values()))
    | st.lists(st.integers() | st.text(max_size=3), max_size=3)
    | st.dictionaries(st.text(max_size=3) | st.integers(), st.text(max_size=3) | st.none(), max_size=2)
)
"""Values that nobody should hand to a question, and some that one may."""
FIELDS = tuple(Filter.__dataclass_fields__)
QUESTIONS: tuple[Callable[[Store, Any], Any], ...] = (
    lambda store, given: store.sessions(given),
    lambda store, given: store.tasks(given),
    *(lambda store, given, name=name: store.tasks(Filter(**{name: given})) for name in FIELDS),
    *(lambda store, given, name=name: store.sessions(Filter(**{name: given})) for name in FIELDS),
    lambda store, given: store.tasks(Filter(session_ids=(given,))),
    lambda store, given: store.tasks(Filter(meta={"k": given})),
    lambda store, given: store.tasks(cursor=given),
    lambda store, given: store.sessions(cursor=given),
    lambda store, given: store.tasks(limit=given),
    lambda store, given: store.tasks(sort=given),
    *(lambda store, given, sort=sort: store.tasks(sort=sort, cursor=given) for sort in ("took", "-rate", "name")),
    lambda store, given: store.session(given),
    lambda store, given: store.task(given),
    lambda store, given: store.events(session_id=given),
    lambda store, given: store.events(after=given),
    lambda store, given: store.history(given, given),
    lambda store, given: store.names(given),
    lambda store, given: store.names(limit=given, newest=given),
    lambda store, given: store.facets(given),
    lambda store, given: store.facets(newest=given),
    lambda store, given: store.query(given),
    lambda store, given: store.query("SELECT ?", given),
    lambda store, given: store.query("SELECT ?", (given,)),
    lambda store, given: store.query("SELECT 1", limit=given),
    lambda store, given: store.query("SELECT 1", seconds=given),
    lambda store, given: list(store.export(given)),
    lambda store, given: store.export(format=given),
    lambda store, given: store.delete(sessions=[given], dry_run=True),
    lambda store, given: store.delete(tasks=[given], dry_run=True),
    *(
        lambda store, given, name=name: store.prune(**{name: given, "dry_run": True})
        for name in ("older_than", "name", "keep_last")
    ),
    lambda store, given: open_store(store.url, stale_after=given),
)
OTHERS: tuple[Callable[[Any], Any], ...] = (
    lambda given: open_store(given or "").sessions(),
    parse_filter,
    lambda given: change_filter(given, "host", "x"),
    *(lambda given, name=name: write_filter(Filter(**{name: given})) for name in FIELDS),
)


@pytest.fixture
def store(filled: Filled, store_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store with something of each kind, and nothing else in the folder that one stands in."""
    session = filled.session(status=None, process_id=filled.process())
    filled.task(session)
    filled.event(session, filled.task(session, status="running", process_id=1))
    monkeypatch.chdir(store_path.parent)
    with open_store(str(store_path)) as opened:
        yield opened


def searching(soak: bool, examples: int) -> Callable[[Any], Any]:
    """How long to look for what breaks: the same few in the gate, a hundred times as many in the long form."""
    return settings(
        max_examples=examples * 100 if soak else examples,
        deadline=None,
        database=None,
        derandomize=not soak,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def test_every_question_is_answered_or_is_an_error_of_ours(store: Store, soak: bool) -> None:
    """Never a word of SQLAlchemy's or SQLite's own, whatever stands in place of an id, a filter, a limit, a path."""

    def ask(question: Callable[[Any], Any], given: Any) -> None:
        with contextlib.suppress(ProgstoreError, TypeError):
            question(given)

    every = [*(partial(question, store) for question in QUESTIONS), *OTHERS]
    searching(soak, 400)(given(st.sampled_from(every), ANYTHING)(ask))()


@pytest.mark.parametrize("value", [10**400, -(10**400), 1e301, math.inf, math.nan])
def test_a_number_beyond_all_times_is_refused(store: Store, value: float) -> None:
    """As a bound in a filter, and as an age."""
    for name in ("since", "until", "active_since", "longer_than", "shorter_than"):
        with pytest.raises(BadFilter, match=name):
            store.tasks(Filter(**{name: value}))  # type: ignore[arg-type]  # each of them takes a number
    with pytest.raises(ProgstoreError, match="older_than"):
        store.prune(older_than=value, dry_run=True)
    with pytest.raises(ProgstoreError, match="keep_last"):
        store.prune(keep_last=2**63, dry_run=True)


def test_what_only_looks_like_a_number_or_a_cursor_is_refused(store: Store) -> None:
    """True, a number that is no 64 bits, the cursor of another list."""
    with pytest.raises(BadFilter, match="after"):
        store.events(after=False)
    assert len(store.tasks(Filter(since=-(2**80), until=2**80, longer_than=0))) == 1
    for number in (10**30, True):
        place = base64.urlsafe_b64encode(f'["took", {json.dumps(number)}, {10**30}]'.encode()).decode()
        with pytest.raises(BadFilter, match="no cursor"):
            store.tasks(sort="took", cursor=place)
    assert len(store.tasks(sort="took", cursor=base64.urlsafe_b64encode(b'["took", 1e9, 1]').decode())) == 0
    with pytest.raises(BadFilter, match="no cursor"):
        store.sessions(cursor=str(Cursor(None, 1)))


@pytest.mark.parametrize("path", ["a\0b", "lone \ud800"])
def test_what_cannot_be_a_path_is_refused(store: Store, path: str) -> None:
    """As the place of a store and of a copy."""
    with pytest.raises(ProgstoreError, match="cannot be the path of a file"):
        open_store(path)
    with pytest.raises(ProgstoreError, match="cannot be the path of a file"):
        store.backup(path)


def test_a_path_that_is_no_text_is_the_path_of_a_store(filled: Filled, tmp_path: Path) -> None:
    """Linux has file names of any bytes, which Python writes with lone surrogates."""
    place = str(tmp_path / "caf\udce9.db")
    made = Filled(Path(place))
    made.session()
    made.close()
    with open_store(place) as opened:
        assert len(opened.sessions()) == 1
        assert opened.query("SELECT count(*) FROM sessions").rows == ((1,),)


LETTERS = st.text(st.characters(exclude_categories=()), max_size=8)
TYPED = st.lists(
    LETTERS
    | st.sampled_from(list(TEXTS.values()))
    | st.sampled_from(
        ['name:"', "meta.", 'meta."a b":', "took>=", "since:@", "in:1,", "is:live", '"', "\\", ":", ">", " "]
    ),
    max_size=10,
).map("".join)
FILTERS = st.builds(
    Filter,
    text=LETTERS,
    name=st.none() | LETTERS,
    session_name=st.none() | LETTERS,
    host=st.none() | LETTERS,
    statuses=st.frozensets(st.sampled_from(Status)),
    since=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    longer_than=st.none() | st.floats(0, 1e15),
    meta=st.dictionaries(LETTERS, LETTERS, max_size=2),
    session_ids=st.none() | st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=3).map(tuple),
    live=st.booleans(),
)


def test_the_grammar_reads_what_it_writes_and_changes_one_thing_only(soak: bool) -> None:
    """What is typed is a filter or a bad one; a filter comes back as it was; a changed key says what it shall, and the
    rest says what it said.
    """

    def holds(typed: str, wanted: Filter, value: str) -> None:
        assert parse_filter(write_filter(wanted)) == wanted
        changed = parse_filter(change_filter(write_filter(wanted), "host", value))
        assert changed.host == value
        assert parse_filter(change_filter(write_filter(changed), "host", None)).host is None
        assert {name for name in FIELDS if getattr(changed, name) != getattr(wanted, name)} <= {"host"}
        try:
            meant = parse_filter(typed)
        except BadFilter:
            return
        assert parse_filter(write_filter(meant)) == meant
        assert change_filter(change_filter(typed, "host", value), "host", value) == change_filter(typed, "host", value)

    searching(soak, 150)(given(TYPED, FILTERS, LETTERS)(holds))()
