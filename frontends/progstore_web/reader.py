"""The one reader of a server: it follows the store for all clients, and reads only what somebody looks at.

It looks each 0.25 s whether the store moved and reads again only then; what is live is read again each second besides,
for verdicts and percents that are drawn from the clock change without a write. Requests are answered from its memory.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import blake2b
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from litestar.concurrency import sync_to_thread

from progstore import ProgstoreError, Store, StoreError
from progstore_web.shown.board import Board, BoardReader
from progstore_web.shown.run import Run, read_run

BOARD = "board"
"""The first page's name among what is followed; a session's is its id."""
LOOK_EVERY = 0.25
"""Seconds between two looks at whether the store moved."""
THINK_EVERY = 1.0
"""Seconds between two readings of what is live, though nothing was written."""
REST_EVERY = 30.0
"""The same, of what is not live: an error is no longer news after a day."""
FORGET_AFTER = 15.0
"""Seconds after which what nobody asked for is no longer followed."""
FOLLOW_LIMIT = 64
"""Pages that are followed though nobody watches them; beyond it the one asked for the longest ago is dropped."""

log = logging.getLogger("progstore")


class Readable(Protocol):
    """What a page shows."""

    @property
    def is_live(self) -> bool:
        """Whether it can change though nothing is written."""

    def to_dict(self) -> dict[str, Any]:
        """All that is shown, as plain JSON."""


Value = TypeVar("Value", bound=Readable)


class Snapshot(Generic[Value]):
    """A page's content as it was read. `revision` is a hash of it; `json` is all of it, encoded."""

    __slots__ = ("_forms", "json", "revision", "value")

    def __init__(self, value: Value) -> None:
        self.value = value
        self.json: bytes = msgspec.json.encode(value.to_dict())
        self.revision = blake2b(self.json, digest_size=12).hexdigest()
        self._forms: dict[Hashable, bytes] = {}

    def once(self, name: Hashable, make: Callable[[Snapshot[Value]], bytes]) -> bytes:
        """What `make` makes of it, made once for all who ask under that name; for what is made quickly."""
        made = self._forms.get(name)
        if made is None:
            made = self._forms[name] = make(self)
        return made

    async def form(self, name: Hashable, make: Callable[[Value], bytes]) -> bytes:
        """The content as `make` renders it; rendered in a thread, and once for all who ask under that name."""
        made = self._forms.get(name)
        if made is None:
            made = self._forms[name] = await sync_to_thread(make, self.value)
        return made


