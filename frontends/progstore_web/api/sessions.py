"""Sessions, their tasks and their events as JSON; lists are paged by a cursor, and every answer carries a tag."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from progstore import BadFilter, Filter, NotFound, Page, SessionView, Status, Store, TaskView, parse_filter
from progstore_web.api.documents import (
    EVENTS_PAGE,
    PAGE,
    After,
    Cursor,
    EventLimit,
    EventPage,
    Limit,
    Search,
    SessionPage,
    TaskPage,
    reading,
    refuse_others,
)
from progstore_web.conditional import JSON, AnyRequest, answer, changed, is_known, unchanged
from progstore_web.reader import Snapshot
from progstore_web.site import Site

GONE = "there is no such session"


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The routes, below /api/v1."""
    return [*_snapshots(site), *_lists(site.store)]


def _snapshots(site: Site) -> list[HTTPRouteHandler]:
    """What is answered from the reader's memory."""

    @reading("/now", dict[str, Any], "What the first page shows", in_thread=False)
    async def now(request: AnyRequest) -> Response[bytes]:
        return _snapshot(request, await site.reader.board())

    @reading(
        "/sessions/{session_id:int}", SessionView, "A session with its tasks and events", in_thread=False, s404=GONE
    )
    async def session(request: AnyRequest, session_id: FromPath[int]) -> Response[bytes]:
        return _snapshot(request, await site.reader.run(session_id))

    return [now, session]


def _lists(store: Store) -> list[HTTPRouteHandler]:
    """What is asked of the store, in a thread."""

    @reading("/sessions", SessionPage, "Sessions, newest first")
    def sessions(
        request: AnyRequest,
        *,
        q: Search = "",
        limit: Limit = PAGE,
        cursor: Cursor = None,
        status: FromQuery[list[str] | None] = None,
        name: FromQuery[str | None] = None,
    ) -> Response[bytes]:
        refuse_others(request, ("q", "limit", "cursor", "status", "name"))
        asked = _narrowed(parse_filter(q), name, _statuses(status or []))
        return answer(request, page_of(store.sessions(asked, cursor=cursor, limit=limit)))

    @reading("/sessions/{session_id:int}/tasks", TaskPage, "A session's tasks, every attempt", s404=GONE)
    def tasks(
        request: AnyRequest, session_id: FromPath[int], limit: Limit = PAGE, cursor: Cursor = None
    ) -> Response[bytes]:
        refuse_others(request, ("limit", "cursor"))
        asked = Filter(session_ids=(_known(store, session_id),))
        return answer(request, page_of(store.tasks(asked, cursor=cursor, limit=limit)))

    @reading("/sessions/{session_id:int}/events", EventPage, "A session's events in order of id", s404=GONE)
    def events(
        request: AnyRequest, session_id: FromPath[int], after: After = 0, limit: EventLimit = EVENTS_PAGE
    ) -> Response[bytes]:
        refuse_others(request, ("after", "limit"))
        return answer(request, events_of(store, after, limit, _known(store, session_id)))

    return [sessions, tasks, events]


def page_of(page: Page[SessionView] | Page[TaskView]) -> bytes:
    """A page as JSON."""
    return msgspec.json.encode({"items": [item.to_dict() for item in page.items], "next_cursor": page.next_cursor})


def events_of(store: Store, after: int, limit: int, session_id: int | None = None) -> bytes:
    """Events above that id as JSON."""
    found = store.events(session_id=session_id, after=after, limit=limit)
    page = {"items": [event.to_dict() for event in found], "next_after": found[-1].id if found else after}
    return msgspec.json.encode(page)


def _known(store: Store, session_id: int) -> int:
    if 0 < session_id < 2**63 and len(store.sessions(Filter(session_ids=(session_id,)), limit=1)):
        return session_id
    raise NotFound(f"there is no session {session_id} in this store; GET /api/v1/sessions lists them")


def _snapshot(request: AnyRequest, snapshot: Snapshot[Any]) -> Response[bytes]:
    tag = snapshot.revision
    return unchanged(tag) if is_known(request, tag) else changed(snapshot.json, tag, JSON)


def _narrowed(asked: Filter, name: str | None, statuses: frozenset[Status]) -> Filter:
    """The filter with what was asked for beside it; twice the same is a mistake. Raises BadFilter."""
    if name is not None:
        if asked.session_name is not None or asked.name is not None:
            raise BadFilter("the name stands in q and in name; give it once")
        asked = dataclasses.replace(asked, name=name)
    if statuses:
        if asked.statuses:
            raise BadFilter("the status stands in q and in status; give it once")
        asked = dataclasses.replace(asked, statuses=statuses)
    return asked


def _statuses(given: list[str]) -> frozenset[Status]:
    words = [word.strip() for each in given for word in each.split(",") if word.strip()]
    try:
        return frozenset(Status(word) for word in words)
    except ValueError:
        raise BadFilter(f"status: one of {', '.join(Status)}, got {', '.join(words)}") from None
