"""The drop-in for `tqdm.notebook`: bars that are widgets, recorded."""

from __future__ import annotations

from typing import Any, Generic

from tqdm import notebook

from progstore.adapters.given import Given
from progstore.adapters.recorded import Recorded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import TypeVar

    Item = TypeVar("Item", default=Any)
else:
    from typing import TypeVar

    Item = TypeVar("Item")

__all__ = ["tqdm", "tqdm_notebook", "trange"]


class tqdm(Recorded, notebook.tqdm_notebook, Given, Generic[Item]):  # type: ignore[type-arg]  # noqa: N801  # tqdm's
    """The class of `tqdm.notebook`, drawn as it draws, with the keywords of `progstore.adapters.tqdm.tqdm`."""

    if TYPE_CHECKING:

        def __init__(self, iterable: Iterable[Item] | None = None, *args: Any, **kwargs: Any) -> None: ...

        def __iter__(self) -> Iterator[Item]: ...


def trange(*args: int, **kwargs: Any) -> tqdm[int]:
    """`tqdm(range(*args), **kwargs)`."""
    return tqdm(range(*args), **kwargs)


tqdm_notebook = tqdm
tnrange = trange
