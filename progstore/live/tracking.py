"""`track()`: from a loop, or work by hand, to a live task."""

from __future__ import annotations

import sys
from operator import index

from progstore import clean, config
from progstore.live import ambient, context
from progstore.live.state import TaskState
from progstore.live.task import NOWHERE, Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import FrameType
    from typing import Any

    from typing_extensions import TypeVar

    from progstore.live.session import Session
    from progstore.values import TaskView

    Item = TypeVar("Item", default=Any)


def track(
    iterable: Iterable[Item] | None = None,
    name: str | None = None,
    *,
    total: float | None = None,
    unit: str = "it",
    meta: Mapping[str, Any] | None = None,
    key: str | None = None,
    parent: Task[Any] | None = None,
    session: Session | str | None = None,
    store: str | None = None,
    bar: bool | str | None = None,
    interval: float | None = None,
    record: bool | None = None,
    on_progress: Callable[[TaskView], object] | None = None,
    stoppable: bool = False,
) -> Task[Item]:
    """Track a loop over `iterable`, or, without one, work that says by hand how far it is.

    `total` counts in `unit`; without it the iterable's length is taken where it has one. `meta` are JSON values kept
    with the task. `key` names it within its session: a new start under the same key is a new attempt. `parent` is the
    task it is nested in, by default the innermost live one here, where that is of the same session. `session` is a
    Session or a name, `store` a path or URL, `bar` False, True, "auto" or a display's name, `interval` the seconds
    between two writes. With `record=False` it is counted and drawn, but not written. `on_progress` is called with a
    TaskView in a thread of its own: at the start, at each report, at most once per interval while it counts, and at the
    end. A `stoppable` loop ends, as cancelled, when its session is asked to stop: from the board, by `progstore job
    stop`, or by `Store.request_stop`; what comes after the loop can look at `task.stop_requested`.

    Raises TypeError and BadValue for arguments that cannot be; a store that cannot be used raises nothing here.
    """
    if parent is not None and not isinstance(parent, Task):
        raise TypeError(f"parent must be a Task, as track() and current() give it, got {type(parent).__name__}")
    if parent is not None and parent.state.session is NOWHERE:
        parent = None
    if name is None:
        name = _caller_name(sys._getframe(1))  # noqa: SLF001  # the documented way to a caller
    recorded = config.setting("record", record)
    within = context.innermost() if parent is None else parent.state
    chosen = ambient.session_for(session if parent is None else parent.state.session, store, record=recorded)
    if within is not None and within.session.uid != chosen.uid:
        within = None
    state = TaskState(
        chosen,
        clean.text(name, "name", clean.NAME_LIMIT),
        record=recorded,
        interval=config.setting("interval", interval),
        key=None if key is None else clean.text(key, "key", clean.NAME_LIMIT),
        unit=clean.text(unit, "unit", clean.NAME_LIMIT),
        total=clean.total(total),
        total_source=None if total is None else "given",
        parent=within,
    )
    if total is None and iterable is not None:
        state.total, state.total_source = _length(iterable)
    state.put_all(meta)
    if on_progress is not None:
        from progstore.live.callbacks import listening

        state.on_progress = listening(on_progress, state.on_progress)
    task = Task(iterable, state, config.setting("bar", bar))
    task.begin()
    if stoppable:
        task.listen()
    return task


def _length(iterable: Iterable[Any]) -> tuple[float | None, str | None]:
    """How many items there will be, and how that is known."""
    length = _asked(iterable, "__len__")
    if length is not None:
        return length, "len"
    hint = _asked(iterable, "__length_hint__")
    return (hint, "hint") if hint else (None, None)


def _asked(iterable: Iterable[Any], method: str) -> int | None:
    """What the iterable's own method says; whatever it raises is not the loop's, for a bare one never asks."""
    try:
        answer = index(getattr(type(iterable), method)(iterable))
    except Exception:  # noqa: BLE001  # see above
        return None
    return answer if 0 <= answer <= sys.maxsize else None


def _caller_name(frame: FrameType) -> str:
    """What a loop is called when nobody says: the function it stands in, or the program."""
    name: str = frame.f_code.co_qualname.partition(".<")[0]
    return ambient.program_name() if name.startswith("<") else name
