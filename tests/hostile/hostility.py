"""What the tests of hostile input share: texts made to break out, values of every kind, and all pages of a store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

import progstore
from progstore_web import Access, create_app
from progstore_web.pages.embed import share_key
from tests.store.conftest import Filled

TEXTS = {
    "script": "<script>alert(1)</script><ScRiPt src=//evil.example></sCrIpT>",
    "attribute": "\"' onmouseover='alert(1)' x=\"><img src=x onerror=alert(1)>",
    "closing": "</textarea></title></style></script></svg>--><h1>out</h1>]]>",
    "svg": "<svg onload=alert(1)><a xlink:href=javascript:alert(1)><text>x</text></a></svg>",
    "template": "{{ 7 * 7 }}{% raw %}${7*7}#{7*7}<%= 7*7 %>{{ config.__class__ }}`7`",
    "entities": "&lt;b&gt;&amp;amp;&#60;i&#62;&nosuch;&",
    "address": "javascript:alert(1)//https://evil.example/?a=b&c=d#e%0d%0aSet-Cookie:x=1",
    "path": "../../../etc/passwd?x#y;z\\..\\%2e%2e%2f",
    "markdown": "[x](javascript:alert(1)) ![y](http://evil.example) **b** `c` | d | ~~e~~",
    "formula": "=cmd|' /C calc'!A1",
    "terminal": "\x1b[2J\x1b]0;owned\x07\x1b[31mred\x9b1;1H\r\b\b\x7fgone\x0b",
    "bidi": "abc\u202edcba\u2066\u2069\u200b\u200d\ufeff\u2028\u2029e\u0301\u0301",
    "lines": "one\ntwo\r\nthree\ttab\u0085four",
    "word": "w" * 480,
    "wide": "\U0001f469\u200d\U0001f469\u200d\U0001f466 全角テキスト ﷽ 𒐫",
    "null": "before\0after",
    "json": '{"a": [1, "b\\u0000"]}\\',
}
"""Texts by what they try; a store holds each of them as anybody may have said it."""
EVERYTHING = " ".join(text for name, text in TEXTS.items() if name != "null")
HARMLESS = "quiet"


def hostile_store(filled: Filled, text: str) -> None:
    """Two sessions, one that runs and one that ended, with the text in every field that holds one."""
    process = filled.process(
        program=text, argv=json.dumps([text, text]), cwd=text, username=text, python=text, progstore_version=text
    )
    common = {"unit": text, "message": text, "session_name": text, "process_id": process}
    error = {"error_type": text, "error": text, "traceback": text}
    for status in (None, "error"):
        session = filled.session(text, status=status, process_id=process, message=text, host=text)
        root = filled.task(session, text, "running" if status is None else "error", key=text, **error, **common)
        filled.task(session, text, "complete", key=text + "2", parent_id=root, curve="[[0,0],[5,50]]", **common)
        filled.task(session, text, "cancelled", key=text + "3", **common)
        for task in (None, root):
            filled.event(session, task, kind=text, message=text, data=json.dumps({text: [text]}))
        filled.meta(session, 0, **{text: text})
        filled.meta(session, root, **{text: {text: [text]}})


def addresses(store: progstore.Store) -> list[str]:
    """Every address of the site that shows something of the store, in every form."""
    session = store.session(1)
    name, key = quote(session.name, safe=""), share_key(Access(), session)
    history = f"session={name}&task={name}"
    filtered = quote(progstore.write_filter(progstore.Filter(name=session.name)), safe="")
    forms = [f"/{each}{form}" for each in ("history", "names", "timeline", "store") for form in ("", ".json", ".csv")]
    asked = quote("SELECT * FROM v_sessions AS s, v_tasks AS t, v_events AS e ORDER BY s.id, t.id, e.id LIMIT 50")
    return [
        *("/", "/live/now", "/now.json", "/now.csv", "/sessions/1", "/sessions/2", "/live/sessions/1"),
        *("/sessions/1.json", "/sessions/2.csv", "/compare.csv?task=1&task=4"),
        *("/sessions/1/tasks/1", "/sessions/2/tasks/4", "/live/sessions/1/tasks/1", "/compare?task=1&task=4"),
        *(*forms, f"/history?q={filtered}", "/history?sort=-took", f"/names?{history}", f"/names/badge.svg?{history}"),
        *("/timeline?by=host", "/compare.json?task=1&task=4", "/live/sessions/2"),
        *("/delete?session=2&task=5", f"/sql?q={asked}", f"/sql.json?q={asked}", f"/sql.csv?q={asked}", "/metrics"),
        *(f"/embed/{key}", f"/embed/{key}?frame=1", f"/embed/{key}/progress.json"),
        *("/api/v1/now", "/api/v1/sessions", "/api/v1/sessions/1", "/api/v1/sessions/2/tasks", "/api/v1/tasks"),
        *("/api/v1/sessions/1/events", "/api/v1/tasks?sort=name", "/api/v1/tasks/1", "/api/v1/facets", "/api/v1/names"),
        *("/api/v1/events", "/api/v1/export", "/api/v1/export?format=csv", f"/api/v1/names/history?{history}"),
    ]


class Site:
    """The pages over a store, asked within this process and without a port."""

    def __init__(self, store: progstore.Store) -> None:
        self._app: Any = create_app(store)
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url="http://localhost")
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._client.aclose())
        self._app.close()
        self._runner.close()

    def ask(self, method: str, address: str, **more: Any) -> httpx.Response:
        """The answer to one request."""
        return self._runner.run(self._client.request(method, address, **more))

    def watch(self, query: bytes = b"") -> list[dict[str, Any]]:
        """What the web socket at /ws says at first to who opens it with that query."""
        return self._runner.run(_watched(self._app, query))

    def get(self, address: str) -> httpx.Response:
        """The page."""
        return self.ask("GET", address)


@contextmanager
def site_of(filled: Filled) -> Iterator[tuple[progstore.Store, Site]]:
    """The store as it is read, and the pages over it."""
    with progstore.open_store(filled.location.url) as store, Site(store) as site:
        yield store, site


async def _watched(app: Any, query: bytes) -> list[dict[str, Any]]:
    """What the web socket says until it has told one state, or has closed."""
    said: list[dict[str, Any]] = []
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    heard.put_nowait({"type": "websocket.connect"})

    async def send(message: dict[str, Any]) -> None:
        said.append(message)
        if message["type"] == "websocket.send":
            heard.put_nowait({"type": "websocket.disconnect", "code": 1000})

    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/ws",
        "raw_path": b"/ws",
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 5),
        "server": ("localhost", 80),
        "subprotocols": [],
    }
    await asyncio.wait_for(app(scope, heard.get, send), 30)
    return said


class Skeleton(HTMLParser):
    """What a page is made of besides what was put into it: its elements, the names of their attributes, its links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[tuple[str, ...]] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element and the names of its attributes."""
        # How a cell looks, and whether it is told in full when one points at it, goes by what is in it.
        self.parts.append((tag, *sorted(name for name, _ in attrs if name not in ("class", "title"))))
        self.addresses += [
            value or ""
            for name, value in attrs
            if name in ("href", "src", "action", "formaction", "hx-get", "xlink:href")
        ]
        self.words += [value for _, value in attrs if value]

    def handle_endtag(self, tag: str) -> None:
        """The end of an element."""
        self.parts.append(("/" + tag,))

    def handle_data(self, data: str) -> None:
        """Text."""
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        """There is none on our pages."""
        self.parts.append(("comment", data))
