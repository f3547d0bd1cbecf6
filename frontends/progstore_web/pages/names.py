"""All names, one history with its past, both as JSON and CSV, and the badge that says how a history stands."""

from __future__ import annotations

import time
from dataclasses import dataclass

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from progstore import Store, TaskView
from progstore_web import tables
from progstore_web.badge import badge
from progstore_web.conditional import AnyRequest, answer
from progstore_web.links import name_address, names_link
from progstore_web.shown.name import NEWEST, NamePage, Names, newest_of, read_name, read_names, standing
from progstore_web.site import Site, root_of
from progstore_web.wording import duration, percent

_FIGURES = ("session_name", "name", "runs", "complete", "errors", "cancelled", "success_rate", "median", "p90")
_RUN = (
    "session_id",
    "id",
    "attempt",
    "status",
    "started_at",
    "ended_at",
    "duration",
    "done",
    "total",
    "failed",
    "unit",
)


@dataclass(frozen=True, slots=True)
class Badge:
    """A badge's text on a page: where the image is, and what is pasted to show it."""

    address: str
    markdown: str


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The routes; a name that does not travel in a path is asked for as `?session=…`."""
    return [_pages(site), _by_path(site), *_data(site.store)]


def _pages(site: Site) -> HTTPRouteHandler:
    @get("/names", sync_to_thread=True)
    def names(
        request: AnyRequest, session: FromQuery[str | None] = None, task: FromQuery[str | None] = None
    ) -> Response[bytes]:
        return _page(site, request, _read(site.store, session, task))

    return names


def _by_path(site: Site) -> HTTPRouteHandler:
    @get("/names/{name:str}", sync_to_thread=True)
    def named(request: AnyRequest, name: FromPath[str], task: FromQuery[str | None] = None) -> Response[bytes]:
        return _page(site, request, _read(site.store, name, task))

    return named


def _data(store: Store) -> list[HTTPRouteHandler]:
    @get("/names.json", sync_to_thread=True)
    def as_json(
        request: AnyRequest, session: FromQuery[str | None] = None, task: FromQuery[str | None] = None
    ) -> Response[bytes]:
        return answer(request, msgspec.json.encode(_read(store, session, task).to_dict()))

    @get("/names.csv", sync_to_thread=True)
    def as_csv(
        request: AnyRequest, session: FromQuery[str | None] = None, task: FromQuery[str | None] = None
    ) -> Response[bytes]:
        return answer(request, _table(_read(store, session, task)), tables.MEDIA_TYPE)

    @get("/names/badge.svg", sync_to_thread=True)
    def as_badge(
        request: AnyRequest, session: FromQuery[str] = "", task: FromQuery[str | None] = None
    ) -> Response[bytes]:
        return answer(request, _badge(store, session, task), "image/svg+xml")

    return [as_json, as_csv, as_badge]


def _read(store: Store, session: str | None, task: str | None) -> Names | NamePage:
    """A history where one is named or the session name has only one; else all there are."""
    if session is not None and task is not None:
        return read_name(store, session, task)
    found = read_names(store, session)
    if session is not None and len(found.histories) == 1:
        return read_name(store, session, found.histories[0].name)
    return found


def _page(site: Site, request: AnyRequest, shown: Names | NamePage) -> Response[bytes]:
    if isinstance(shown, Names):
        return site.page(request, "names.html", shown=shown, newest=NEWEST)
    return site.page(request, "name.html", shown=shown, badge=_pasted(request, shown))


def _pasted(request: AnyRequest, shown: NamePage) -> Badge:
    names = shown.history.session_name, shown.history.name
    address = name_address("/names/badge.svg", *names)
    base = str(request.base_url).rstrip("/").removesuffix(root_of(request)) + root_of(request)
    label = "".join(" " if sign in "[]\\\r\n" else sign for sign in shown.history.session_name).strip() or "status"
    return Badge(address, f"[![{label}]({base}{address})]({base}{names_link(*names)})")


def _badge(store: Store, session: str, task: str | None) -> bytes:
    name = session if task is None else f"{session} · {task}"
    run = newest_of(store, session, task)
    if run is None:
        return badge(name, "unknown", "idle")
    said, tone = standing(run)
    if said == "running":
        how_far = run.percent if isinstance(run, TaskView) else run.overall_percent
        said = f"{said} {percent(how_far)}".rstrip()
    elif run.status.is_terminal and (ended := run.ended_at or run.started_at) is not None:
        said = f"{said} {_ago(time.time() - ended)}"
    return badge(name, said, tone)


def _ago(seconds: float) -> str:
    """In minutes at the finest, for an image is not drawn anew each second."""
    return (
        "just now"
        if seconds < 60
        else f"{duration(seconds).partition(' min')[0]} min ago"
        if seconds < 3600
        else (f"{' '.join(duration(seconds).split()[:2])} ago")
    )


def _table(shown: Names | NamePage) -> bytes:
    if isinstance(shown, Names):
        return tables.csv_of(
            (*_FIGURES, "last_started_at"),
            ([getattr(each, column) for column in (*_FIGURES, "last_started_at")] for each in shown.histories),
        )
    return tables.csv_of(_RUN, ([getattr(run, column) for column in _RUN] for run in shown.runs))
