"""What reaches tqdm itself of a recorded bar: our keywords are taken out here, and a disabled bar is counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from tqdm import std

from progstore.adapters.following import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from progstore.adapters.recorded import Recording
    from progstore.live.session import Session

AFTER_ITERABLE: Final = (
    *("desc", "total", "leave", "file", "ncols", "mininterval", "maxinterval", "miniters", "ascii", "disable"),
    "unit",
)
"""tqdm's arguments in their order, as far as a disabled bar forgets them."""


class _Count:
    """A bar's `n` while it has none of its own: what the loop has counted."""

    def __get__(self, bar: Given | None, owner: type) -> object:
        recording = None if bar is None else bar._progstore  # noqa: SLF001  # of the same module
        if recording is None or recording.loop is None:
            raise AttributeError(f"{owner.__name__!r} object has no attribute 'n'", name="n", obj=bar)
        return recording.start + recording.loop.done()


class Given(std.tqdm):  # type: ignore[type-arg]  # tqdm takes no argument when the program runs
    """What reaches tqdm itself: the keywords that are ours are taken out, and a disabled bar counts."""

    _progstore: Recording | None = None  # as in `Recorded`, which sets it
    __is_last: ClassVar[bool] = True
    """Whether tqdm itself comes next, as it does unless somebody mixes classes in another order."""
    _progstore_given: Mapping[str, Any] = {}
    _progstore_options: Mapping[str, Any] = {}

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        order = cls.__mro__
        cls.__is_last = order[order.index(Given) + 1] is std.tqdm

    def __init__(
        self,
        *args: Any,
        key: str | None = None,
        meta: Mapping[str, Any] | None = None,
        session: Session | str | None = None,
        store: str | None = None,
        record: bool | None = None,
        **kwargs: Any,
    ) -> None:
        ours = {"key": key, "meta": meta, "session": session, "store": store, "record": record}
        # Not set as attributes are: a class may watch over what is set, and does not know ours.
        vars(self)["_progstore_options"] = {**self._progstore_options, **ours}
        vars(self)["_progstore_given"] = dict(zip(AFTER_ITERABLE, args[1:], strict=False)) | kwargs
        super().__init__(*args, **kwargs)

    if not TYPE_CHECKING:
        n = _Count()  # cheaper than `__getattr__`, which slows every attribute

    def update(self, n: Any = 1) -> bool | None:
        """As tqdm's; a bar that was disabled from the start counts, too."""
        if self.disable:
            recording = self._progstore
            if recording is not None and recording.is_silent and recording.task.state.ended_at is None:
                recording.task.update(number(n, 0))
        elif self.__is_last and not n < 0 and self.n + n - self.last_print_n < self.miniters:
            self.n += n  # all that tqdm would do, for less
            return None
        return super().update(n)