class Watcher:
    """Somebody who waits for a page to change: `event` is set in his loop when it did, or can no longer be read."""

    __slots__ = ("event", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.event = asyncio.Event()


class _Followed(Generic[Value]):
    """A page that is followed: how to read it, its newest snapshot, the store's version then, and when it was read and
    asked for (monotonic).
    """

    __slots__ = ("asked", "read", "read_at", "snapshot", "version")

    def __init__(self, read: Callable[[], Value], version: int | None) -> None:
        self.read = read
        self.version = version
        self.asked = self.read_at = time.monotonic()
        self.snapshot = Snapshot(read())

    def read_again(self, version: int | None) -> bool:
        """Whether it has changed, now that the store has that version."""
        began = time.monotonic()
        fresh = Snapshot(self.read())
        # Only now: where it cannot be read, whoever asks next tries again.
        self.read_at, self.version = began, version
        if fresh.revision == self.snapshot.revision:
            return False
        self.snapshot = fresh
        return True

    @property
    def is_due(self) -> bool:
        every = THINK_EVERY if self.snapshot.value.is_live else REST_EVERY
        return time.monotonic() - self.read_at >= every


class Reader:
    """Follows one store since it `began` (seconds UTC). Its thread runs only while somebody looks, so nothing has to be
    started or stopped.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.began = time.time()
        self._boards = BoardReader(store, began=self.began)
        self._followed: dict[Hashable, _Followed[Any]] = {}
        self._watchers: dict[Hashable, set[Watcher]] = {}
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._one_at_a_time = threading.Lock()

    async def board(self) -> Snapshot[Board]:
        """The first page's content, at most a quarter of a second old."""
        return await self.ask(BOARD, lambda: self._boards.read(time.time()))

    async def run(self, session_id: int) -> Snapshot[Run]:
        """A session's content, at most a quarter of a second old. Raises NotFound, StoreError."""
        return await self.ask(session_id, partial(read_run, self.store, session_id))

    def at_hand(self, name: Hashable) -> Snapshot[Any] | None:
        """The newest content of the page of that name, where it is followed already."""
        followed = self._followed.get(name)
        if followed is None:
            return None
        followed.asked = time.monotonic()
        return followed.snapshot

    @contextmanager
    def watching(self, name: Hashable) -> Iterator[Watcher]:
        """Within it, a watcher is told of each change of the page of that name, which is followed all the while."""
        watcher = Watcher()
        watchers = self._watchers.setdefault(name, set())
        watchers.add(watcher)
        try:
            yield watcher
        finally:
            watchers.discard(watcher)
            if not watchers and self._watchers.get(name) is watchers:
                del self._watchers[name]

    def catch_up(self) -> None:
        """Read again now what has changed, so that who changed it sees that at once."""
        with self._one_at_a_time:
            self._look()

    def close(self) -> None:
        """End the thread; the store stays open, for it is the caller's."""
        self._ended.set()
        thread = self._thread
        if thread is not None:
            thread.join()
        with self._one_at_a_time:
            self._followed.clear()
            self._thread = None
            self._ended.clear()

    async def ask(self, name: Hashable, read: Callable[[], Value]) -> Snapshot[Value]:
        """What `read` gives, at most a quarter of a second old; read once for all who ask under that name."""
        followed: _Followed[Value] | None = self._followed.get(name)
        if followed is None:
            followed = await sync_to_thread(self._follow, name, read)
        followed.asked = time.monotonic()
        return followed.snapshot

    async def ask_anew(self, name: Hashable, read: Callable[[], Value]) -> Snapshot[Value]:
        """The same with all that was written until now, for who has just written."""
        return await sync_to_thread(self._look_at, name, read)

    def _look_at(self, name: Hashable, read: Callable[[], Value]) -> Snapshot[Value]:
        followed = self._follow(name, read)
        followed.asked = time.monotonic()
        with self._one_at_a_time:
            version = self._version()
            if version != followed.version and followed.read_again(version):
                _wake(self._watchers.get(name, ()))
            return followed.snapshot

    def _follow(self, name: Hashable, read: Callable[[], Value]) -> _Followed[Value]:
        with self._one_at_a_time:
            followed: _Followed[Value] | None = self._followed.get(name)
            if followed is None:
                followed = self._followed[name] = _Followed(read, self._version())
            # What is watched stays: whoever watches would ask again at once, and another one would have to go.
            unwatched = [each for each in self._followed if each not in self._watchers]
            if len(unwatched) > FOLLOW_LIMIT:
                self._drop(min(unwatched, key=lambda each: self._followed[each].asked))
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep_up, name="progstore-reader", daemon=True)
                self._thread.start()
            return followed

    def _keep_up(self) -> None:
        while not self._ended.wait(LOOK_EVERY):
            with self._one_at_a_time:
                oldest = time.monotonic() - FORGET_AFTER
                for name in [name for name, followed in self._followed.items() if followed.asked < oldest]:
                    if name not in self._watchers:
                        del self._followed[name]
                if not self._followed:
                    self._thread = None
                    return
                self._look()

    def _look(self) -> None:
        version = self._version()
        for name, followed in list(self._followed.items()):
            if version in (None, followed.version) and not followed.is_due:
                continue
            try:
                if followed.read_again(version):
                    _wake(self._watchers.get(name, ()))
            except ProgstoreError:
                # Whoever asks next reads for himself, and is told what is wrong.
                self._drop(name)
            except Exception:
                log.exception("a page could not be read again from %s", self.store.url)
                self._drop(name)

    def _drop(self, name: Hashable) -> None:
        del self._followed[name]
        _wake(self._watchers.get(name, ()))

    def _version(self) -> int | None:
        """What tells whether the store was written to; asked before rows are read, so that nothing is missed. None
        where it cannot be told.
        """
        try:
            return self.store.data_version()
        except StoreError:
            return None


def _wake(watchers: Iterable[Watcher]) -> None:
    """Set their events, each loop once, however many of them wait in it."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Watcher]] = {}
    for watcher in tuple(watchers):
        by_loop.setdefault(watcher.loop, []).append(watcher)
    for loop, waiting in by_loop.items():
        with suppress(RuntimeError):  # the loop was closed meanwhile, and nobody waits in it any more
            loop.call_soon_threadsafe(_set, waiting)


def _set(watchers: Iterable[Watcher]) -> None:
    for watcher in watchers:
        watcher.event.set()
