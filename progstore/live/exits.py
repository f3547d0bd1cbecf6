"""How a process ends, forks or fails: the hooks by which what is live is told the truth about it.

Installed when this module is imported, with the first task or session; each one calls what was there before.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections import deque

from progstore import trouble
from progstore.live import ambient, identity
from progstore.live.reasons import LEFT_EARLY, STOP_REQUESTED, interruption, kind_of
from progstore.live.recorder import EXIT_PATIENCE, IMPORT_PATIENCE, recorder
from progstore.live.state import TaskState
from progstore.loading import beside_logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Final

FORK_PATIENCE: Final = 2.0
"""Seconds that a fork waits for the recorder to be out of the way."""

_left_early: deque[TaskState] = deque(maxlen=100)
_uncaught: BaseException | None = None
_stands_before: set[str] = set()
_forking = threading.local()


def remember_left(state: TaskState) -> None:
    """A loop was left; should it turn out to be by an exception that nobody catches, it can still be told.

    The line on which its frame stood then tells that from a `break`, after which the frame goes on.
    """
    if state.frame is None:
        return
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # the documented way to a caller
    while frame is not None and (id(frame), frame.f_code) != state.frame:
        frame = frame.f_back
    if frame is not None:
        state.left_at_line = frame.f_lineno
        _left_early.append(state)


def end_process(reason: str | None = None) -> None:
    """End what is live, and the sessions of this process, and write that down."""
    error = _uncaught
    reason = reason or ("error" if error is not None else "exit")
    why = "the program ended first" if error is None else f"the program ended with {kind_of(error)}"
    for task in recorder.live():
        _give_up(task, why)
    for session in ambient.unended():
        if error is not None:
            session.fail(error)
        elif reason == "exit":
            session.end("complete")
        else:
            session.end("cancelled", "ended by a signal")
    recorder.close_process(reason)
    callbacks = sys.modules.get("progstore.live.callbacks")
    if callbacks is not None:
        callbacks.deliver_all(EXIT_PATIENCE)


def fail_process(error: BaseException, trace: TracebackType | None) -> None:
    """The process ends with an exception that nobody caught: so do the loops that it has left, and its sessions."""
    global _uncaught  # noqa: PLW0603  # a process ends once
    _uncaught = error
    _sharpen(error, trace)


def leave_store(url: str | None) -> None:
    """Finish with one store while the process goes on, as a test does with its own."""
    for task in recorder.live():
        if task.session.store == url:
            _give_up(task, "the store was left")
    for session in ambient.leave(url):
        session.end("complete")
    recorder.leave(url)


def stand_before_logging() -> None:
    """Let a fork wait for the recorder before it takes the lock of `logging`, which the recorder may need to be done.

    Hooks run backwards, and those of `logging` are registered when it is imported; so ours are once more, behind them.
    """
    import logging  # its hooks must be registered first

    _stand_before(logging.__name__)


def stand_before_readers() -> None:
    """The same for the store's readers, which a fork holds up: what pushes reads, and the recorder waits for it."""
    from progstore.store import reader  # as above

    _stand_before(reader.__name__)


def _stand_before(module: str) -> None:
    if module not in _stands_before:
        _stands_before.add(module)  # the hooks stand until the process ends
        _hook_forks()


def finalize_worker() -> None:
    """In a child that multiprocessing started: it runs no atexit hooks when it was forked, but its own finalizers."""
    if identity.is_worker():
        from multiprocessing.util import Finalize

        Finalize(None, end_process, exitpriority=100)


def handle_sigterm() -> None:
    """On SIGTERM, write the last state and die of it; the handler runs when Python code does, not within C code. Where
    the program has a handler of its own already, that is called then, and decides what becomes of the process.

    Raises ValueError when it is called in another thread than the main one.
    """
    import signal  # which imports enum, and takes as long as all of the rest of this module's imports

    before = signal.getsignal(signal.SIGTERM)

    def die(number: int, frame: FrameType | None) -> None:
        if callable(before):
            recorder.flush(EXIT_PATIENCE, at_once=True)
            before(number, frame)
            return
        end_process("signal")
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, die)


def _fail(task: TaskState, error: BaseException) -> None:
    why = interruption(error)
    if why is None:
        task.fail(error)
    if task.end("error" if why is None else "cancelled", why or ""):
        recorder.end(task)


def _give_up(task: TaskState, why: str) -> None:
    # What is still pending may be begun by another process.
    if task.started_at is not None and task.end("cancelled", why):
        recorder.end(task)


def _install() -> None:
    atexit.register(end_process)
    _hook_forks()
    before, before_in_thread = sys.excepthook, threading.excepthook

    def program_fails(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not _goes_on(trace):
            fail_process(error, trace)
        before(kind, error, trace)

    def thread_fails(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            _sharpen(args.exc_value, args.exc_traceback)
        before_in_thread(args)

    sys.excepthook = program_fails
    threading.excepthook = thread_fails


def _sharpen(error: BaseException, trace: TracebackType | None) -> None:
    """Loops that stood where the traceback passes through were not left for no reason."""
    lines: dict[tuple[int, object], int] = {}
    while trace is not None:
        lines[id(trace.tb_frame), trace.tb_frame.f_code] = trace.tb_lineno
        trace = trace.tb_next
    for state in list(_left_early):
        if state.frame is None or lines.get(state.frame) != state.left_at_line:
            continue
        if state.message not in (LEFT_EARLY, STOP_REQUESTED):
            continue
        state.sharpen(error)
        recorder.end(state)
    for state in recorder.live():
        # The traceback itself may still hold the iterator, as that of a comprehension.
        if state.frame in lines:
            _fail(state, error)


def _goes_on(trace: TracebackType | None) -> bool:
    """Whether somebody calls the hook by hand, as shells do to print an error: then he who caught it still runs."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # the documented way to a caller
    while frame is not None and trace is not None:
        if frame is trace.tb_frame:
            return True
        frame = frame.f_back
    return False


def _hook_forks() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
        )


# The hooks may be called twice for one fork, and for forks of several threads at once; each fork has its one answer.


def _before_fork() -> None:
    if hasattr(_forking, "is_safe"):
        return
    _forking.is_safe = beside_logging(lambda: recorder.stop(FORK_PATIENCE, import_patience=IMPORT_PATIENCE))


def _after_fork_in_parent() -> None:
    if hasattr(_forking, "is_safe"):
        del _forking.is_safe
        recorder.resume()


def _after_fork_in_child() -> None:
    global _uncaught  # noqa: PLW0603  # what failed was the parent
    if not hasattr(_forking, "is_safe"):
        return
    is_safe = _forking.is_safe
    del _forking.is_safe
    _uncaught = None
    _left_early.clear()
    # First, for letting go of what holds a lock file does not close it.
    lockfile = sys.modules.get("progstore.store.sqlite.lockfile")
    if lockfile is not None:
        lockfile.close_inherited()
    trouble.forget()
    recorder.become_child(safe=is_safe)
    ambient.forget()
    identity.forget_process_uid()


_install()
