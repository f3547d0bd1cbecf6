"""Starting jobs, asking how far they are, and asking any session to stop; only the admin starts and stops."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from progstore import NotFound, StoreNotFound
from progstore_web.api.documents import Answer, JobPage, Stopping, problems, reading, refuse_others
from progstore_web.conditional import AnyRequest, answer, fresh
from progstore_web.shown.job_run import UNKNOWN, JobState, heeds, job_state
from progstore_web.site import Site, root_of

FORBIDDEN = "a view token, or another site's page"


def routes(site: Site) -> list[HTTPRouteHandler]:
    """The routes, below /api/v1."""
    return [*_jobs(site), *_runs(site), _stop(site)]


def _jobs(site: Site) -> list[HTTPRouteHandler]:
    @reading("/jobs", JobPage, "The jobs that may be started here, and what they take", in_thread=False)
    async def jobs(request: AnyRequest) -> Response[bytes]:
        refuse_others(request, ())
        return answer(request, msgspec.json.encode({"items": [job.to_dict() for job in site.jobs.offered.values()]}))

    @post(
        "/jobs/{name:str}",
        status_code=202,
        summary="Start a job; the body has its arguments",
        responses={
            202: Answer(JobState, "It is started, and where its state is had stands in Location"),
            **problems(
                s403=FORBIDDEN,
                s404="there is no such job",
                s409="as many jobs run as may at once",
                s413="the body is too large",
                s503="the store cannot be written, or no process started",
            ),
        },
        sync_to_thread=True,
    )
    def start(
        request: AnyRequest, name: FromPath[str], data: JSONBody[dict[str, Any] | None] = None
    ) -> Response[bytes]:
        site.check_writer(request)
        refuse_others(request, ())
        run = site.jobs.start(name, data or {})
        answer = fresh(msgspec.json.encode(job_state(site.store.session(run.session_id))), 202)
        answer.headers["location"] = f"{root_of(request)}/api/v1/jobs/runs/{run.session_id}"
        return answer

    return [jobs, start]


def _runs(site: Site) -> list[HTTPRouteHandler]:
    @reading("/jobs/runs/{run_id:str}", JobState, "How a job stands", in_thread=False, s404="there is no such run")
    async def run(request: AnyRequest, run_id: FromPath[str]) -> Response[bytes]:
        refuse_others(request, ())
        if not (run_id.isascii() and run_id.isdecimal() and len(run_id) < 19):
            raise NotFound(UNKNOWN)
        try:
            shown = await site.reader.run(int(run_id))
        except (NotFound, StoreNotFound):
            raise NotFound(UNKNOWN) from None
        return answer(request, msgspec.json.encode(job_state(shown.value.session)))

    return [run]


def _stop(site: Site) -> HTTPRouteHandler:
    @post(
        "/sessions/{session_id:int}/stop",
        status_code=202,
        summary="Ask a session to stop",
        responses={
            202: Answer(Stopping, "It is asked"),
            **problems(s403=FORBIDDEN, s404="there is no such session", s409="it has ended", s503="the store is busy"),
        },
        sync_to_thread=True,
    )
    def stop(request: AnyRequest, session_id: FromPath[int]) -> Response[bytes]:
        site.check_writer(request)
        refuse_others(request, ())
        site.store.request_stop(session_id)
        site.reader.catch_up()
        session = site.store.session(session_id)
        stopping = Stopping(session.id, session.stop_requested_at, heeds(session, session.tasks))
        return fresh(msgspec.json.encode(stopping), 202)

    return stop
