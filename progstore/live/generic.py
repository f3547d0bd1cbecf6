"""What makes `Task[int]` possible without importing typing, which takes longer than a first loop may."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Generic

    from typing_extensions import TypeVar

    Item = TypeVar("Item", default=Any)

    class Of(Generic[Item]):
        """Of items of a type."""

else:
    Item = None

    class Of:
        """The same, of which the program itself knows nothing."""

        def __class_getitem__(cls, item: object) -> type:
            return cls
