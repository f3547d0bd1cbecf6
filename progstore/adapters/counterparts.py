"""The recorded counterpart of any class of tqdm's family, asynchronous ones included."""

from __future__ import annotations

from types import new_class
from typing import Any, TypeVar

from progstore.adapters.calling import caller
from progstore.adapters.given import Given
from progstore.adapters.recorded import Recorded
from progstore.displays.bars import Bar
from progstore.live import context
from progstore.live.exits import remember_left

Family = TypeVar("Family")

_counterparts: dict[type, Any] = {}


def recorded(cls: type[Family]) -> type[Family]:
    """The recorded counterpart of a class of tqdm's family: a subclass that looks like it, always the same one.

    It takes the keywords of our `tqdm`, too, unless the class has some of the same name. A class that is recorded
    already is returned as it is, and so is that of our own display.
    """
    if issubclass(cls, (Recorded, Bar)):
        return cls
    if cls not in _counterparts:
        outer = RecordedAsync if hasattr(cls, "__anext__") else Recorded
        looks = {name: getattr(cls, name) for name in ("__module__", "__qualname__", "__doc__")} | {
            "_progstore_class": cls
        }
        bases = (outer, Given) if issubclass(Given, cls) else (outer, cls, Given)
        made = new_class(cls.__name__, bases, {"is_counterpart": True}, lambda namespace: namespace.update(looks))
        _counterparts.setdefault(cls, made)  # another thread may have been faster
    counterpart: type[Family] = _counterparts[cls]
    return counterpart


class RecordedAsync(Recorded):
    """The same for classes that are iterated by `async for`, too."""

    def __aiter__(self) -> Any:
        """Loop over the items of an iterable or an asynchronous one."""
        recording = self._progstore
        if recording is not None and recording.task.state.is_live:
            state = recording.task.state
            frame = caller(self)
            state.frame = (id(frame), frame.f_code)
            state.looped = recording.is_looping = True
            context.enter(state)
        return super().__aiter__()  # type: ignore[misc]  # the class it stands before has it

    async def __anext__(self) -> Any:
        recording = self._progstore
        if recording is None:
            return await super().__anext__()  # type: ignore[misc]  # as above
        recording.ahead = 0
        try:
            item = await super().__anext__()  # type: ignore[misc]  # as above
        except StopAsyncIteration:
            recording.is_looping = False
            recording.task.state.stop_counting(exhausted=True)
            self.close()
            raise
        except BaseException as error:
            recording.is_looping = False
            if not recording.is_in_block:
                recording.task.__exit__(type(error), error, error.__traceback__)
            self.close()
            raise
        recording.ahead = 1
        return item

    def close(self) -> None:
        """As tqdm's. An asynchronous loop whose last item is still worked on was left early."""
        recording = self._progstore
        if recording is not None and recording.ahead and recording.is_looping and recording.task.state.is_live:
            recording.is_looping = False
            recording.task.state.left_early = True
            remember_left(recording.task.state)
        super().close()
