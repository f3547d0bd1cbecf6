"""Runs a Python program in this process as Python itself would, so that all it tracks goes into one session.

It finds the `__main__`, the arguments and the path that it would find there; what ends it ends this process likewise.
"""

from __future__ import annotations

import atexit
import builtins
import errno
import importlib.util
import io
import os
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import Any, NoReturn

from progstore import clean
from progstore.live import ambient, exits, identity
from progstore.live.state import SessionState

MAIN = "__main__"


class Program:
    """A program that was found, and as which this process stands already; `run` runs it."""

    def __init__(self, main: ModuleType, load: Callable[[], CodeType]) -> None:
        self._main = main
        self._load = load

    def run(self, *, name: str | None = None, meta: Mapping[str, Any] | None = None) -> NoReturn:
        """Run it and end as it ends, which its session tells, too.

        The session is called `name`, or like the script or module. Within the session of a running program, with
        neither `name` nor `meta`, what it tracks belongs to that one. Raises TypeError and BadValue for metadata that
        JSON cannot say, before anything is run.
        """
        session = _begin(name, meta)
        failure: BaseException | None = None
        try:
            exec(self._load(), vars(self._main))  # noqa: S102  # to run it is what it was found for
        except SystemExit as ended:
            _note_exit(ended.code, session)
            raise
        except BaseException as error:  # noqa: BLE001  # it is told as the interpreter would
            failure = error
        if failure is not None:
            _fail(failure)
        raise SystemExit


def find_script(path: str, arguments: Sequence[str]) -> Program:
    """A script, or a folder or zip file with a `__main__.py`, as `python path arguments` finds it.

    Its own name among its arguments is its absolute path.
    Raises OSError where it cannot be read.
    """
    path = os.path.abspath(path)
    main = _new_main()
    importer = pkgutil.get_importer(path)
    if importer is not None:
        spec = importer.find_spec(MAIN)
        if spec is None:
            raise FileNotFoundError(errno.ENOENT, "it has no __main__.py", path)
        _become(main, [path, *arguments], path)
        return Program(main, partial(_code_of_module, main, spec))
    with open(path, "rb"):  # raises where it cannot be read
        pass
    main.__file__ = path
    main.__loader__ = SourceFileLoader(MAIN, path)
    _become(main, [path, *arguments], os.path.dirname(os.path.realpath(path)))
    return Program(main, partial(_code_of_file, path))


def find_module(module: str, arguments: Sequence[str]) -> Program:
    """A module, or a package's `__main__`, as `python -m module arguments` finds it.

    The packages above it are imported; what they raise, the program will. Raises ImportError where there is none.
    """
    main = _new_main()
    main.__spec__ = ModuleSpec(module, None)  # by which the session is named, should a package above begin one
    _become(main, ["-m", *arguments], os.getcwd())
    try:
        spec = _find_module(module)
    except _NoModule as error:
        raise ImportError(str(error)) from None
    except BaseException as error:  # noqa: BLE001  # see above
        return Program(main, partial(_raise, error))
    sys.argv[0] = spec.origin or module
    main.__spec__ = spec
    return Program(main, partial(_code_of_module, main, spec))


class _NoModule(Exception):
    """There is no such module; the message says why not."""


def _new_main() -> ModuleType:
    main = ModuleType(MAIN)
    vars(main).update(__builtins__=builtins, __cached__=None)
    return main


def _become(main: ModuleType, argv: list[str], place: str) -> None:
    """From here on this process is the program: it finds itself, its arguments, and what lies beside it."""
    sys.modules[MAIN] = main
    sys.argv = argv
    if not sys.flags.safe_path:
        _import_before(place)
        sys.path[0] = place


def _import_before(place: str) -> None:
    """Where something beside the program is called like a standard module, import now what recording imports later.

    The recorder would get that one instead, and so might run the program itself a second time. The program still may.
    """
    names = {module.name for module in pkgutil.iter_modules([place])} & sys.stdlib_module_names
    if not names:
        return
    known = set(sys.modules)
    importlib.import_module("progstore.live.outbox")
    for module in set(sys.modules) - known:
        if module.partition(".")[0] in names:
            del sys.modules[module]


