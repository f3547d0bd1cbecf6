"""The jobs that a server offers, and how many it runs at once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from litestar.exceptions import ClientException, ServiceUnavailableException

from progstore import Job, JobRun, NotFound, Store

AT_ONCE = 4
"""Jobs that one server runs at once, unless it is told otherwise."""


class Jobs:
    """Starts jobs in processes of their own, over one store. Safe to use from several threads."""

    def __init__(self, store: Store, jobs: Mapping[str, Job], at_once: int = AT_ONCE) -> None:
        self.offered = dict(jobs)
        self._store = store
        self._at_once = at_once
        self._runs: list[JobRun] = []
        self._one_at_a_time = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self.offered)

    def find(self, name: str) -> Job:
        """The job of that name. Raises NotFound."""
        job = self.offered.get(name)
        if job is None:
            there = (
                f"there are {', '.join(self.offered)}" if self.offered else "`progstore ui --jobs MODULE` offers some"
            )
            raise NotFound(f"there is no job {name!r} here; {there}")
        return job

    def start(self, name: str, arguments: Mapping[str, Any]) -> JobRun:
        """Start a job; its run is in the store.

        Raises NotFound, BadArguments, StoreError, ClientException (409) while as many run as may at once, and
        ServiceUnavailableException (503) where the system starts no process.
        """
        job = self.find(name)
        job.read(arguments)  # what is wrong with them is said first
        with self._one_at_a_time:
            self._runs = [run for run in self._runs if run.is_running]
            if len(self._runs) >= self._at_once:
                reason = f"{len(self._runs)} jobs of this server run already, and no more at once; wait, or stop one"
                raise ClientException(reason, status_code=409)
            try:
                run = job.start(arguments, store=self._store, started_by="web")
            except OSError as error:
                raise ServiceUnavailableException(f"no process could be started for it: {error}; try again") from error
            self._runs.append(run)
        return run
