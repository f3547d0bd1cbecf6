"""Commands as recorded runs: what is kept of them, and that they run as they would without us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tty
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import progstore
from progstore.adapters.command import Ended, run
from progstore.adapters.command.output import CHARACTERS, LINES, Output, text_lines
from progstore.adapters.command.pump import Channel, Pump

Recorded = Callable[[], list[progstore.TaskView]]
TRACKS = "import progstore; list(progstore.track([1, 2], 'Inner'))"


def pieces_of(text: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    """The text in pieces, cut at these places."""
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return (text[begin:end] for begin, end in pairwise(places))


def percents(*pieces: bytes) -> list[float]:
    """What is reported of output that comes in these pieces."""
    said: list[float] = []
    output = Output(said.append)
    for piece in pieces:
        output.feed(piece)
    return said


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([b"10%\r20%\r45.5 %|###   |"], [45.5]),
        ([b"1%", b"..", b"2%", b"2%"], [1, 2]),
        ([b"at 4", b"5% now"], [45]),
        ([b"45", b"% now, ", b"nothing"], [45]),
        ([b"12,5 %"], [12.5]),
        ([b"30% of a budget of 250%, CPU 1234%"], [30]),
        ([b"100%"], [100]),
        ([b"GET /a%20b?x=7%2F"], []),
        ([b"\x1b[32m 61%\x1b[0m \x1b[K"], [61]),
        ([b"5% " + b"x" * 100_000, b"nothing"], []),
        ([b"x" * 100_000 + b"7%"], [7]),
    ],
)
def test_the_last_percent_that_was_printed_is_the_percent(pieces: list[bytes], expected: list[float]) -> None:
    """Also redrawn, in two pieces, coloured; what is above 100 or is no percent does not count."""
    assert percents(*pieces) == expected


@given(st.text("0159%., \n\r", max_size=40), st.lists(st.integers(0, 40), max_size=5))
def test_it_does_not_matter_in_which_pieces_output_comes(text: str, cuts: list[int]) -> None:
    """The last lines are the same; the last percent is, where nothing but a space or an end follows it."""
    whole, parts = Output(lambda _: None), Output(lambda _: None)
    said = f"{text} 42%".encode()
    whole.feed(said)
    for piece in pieces_of(said, cuts):
        parts.feed(piece)
    assert parts.last_lines() == whole.last_lines()
    assert percents(*pieces_of(said, cuts))[-1] == 42


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (b"one\ntwo\r\n\n\n", ["one", "two"]),
        (b" 1%\r 50%\r100%\r\ndone\n", ["100%", "done"]),
        (b"\x1b]0;title\x07\x1b[1;31mred\x1b[0m\x1b(B plain", ["red plain"]),
        (b"spin |\b/\b-", ["spin -"]),
        (b"before\n\x1b[?1049h\x1b[2Jscreen\x1b[?1049lafter", ["before", "after"]),
        (b"half a screen\x1b[?1049lafter\n\x1b[?1049hleft on", ["after"]),
        ("caf\u00e9 \u2713".encode() + b"\xff\x07", ["caf\u00e9 \u2713\ufffd"]),
        (b"\n".join(b"%d" % number for number in range(50)), [str(number) for number in range(30, 50)]),
        (b"", []),
    ],
)
def test_the_last_lines_are_what_a_terminal_is_left_with(printed: bytes, expected: list[str]) -> None:
    """Without colours, titles, what was drawn over and what had the whole screen."""
    assert text_lines(printed) == expected


def test_the_last_lines_are_bounded() -> None:
    """A flood, a line without end and what is no text take no room."""
    output = Output(lambda _: None)
    for number in range(3000):
        output.feed(b"line %d of many\n" % number * 10)
    assert len(output.last_lines()) == LINES
    assert output.last_lines()[-1] == "line 2999 of many"
    assert len("\n".join(text_lines(b"x" * 300 + b"\n" + b"y" * 3900))) <= CHARACTERS
    assert len(text_lines(b"z" * 50_000)[0]) == CHARACTERS
    output.feed(b"\0\1\2")
    assert output.last_lines() == []


@pytest.fixture
def shell(capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., tuple[Ended, bytes, bytes]]:
    """Runs a command of the shell as a recorded run; how it ended, and what came through."""

    def shell(script: str, *arguments: str, **options: Any) -> tuple[Ended, bytes, bytes]:
        ended = run(["sh", "-c", script, *arguments], **options)
        return ended, *capfdbinary.readouterr()

    return shell


Shell = Callable[..., tuple[Ended, bytes, bytes]]


def test_a_command_that_ends_well_is_complete(shell: Shell, recorded: Recorded, store_path: Path) -> None:
    """With its percent, its last lines, and the command line without secrets."""
    script = "echo 10%; echo 'at  45 %'; echo careful >&2"
    ended, output, errors = shell(script, "--password", "hunter2", name="nightly", meta={"site": "nas"})
    assert (ended.code, output, errors) == (0, b"10%\nat  45 %\n", b"careful\n")
    (task,) = recorded()
    assert (task.status, task.name, task.session_name, task.reported_percent) == ("complete", "sh", "nightly", 45)
    assert task.message == "careful"
    assert (task.meta["output"], task.meta["errors"], task.meta["exit_code"]) == ("10%\nat  45 %", "careful", 0)
    assert task.meta["command"].endswith("--password '***'")
    with progstore.open_store(str(store_path)) as store:
        session = store.session(task.session_id)
    assert (session.status, session.meta) == ("complete", {"site": "nas"})


@pytest.mark.parametrize(
    ("script", "code", "status", "error"),
    [
        ("echo 100%; echo no space >&2; exit 3", 3, "error", "exit code 3"),
        ("kill -TERM $$", 143, "error", "killed by SIGTERM"),
        ("kill -KILL $$", 137, "error", "killed by SIGKILL"),
        ("kill -INT $$", 130, "cancelled", None),
        ("exit 130", 130, "cancelled", None),
    ],
)
def test_a_command_that_ends_otherwise_says_how(
    shell: Shell, recorded: Recorded, store_path: Path, script: str, code: int, status: str, error: str | None
) -> None:
    """An exit code or a signal is an error, Ctrl-C is none; the session says the same."""
    ended, _, _ = shell(script)
    assert ended.code == code
    (task,) = recorded()
    assert (task.status, task.error, task.meta["exit_code"]) == (status, error, code)
    if code == 3:
        assert (task.message, task.traceback, task.percent) == ("no space", "100%\nno space", 100)
    if status == "cancelled":
        assert task.message == "interrupted"
    with progstore.open_store(str(store_path)) as store:
        assert store.session(task.session_id).status == status


def test_what_cannot_be_started_says_why(recorded: Recorded, tmp_path: Path) -> None:
    """As shells do, with 127 and 126."""
    plain = tmp_path / "plain"
    plain.write_text("echo", encoding="utf-8")
    lost = tmp_path / "lost"
    lost.write_text("#!/no/such/reader\n", encoding="utf-8")
    lost.chmod(0o755)
    expected = {
        "no-such-program": (127, "no-such-program: command not found"),
        "": (127, ": command not found"),
        f"{tmp_path}/none": (127, f"{tmp_path}/none: no such file"),
        str(lost): (127, f"{lost}: the program that its first line names was not found"),
        str(plain): (126, f"{plain}: Permission denied"),
        str(tmp_path): (126, f"{tmp_path}: is a directory"),
    }
    assert {name: run([name])[:1] + run([name])[2:3] for name in expected} == expected
    assert {(task.error, task.meta["exit_code"]) for task in recorded()} == {(why, c) for c, why in expected.values()}


def test_a_script_without_a_first_line_runs(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As in a shell, which reads it itself."""
    script = tmp_path / "script"
    script.write_text("echo $0 $1; exit 4\n", encoding="utf-8")
    script.chmod(0o755)
    assert run([str(script), "one"]).code == 4
    assert capfd.readouterr().out == f"{script} one\n"


