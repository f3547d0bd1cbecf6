"""Sessions, their tasks and their events as JSON; lists are paged by a cursor, and every answer carries a tag."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter

from progstore import BadFilter, Filter, NotFound, Page, SessionView, Status, Store, TaskView
from progstore_web.conditional import JSON, AnyRequest, answer, changed, is_known, unchanged
from progstore_web.reader import Snapshot
from progstore_web.site import Site

PAGE = 50
LARGEST_PAGE = 500
EVENTS_PAGE = 1000

Limit = Annotated[int, QueryParameter(ge=1, le=LARGEST_PAGE)]
EventLimit = Annotated[int, QueryParameter(ge=1, le=EVENTS_PAGE)]
After = Annotated[int, QueryParameter(ge=0, le=2**63 - 1)]


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The routes, below /api/v1."""
    return [*_snapshots(site), *_lists(site.store)]


def _snapshots(site: Site) -> list[HTTPRouteHandler]:
    """What is answered from the reader's memory."""

    @get("/now")
    async def now(request: AnyRequest) -> Response[bytes]:
        return _snapshot(request, await site.reader.board())

    @get("/sessions/{session_id:int}")
    async def session(request: AnyRequest, session_id: FromPath[int]) -> Response[bytes]:
        return _snapshot(request, await site.reader.run(session_id))

    return [now, session]


def _lists(store: Store) -> list[HTTPRouteHandler]:
    """What is asked of the store, in a thread."""

    @get("/sessions", sync_to_thread=True)
    def sessions(
        request: AnyRequest,
        limit: Limit = PAGE,
        cursor: FromQuery[str | None] = None,
        status: FromQuery[list[str] | None] = None,
        name: FromQuery[str | None] = None,
    ) -> Response[bytes]:
        _refuse_others(request, ("limit", "cursor", "status", "name"))
        asked = Filter(name=name, statuses=_statuses(status or []))
        return answer(request, _page(store.sessions(asked, cursor=cursor, limit=limit)))

    @get("/sessions/{session_id:int}/tasks", sync_to_thread=True)
    def tasks(
        request: AnyRequest, session_id: FromPath[int], limit: Limit = PAGE, cursor: FromQuery[str | None] = None
    ) -> Response[bytes]:
        _refuse_others(request, ("limit", "cursor"))
        asked = Filter(session_ids=(_known(store, session_id),))
        return answer(request, _page(store.tasks(asked, cursor=cursor, limit=limit)))

    @get("/sessions/{session_id:int}/events", sync_to_thread=True)
    def events(
        request: AnyRequest, session_id: FromPath[int], after: After = 0, limit: EventLimit = EVENTS_PAGE
    ) -> Response[bytes]:
        _refuse_others(request, ("after", "limit"))
        found = store.events(session_id=_known(store, session_id), after=after, limit=limit)
        page = {"items": [event.to_dict() for event in found], "next_after": found[-1].id if found else after}
        return answer(request, msgspec.json.encode(page))

    return [sessions, tasks, events]


def _known(store: Store, session_id: int) -> int:
    if 0 < session_id < 2**63 and len(store.sessions(Filter(session_ids=(session_id,)), limit=1)):
        return session_id
    raise NotFound(f"there is no session {session_id} in this store; GET /api/v1/sessions lists them")


def _snapshot(request: AnyRequest, snapshot: Snapshot[Any]) -> Response[bytes]:
    tag = snapshot.revision
    return unchanged(tag) if is_known(request, tag) else changed(snapshot.json, tag, JSON)


def _page(page: Page[SessionView] | Page[TaskView]) -> bytes:
    return msgspec.json.encode({"items": [item.to_dict() for item in page.items], "next_cursor": page.next_cursor})


def _statuses(given: list[str]) -> frozenset[Status]:
    words = [word.strip() for each in given for word in each.split(",") if word.strip()]
    try:
        return frozenset(Status(word) for word in words)
    except ValueError:
        raise BadFilter(f"status: one of {', '.join(Status)}, got {', '.join(words)}") from None


def _refuse_others(request: AnyRequest, names: Collection[str]) -> None:
    """A filter that is spelled wrong must not look as if it had been applied."""
    for name in request.query_params:
        if name not in names:
            raise BadFilter(f"there is no {name!r} here; there are {', '.join(names)}")
