"""One session or task in full, as lines of text."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from progstore.cli.listing import percent, task_columns, took
from progstore.cli.look import Look
from progstore.cli.table import render
from progstore.cli.text import cut, duration, items, lines, local_time, one_line, plural
from progstore.errors import NotFound
from progstore.values import EventView, SessionView, Status, TaskView, Verdict
from progstore.wording import SIGNS, clock_error, state

if TYPE_CHECKING:
    from progstore.store.store import Store

LABEL = 10
BATCH = 1000
LONG = 20
"""Tasks above which a tree does not fit a screen."""


def find_task(store: Store, session_id: int, task_id: int) -> tuple[SessionView, TaskView]:
    """Task `task_id` and the session that it must belong to. Raises NotFound."""
    session = store.session(session_id)
    task = next((task for task in session.tasks if task.id == task_id), None)
    if task is None:
        raise NotFound(f"session {session_id} has no task {task_id}; `progstore show {session_id}` lists its tasks")
    return session, task


def newest_events(
    store: Store, limit: int, *, session_id: int | None = None, task_id: int | None = None
) -> Sequence[EventView]:
    """The last `limit` events, oldest first."""
    if not limit:
        return ()
    which, number = ("session_id", session_id) if task_id is None else ("task_id", task_id)
    # The last that is not shown, so that all that came before it, which may be millions, is not read.
    earlier = f"SELECT id FROM v_events WHERE {which} = ? ORDER BY id DESC LIMIT 1 OFFSET ?"  # noqa: S608  # one of two names
    found = store.query(earlier, (number, limit)).rows
    after = int(found[0][0]) if found else 0
    kept: deque[EventView] = deque(maxlen=limit)
    while True:
        batch = store.events(session_id=session_id, task_id=task_id, after=after, limit=BATCH)
        kept.extend(batch)
        if len(batch) < BATCH:
            break
        after = batch[-1].id
    return tuple(kept)


def session_lines(session: SessionView, events: Sequence[EventView], look: Look, *, whole: bool) -> Iterator[str]:
    """A session: facts, the tree of its tasks, errors, events."""
    yield _headline(f"session {session.id}", session, look)
    yield from _facts(
        [
            ("verdict", verdict(session.verdict)),
            ("progress", f"{session.overall_percent}%" if session.counts else ""),
            ("message", session.message),
            *_times(session),
            ("host", _host(session)),
            ("its clock", _clock(session)),
            ("program", session.program),
            ("uid", session.uid),
            ("parent", session.parent_uid or ""),
        ],
        look,
    )
    yield from _meta(session.meta, look)
    yield from _tasks(list(tree(session.tasks, look)), look, whole=whole)
    names = {task.id: task.name for task in session.tasks}
    yield from _events(events, names, look)


def task_lines(
    session: SessionView, task: TaskView, events: Sequence[EventView], look: Look, *, whole: bool
) -> Iterator[str]:
    """A task: facts, the tasks below it, its error with the traceback, events."""
    yield _headline(f"task {task.session_id}/{task.id}", task, look)
    parent = next((each for each in session.tasks if each.id == task.parent_id), None)
    yield from _facts(
        [
            ("verdict", verdict(task.verdict)),
            ("progress", _progress(task, look)),
            ("message", task.message),
            ("speed", f"{task.rate:.4g} {task.unit}/s" if task.rate else ""),
            ("finish", f"about {local_time(task.eta, full=not look.terminal)}" if task.eta else ""),
            *_times(task),
            ("session", f"{session.id} {session.name}"),
            ("part of", f"{parent.session_id}/{parent.id} {parent.name}" if parent else ""),
            ("attempt", str(task.attempt) if task.attempt > 1 else ""),
            ("key", task.key),
            ("host", _host(task)),
        ],
        look,
    )
    yield from _meta(task.meta, look)
    yield from _tasks(list(tree(session.tasks, look, root=task.id)), look, whole=whole)
    yield from _error(task, look)
    yield from _events(events, {}, look)


def tree(tasks: Sequence[TaskView], look: Look, root: int | None = None) -> Iterator[tuple[str, TaskView]]:
    """The tasks below `root`, None for all, each with its branch; a parent stands before its children."""
    known = {task.id for task in tasks}
    children: dict[int | None, list[TaskView]] = {}
    for task in tasks:
        children.setdefault(task.parent_id if task.parent_id in known else None, []).append(task)
    corner, fork, line = ("└ ", "├ ", "│ ") if look.unicode else ("`- ", "|- ", "|  ")
    # A stack of our own: tasks may be nested deeper than Python lets a function call itself.
    stack = [("", "", task) for task in reversed(children.get(root, []))]
    if root is None:
        # What another program wrote may name one another in a circle, to which no root leads.
        stack[:0] = [("", "", task) for task in reversed(tasks)]
    placed = {root}
    while stack:
        branch, indent, task = stack.pop()
        if task.id in placed:
            continue
        placed.add(task.id)
        yield branch, task
        below = children.get(task.id, [])
        for child in reversed(below):
            last = child is below[-1]
            stack.append((indent + (corner if last else fork), indent + (" " * len(line) if last else line), child))


def verdict(found: Verdict | None) -> str:
    """`lost since 09:21:05: process 4242 is gone`."""
    if found is None:
        return ""
    since = f" since {local_time(found.since, full=False)}" if found.since is not None else ""
    return f"{found.life}{since}: {found.reason}"


def _headline(kind: str, view: SessionView | TaskView, look: Look) -> str:
    status = look.paint(look.status(view), SIGNS[state(view)].colour)
    return f"{look.paint(kind, bold=True)}  {status}  {look.paint(one_line(view.name), bold=True)}"


def _facts(facts: Sequence[tuple[str, str]], look: Look) -> Iterator[str]:
    for label, value in facts:
        if value:
            yield f"  {look.paint(label.ljust(LABEL), 'bright_black')}{one_line(value)}"


def _times(view: SessionView | TaskView) -> list[tuple[str, str]]:
    return [
        ("started", local_time(view.started_at, full=True)),
        ("ended", local_time(view.ended_at, full=True)),
        ("took", took(view)),
    ]


def _clock(session: SessionView) -> str:
    wrong = clock_error(session)
    return f"{wrong}; times are shown by the clock here" if wrong else ""


def _host(view: SessionView | TaskView) -> str:
    return f"{view.host}, process {view.pid}" if view.pid else view.host


def _progress(task: TaskView, look: Look) -> str:
    bar = [look.bar(task.percent, 20)] if look.terminal and task.percent is not None else []
    parts = [*bar, *filter(None, [percent(task)]), items(task.done, task.total, task.unit)]
    for number, word in ((task.failed, "failed"), (task.active, "active"), (task.cancelled, "cancelled")):
        if number:
            parts.append(f"{items(number, None)} {word}")
    return "  ".join(parts)


def _meta(meta: Mapping[str, Any], look: Look) -> Iterator[str]:
    for key, value in meta.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=not look.unicode)
        yield from _facts([("metadata", f"{key} = {cut(one_line(text), 500, look.mark)}")], look)


def _tasks(rows: Sequence[tuple[str, TaskView]], look: Look, *, whole: bool) -> Iterator[str]:
    """The tree as a table; where it is long, a terminal is spared the nested tasks that went well."""
    if not rows:
        return
    shown = rows
    if look.terminal and not whole and len(rows) > LONG:
        shown = [(branch, task) for branch, task in rows if not branch or task.status is not Status.COMPLETE]
    yield ""
    yield from render(task_columns(shown, look), look)
    if len(shown) < len(rows):
        yield f"and {plural(len(rows) - len(shown), 'nested task')} that went well; --all lists them"


def _error(task: TaskView, look: Look) -> Iterator[str]:
    if task.error is None and task.traceback is None:
        return
    yield ""
    yield look.paint("error", "red", bold=True)
    yield f"  {one_line(': '.join(filter(None, [task.error_type, task.error])))}"
    for line in lines(task.traceback or ""):
        yield f"  {line}"


def _events(events: Sequence[EventView], names: Mapping[int, str], look: Look) -> Iterator[str]:
    if not events:
        return
    yield ""
    yield look.paint("events", bold=True)
    first = events[0].at
    for event in events:
        # The first says when, the others how long after it: that is what one wants to know of a run.
        when = local_time(event.at, full=not look.terminal) if event is events[0] else f"+{duration(event.at - first)}"
        name = names.get(event.task_id or 0, "")
        text = "  ".join(filter(None, [one_line(event.kind), one_line(name), one_line(event.message)]))
        yield f"  {when:>12}  {text}"
