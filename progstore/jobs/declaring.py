"""`@job`: functions that may be started by name, and the modules that declare them."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from progstore.adapters.injection import find_parameter, name_of
from progstore.errors import BadArguments, BadValue, NotFound
from progstore.jobs.parameters import Parameter, parameter_of
from progstore.live.task import Task
from progstore.values import Json

if TYPE_CHECKING:
    from progstore.jobs.starting import JobRun
    from progstore.store.store import Store

Function = TypeVar("Function", bound=Callable[..., Any])

_NAME: Final = re.compile(r"[^\W\d_][\w.-]{0,99}")

_declared: dict[str, Job] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A function that may be started by its name.

    `summary` is the first line of its docstring; `module` declares it. `task_parameter` is given the run's task.
    """

    name: str
    func: Callable[..., Any]
    summary: str
    module: str
    parameters: tuple[Parameter, ...]
    task_parameter: str | None = None

    def to_dict(self) -> dict[str, Json]:
        """The job as plain JSON: name, summary, and for each parameter what it takes."""
        return {
            "name": self.name,
            "summary": self.summary,
            "parameters": [parameter.to_dict() for parameter in self.parameters],
        }

    def read(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The values that these arguments, text or JSON, spell; what is left out has its default.

        Raises BadArguments, which has for each parameter what is wrong.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        faults = {name: self._unknown() for name in arguments if name not in known}
        values: dict[str, Any] = {}
        for name, parameter in known.items():
            if name not in arguments:
                if parameter.required:
                    faults[name] = "is needed"
                continue
            try:
                values[name] = parameter.read(arguments[name])
            except ValueError as error:
                faults[name] = str(error)
        if faults:
            raise BadArguments.of(faults)
        return values

    def call(self, task: Task[Any], values: Mapping[str, Any]) -> None:
        """Do the work, here and now, as that task."""
        given = dict(values) if self.task_parameter is None else {**values, self.task_parameter: task}
        result = self.func(**given)
        if inspect.iscoroutine(result):
            import asyncio  # few jobs need it

            asyncio.run(result)

    def start(
        self,
        arguments: Mapping[str, Any] | None = None,
        *,
        store: Store | str | None = None,
        started_by: str = "python",
    ) -> JobRun:
        """Start it in a process of its own, which goes on when this one ends; its run is in `store` at once.

        `started_by` is kept with the run. Raises BadArguments; StoreError where the store cannot be written, OSError
        where the system starts no process: then the run is an error, or is not there.
        """
        from progstore.jobs.starting import start  # with the recorder; who only declares jobs needs none of it

        return start(self, arguments or {}, store=store, started_by=started_by)

    def _unknown(self) -> str:
        names = ", ".join(parameter.name for parameter in self.parameters)
        return f"there is no such parameter; there {f'are {names}' if names else 'is none'}"


@overload
def job(name: Function, /) -> Function: ...


@overload
def job(name: str | None = None) -> Callable[[Function], Function]: ...


def job(name: Function | str | None = None) -> Function | Callable[[Function], Function]:
    """Let a function be started by `name`, or by its own, from the command line and the board.

    Its parameters are annotated with what they take: str, int, float, bool, date, datetime, pathlib.Path, Literal, an
    Enum, a list of one of these, or one of them or None. One annotated `progstore.Task` is given the run's task. The
    function stays as it is, and may be a coroutine function.

    Raises TypeError for parameters that nobody could give, ValueError for a name that is no word or is taken.
    """
    if callable(name):
        return _declare(name, None)
    return lambda func: _declare(func, name)


def load_jobs(*modules: str) -> Mapping[str, Job]:
    """Import these modules; all jobs that are declared by now, by name.

    What stands in `__main__` is left out, for no other process could import it. Raises BadValue where a module cannot
    be imported, or where there is no job.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:
            raise BadValue(f"the jobs in {module!r} cannot be had: {_told(error)}") from error
    found = {name: each for name, each in sorted(_declared.items()) if each.module != "__main__"}
    if not found:
        raise BadValue(f"there is no job in {', '.join(modules) or 'this program'}; @progstore.job declares one")
    return found


def find_job(jobs: Mapping[str, Job], name: str) -> Job:
    """The job of that name. Raises NotFound, which names those that there are."""
    if name not in jobs:
        raise NotFound(f"there is no job {name!r}; there {'are' if len(jobs) > 1 else 'is'} {', '.join(jobs)}")
    return jobs[name]


def _declare(func: Function, name: str | None) -> Function:
    declared = _job_of(func, name_of(func).rpartition(".")[2] if name is None else name)
    known = _declared.get(declared.name)
    # A module that is loaded anew declares its own again.
    if known is not None and (known.module, name_of(known.func)) != (declared.module, name_of(func)):
        raise ValueError(f"there is a job {declared.name!r} already, in {known.module}; give this one another name")
    _declared[declared.name] = declared
    return func


def _job_of(func: Callable[..., Any], name: str) -> Job:
    if inspect.isclass(func):
        raise TypeError(f"job() decorates functions, got {func!r}")
    if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
        raise TypeError(f"the job {name!r} is a generator, and nobody would loop over it")
    if not _NAME.fullmatch(name):
        raise ValueError(f"a job's name is a word such as reindex or nightly-import, got {name!r}")
    injected = find_parameter(func, Task)
    parameters = (inspect.signature(func) if injected is None else injected.rest).parameters.values()
    scope = getattr(inspect.unwrap(func), "__globals__", {})
    return Job(
        name=name,
        func=func,
        summary=(inspect.getdoc(func) or "").partition("\n")[0],
        module=str(scope.get("__name__", func.__module__)),
        parameters=tuple(parameter_of(each, scope) for each in parameters),
        task_parameter=None if injected is None else injected.name,
    )


def _told(error: BaseException) -> str:
    """What an import failed of, and where."""
    trace = error.__traceback__
    place = ""
    while trace is not None:
        if not trace.tb_frame.f_globals.get("__name__", "").startswith(("importlib", __name__)):
            place = f" ({trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{place}"
