"""Starts a command and becomes it, or watches it on a terminal of its own; run as a small program, by its path.

It imports nothing of progstore: it is between a command and whoever started it, and shall be there in a moment. The
command begins as it would have without us: with the signals, the environment and the program group it would have had.

    start.py STATUS TERMINAL HELD COMMAND...

STATUS is the descriptor to which it tells, a word and a number a line, what becomes of the command: `started PID`,
`stopped SIGNAL`, `ended CODE` (negative for a signal), `failed ERRNO` where it could not be started. TERMINAL is the
descriptor of the command's own terminal, or -1 where it has none and only failure is told. HELD are the signals that it
would have held back, as numbers with commas between them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sys
import termios

COERCED = b"LC_CTYPE"
"""Python sets it for itself and for its children where the locale is C."""


def become(command: list[str], status: int, held: list[int]) -> None:
    """Be the command from here on; comes back only where that fails, which is told."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, held)
    environment = own_environment()
    if not command[0]:  # of which Python makes a mistake of its own
        tell(status, "failed", errno.ENOENT)
        return
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606  # it is what the user asks for
    except OSError as error:
        failure = error.errno or errno.ENOENT
    if failure == errno.ENOEXEC:
        # A script without a first line that says what reads it: shells read it themselves.
        path = next((path for path in _candidates(command[0]) if os.access(path, os.X_OK)), command[0])
        try:
            os.execve("/bin/sh", ["/bin/sh", path, *command[1:]], environment)  # noqa: S606  # the same
        except OSError as error:
            failure = error.errno or failure
    tell(status, "failed", failure)


def watch(command: list[str], status: int, terminal: int, held: list[int]) -> int:
    """Start the command in front on `terminal`, and tell how it fares until it has ended; gives our own exit code."""
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.set_inheritable(terminal, False)
        become(command, status, held)
        return 127
    signal.pthread_sigmask(signal.SIG_SETMASK, held)  # who started us may die; then we are hung up on, and so is it
    for number in (0, 1, 2):
        os.close(number)  # held by the command alone, so that whoever reads finds out that it is gone
    tell(status, "started", pid)
    while True:
        _, state = os.waitpid(pid, os.WUNTRACED)
        if not os.WIFSTOPPED(state):
            break
        tell(status, "stopped", os.WSTOPSIG(state))
    # When we end, those in front are told to hang up; what the command has left running shall not be.
    os.tcsetpgrp(terminal, os.getpgrp())
    tell(status, "ended", os.waitstatus_to_exitcode(state))
    return 0


def tell(status: int, word: str, number: int) -> None:
    """One line to who started us, if he is still there."""
    try:
        os.write(status, f"{word} {number}\n".encode())
    except BrokenPipeError:
        return


def own_environment() -> dict[bytes, bytes]:
    """The environment that we were given, without what Python has put into it."""
    try:
        with open("/proc/self/environ", "rb") as file:
            given = {entry.partition(b"=")[0] for entry in file.read().split(b"\0")}
    except OSError:
        return dict(os.environb)
    return {name: value for name, value in os.environb.items() if name != COERCED or name in given}


def _candidates(program: str) -> list[str]:
    if "/" in program:
        return [program]
    return [os.path.join(folder, program) for folder in os.get_exec_path()]


def main() -> int:
    """Do as the arguments say; gives the exit code for what could not be started."""
    status, terminal, numbers, *command = sys.argv[1:]
    return start(command, int(status), int(terminal), [int(number) for number in numbers.split(",") if number])


def start(command: list[str], status: int, terminal: int, held: list[int]) -> int:
    """Become the command or watch it."""
    os.set_inheritable(status, False)
    if terminal >= 0:
        return watch(command, status, terminal, held)
    become(command, status, held)
    return 127


if __name__ == "__main__":
    sys.exit(main())
