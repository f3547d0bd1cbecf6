"""`exec` runs any command as it would run without: its exit code, its streams, its terminal, its signals."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import progstore
from progstore import proc
from tests.cli.conftest import PROGRAM, Run, RunInTerminal, _read, _take_terminal, changed_environment

Until = Callable[..., Any]


@pytest.fixture
def task(store_path: Path) -> Callable[[], progstore.TaskView]:
    """Reads the newest task of the test's store."""

    def read() -> progstore.TaskView:
        with progstore.open_store(str(store_path)) as store:
            return store.tasks().items[0]

    return read


Task = Callable[[], progstore.TaskView]


class Typist:
    """A shell on a terminal, and somebody who types."""

    def __init__(self) -> None:
        self.ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (30, 90))
        self.process = subprocess.Popen(
            ["/bin/bash", "--norc", "--noprofile", "-i"],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env=changed_environment({"PS1": "READY ", "TERM": "xterm", "PATH": f"{Path(PROGRAM).parent}:/bin"}),
            preexec_fn=_take_terminal,  # noqa: PLW1509  # this process has no other threads that hold locks
        )  # fmt: skip
        os.close(theirs)
        self.shown = ""

    def type(self, keys: str) -> None:
        """Type this; what was shown before is forgotten."""
        self.shown = ""
        os.write(self.ours, keys.encode())

    def wait_for(self, text: str) -> str:
        """What is shown until this is; the test's own time limit ends the waiting."""
        while text not in self.shown:
            shown = _read(self.ours)
            assert shown, f"the shell ended; it showed {self.shown!r}"
            self.shown += shown.decode("utf-8", "replace")
        return self.shown

    def close(self) -> None:
        """Hang up."""
        os.close(self.ours)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def typist() -> Iterator[Typist]:
    """Somebody at a shell."""
    typist = Typist()
    typist.wait_for("READY ")
    yield typist
    typist.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--meta", "site", "--", "true"], "'site' is no metadata; write KEY=VALUE"),
        (["--meta", "=x", "true"], "'=x' is no metadata"),
        ([], "Missing argument 'COMMAND...'"),
        (["--nmae", "x", "true"], "No such option"),
    ],
)
def test_what_is_not_understood_runs_nothing(run: Run, arguments: list[str], message: str) -> None:
    """Our own options stand before the command."""
    done = run("exec", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_the_exit_code_and_the_streams_are_the_commands(run_process: Run, task: Task) -> None:
    """Also where the command has options like ours; metadata is kept."""
    source = "import sys; print(sys.argv[1:], sys.stdin.read(), sys.stdout.isatty()); sys.exit('bad')"
    done = run_process(
        "exec", "--name", "job", "--meta", "a=b=c", sys.executable, "-c", source, "--name", "x", "--help", input="in"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "['--name', 'x', '--help'] in False\n", "bad\n")
    assert (task().session_name, task().error, task().meta["errors"]) == ("job", "exit code 1", "bad")
    with progstore.open_store() as store:
        assert store.session(1).meta == {"a": "b=c"}


def test_a_store_that_cannot_be_used_stops_nothing(run_process: Run, tmp_path: Path) -> None:
    """One warning on stderr, and the command runs."""
    (tmp_path / "file").touch()
    done = run_process("exec", "--store", str(tmp_path / "file" / "x.db"), "--", "sh", "-c", "echo out; exit 5")
    assert (done.returncode, done.stdout) == (5, "out\n")
    assert done.stderr.startswith("progstore: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_goes_away_ends_it_as_in_a_pipeline(task: Task) -> None:
    """By SIGPIPE; a writer before it is told in the same way."""
    pipeline = f"yes | {PROGRAM} exec -- cat | head -n 1; echo ${{PIPESTATUS[*]}}"
    done = subprocess.run(["/bin/bash", "-c", pipeline], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["y", "141", "141", "0"]
    assert task().error == "killed by SIGPIPE"


def test_output_that_is_lost_is_no_success(task: Task) -> None:
    """The command could not know, for to us it was written; a backup on a full disk is none."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [PROGRAM, "exec", "--", "echo", "x"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "what echo printed could not be written: No space left on device" in done.stderr
    assert (task().status, task().meta["exit_code"]) == ("error", 1)
    assert task().error == "what it printed could not be written: No space left on device"


def test_a_writer_learns_that_the_command_reads_no_more(tmp_path: Path) -> None:
    """While the command still runs: we do not hold its input."""
    os.mkfifo(tmp_path / "told")
    pipeline = f"{{ yes; echo gone > told; }} | {PROGRAM} exec -- sh -c 'exec <&-; cat told'"
    done = subprocess.run(["/bin/bash", "-c", pipeline], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "gone\n"


@pytest.mark.parametrize(
    ("number", "code", "error"), [(signal.SIGTERM, 7, "exit code 7"), (signal.SIGQUIT, -3, "killed by SIGQUIT")]
)
def test_signals_are_passed_on(program: Callable[..., Any], task: Task, number: int, code: int, error: str) -> None:
    """And how the command ended is kept, and told to whoever sent them."""
    source = "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    process = program("from progstore.cli import main; main()", "exec", "--", "sh", "-c", source)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert (process.returncode, output) == (code, "caught\n" if code == 7 else "")
    assert task().error == error


def test_nohup_holds_for_the_command(task: Task) -> None:
    """What was ignored when we began is ignored by the command."""
    script = f"trap '' HUP; {PROGRAM} exec -- sh -c 'kill -HUP $$; kill -HUP $PPID; echo alive'"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "alive\n"
    assert task().status == "complete"


def test_on_a_terminal_the_command_has_one(run_in_terminal: RunInTerminal, task: Task) -> None:
    """Of the same size, with colours, its output and errors in order; a bar that it draws is its percent."""
    source = (
        "import os, sys; print(os.get_terminal_size(), sys.stdin.isatty(), os.ttyname(0) == os.ttyname(2));"
        "print('\\x1b[31mred\\x1b[0m', flush=True); print('half', file=sys.stderr, flush=True);"
        "[print(f'\\r{n}% ', end='', flush=True) for n in (10, 55)]; os._exit(6)"
    )
    code, printed = run_in_terminal([PROGRAM, "exec", "--", sys.executable, "-c", source], 77)
    size = "os.terminal_size(columns=77, lines=24) True True\n"
    assert (code, printed) == (6, f"{size}\x1b[31mred\x1b[0m\nhalf\n\r10% \r55% ")
    assert (task().percent, task().meta["output"]) == (55, f"{size}red\nhalf\n55%")


def test_what_is_printed_on_a_terminal_at_last_is_shown(typist: Typist, tmp_path: Path, until: Until) -> None:
    """Though nobody looks before the command has ended; and what it leaves running there outlives it."""
    ended = tmp_path / "ended"
    typist.type(f"progstore exec -- sh -c 'sleep 60 >/dev/null 2>&1 & echo $!; seq 5000; >{ended}'\r")
    until(ended.exists)
    shown = re.sub(r"\x1b\[[0-9?]*[a-z]", "", typist.wait_for("READY "))
    pid, *numbers = shown.partition("\n")[2].split()[:-1]
    assert numbers == [str(number) for number in range(1, 5001)]
    assert proc.is_alive(int(pid), None)
    os.kill(int(pid), signal.SIGKILL)


def test_errors_on_a_terminal_and_output_in_a_pipe_stay_apart(run_in_terminal: RunInTerminal) -> None:
    """Each sees what it would see without us."""
    source = (
        "import sys; print([f.isatty() for f in (sys.stdin, sys.stdout, sys.stderr)]); print('err', file=sys.stderr)"
    )
    pipeline = f'{PROGRAM} exec -- {sys.executable} -c "$1" | sed s/^/piped:/'
    _, printed = run_in_terminal(["bash", "-c", pipeline, "x", source])
    assert sorted(printed.splitlines()) == ["err", "piped:[True, False, True]"]


def test_what_was_closed_is_nothing(task: Task) -> None:
    """Nothing of ours takes the place of a stream that is closed."""
    script = f"{PROGRAM} exec -- sh -c 'cat; echo out; echo err >&2; exit 9' <&- >&- 2>&-; echo $? >&3"
    done = subprocess.run(["/bin/bash", "-c", f"{{ {script}; }} 3>&1"], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("9\n", "")
    assert task().error == "exit code 9"


def test_who_kills_us_hangs_up_on_a_command_on_a_terminal(typist: Typist, until: Until) -> None:
    """As when a terminal is closed, so that nothing goes on unseen."""
    typist.type("progstore exec -- sh -c 'echo its $PPID $$ end; exec sleep 60' &\r")
    found = re.search(r"its (\d+) (\d+) end", typist.wait_for(" end\r\n"))
    assert found
    watcher, command = int(found[1]), int(found[2])
    stat = Path(f"/proc/{watcher}/stat").read_text("utf-8").rpartition(")")[2].split()
    os.kill(int(stat[1]), signal.SIGKILL)
    until(lambda: not (proc.is_alive(watcher, None) or proc.is_alive(command, None)))


def test_ctrl_c_reaches_the_command_once_and_ends_both(run_in_terminal: RunInTerminal, task: Task) -> None:
    """As with the command alone: who started us is told of the interruption."""
    source = (
        "import signal, sys, time; got = []\n"
        "signal.signal(signal.SIGINT, lambda *_: got.append(1)); print('go', flush=True)\n"
        "while not got: time.sleep(0.01)\n"
        "time.sleep(0.2); print(len(got), file=sys.stderr)\n"
        "signal.signal(signal.SIGINT, signal.SIG_DFL); signal.raise_signal(2)"
    )
    command = [PROGRAM, "exec", "--", sys.executable, "-c", source]
    code, printed = run_in_terminal(command, interrupt_at="go")
    assert (code, printed.splitlines()) == (-signal.SIGINT, ["go", "^C1"])
    assert (task().status, task().message) == ("cancelled", "interrupted")
    pipeline = f'{PROGRAM} exec -- {sys.executable} -c "$1" | cat; echo ${{PIPESTATUS[0]}}'
    _, printed = run_in_terminal(["bash", "-c", f"trap : INT; {pipeline}", "x", source], interrupt_at="go")
    assert printed.replace("^C", " ").split() == ["go", "1", "130"]


def test_a_shell_stops_and_continues_it(typist: Typist, task: Task, until: Until) -> None:
    """Ctrl-Z and fg, with the terminal as the shell had it in between; passwords are read without echo."""
    source = (
        "import getpass; print('name', flush=True); name = input()\n"
        "print(name.upper(), len(getpass.getpass()), flush=True)"
    )
    typist.type(
        f'progstore exec --name typed -- {sys.executable} -c "{source}"\r'.replace("\n", "; ").replace(";  ", "; ")
    )
    typist.wait_for("name\r\n")
    typist.type("\x1a")
    typist.wait_for("Stopped")
    typist.wait_for("READY ")
    typist.type("stty -a | grep -o ' echo '; echo still $((40+2))\r")
    assert " echo " in typist.wait_for("still 42")
    typist.type("fg\r")
    typist.wait_for("progstore exec")
    typist.type("ann\r")
    typist.wait_for("Password")
    typist.type("secret\r")
    assert "secret" not in typist.wait_for("ANN 6")
    typist.wait_for("READY ")
    typist.type("echo it was $?\r")
    typist.wait_for("it was 0")
    until(lambda: task().status == "complete")


def test_keys_go_to_a_pager_that_reads_a_pipe(typist: Typist) -> None:
    """It asks for them on its terminal, which is not its input; a new size of ours is its own."""
    typist.type("seq 500 | progstore exec -- less\r")
    typist.wait_for("29\r\n")
    typist.shown = ""
    termios.tcsetwinsize(typist.ours, (40, 90))
    typist.wait_for("39\r\n")
    typist.type("G")
    typist.wait_for("500")
    typist.type("q")
    typist.wait_for("READY ")
    typist.type("echo ${PIPESTATUS[*]}\r")
    typist.wait_for("0 0")
