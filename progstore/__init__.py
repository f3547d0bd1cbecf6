"""Durable progress: wrap a loop in `progstore.track()`, and what ran, how far it came and how it ended is kept."""

from progstore._version import __version__
from progstore.loading import load as _load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from progstore import patch, wording
    from progstore.adapters import aio
    from progstore.adapters.callables import tracked
    from progstore.adapters.futures import as_completed, map  # noqa: A004  # as executors call it
    from progstore.ages import parse_age
    from progstore.config import configure
    from progstore.errors import (
        AlreadyEnded,
        BadArguments,
        BadFilter,
        BadQuery,
        BadValue,
        MissingExtra,
        NotFound,
        ProgstoreError,
        StillRunning,
        StoreBusy,
        StoreDamaged,
        StoreError,
        StoreNotFound,
        StoreTooNew,
    )
    from progstore.grammar import change_filter, parse_filter, write_filter
    from progstore.jobs.declaring import Job, job, load_jobs
    from progstore.jobs.parameters import Parameter
    from progstore.jobs.starting import JobRun
    from progstore.live.recorder import flush
    from progstore.live.session import Session, session
    from progstore.live.task import Task, current
    from progstore.live.tracking import track
    from progstore.notebook import attach
    from progstore.reports import CopyReport, IngestReport, PruneReport, QueryResult, VacuumReport
    from progstore.store.store import Store, open_store
    from progstore.values import EventView, Filter, HistoryView, Life, Page, SessionView, Status, TaskView, Verdict

# Where each public name lives; a module is imported when one of its names is first used, for importing all of them
# takes longer than many a job.
_HOMES = {
    "AlreadyEnded": "errors",
    "BadArguments": "errors",
    "BadFilter": "errors",
    "BadQuery": "errors",
    "BadValue": "errors",
    "CopyReport": "reports",
    "EventView": "values",
    "Filter": "values",
    "HistoryView": "values",
    "IngestReport": "reports",
    "Job": "jobs.declaring",
    "JobRun": "jobs.starting",
    "Life": "values",
    "MissingExtra": "errors",
    "NotFound": "errors",
    "Page": "values",
    "Parameter": "jobs.parameters",
    "ProgstoreError": "errors",
    "PruneReport": "reports",
    "QueryResult": "reports",
    "Session": "live.session",
    "SessionView": "values",
    "Status": "values",
    "StillRunning": "errors",
    "Store": "store.store",
    "StoreBusy": "errors",
    "StoreDamaged": "errors",
    "StoreError": "errors",
    "StoreNotFound": "errors",
    "StoreTooNew": "errors",
    "Task": "live.task",
    "TaskView": "values",
    "VacuumReport": "reports",
    "Verdict": "values",
    "as_completed": "adapters.futures",
    "attach": "notebook",
    "change_filter": "grammar",
    "configure": "config",
    "current": "live.task",
    "flush": "live.recorder",
    "job": "jobs.declaring",
    "load_jobs": "jobs.declaring",
    "map": "adapters.futures",
    "open_store": "store.store",
    "parse_age": "ages",
    "parse_filter": "grammar",
    "session": "live.session",
    "track": "live.tracking",
    "tracked": "adapters.callables",
    "write_filter": "grammar",
}
# What is used as `progstore.NAME.something`, and the module that it is.
_MODULES = {
    "aio": "adapters.aio",
    "patch": "patch",
    "wording": "wording",
}

__all__ = [
    "AlreadyEnded",
    "BadArguments",
    "BadFilter",
    "BadQuery",
    "BadValue",
    "CopyReport",
    "EventView",
    "Filter",
    "HistoryView",
    "IngestReport",
    "Job",
    "JobRun",
    "Life",
    "MissingExtra",
    "NotFound",
    "Page",
    "Parameter",
    "ProgstoreError",
    "PruneReport",
    "QueryResult",
    "Session",
    "SessionView",
    "Status",
    "StillRunning",
    "Store",
    "StoreBusy",
    "StoreDamaged",
    "StoreError",
    "StoreNotFound",
    "StoreTooNew",
    "Task",
    "TaskView",
    "VacuumReport",
    "Verdict",
    "__version__",
    "aio",
    "as_completed",
    "attach",
    "change_filter",
    "configure",
    "current",
    "flush",
    "job",
    "load_jobs",
    "map",
    "open_store",
    "parse_age",
    "parse_filter",
    "patch",
    "session",
    "track",
    "tracked",
    "wording",
    "write_filter",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name) or _MODULES.get(name)
    if home is None:
        raise AttributeError(f"module 'progstore' has no attribute {name!r}")
    module = _load(home)
    value = module if name in _MODULES else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
