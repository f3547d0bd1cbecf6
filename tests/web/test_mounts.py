"""The pages inside applications of others: below their path, with links that lead somewhere, and nothing else touched.

The applications are those of the guide, as they stand there.
"""

from __future__ import annotations

import html
import importlib.util
import logging
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
import uvicorn
from litestar import Litestar, Response, get
from litestar.config.csrf import CSRFConfig
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from websockets.sync.client import connect

import progstore
from progstore_web import Access, ProgstorePlugin
from progstore_web.pages.embed import share_key

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "embed.md"
PAGES = ("", "/", "/sessions/1", "/sessions/1/tasks/1", "/history", "/names", "/timeline", "/sql", "/store")
DJANGO_SETTINGS = """
from django.http import HttpResponse, HttpResponseNotFound
from django.urls import path

SECRET_KEY = "of one test"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "settings"
TIME_ZONE = None
LOGGING_CONFIG = None
urlpatterns = [
    path("", lambda request: HttpResponse('{"shop":"open"}', content_type="application/json")),
    path("progressive", lambda request: HttpResponse("rock")),
]
handler404 = lambda request, exception: HttpResponseNotFound("the shop has no such page")
"""
ONE_RUN = "import progstore; list(progstore.track(range(3), 'First'))"


@pytest.fixture
def guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Loads a module of the guide by the name it has there; what it does to this process is undone after the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "settings")
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    (tmp_path / "settings.py").write_text(DJANGO_SETTINGS, encoding="utf-8")
    blocks = re.findall(r"```python\n# (\w+)\.py\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    loaded: list[str] = []

    def load(name: str) -> ModuleType:
        source = tmp_path / f"{name}.py"
        source.write_text(dict(blocks)[name], encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, source)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        loaded.append(name)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in loaded:
        del sys.modules[name]
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def run() -> Iterator[Callable[[Any], httpx.Client]]:
    """Runs an application as its users do, and gives a client of it."""
    ends: list[Callable[[], None]] = []

    def start(app: Any) -> httpx.Client:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        client = httpx.Client(verify=False, base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30)  # noqa: S501  # loading certificates takes longer than a test

        def end() -> None:
            server.should_exit = True
            thread.join()
            client.close()
            listener.close()

        ends.append(end)
        return client

    yield start
    for end in ends:
        end()


def follow_links(client: httpx.Client, root: str) -> None:
    """Each page below `root` answers, and so does all that it leads to."""
    for path in PAGES:
        page = client.get(root + path, follow_redirects=True)
        assert page.status_code == 200, path
        follow_all(client, page, root)


def follow_all(client: httpx.Client, page: httpx.Response, root: str) -> None:
    """Whatever a link, image, style, script, form or stream of the page points to is there, and below `root`."""
    targets: set[str] = set()
    for tag in re.findall(r"<[a-z][^>]*>", page.text):
        for link in re.findall(r'\s(?:href|src|action|hx-get|data-changes)="([^"#][^"]*)"', tag):
            where = urlsplit(urljoin(str(page.url), html.unescape(link)))
            assert where.path.startswith(f"{root}/"), (page.url, link)
            if not tag.startswith(("<form", "<progstore-progress")):
                targets.add(where.path + (f"?{where.query}" if where.query else ""))
    assert targets
    for target in targets:
        with client.stream("GET", target, follow_redirects=True) as answer:
            assert answer.status_code == 200, (page.url, target)
            assert next(answer.iter_bytes(), None), target


def check_host(client: httpx.Client) -> None:
    """What is the host's own answers as if nothing were mounted, whatever its paths begin with."""
    assert client.get("/").json() == {"shop": "open"}
    assert "rock" in client.get("/progressive", follow_redirects=True).text
    missing = client.get("/nothing")
    assert (missing.status_code, missing.text) == (404, "the shop has no such page")
    assert "content-security-policy" not in missing.headers


def check_pages(client: httpx.Client, root: str) -> None:
    """The pages are whole below `root`: links, errors, forms, tokens, share links and the check of the Host."""
    follow_links(client, root)
    missing = client.get(f"{root}/sessions/99")
    assert missing.status_code == 404
    assert f'href="{root}/"' in missing.text
    assert client.get(f"{root}/api/v1/sessions/99").json()["status"] == 404
    assert client.get(f"{root}/health").json() == {"status": "ok"}
    assert client.get(f"{root}/", headers={"host": "evil.example"}).status_code == 400
    assert client.post(f"{root}/login", headers={"origin": "https://evil.example"}).status_code == 403
    with progstore.open_store() as store:
        key = share_key(Access(), store.session(1))
    check_socket(client, root)
    shared = client.get(f"{root}/embed/{key}")
    assert f"{client.base_url}{root}/embed/{key}" in shared.text
    follow_all(client, shared, root)


def check_socket(client: httpx.Client, root: str) -> None:
    """A web socket opens below `root`, and is told what was posted there."""
    assert client.post(f"{root}/progress", json={"task_id": "a"}).json() == {"ok": True}
    assert client.get(f"{root}/ws").status_code == 426
    address = str(client.base_url.join(f"{root}/ws")).replace("http", "ws", 1)
    with connect(address, proxy=None) as watched:
        assert '"task_id":"a"' in str(watched.recv(30))


def test_below_fastapi(
    guide: Callable[[str], ModuleType], run: Callable[[Any], httpx.Client], run_program: Callable[..., str]
) -> None:
    """Routes, errors, schema and logging of the host stay as they are; the pages know where they stand."""
    run_program(ONE_RUN)
    handlers = list(logging.getLogger().handlers)
    module = guide("fastapi_app")

    async def progressive() -> str:
        return "rock"

    async def broken() -> str:
        raise KeyError

    async def missing(request: Any, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("the shop has no such page", 404)

    async def failed(request: Any, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("the shop is broken", 500)

    module.app.add_api_route("/progressive", progressive)
    module.app.add_api_route("/broken", broken)
    module.app.add_exception_handler(404, missing)
    module.app.add_exception_handler(KeyError, failed)
    client = run(module.app)
    check_host(client)
    assert client.get("/broken").text == "the shop is broken"
    assert set(client.get("/openapi.json").json()["paths"]) == {"/", "/progressive", "/broken"}
    check_pages(client, "/progress")
    assert logging.getLogger().handlers == handlers


def test_below_starlette_in_another_mount(
    guide: Callable[[str], ModuleType], run: Callable[[Any], httpx.Client], run_program: Callable[..., str]
) -> None:
    """The path of the host itself comes before that of the pages, also where a proxy has cut it off."""
    run_program(ONE_RUN)
    module = guide("fastapi_app")
    shop = Starlette(routes=[Mount("/progress", app=module.pages)])
    host = Starlette(routes=[Mount("/the/shop", app=shop)], lifespan=module.lifespan)
    check_pages(run(host), "/the/shop/progress")

    async def cut_off(scope: Any, receive: Any, send: Any) -> None:
        """As FastAPI's own `root_path` has it behind a proxy that cuts that path off."""
        await shop({**scope, "root_path": "/town"}, receive, send)

    behind = run(cut_off)
    for path in ("/progress/sessions/1", "/progress/"):
        page = behind.get(path)
        assert page.status_code == 200
        assert 'href="/town/progress/"' in page.text


def test_below_django(
    guide: Callable[[str], ModuleType], run: Callable[[Any], httpx.Client], run_program: Callable[..., str]
) -> None:
    """Django answers everything but what is below the path."""
    run_program(ONE_RUN)
    client = run(guide("asgi").application)
    check_host(client)
    check_pages(client, "/progress")


def test_inside_litestar(
    guide: Callable[[str], ModuleType], run: Callable[[Any], httpx.Client], run_program: Callable[..., str]
) -> None:
    """By the plugin, as the guide has it."""
    run_program(ONE_RUN)
    client = run(guide("litestar_app").app)
    assert client.get("/").json() == {"shop": "open"}
    check_pages(client, "/progress")


def test_a_litestar_host_keeps_its_routes_errors_schema_and_checks(
    run: Callable[[Any], httpx.Client], run_program: Callable[..., str]
) -> None:
    """Its CSRF check does not refuse our forms, which have one of their own; its guards come before our pages."""
    run_program(ONE_RUN)
    handlers = list(logging.getLogger("progstore").handlers)

    @get("/", sync_to_thread=False)
    def home() -> dict[str, str]:
        return {"shop": "open"}

    @get("/progressive", sync_to_thread=False)
    def progressive() -> str:
        return "rock"

    @get("/progressive/{number:int}", sync_to_thread=False)
    def album(number: FromPath[int]) -> str:
        return f"album {number}"

    def missing(request: Any, error: Exception) -> Response[str]:
        return Response("the shop has no such page", status_code=404)

    def refuse(connection: Any, handler: Any) -> None:
        if "x-banned" in connection.headers:
            raise PermissionDeniedException("not you")

    store = progstore.open_store()
    client = run(
        Litestar(
            [home, progressive, album],
            plugins=[ProgstorePlugin(store, path="/progress/", auth=Access(tokens=("secret",)))],
            exception_handlers={NotFoundException: missing},
            csrf_config=CSRFConfig(secret="of the host"),  # noqa: S106  # of one test
            guards=[refuse],
            logging_config=None,
            on_shutdown=[store.close],
        )
    )
    check_host(client)
    assert client.get("/progressive/3").text == "album 3"
    assert "/progress" not in client.get("/schema/openapi.json").json()["paths"]
    assert client.head("/progress/health").status_code == 200
    assert client.get("/progress").status_code == 401
    assert client.delete("/progress/api/v1/now").status_code == 405
    signed_in = client.post("/progress/login", data={"token": "secret", "next": "/sessions/1"})
    assert signed_in.headers["location"] == "/progress/sessions/1"
    assert "Path=/progress;" in signed_in.headers["set-cookie"]
    assert "First" in client.get("/progress/sessions/1").text
    assert client.get("/progress/sessions/1", headers={"x-banned": "1"}).status_code == 403
    assert logging.getLogger("progstore").handlers == handlers


@pytest.mark.parametrize("path", ["", "/", "progress", "//progress", "/{name}", "/a?b"])
def test_a_path_that_is_none_is_refused_at_once(path: str, store_path: Path) -> None:
    """With a word on what it should look like."""
    with progstore.open_store(str(store_path)) as store, pytest.raises(ValueError, match=r"/progress"):
        ProgstorePlugin(store, path=path)


def test_an_open_stream_does_not_hold_up_a_host_that_ends_the_streams(
    guide: Callable[[str], ModuleType], run: Callable[[Any], httpx.Client], run_program: Callable[..., str]
) -> None:
    """`end_streams` from another thread completes the answer."""
    run_program(ONE_RUN)
    module = guide("fastapi_app")
    client = run(module.app)
    with client.stream("GET", "/progress/api/v1/now/stream") as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("id: ")
        module.pages.end_streams()
        assert list(lines)[-1] == ""
