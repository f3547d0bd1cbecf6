"""How the API's answers and requests look: for the OpenAPI document, and to check what is sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from litestar import get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from progstore import BadFilter, EventView, HistoryView, SessionView, Status, TaskView
from progstore_web.conditional import AnyRequest
from progstore_web.problems import MEDIA_TYPE

PAGE = 50
LARGEST_PAGE = 500
EVENTS_PAGE = 1000

Limit = Annotated[int, QueryParameter(ge=1, le=LARGEST_PAGE, description="Rows on a page.")]
EventLimit = Annotated[int, QueryParameter(ge=1, le=EVENTS_PAGE, description="Events on a page.")]
After = Annotated[int, QueryParameter(ge=0, le=2**63 - 1, description="The id of the last event that is known.")]
Cursor = Annotated[str | None, QueryParameter(description="`next_cursor` of the page before.")]
Search = Annotated[
    str,
    QueryParameter(
        max_length=2000, description="A filter, such as `name:Ingest status:error took>10m since:7d meta.model:x`."
    ),
]
Sort = Annotated[
    str, QueryParameter(description="`started`, `took`, `items`, `failed`, `rate` or `name`; `-` before it: falling.")
]


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Sessions, newest first."""

    items: list[SessionView]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Tasks, newest first unless sorted otherwise."""

    items: list[TaskView]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in order of id; `next_after` asks for those that come later."""

    items: list[EventView]
    next_after: int


@dataclass(frozen=True, slots=True)
class NamePage:
    """The figures of histories, last started first."""

    items: list[HistoryView]


@dataclass(frozen=True, slots=True)
class Facets:
    """How many of the newest matching tasks there are of each kind."""

    status: Mapping[str, int]
    session_name: Mapping[str, int]
    host: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class JobParameter:
    """What a parameter of a job takes; `choices` are all that a `choice` may be."""

    name: str
    kind: Literal["text", "int", "float", "bool", "date", "datetime", "path", "choice"]
    required: bool
    default: Any
    many: bool
    optional: bool
    choices: list[str]
    secret: bool


@dataclass(frozen=True, slots=True)
class JobOffer:
    """A job that may be started."""

    name: str
    summary: str
    parameters: list[JobParameter]


@dataclass(frozen=True, slots=True)
class JobPage:
    """All jobs that may be started."""

    items: list[JobOffer]


@dataclass(frozen=True, slots=True)
class Stopping:
    """A session that was asked to stop; `heeded` says whether something in it ends when it is."""

    id: int
    stop_requested_at: float | None
    heeded: bool


class Answer(ResponseSpec):
    """One answer of the description; Litestar copies deeply what a handler is given, and this never changes."""

    def __init__(self, document: Any, what: str, media_type: str = "application/json") -> None:
        super().__init__(document, generate_examples=False, description=what, media_type=media_type)

    def __deepcopy__(self, memo: object) -> Answer:
        return self


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document of RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    faults: Mapping[str, str] | None = None
    """Of a job's arguments: for each parameter what is wrong."""


class PruneRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a clean-up removes: ended sessions that match all that is given. `older_than` is in seconds, `max_size` in
    bytes: only as many go, the oldest, as must so that the store takes no more.

    Nothing goes unless `dry_run` is false.
    """

    older_than: Annotated[float, msgspec.Meta(ge=0)] | None = None
    statuses: list[Status] = []
    name: str | None = None
    keep_last: Annotated[int, msgspec.Meta(ge=0)] | None = None
    max_size: Annotated[int, msgspec.Meta(ge=0)] | None = None
    dry_run: bool = True


def problems(**reasons: str) -> dict[int, Answer]:
    """The answers to a request that fails, by status: `s404` is why there may be a 404."""
    known = {"s400": "a parameter or body that cannot be understood", "s401": "a token is needed", **reasons}
    return {int(status[1:]): Answer(Problem, reason, MEDIA_TYPE) for status, reason in known.items()}


def reading(path: str, document: Any, what: str, *, in_thread: bool = True, **reasons: str) -> get:
    """The decorator of a handler that answers a GET with that document, and only with that or a problem."""
    responses = {200: Answer(document, what), **problems(s503="the store cannot be read", **reasons)}
    return get(path, summary=what, responses=responses, sync_to_thread=in_thread or None)


def refuse_others(request: AnyRequest, names: Collection[str]) -> None:
    """A filter that is spelled wrong must not look as if it had been applied. Raises BadFilter."""
    for name in request.query_params:
        if name not in names:
            there = f"there are {', '.join(names)}" if names else "nothing can be asked here"
            raise BadFilter(f"there is no {name!r} here; {there}")
