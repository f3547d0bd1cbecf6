"""The API's own description: OpenAPI as JSON and as YAML, made when it is first asked for and without another host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Router
from litestar.exceptions import NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme

import progstore
from progstore_web.conditional import AnyRequest

PATH = "/api/v1"
PLACES = ("/openapi.json", "/openapi.yaml")
WORDS = """What a progress store knows. Times are seconds since 1970 in UTC, durations seconds, percents from 0 to 100.

Lists are paged by a cursor. All that is read, but for exports and streams, carries an ETag and is 304 to who has it
already. What goes wrong is said as a problem document (RFC 9457). `/now/stream` and `/sessions/{session_id}/stream`
send each new state as a server-sent event, or as a line of JSON to who accepts `application/x-ndjson`.
"""


class _Yaml(YamlRenderPlugin):
    """YAML of the same values as the JSON; Litestar's own writes tuples in a way that only Python reads."""

    def render(self, request: AnyRequest, openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002  # theirs
        return msgspec.yaml.encode(msgspec.to_builtins(openapi_schema))


def config(need_token: Callable[[AnyRequest], Awaitable[None]]) -> OpenAPIConfig:
    """Where the description is, behind the same token as what it describes."""
    json_place, yaml_place = PLACES

    async def ask(request: AnyRequest) -> None:
        await need_token(request)
        # Litestar answers everything else below with a page of its own.
        if request.scope["path"].removeprefix(PATH) not in PLACES:
            raise NotFoundException

    return OpenAPIConfig(
        title="progstore",
        version=progstore.__version__,
        description=WORDS,
        license=License(name="MIT", identifier="MIT"),
        components=Components(security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}),
        security=[{"token": []}, {}],
        openapi_router=Router(PATH, route_handlers=[], before_request=ask, include_in_schema=False),
        render_plugins=[JsonRenderPlugin(path=json_place), _Yaml(path=yaml_place)],
    )
