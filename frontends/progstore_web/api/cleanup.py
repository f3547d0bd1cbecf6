"""Removing what is no longer needed; only for the admin, and each with a way to ask first what would go."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, delete, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from progstore import PruneReport, StillRunning, VacuumReport
from progstore_web.api.documents import Answer, PruneRequest, problems, refuse_others
from progstore_web.conditional import AnyRequest, fresh
from progstore_web.site import Site

Force = Annotated[bool, QueryParameter(description="Delete it though it runs.")]
DryRun = Annotated[bool, QueryParameter(description="Only say what would go.")]
REPORT = Answer(PruneReport, "What went, or would go")
REFUSALS = {"s403": "a view token, or another site's page", "s503": "the store is busy"}
DELETING = problems(**REFUSALS, s404="there is no such row", s409="it runs")
UPKEEP = problems(**REFUSALS, s413="the body is too large")


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The routes, below /api/v1."""
    return [*_deletes(site), *_upkeep(site)]


def _deletes(site: Site) -> list[HTTPRouteHandler]:
    @delete(
        "/sessions/{session_id:int}",
        status_code=200,
        summary="Delete a session with all that hangs on it",
        responses={200: REPORT, **DELETING},
        sync_to_thread=True,
    )
    def delete_session(
        request: AnyRequest, session_id: FromPath[int], force: Force = False, dry_run: DryRun = False
    ) -> Response[bytes]:
        site.check_writer(request)
        refuse_others(request, ("force", "dry_run"))
        return _delete(site, sessions=(session_id,), force=force, dry_run=dry_run)

    @delete(
        "/tasks/{task_id:int}",
        status_code=200,
        summary="Delete a task with what is nested in it",
        responses={200: REPORT, **DELETING},
        sync_to_thread=True,
    )
    def delete_task(
        request: AnyRequest, task_id: FromPath[int], force: Force = False, dry_run: DryRun = False
    ) -> Response[bytes]:
        site.check_writer(request)
        refuse_others(request, ("force", "dry_run"))
        return _delete(site, tasks=(task_id,), force=force, dry_run=dry_run)

    return [delete_session, delete_task]


def _upkeep(site: Site) -> list[HTTPRouteHandler]:
    @post(
        "/prune",
        status_code=200,
        summary="Remove ended sessions that match all that is given",
        responses={200: REPORT, **UPKEEP},
        sync_to_thread=True,
    )
    def prune(request: AnyRequest, data: JSONBody[PruneRequest]) -> Response[bytes]:
        site.check_writer(request)
        refuse_others(request, ())
        return _report(
            site.store.prune(
                older_than=data.older_than,
                statuses=frozenset(data.statuses),
                name=data.name,
                keep_last=data.keep_last,
                max_size=data.max_size,
                dry_run=data.dry_run,
            )
        )

    @post(
        "/vacuum",
        status_code=200,
        summary="Give free pages back to the disk",
        responses={200: Answer(VacuumReport, "What went back to the disk"), **UPKEEP},
        sync_to_thread=True,
    )
    def vacuum(request: AnyRequest) -> Response[bytes]:
        site.check_writer(request)
        refuse_others(request, ())
        return _report(site.store.vacuum())

    return [prune, vacuum]


def _delete(
    site: Site, *, sessions: tuple[int, ...] = (), tasks: tuple[int, ...] = (), force: bool, dry_run: bool
) -> Response[bytes]:
    try:
        return _report(site.store.delete(sessions=sessions, tasks=tasks, force=force, dry_run=dry_run))
    except StillRunning as error:
        raise StillRunning(str(error).replace("force=True", "?force=true")) from error


def _report(report: PruneReport | VacuumReport) -> Response[bytes]:
    return fresh(msgspec.json.encode(report.to_dict()))
