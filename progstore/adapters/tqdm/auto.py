"""The drop-in for `tqdm.auto`: widgets in notebooks, text elsewhere, `for` and `async for`; recorded."""

from __future__ import annotations

from typing import Any, Generic, Self

from tqdm import auto

from progstore.adapters.counterparts import RecordedAsync
from progstore.adapters.given import Given

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Iterator

    from typing_extensions import TypeVar

    Item = TypeVar("Item", default=Any)
else:
    from typing import TypeVar

    Item = TypeVar("Item")

__all__ = ["tqdm", "trange"]


class tqdm(RecordedAsync, auto.tqdm, Given, Generic[Item]):  # type: ignore[type-arg]  # noqa: N801  # tqdm's own name
    """The class of `tqdm.auto`, drawn as it draws, with the keywords of `progstore.adapters.tqdm.tqdm`."""

    if TYPE_CHECKING:

        def __init__(
            self, iterable: Iterable[Item] | AsyncIterable[Item] | None = None, *args: Any, **kwargs: Any
        ) -> None: ...

        def __iter__(self) -> Iterator[Item]: ...

        def __aiter__(self) -> Self: ...

        async def __anext__(self) -> Item: ...


def trange(*args: int, **kwargs: Any) -> tqdm[int]:
    """`tqdm(range(*args), **kwargs)`."""
    return tqdm(range(*args), **kwargs)
