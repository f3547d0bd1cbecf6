"""The addresses of Progressista's server: /progress, /tasks and /ws."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import Final

import msgspec
from litestar import Response, asgi, delete, get, post
from litestar.concurrency import sync_to_thread
from litestar.enums import ScopeType
from litestar.exceptions import ClientException
from litestar.handlers import ASGIRouteHandler, HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import Receive, Scope, Send

from progstore import BadFilter, BadValue
from progstore_web.api.documents import refuse_others
from progstore_web.conditional import JSON, AnyRequest, fresh
from progstore_web.gate import SENT
from progstore_web.reader import Snapshot
from progstore_web.site import Site
from progstore_web.streams import Source
from progstore_web.wire.credentials import check_admin, check_pusher, check_reader
from progstore_web.wire.intake import Intake
from progstore_web.wire.memory import Memory
from progstore_web.wire.posts import read_post
from progstore_web.wire.removing import Remover
from progstore_web.wire.socket import Socket
from progstore_web.wire.tasks import TaskReader, Tasks
from progstore_web.wire.translator import Arrived, Translator

NAME: Final = "wire"
"""What the site's reader calls the tasks."""
ONE: Final = "/tasks/"


class WireProtocol:
    """Progressista's protocol over one site; `close` writes what still waits."""

    def __init__(self, site: Site) -> None:
        self._site = site
        memory = Memory(site.store)
        self._tasks = TaskReader(site.store, memory, began=site.reader.began)
        self._remover = Remover(site.store, memory, self._tasks)
        self._intake = Intake(Translator(site.store, memory).write)

    def close(self) -> None:
        """End the thread that writes."""
        self._intake.close()

    def routes(self) -> list[HTTPRouteHandler | ASGIRouteHandler]:
        """The routes, below the root."""
        return [*_posting(self._site, self._intake), *self._reading(), *_deleting(self._site, self._remover)]

    def _reading(self) -> list[HTTPRouteHandler | ASGIRouteHandler]:
        site, reader = self._site, self._site.reader
        read = partial(_read, self._tasks)

        @get("/tasks", include_in_schema=False)
        async def tasks(request: AnyRequest) -> Response[bytes]:
            check_reader(site, request)
            snapshot = await reader.ask_anew(NAME, read)
            return fresh(snapshot.json)

        async def ask() -> Snapshot[Tasks]:
            return await reader.ask(NAME, read)

        socket = Socket(site, Source(NAME, ask, lambda snapshot: snapshot.json, "wire"))

        @asgi("/ws", copy_scope=True)
        async def watch(scope: Scope, receive: Receive, send: Send) -> None:
            if ScopeType(scope["type"]) is not ScopeType.WEBSOCKET:
                raise ClientException("this is opened as a web socket; GET /tasks tells the same once", status_code=426)
            await socket(scope, receive, send)

        return [tasks, watch]


def _read(tasks: TaskReader) -> Tasks:
    return tasks.read(time.time())


def _posting(site: Site, intake: Intake) -> list[HTTPRouteHandler]:
    @post("/progress", status_code=200, include_in_schema=False)
    async def progress(request: AnyRequest) -> Response[bytes]:
        try:
            said = read_post(await request.body())
        except BadValue:
            check_pusher(site, request)  # a stranger is told nothing else
            raise
        check_pusher(site, request, said.token)
        if request.content_type[0] != JSON:
            raise ClientException("send it as JSON, with the header `Content-Type: application/json`", status_code=415)
        client = request.scope["client"]
        await intake.put(Arrived(said, client[0] if client else ""))
        return fresh(b'{"ok":true}')

    return [progress]


def _deleting(site: Site, remover: Remover) -> list[HTTPRouteHandler]:
    async def delete_one(request: AnyRequest) -> Response[bytes]:
        check_admin(site, request)
        refuse_others(request, ("force", "token"))
        remove = partial(remover.one, _task_id(request), force=_is_forced(request))
        return fresh(msgspec.json.encode({"removed": await sync_to_thread(remove)}))

    @delete("/tasks", status_code=200, include_in_schema=False)
    async def some(request: AnyRequest) -> Response[bytes]:
        if _task_id(request):  # which is nothing but slashes
            return await delete_one(request)
        check_admin(site, request)
        refuse_others(request, ("status", "older_than", "force", "token"))
        query = request.query_params
        older_than = _seconds(query["older_than"]) if "older_than" in query else None
        remove = partial(remover.some, query.get("status"), older_than, force=_is_forced(request))
        return fresh(msgspec.json.encode({"removed": await sync_to_thread(remove)}))

    @delete("/tasks/{task_id:path}", status_code=200, include_in_schema=False)
    async def one(request: AnyRequest, task_id: FromPath[str]) -> Response[bytes]:  # noqa: ARG001
        return await delete_one(request)

    return [some, one]


def _task_id(request: AnyRequest) -> str:
    """The id in the address, as it was sent; empty for that of all tasks."""
    path = str(request.scope.get(SENT, ""))
    return path.removeprefix(ONE) if path.startswith(ONE) else ""


def _is_forced(request: AnyRequest) -> bool:
    word = request.query_params.get("force", "false").lower()
    if word not in ("true", "false", "1", "0"):
        raise BadFilter(f"force is true or false, got {word!r:.40}")
    return word in ("true", "1")


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise BadFilter(f"older_than is a number of seconds, such as 600; got {text!r:.40}")
    return number