def _begin(name: str | None, meta: Mapping[str, Any] | None) -> SessionState | None:
    """The program's session; None where what it tracks belongs to the one that it was started in."""
    exits.handle_sigterm()
    around = identity.inherited()
    if name is None and not meta and around is not None and around[1]:
        return None
    session = ambient.begin(name)
    session.put_all(meta)
    return session


def _find_module(name: str) -> ModuleSpec:
    """What is run for `-m name`. Raises whatever the packages above it raise when they are imported."""
    if name.startswith("."):
        raise _NoModule("a module is named from the top, without a dot in front")
    parent = name.rpartition(".")[0]
    try:
        if parent:
            importlib.import_module(parent)
    except ModuleNotFoundError as error:
        if not f"{parent}.".startswith(f"{error.name}."):
            raise
        raise _NoModule(str(error)) from None
    spec = _spec_of(name)
    if spec is None:
        raise _NoModule(f"no module named {name!r}")
    if spec.submodule_search_locations is None:
        return spec
    importlib.import_module(name)
    inner = _spec_of(f"{name}.{MAIN}")
    if inner is None:
        raise _NoModule("it is a package without a __main__")
    return inner


def _spec_of(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError) as error:  # it is below something that is no package, or has no spec
        raise _NoModule(str(error)) from None


def _code_of_file(path: str) -> CodeType:
    with io.open_code(path) as file:
        compiled: CodeType | None = pkgutil.read_code(file)
    if compiled is not None:
        return compiled
    with io.open_code(path) as file:
        return compile(file.read(), path, "exec", dont_inherit=True)


def _code_of_module(main: ModuleType, spec: ModuleSpec) -> CodeType:
    loader: Any = spec.loader
    main.__spec__, main.__loader__, main.__package__ = spec, loader, spec.parent
    if spec.has_location:
        main.__file__ = spec.origin
        vars(main)["__cached__"] = spec.cached
    code: CodeType | None = loader.get_code(spec.name) if hasattr(loader, "get_code") else None
    if code is None:
        raise ImportError(f"there is no code of {spec.name} that could be run", name=spec.name)
    return code


def _raise(error: BaseException) -> NoReturn:
    raise error


def _note_exit(code: object, session: SessionState | None) -> None:
    """The program calls `sys.exit`; its threads may go on for a while."""
    if session is not None and code not in (None, 0):
        said = f"exit code {code:d}" if isinstance(code, int) else f"exit code 1: {code}"
        atexit.register(session.end, "error", clean.shorten(clean.printable(said), clean.MESSAGE_LIMIT))


def _fail(error: BaseException) -> NoReturn:
    """End the process by an exception that the program did not catch."""
    error.__traceback__ = _of_program(error.__traceback__)
    exits.fail_process(error, error.__traceback__)
    if isinstance(error, KeyboardInterrupt):
        # Now and not later: the interpreter forgets that it is to die of SIGINT as soon as any code is run from text,
        # which many imports do, and the recorder may not have had the time for its own.
        exits.end_process()
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except Exception as in_hook:  # noqa: BLE001  # it may be anybody's
        in_hook.__traceback__ = _of_program(in_hook.__traceback__)
        _tell_both(in_hook, error)
    # The interpreter does the rest, say to die of SIGINT after Ctrl-C, but what it would print has been printed.
    sys.excepthook = lambda *_: None
    raise error


def _tell_both(in_hook: BaseException, error: BaseException) -> None:
    """The program's own hook failed: print what the interpreter prints then."""
    for title, each in (("Error in sys.excepthook:", in_hook), ("\nOriginal exception was:", error)):
        if sys.stderr is not None:
            sys.stderr.write(f"{title}\n")
        sys.__excepthook__(type(each), each, each.__traceback__)


def _of_program(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames in front that are ours, or of Python's own imports."""
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__")
        if module != __name__ and not f"{module}.".startswith("importlib."):
            break
        trace = trace.tb_next
    return trace
