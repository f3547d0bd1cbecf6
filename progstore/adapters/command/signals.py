"""Signals that come to us, taken one by one, with who sent them: the terminal to all in front, or somebody to us."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Final, Self

PASSED: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTSTP,
    signal.SIGCONT,
    signal.SIGWINCH,
)
FROM_THE_KERNEL: Final = 0x80
"""`si_code` of what the terminal has sent."""


class Signals:
    """Holds the signals back in a `with` block; from `listen()` on each is given to its handler, in a thread.

    What is ignored when the block begins stays ignored, as under nohup. Threads and processes started in the block
    hold them back as well; a process must let them come again.
    """

    def __init__(self) -> None:
        self._held = [number for number in PASSED if signal.getsignal(number) is not signal.SIG_IGN]
        self.before: set[int] = set()
        """What was held back already, as a process that is started must have it."""
        self._thread: threading.Thread | None = None
        self._is_over = False

    def __enter__(self) -> Self:
        self.before = set(signal.pthread_sigmask(signal.SIG_BLOCK, self._held))
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        if self._thread is not None and self._thread.ident is not None:
            signal.pthread_kill(self._thread.ident, signal.SIGCONT)  # which wakes it, and harms nobody
            self._thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, self.before)

    def listen(self, handler: Callable[[int, bool], None]) -> None:
        """Call `handler` with each signal, and whether the terminal sent it; also with those that came before."""
        self._thread = threading.Thread(target=self._take, args=(handler,), name="progstore-signals", daemon=True)
        self._thread.start()

    def _take(self, handler: Callable[[int, bool], None]) -> None:
        held = {*self._held, signal.SIGCONT}
        while True:
            taken = signal.sigwaitinfo(held)
            if self._is_over:
                return
            handler(taken.si_signo, taken.si_code == FROM_THE_KERNEL)


def stop(*, group: bool) -> None:
    """Stop this process, or with `group` the whole job it belongs to, until it is continued.

    As with Ctrl-Z nothing happens where there is no shell that could continue it.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTSTP])
    if group:
        os.kill(0, signal.SIGTSTP)
    else:
        signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTSTP])


def die_of(number: int) -> None:
    """End this process by a signal, as the command ended, so that whoever started it is told the same.

    Comes back where the signal does not end it.
    """
    import resource  # only this end pays for it

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the command has left its core; ours is of no interest
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    signal.pthread_kill(threading.get_ident(), number)
