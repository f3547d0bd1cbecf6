"""A drop-in for tqdm whose bars are recorded: the same class, drawn the same way, with a few keywords more."""

from __future__ import annotations

from typing import Any, Generic

from progstore.adapters.counterparts import recorded
from progstore.adapters.given import Given
from progstore.adapters.recorded import Recorded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from typing_extensions import TypeVar

    from progstore.live.session import Session

    Item = TypeVar("Item", default=Any)
else:
    from typing import TypeVar

    Item = TypeVar("Item")

__all__ = ["recorded", "tqdm", "trange"]


class tqdm(Recorded, Given, Generic[Item]):  # noqa: N801  # tqdm's own name
    """tqdm's bar, recorded. It takes all that tqdm takes.

    `key` names the task within its session: a new start under the same key is a new attempt. `meta` are JSON values
    kept with it. `session` is a Session or a name, `store` a path or URL. With `record=False` nothing is written; a
    disabled bar draws nothing, but is recorded. Raises TypeError and BadValue for such a keyword that cannot be.
    """

    if TYPE_CHECKING:

        def __init__(
            self,
            iterable: Iterable[Item] | None = None,
            *args: Any,
            key: str | None = None,
            meta: Mapping[str, Any] | None = None,
            session: Session | str | None = None,
            store: str | None = None,
            record: bool | None = None,
            **kwargs: Any,
        ) -> None: ...

        def __iter__(self) -> Iterator[Item]: ...


def trange(*args: int, **kwargs: Any) -> tqdm[int]:
    """`tqdm(range(*args), **kwargs)`."""
    return tqdm(range(*args), **kwargs)