def test_a_program_that_tracks_is_in_the_same_session(recorded: Recorded, tmp_path: Path) -> None:
    """Beside the command; so is a command within a command, while one with a name has its own. The store goes along."""
    other = str(tmp_path / "other.db")
    with progstore.session("outer"):
        run([sys.executable, "-c", TRACKS], name="own", store=other)
    run([sys.executable, "-m", "progstore", "exec", "--", sys.executable, "-c", TRACKS], name="outermost")
    # Any of them may have written first.
    assert sorted((task.session_name, task.name) for task in recorded()) == [
        ("outermost", "Inner"),
        ("outermost", os.path.basename(sys.executable)),
        ("outermost", os.path.basename(sys.executable)),
    ]
    with progstore.open_store(other) as store:
        assert {(task.session_name, task.name) for task in store.tasks()} == {
            ("own", os.path.basename(sys.executable)),
            ("own", "Inner"),
        }


def test_bytes_come_through_as_they_are(shell: Shell, recorded: Recorded) -> None:
    """All of them, though nobody could keep them as lines."""
    source = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 5000)"
    ended, output, _ = shell(f"exec {sys.executable} -c '{source}'")
    assert (ended.code, output) == (0, bytes(range(256)) * 5000)
    assert "output" not in recorded()[0].meta


def test_a_command_begins_as_it_would_without_us(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same environment but for the session's token, the same signals held back and ignored, the same group."""
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    script = (
        "env | grep -v -e ^PROGSTORE_SESSION= -e ^_= | sort; ps -o pgid= -p $$; exec grep ^Sig[IBC] /proc/self/status"
    )
    before = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        bare = subprocess.run(["/bin/sh", "-c", script], stdout=subprocess.PIPE, env=os.environ, check=True).stdout
        _, output, _ = shell(script)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert output == bare


def test_what_it_leaves_running_is_not_waited_for(shell: Shell, until: Callable[..., Any]) -> None:
    """Though it holds the pipe; what was printed before the end comes through."""
    ended, output, _ = shell("sleep 60 & echo $!; echo ready")
    assert ended.code == 0
    pid, word = output.split()
    assert word == b"ready"
    os.kill(int(pid), signal.SIGKILL)  # which fails where it has not outlived the command


def test_what_is_under_way_when_it_ends_comes_through() -> None:
    """A terminal gives some 4 kB at once; its end may be known before."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    here, sink = os.pipe()
    news, told = os.pipe()
    os.close(told)
    said = b"0123456789" * 800
    assert os.write(theirs, said) == len(said)
    Pump([Channel(ours, sink, Output(lambda _: None))], None, news, lambda: bool(os.read(news, 1))).run()
    assert os.read(here, 65_536) == said
    for fd in (theirs, here, sink, news):
        os.close(fd)


def test_output_that_shares_a_place_stays_in_order(tmp_path: Path) -> None:
    """As after `2>&1`; kept as one, too."""
    source = "import sys\nfor n in range(200): (sys.stdout, sys.stderr)[n % 2].write(f'{n}\\n'); sys.stdout.flush()"
    program = f"from progstore.adapters.command import run; run({[sys.executable, '-c', source]!r})"
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    assert done.stdout.split() == [b"%d" % number for number in range(200)]
