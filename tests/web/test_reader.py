"""The one reader of a server: it reads for all who look, and only while somebody does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import progstore
from progstore import NotFound, SessionView, StoreError
from progstore.store.tables import tasks
from progstore_web import reader as module
from progstore_web.reader import Reader
from progstore_web.shown.run import Run, read_run
from tests.store.conftest import Filled

Until = Callable[..., Any]


class CountingStore(progstore.Store):
    """A store that counts how often a session was read from it."""

    readings = 0

    def session(self, session_id: int | str, *, tasks: bool = True) -> SessionView:
        """The session."""
        self.readings += 1
        return super().session(session_id, tasks=tasks)


@pytest.fixture
def store(store_path: Path) -> Iterator[CountingStore]:
    """This test's store."""
    with CountingStore(str(store_path)) as store:
        yield store


@pytest.fixture
def reader(store: CountingStore) -> Iterator[Reader]:
    """A reader of this test's store."""
    reader = Reader(store)
    yield reader
    reader.close()


def look(reader: Reader, session_id: int = 1) -> Any:
    """What one who looks is given."""
    return asyncio.run(reader.run(session_id))


def test_many_who_look_cause_one_reading(reader: Reader, store: CountingStore, ingest: Any) -> None:
    """What does not change is not read again for them; all are given the very same."""
    ingest.end()

    async def crowd() -> set[int]:
        return {id(await reader.run(1)) for _ in range(500)}

    assert len(asyncio.run(crowd())) == 1
    assert store.readings == 1


def test_a_change_is_read_once_and_only_what_differs_gets_a_new_revision(
    reader: Reader, store: CountingStore, ingest: Any, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write to another session leaves the revision as it was."""
    monkeypatch.setattr(module, "REST_EVERY", 3600.0)
    ingest.end()
    before = look(reader)
    with progstore.session("other"):
        list(progstore.track(range(3), "Count"))
    assert progstore.flush(10)
    assert until(lambda: (look(reader), store.readings)[1], lambda readings: readings > 1) > 1
    assert look(reader) is before


def test_when_nobody_looks_the_reader_rests(
    reader: Reader, ingest: Any, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It follows nothing and has no thread; who looks again is given what is so then."""
    assert look(reader).value.session.tasks[0].done == 3
    assert reader._thread is not None
    monkeypatch.setattr(module, "FORGET_AFTER", 0.0)
    assert until(lambda: reader._thread, lambda thread: thread is None) is None
    assert reader._followed == {}
    ingest.go_on(2)
    assert look(reader).value.session.tasks[0].done == 5


def test_only_so_many_pages_are_followed_at_once(
    reader: Reader, run_program: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that was asked for the longest ago is dropped, and read again when it is asked for."""
    run_program(
        """
        import progstore

        for number in range(4):
            with progstore.session(f"session {number}"):
                list(progstore.track(range(2), "Count"))
        """
    )
    monkeypatch.setattr(module, "FOLLOW_LIMIT", 2)
    for session_id in (1, 2, 3, 4):
        look(reader, session_id)
    assert set(reader._followed) == {3, 4}
    assert look(reader, 1).value.session.id == 1


def test_what_is_watched_is_followed_however_much_it_is(
    reader: Reader, store: CountingStore, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than are followed otherwise: none makes way for another, for each would be asked for again at once."""
    monkeypatch.setattr(module, "FOLLOW_LIMIT", 1)
    sessions = [filled.session(f"session {number}") for number in range(3)]

    async def watch() -> None:
        with ExitStack() as watching:
            watchers = [watching.enter_context(reader.watching(session)) for session in sessions]
            for session in sessions * 2:
                await reader.run(session)
            await asyncio.sleep(0)  # what was said to the watchers has reached them
            assert not any(watcher.event.is_set() for watcher in watchers)

    asyncio.run(watch())
    assert store.readings == len(sessions)


def test_what_could_not_be_read_is_read_by_who_asks_next(reader: Reader, store: CountingStore, filled: Filled) -> None:
    """And not taken for read, with which he would be shown the state before."""
    task = filled.task(filled.session("nightly import"), "Ingest", done=1, total=3)
    is_broken = False

    def read() -> Run:
        if is_broken:
            raise StoreError("the disk is away")
        return read_run(store, 1)

    async def done() -> float:
        return (await reader.ask_anew("page", read)).value.session.tasks[0].done

    assert asyncio.run(done()) == 1
    filled.change(tasks, task, done=2)
    is_broken = True
    with pytest.raises(StoreError):
        asyncio.run(done())
    is_broken = False
    assert asyncio.run(done()) == 2


def test_what_is_not_there_is_not_followed(reader: Reader, ingest: Any) -> None:
    """Asking for it again and again leaves nothing behind."""
    for session_id in (2, 0, -1, 2**80):
        with pytest.raises(NotFound):
            look(reader, session_id)
    assert reader._followed == {}


def test_a_deleted_session_is_gone_for_who_looks(
    reader: Reader, store: CountingStore, ingest: Any, until: Until
) -> None:
    """Its page does not stay in memory."""
    ingest.end()
    look(reader)
    store.delete(sessions=[1])

    def is_gone() -> bool:
        try:
            look(reader)
        except NotFound:
            return True
        return False

    assert until(is_gone, bool)


def test_a_store_that_is_replaced_is_read_anew(
    reader: Reader, ingest: Any, store_path: Path, run_program: Callable[..., str], until: Until
) -> None:
    """Another file in its place is another store, and is shown."""
    ingest.end()
    assert asyncio.run(reader.board()).value.completed.cards[0].session.name == "nightly import"
    for path in store_path.parent.glob("progstore.db*"):
        path.unlink()
    run_program("import progstore\nwith progstore.session('new'): list(progstore.track(range(2), 'Count'))")
    names = until(
        lambda: [card.session.name for card in asyncio.run(reader.board()).value.completed.cards],
        lambda names: names == ["new"],
    )
    assert names == ["new"]


def test_a_closed_reader_can_be_asked_again(reader: Reader, ingest: Any) -> None:
    """A server may be stopped and started in one process."""
    look(reader)
    reader.close()
    ingest.go_on(1)
    assert look(reader).value.session.tasks[0].done == 4
