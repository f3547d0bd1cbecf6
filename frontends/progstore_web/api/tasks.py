"""Tasks, histories, events and counts over the whole store as JSON."""

from __future__ import annotations

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from progstore import HistoryView, Store, TaskView, parse_filter
from progstore_web.api.documents import (
    EVENTS_PAGE,
    PAGE,
    After,
    Cursor,
    EventLimit,
    EventPage,
    Facets,
    Limit,
    NamePage,
    Search,
    Sort,
    TaskPage,
    reading,
    refuse_others,
)
from progstore_web.api.sessions import events_of, page_of
from progstore_web.conditional import AnyRequest, answer
from progstore_web.site import Site


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The routes, below /api/v1."""
    return [*_tasks(site.store), *_names(site.store), *_events(site.store)]


def _tasks(store: Store) -> list[HTTPRouteHandler]:
    @reading("/tasks", TaskPage, "Tasks, newest first")
    def tasks(
        request: AnyRequest, q: Search = "", sort: Sort = "-started", limit: Limit = PAGE, cursor: Cursor = None
    ) -> Response[bytes]:
        refuse_others(request, ("q", "sort", "limit", "cursor"))
        return answer(request, page_of(store.tasks(parse_filter(q), sort=sort, cursor=cursor, limit=limit)))

    @reading("/tasks/{task_id:int}", TaskView, "One task", s404="there is no such task")
    def task(request: AnyRequest, task_id: FromPath[int]) -> Response[bytes]:
        refuse_others(request, ())
        return answer(request, msgspec.json.encode(store.task(task_id).to_dict()))

    @reading("/facets", Facets, "How many of the newest matching tasks there are by status, session name and host")
    def facets(request: AnyRequest, q: Search = "") -> Response[bytes]:
        refuse_others(request, ("q",))
        return answer(request, msgspec.json.encode(store.facets(parse_filter(q))))

    return [tasks, task, facets]


def _names(store: Store) -> list[HTTPRouteHandler]:
    @reading("/names", NamePage, "Every history with its figures, last started first")
    def names(request: AnyRequest, limit: Limit = PAGE) -> Response[bytes]:
        refuse_others(request, ("limit",))
        return answer(request, msgspec.json.encode({"items": [each.to_dict() for each in store.names(limit=limit)]}))

    @reading("/names/history", HistoryView, "The figures of one history", s404="nothing ran under these names")
    def history(request: AnyRequest, session: FromQuery[str], task: FromQuery[str]) -> Response[bytes]:
        refuse_others(request, ("session", "task"))
        return answer(request, msgspec.json.encode(store.history(session, task).to_dict()))

    return [names, history]


def _events(store: Store) -> list[HTTPRouteHandler]:
    @reading("/events", EventPage, "Events of all sessions in order of id")
    def events(request: AnyRequest, after: After = 0, limit: EventLimit = EVENTS_PAGE) -> Response[bytes]:
        refuse_others(request, ("after", "limit"))
        return answer(request, events_of(store, after, limit))

    return [events]
