"""The keywords that adapters hand on to `track()`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from progstore.live.session import Session
    from progstore.live.task import Task
    from progstore.values import TaskView


class Options(TypedDict, total=False):
    """As `track()` has them, each with the same meaning and default."""

    unit: str
    meta: Mapping[str, Any] | None
    key: str | None
    parent: Task[Any] | None
    session: Session | str | None
    store: str | None
    bar: bool | str | None
    interval: float | None
    record: bool | None
    on_progress: Callable[[TaskView], object] | None
