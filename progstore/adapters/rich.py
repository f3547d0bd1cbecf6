"""Recording rich's progress: each row of a `rich.progress.Progress` becomes a task, and is drawn by rich as ever.

How a row stands is looked up in rich's own record of it, so that advancing it costs what it always did.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Final

from rich.progress import DownloadColumn, FileSizeColumn, Progress, TotalFileSizeColumn, TransferSpeedColumn

from progstore import displays, trouble
from progstore.adapters.rows import RecordedRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType

    from rich.progress import TaskID

    Method = Callable[..., Any]

BYTES: Final = (DownloadColumn, FileSizeColumn, TotalFileSizeColumn, TransferSpeedColumn)
"""Columns that show bytes."""
KEPT_IN: Final = "_progstore"
"""The attribute of a `Progress` in which we keep what is recorded of it."""

_warned: set[type[Exception]] = set()


def recording_methods(owner: Any, is_on: Callable[[], bool]) -> dict[str, Method]:
    """What replaces methods of `owner`, rich's `Progress`, by name: they do the same and record it, while `is_on`.

    Whatever goes wrong with recording is warned of once for each type of error, and never raised.
    """
    plain: dict[str, Method] = {name: getattr(owner, name) for name in _WATCHED}
    codes = {name: method.__code__ for name, method in plain.items() if hasattr(method, "__code__")}
    methods = {name: _method(plain[name], codes, is_on, *_NOTES[name]) for name in _NOTES}
    return {**methods, "update": _update(plain["update"], codes, is_on), "track": _loop(plain["track"], is_on)}


def _method(
    plain: Method, codes: dict[str, CodeType], is_on: Callable[[], bool], before: Method | None, after: Method | None
) -> Method:
    """`plain`, with notes taken of each call before and after it."""

    @wraps(plain)
    def method(self: Progress, *args: Any, **kwargs: Any) -> Any:
        if before is not None and is_on():
            _quietly(_note, before, self, codes, sys._getframe(1), *args, **kwargs)  # noqa: SLF001  # see caller()
        result = plain(self, *args, **kwargs)
        if after is not None and is_on():
            _quietly(_note, after, self, codes, sys._getframe(1), *args, **kwargs)  # noqa: SLF001  # as above
        return result

    return method


def _update(plain: Method, codes: dict[str, CodeType], is_on: Callable[[], bool]) -> Method:
    """`Progress.update`, which may be called for each item: only what says more than a new count is noted."""

    @wraps(plain)
    def update(self: Progress, task_id: TaskID, *args: Any, **kwargs: Any) -> None:
        plain(self, task_id, *args, **kwargs)
        recording = self.__dict__.get(KEPT_IN)
        is_news = recording is None or "total" in kwargs or task_id not in recording.recorded
        if is_news and is_on():
            frame = sys._getframe(1)  # noqa: SLF001  # as above
            _quietly(_note, Recording.update, self, codes, frame, task_id, **kwargs)

    return update


def _loop(plain: Method, is_on: Callable[[], bool]) -> Method:
    """`Progress.track`, whose row is the innermost task within the loop, and ends with it."""

    @wraps(plain)
    def track(self: Progress, *args: Any, **kwargs: Any) -> Iterator[Any]:
        loop = plain(self, *args, **kwargs)
        frame = getattr(loop, "gi_frame", None)
        try:
            yield from loop
        except BaseException as error:
            if is_on() and (recording := vars(self).get(KEPT_IN)) is not None:
                _quietly(recording.loop_ends, frame, error)
            raise
        if is_on() and (recording := vars(self).get(KEPT_IN)) is not None:
            _quietly(recording.loop_ends, frame, None)

    return track


def _note(note: Method, progress: Progress, codes: dict[str, CodeType], *args: Any, **kwargs: Any) -> None:
    """Take a note in what is recorded of a `Progress`."""
    known: dict[str, Any] = vars(progress)
    if KEPT_IN not in known:
        known.setdefault(KEPT_IN, Recording(progress, codes))
    note(known[KEPT_IN], *args, **kwargs)


def _quietly(note: Method, *args: Any, **kwargs: Any) -> None:
    try:
        note(*args, **kwargs)
    except Exception as error:  # noqa: BLE001  # whatever it is, the program is not to suffer by being recorded
        # Not of each text: it may name the row, and there is no end of rows.
        tell = trouble.note if type(error) in _warned else trouble.warn
        _warned.add(type(error))
        tell("a progress of rich's is not recorded as it should be: %s: %s", type(error).__name__, error)


class Recording:
    """What is recorded of one `Progress`. Methods that note a call are given the frame of its caller first."""

    def __init__(self, progress: Progress, codes: dict[str, CodeType]) -> None:
        self.recorded: dict[TaskID, RecordedRow] = {}
        """The rows that are recorded, so far."""
        self._loops: dict[FrameType, RecordedRow] = {}
        self._paused: list[RecordedRow] | None = None
        self._codes = codes
        self._shows_bytes = any(isinstance(column, BYTES) for column in progress.columns)
        self._rows = progress._tasks  # noqa: SLF001  # the public list is a copy, made anew each time

    def __del__(self) -> None:
        # The Progress is let go of, and may never have been started, let alone stopped.
        if not sys.is_finalizing():
            _quietly(self.stop, None)

    def start_row(self, frame: FrameType | None, task_id: TaskID) -> None:
        """A row begins."""
        unit = "B" if self._shows_bytes else "it"
        if frame is not None and frame.f_code is self._codes.get("add_task"):
            frame = frame.f_back
            if frame is not None and frame.f_code in (self._codes.get("open"), self._codes.get("wrap_file")):
                unit = "B"
        if task_id not in self.recorded and not _is_drawing(frame):
            self.recorded[task_id] = RecordedRow(self._rows[task_id], unit)
        self._note_loop(frame, task_id)

    def update(self, frame: FrameType, task_id: TaskID, **changes: Any) -> None:
        """A row was changed. One that was never started is recorded all the same once it is counted or looped over."""
        recorded = self.recorded.get(task_id)
        if recorded is None and (self._rows[task_id].completed or frame.f_code is self._codes.get("track")):
            self.start_row(frame, task_id)
        elif recorded is not None and changes.get("total") is not None and self._paused is None:
            recorded.go_on("complete")
        self._note_loop(frame, task_id)

    def before_reset(self, _frame: FrameType, task_id: TaskID, **_: Any) -> None:
        """A row is to begin from nothing: after a full pass that is a new attempt."""
        if (recorded := self.recorded.get(task_id)) is not None and self._rows[task_id].finished:
            recorded.close()

    def reset(self, _frame: FrameType, task_id: TaskID, **_: Any) -> None:
        """A row has begun from nothing."""
        if (recorded := self.recorded.get(task_id)) is not None:
            recorded.go_on("complete", "cancelled")

    def stop_row(self, _frame: FrameType, task_id: TaskID) -> None:
        """A row ends as it stands."""
        if (recorded := self.recorded.get(task_id)) is not None:
            recorded.close()

    def remove_row(self, _frame: FrameType, task_id: TaskID) -> None:
        """A row ends as it stands, and is gone."""
        if (recorded := self.recorded.pop(task_id, None)) is not None:
            recorded.close()

    def start(self, _frame: FrameType) -> None:
        """The display is started; after a stop, which may have been a pause, rows go on that were not finished."""
        paused, self._paused = self._paused, None
        for recorded in paused or ():
            recorded.go_on("complete", "cancelled")

    def stop(self, _frame: FrameType | None) -> None:
        """The display is stopped: all rows end as they stand."""
        if self._paused is None:
            self._paused = []
        self._paused += [recorded for recorded in list(self.recorded.values()) if recorded.close()]

    def leave(self, _frame: FrameType, _kind: object, error: BaseException | None, *_: object) -> None:
        """The `with` block is left, and if by an exception, that ends the rows that are not finished."""
        if error is not None:
            for recorded in list(self.recorded.values()):
                recorded.leave(error)

    def loop_ends(self, frame: FrameType | None, error: BaseException | None) -> None:
        """A loop by `track` was exhausted, or left by an exception."""
        recorded = None if frame is None else self._loops.pop(frame, None)
        if recorded is None:
            return
        if error is not None:
            recorded.leave(error)
        recorded.close()

    def _note_loop(self, frame: FrameType | None, task_id: TaskID) -> None:
        """A row that is begun, or taken up, by `track` belongs to that loop."""
        if frame is None or frame.f_code is not self._codes.get("track"):
            return
        recorded = self.recorded.get(task_id)
        if recorded is not None and frame not in self._loops:
            self._loops[frame] = recorded
            recorded.enter_loop()


def _is_drawing(frame: FrameType | None) -> bool:
    """Whether a row is only the drawing of what is recorded already: a display's of ours, or a bar of tqdm's."""
    return displays.is_drawing() or (frame is not None and str(frame.f_globals.get("__name__")).startswith("tqdm."))


# Method of rich's: what notes its calls before and after it is called.
_NOTES: Final[dict[str, tuple[Method | None, Method | None]]] = {
    "start_task": (None, Recording.start_row),
    "reset": (Recording.before_reset, Recording.reset),
    "stop_task": (None, Recording.stop_row),
    "remove_task": (None, Recording.remove_row),
    "start": (None, Recording.start),
    "stop": (None, Recording.stop),
    "__exit__": (Recording.leave, None),
}
_WATCHED: Final = (*_NOTES, "update", "track", "add_task", "open", "wrap_file")
