"""What came of a callable that a session ran."""

from __future__ import annotations

from typing import Generic, TypeVar

Result = TypeVar("Result")


class Outcome(Generic[Result]):
    """What came of a callable that a session ran: `result` is what it returned, or raises what it raised."""

    def __init__(self, value: Result | None, error: BaseException | None) -> None:
        self._value = value
        self._error = error

    @property
    def result(self) -> Result:
        """What the callable returned. Raises the very exception that it raised."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # None only where the callable returned None

    @property
    def failed(self) -> bool:
        """Whether it raised."""
        return self._error is not None
