"""What runs or ran as a small table, in HTML for notebooks and as plain text: a line each for a session and its tasks.

The HTML needs no script and no style sheet, takes its colours from the page around it, and every value is escaped.
"""

from __future__ import annotations

import html
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from progstore.values import Life, SessionView, Status, TaskView
from progstore.wording import SIGNS, duration, failure, newest_attempts, state, tree

MOST_LINES = 40
"""Tasks of one session that are shown; the others are counted."""
COMPLETE_SHOWN = 8
"""Of those, the ones that are complete."""
LONGEST = 300
"""Characters of a name or of words; a notebook keeps what it is shown."""

_COLOURS: dict[str, str] = {
    Status.PENDING: "inherit",
    Status.RUNNING: "#2f81f7",
    Status.COMPLETE: "#2da44e",
    Status.ERROR: "#d1373f",
    Status.CANCELLED: "#9a7417",
    Life.STALE: "#b07d0a",
    Life.SUSPENDED: "#b07d0a",
    Life.LOST: "#d1373f",
    Life.UNREACHABLE: "#b07d0a",
    Life.UNKNOWN: "#b07d0a",
}
_SYMBOLS: dict[str, str] = {state: sign.symbol for state, sign in SIGNS.items()}
_CELL = "text-align:left;vertical-align:baseline;border:0;background:none;padding:1px 12px 1px 0;white-space:nowrap"
_WORDS = "text-align:left;vertical-align:baseline;border:0;background:none;padding:1px 0;overflow-wrap:anywhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table: what it is about, how it stands, how far it is, in words and as a percent.

    `state` is a word of `Status` or `Life`. `percent` is None where nobody knows it, `simulated` marks one that is
    drawn from the clock. `words` are what goes on, or how it ended; `depth` is how deep it is nested.
    """

    name: str
    state: str
    percent: float | None
    simulated: bool = False
    counts: str = ""
    time: str = ""
    words: str = ""
    depth: int = 0


def as_html(lines: Sequence[Line], footer: str = "") -> str:
    """The lines as one HTML table, with a remark below it."""
    rows = "".join(_row(line) for line in lines)
    said = f'<div style="opacity:.7;font-size:85%">{_escaped(footer)}</div>' if footer else ""
    style = "border:0;border-collapse:collapse;margin:2px 0;font-variant-numeric:tabular-nums"
    return f'<div class="progstore"><table style="{style}"><tbody>{rows}</tbody></table>{said}</div>'


def as_text(lines: Sequence[Line], footer: str = "") -> str:
    """The lines as plain text, with a remark below them."""
    texts = []
    for line in lines:
        parts = [f"{_one_line(line.name)}: {line.state}", percent(line), line.counts, line.time, _one_line(line.words)]
        texts.append("  " * line.depth + ", ".join(part for part in parts if part))
    return "\n".join([*texts, footer] if footer else texts)


def view_html(view: TaskView | SessionView) -> str:
    """A session with the tasks that were read with it, or one task, as it stood when it was read."""
    lines = [task_line(view)] if isinstance(view, TaskView) else session_lines(view)
    return as_html(lines)


def session_lines(session: SessionView) -> list[Line]:
    """A line for the session, and below it one for each of its tasks that is worth seeing, as a tree."""
    total = sum(session.counts.values())
    ended = sum(number for status, number in session.counts.items() if Status(status).is_terminal)
    head = Line(
        name=session.name,
        state=str(state(session)),
        percent=float(session.overall_percent) if total else None,
        counts=f"{ended:,} of {total:,} {'task' if total == 1 else 'tasks'}" if total else "",
        time=time_taken(session),
        words=_reason(session) or session.message,
    )
    chosen = chosen_tasks(session.tasks)
    lines = [head, *(task_line(task, depth + 1) for task, depth in tree(chosen))]
    if chosen and total > len(chosen):
        lines.append(Line(name=f"… {total - len(chosen):,} more", state="", percent=None, depth=1))
    return lines


def task_line(task: TaskView, depth: int = 0) -> Line:
    """The line of one task."""
    failed_of = failure(task)
    said = [f"{count(task.failed)} failed" if task.failed else "", failed_of or _reason(task), task.message]
    if failed_of and task.message == task.error:
        said.pop()
    return Line(
        name=task.name,
        state=str(state(task)),
        percent=task.percent,
        simulated=task.simulated,
        counts=counted(task.done, task.total, task.unit),
        time=", ".join(part for part in (time_taken(task), _left(task)) if part),
        words=", ".join(part for part in said if part),
        depth=depth,
    )


def chosen_tasks(tasks: Iterable[TaskView]) -> list[TaskView]:
    """The newest attempts of the tasks worth seeing, with what they are nested in: what runs, failed, started last."""
    newest = newest_attempts(tasks)

    def urgency(task: TaskView) -> tuple[bool, bool, float, int]:
        return task.status is Status.RUNNING, task.status is Status.ERROR, task.started_at or 0.0, task.id

    chosen: dict[int, TaskView] = {}
    complete = 0
    for task in sorted(newest, key=urgency, reverse=True):
        complete += task.status is Status.COMPLETE
        if task.status is not Status.COMPLETE or complete <= COMPLETE_SHOWN:
            chosen[task.id] = task
    given = {task.id: task for task in newest}
    kept: dict[int, TaskView] = {}
    for task in list(chosen.values())[:MOST_LINES]:
        kept.setdefault(task.id, task)
        around = task.parent_id
        while around in given and around not in kept:
            kept[around] = given[around]
            around = given[around].parent_id
    return list(kept.values())


def time_taken(view: TaskView | SessionView) -> str:
    """How long it took, or has taken by now; of what is lost, until it was."""
    if view.duration is not None:
        return duration(view.duration)
    if view.status is not Status.RUNNING or view.started_at is None:
        return ""
    lost = view.verdict is not None and view.verdict.life is Life.LOST
    until = view.verdict.since if view.verdict is not None and lost else None
    return duration((time.time() if until is None else until) - view.started_at)


def counted(done: float, total: float | None, unit: str) -> str:
    """`31,207 of 50,000 file`; nothing where nothing was counted."""
    if not done and total is None:
        return ""
    return f"{count(done)}{'' if total is None else f' of {count(total)}'} {unit}".rstrip()


def count(number: float) -> str:
    """A count with thousands separated and at most three decimals; what is very large in powers of ten."""
    if abs(number) >= 1e15:
        return f"{number:.6g}"
    return f"{number:,.3f}".rstrip("0").rstrip(".")


def percent(line: Line) -> str:
    """`38 %`, rounded down, for a hundred must mean that all is done; `~38 %` where it is drawn from the clock."""
    if line.percent is None:
        return ""
    return f"{'~' if line.simulated else ''}{int(min(max(line.percent, 0.0), 100.0) + 1e-6)} %"


def _left(task: TaskView) -> str:
    """How long it will still take, as far as that can be told."""
    goes_on = task.eta is not None and state(task) is Status.RUNNING
    return f"about {duration(task.eta - time.time())} left" if goes_on and task.eta is not None else ""


def _reason(view: TaskView | SessionView) -> str:
    """Why it is thought not to go on; empty where it does."""
    verdict = view.verdict
    if verdict is None or verdict.life is Life.ALIVE or view.status is not Status.RUNNING:
        return ""
    try:
        since = "" if verdict.since is None else time.strftime("since %H:%M:%S: ", time.localtime(verdict.since))
    except (OverflowError, ValueError, OSError):  # a time that no calendar holds
        since = ""
    return f"{since}{verdict.reason}"


def _row(line: Line) -> str:
    symbol, colour = _SYMBOLS.get(line.state, ""), _COLOURS.get(line.state, "inherit")
    named = f'<td style="{_CELL};padding-left:{1.2 * line.depth:g}em">{_escaped(line.name)}</td>'
    if not line.state:
        return f'<tr style="background:none">{named}</tr>'
    bar = ""
    if line.percent is not None:
        value = f"{min(max(line.percent, 0.0), 100.0):.1f}"
        label = _escaped(f"{line.name}: {percent(line)}")
        bar = (
            f'<progress max="100" value="{value}" aria-label="{label}"'
            f' style="width:12em;vertical-align:middle;accent-color:{colour}">{percent(line)}</progress>'
        )
    stands = f'<span style="color:{colour}" aria-hidden="true">{symbol}</span> {_escaped(line.state)}'
    cells = (bar, percent(line), _escaped(line.counts), _escaped(line.time), stands)
    middle = "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells)
    return f'<tr style="background:none">{named}{middle}<td style="{_WORDS}">{_escaped(line.words)}</td></tr>'


def _escaped(text: str) -> str:
    return html.escape(_one_line(text), quote=True)


def _one_line(text: str) -> str:
    """`text` on one line, not too long and without control characters."""
    whole = " ".join(text[: 4 * LONGEST].split())
    safe = "".join(letter for letter in whole if letter.isprintable() or letter == "\u200d")
    return safe if len(safe) <= LONGEST else f"{safe[: LONGEST - 1]}…"
