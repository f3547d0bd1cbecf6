"""The connection over which a store is cleaned up: one at a time, in steps so short that no writer waits long."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeVar

from sqlalchemy import Connection

from progstore.store import schema
from progstore.store.backend import Location
from progstore.store.faults import Fault, classify, driver_errors
from progstore.store.reader import faults_explained

Result = TypeVar("Result")

PATIENCE: Final = 10.0
"""Seconds that one step waits for its turn among the writers."""
DELETE_SECONDS: Final = 0.008
"""How long one transaction that deletes shall take."""
FREE_PART: Final = 0.05
"""Part of the store that may stay free; writers fill it again."""


class GivenBack(NamedTuple):
    """Bytes by which the store became smaller, and why it could not become as small as it should, or empty."""

    bytes: int
    why_not: str = ""


class Pace:
    """How much to do in one step, so that it takes about `seconds`."""

    def __init__(self, seconds: float, least: int, most: int) -> None:
        self._seconds = seconds
        self._least = least
        self._most = most
        self.size = least

    def took(self, seconds: float) -> None:
        """A step of this size took `seconds`: aim better with the next."""
        factor = min(2.0, max(0.25, self._seconds / max(seconds, 1e-6)))
        self.size = min(self._most, max(self._least, int(self.size * factor)))


class Cleaner(ABC):
    """A writing connection under the maintenance lock, for a `with` block; each kind of database has one of its own.

    Entering raises StoreNotFound, StoreTooNew, StoreError, and StoreBusy while another clean-up or upgrade is at it.
    """

    def __init__(self, location: Location) -> None:
        self.location = location
        self._alone = True
        self._stack = ExitStack()
        self.connection: Connection

    def beside_others(self) -> Self:
        """The same without the lock: for one short transaction, which may come while others clean up."""
        self._alone = False
        return self

    def __enter__(self) -> Self:
        self.location.identity()  # which says so where there is nothing to clean up
        with ExitStack() as stack:
            stack.enter_context(faults_explained(self.location))
            engine = self.location.writer_engine()
            stack.callback(engine.dispose)
            self.connection = stack.enter_context(engine.connect())
            schema.prepare(self.connection, self.location)
            if self._alone:
                stack.enter_context(self.location.maintenance(self.connection))
            self.entered(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def transact(self, work: Callable[[Connection], Result]) -> tuple[Result, float]:
        """Do `work` in one transaction; returns what it returned, and the seconds that others were kept waiting."""

        def attempt() -> tuple[Result, float]:
            with self.connection.begin():
                began = time.monotonic()
                result = work(self.connection)
            return result, time.monotonic() - began

        done = self.in_turn(attempt)
        self.after_step()
        return done

    def let_others(self, seconds: float) -> None:
        """After a step that took `seconds`: pause, so that others get their turn."""
        time.sleep(seconds)

    def in_turn(self, step: Callable[[], Result]) -> Result:
        """Do `step` as soon as no writer is in the way."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return step()
            except driver_errors() as error:
                if classify(error) is not Fault.BUSY or time.monotonic() > deadline:
                    raise

    @property
    @abstractmethod
    def is_held_up(self) -> bool:
        """Whether something outside makes each further step do more harm than good, so that the clean-up must stop."""

    @abstractmethod
    def used_bytes(self) -> int:
        """Bytes that hold something now."""

    @abstractmethod
    def entered(self, stack: ExitStack) -> None:
        """Take what else the block needs; it is given back by `stack`."""

    @abstractmethod
    def after_step(self) -> None:
        """Do what is due between two transactions."""

    @abstractmethod
    def give_back(self, free_part: float = FREE_PART, at_most: int | None = None) -> GivenBack:
        """Give free space back to the disk until at most `free_part` of the store is free, and the store itself takes
        no more than `at_most` bytes, as far as that goes.
        """

    @abstractmethod
    def without_references(self, work: Callable[[Connection], Result]) -> tuple[Result, float]:
        """As `transact`, for `work` that deletes what nothing refers to: it need not look for references."""
