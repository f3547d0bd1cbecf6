"""A task's page, its part that is fetched again while one looks, and the same as JSON and as the curve's points."""

from __future__ import annotations

import msgspec
from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from progstore_web import tables
from progstore_web.conditional import AnyRequest, answer
from progstore_web.shown.task import TaskPage, read_task
from progstore_web.site import Site


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The routes; `task` in a path is the task's number, and as .json or .csv what programs read."""

    @get("/sessions/{session_id:int}/tasks/{task:str}", sync_to_thread=True)
    def show(request: AnyRequest, session_id: FromPath[int], task: FromPath[str]) -> Response[bytes]:
        number, _, form = task.partition(".")
        found = read_task(site.store, session_id, number_of(number))
        if form == "json":
            return answer(request, msgspec.json.encode(found.to_dict()))
        if form == "csv":
            return answer(request, _points(found), tables.MEDIA_TYPE)
        if form:
            raise NotFoundException
        return site.page(request, "task.html", shown=found)

    @get("/live/sessions/{session_id:int}/tasks/{task:str}", sync_to_thread=True)
    def live(request: AnyRequest, session_id: FromPath[int], task: FromPath[str]) -> Response[bytes]:
        return site.page(request, "_task.html", shown=read_task(site.store, session_id, number_of(task)))

    return [show, live]


def number_of(written: str) -> int:
    """The number of a session or task, as it stands in a path. Raises NotFoundException."""
    if not (written.isascii() and written.isdecimal() and len(written) < 20):
        raise NotFoundException
    return int(written)


def _points(found: TaskPage) -> bytes:
    return tables.csv_of(("seconds", "done"), found.points)
