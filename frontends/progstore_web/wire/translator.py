"""From posts to documents: what came together is written together, in one document unless it is very much."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

from progstore import Store
from progstore_web.wire.memory import Memory
from progstore_web.wire.posts import Post
from progstore_web.wire.rows import Document
from progstore_web.wire.state import State

log = logging.getLogger("progstore")


class Arrived(NamedTuple):
    """A post, and the address of who sent it."""

    post: Post
    host: str


class Translator:
    """Writes posts into a store; for one thread."""

    def __init__(self, store: Store, memory: Memory) -> None:
        self._store = store
        self._memory = memory

    def write(self, arrived: Sequence[Arrived]) -> None:
        """Write them in the order in which they came; on disk when this returns, and starts and ends survive a power
        cut. Raises StoreError, and then nothing of them is remembered; whoever sends one again that was written changes
        nothing by it.
        """
        states = self._memory.known({each.post.task_id for each in arrived})
        self._memory.forget(states)  # until they are in the store
        now, document = time.time(), Document()
        for post, host in arrived:
            state = states.get(post.task_id)
            if state is None:
                state = states[post.task_id] = State(task_id=post.task_id)
            if state.take(post, host, now):
                document.add(state, post)
            if document.is_full:
                self._ingest(document, now)
                document = Document()
        if document:
            self._ingest(document, now)
        self._memory.keep(states.values())

    def _ingest(self, document: Document, now: float) -> None:
        report = self._store.ingest(document.as_dict(now), durable=document.durable)
        for reason in report.refused:
            log.warning("a row of a progressista client was refused: %s", reason)
