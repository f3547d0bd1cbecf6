"""The rows of the board: which sessions and tasks are listed, in what order, and what is said in each column."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from progstore import Life, SessionView, Status, TaskView
from progstore.wording import Lane, clock_error, duration, failure, number, state, tally, tree
from progstore_term.board import Board, Card
from progstore_term.wording import clock, counted, left, one_line, percent, rate, reason

SORTS = ("newest", "name", "percent", "time")
"""The orders of sessions within a lane."""
COMPLETED_SHOWN = 6
"""Completed sessions that are listed unless all are asked for."""
COMPLETE_TASKS_SHOWN = 4
"""The same of the complete tasks of one session."""

Key = tuple[str, int]
"""What stays the same about a row from one board to the next: ("session", 17), ("task", 42)."""


@dataclass(slots=True)
class Choices:
    """What the user chose: the order, whether all is listed, and what is folded otherwise than it would be.

    `hint` tells how to see what is left out, where there are keys.
    """

    sort: str = SORTS[0]
    show_all: bool = False
    hint: str = ""
    turned: set[Key] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the board. A heading, or a count of what is left out, has no key and only a label.

    `folds` is True where it can be folded, `folded` where it is. `remark` is what must be seen, on a line of its own;
    `detail` is said of it where it is chosen.
    """

    label: str
    key: Key | None = None
    depth: int = 0
    folds: bool = False
    folded: bool = False
    state: Status | Life | None = None
    percent: float | None = None
    simulated: bool = False
    items: str = ""
    rate: str = ""
    left: str = ""
    took: str = ""
    host: str = ""
    message: str = ""
    remark: str = ""
    detail: str = ""

    @property
    def percent_text(self) -> str:
        """The percent as it is said."""
        return percent(self.percent, simulated=self.simulated)


def rows_of(board: Board, choices: Choices) -> list[Row]:
    """All rows of the board, lane by lane."""
    rows: list[Row] = []
    more = {Lane.ACTIVE: board.more_live, Lane.COMPLETED: board.older}
    for lane in Lane:
        cards = _sorted(board.lane(lane), choices.sort)
        if not cards:
            continue
        rows.append(Row(label=f"{lane} ({len(cards)}{'+' if more.get(lane) else ''})"))
        listed = cards if choices.show_all or lane is not Lane.COMPLETED else cards[:COMPLETED_SHOWN]
        for card in listed:
            rows += _card_rows(card, choices)
        if len(cards) > len(listed):
            rows.append(Row(label=f"… {len(cards) - len(listed)} more{choices.hint}", depth=1))
    return rows


def headline(board: Board) -> str:
    """The board in one sentence."""
    going = tally(card.session for card in board.lane(Lane.ACTIVE))
    troubled = tally(card.session for card in board.lane(Lane.ATTENTION))
    # What was not looked at may run.
    said = [] if Status.RUNNING in going or board.more_live else ["nothing running"]
    return ", ".join([*said, *going.values(), *troubled.values(), *(["and more"] if board.more_live else [])])


def _sorted(cards: Sequence[Card], sort: str) -> list[Card]:
    if sort == "name":
        return sorted(cards, key=lambda card: (card.session.name.casefold(), -card.session.id))
    if sort == "percent":
        return sorted(cards, key=lambda card: (-card.session.overall_percent, -card.session.id))
    if sort == "time":
        return sorted(cards, key=lambda card: (-(_seconds(card.session) or 0.0), -card.session.id))
    return list(cards)


def _card_rows(card: Card, choices: Choices) -> Iterator[Row]:
    session = card.session
    if len(card.tasks) == 1 and not card.hidden and card.tasks[0].status is session.status:
        yield _task_row(card.tasks[0], session, label=_both_names(session, card.tasks[0]), key=("session", session.id))
        return
    key: Key = ("session", session.id)
    folded = (card.lane is Lane.COMPLETED) != (key in choices.turned)
    yield _session_row(session, folds=bool(card.tasks), folded=folded)
    if folded:
        return
    listed = tree(_worth_seeing(card, show_all=choices.show_all))
    parents = {task.parent_id for task, _ in listed}
    closed: int | None = None  # the depth of a folded task, whose nested ones are passed over
    for task, depth in listed:
        if closed is not None and depth > closed:
            continue
        turned = ("task", task.id) in choices.turned and task.id in parents
        closed = depth if turned else None
        yield _task_row(task, session, depth=depth + 1, folds=task.id in parents, folded=turned)
    if left_out := len(card.tasks) - len(listed) + card.hidden:
        how = choices.hint if len(card.tasks) > len(listed) else ""
        yield Row(label=f"… {left_out:,} more {'task' if left_out == 1 else 'tasks'}{how}", depth=1)


def _worth_seeing(card: Card, *, show_all: bool) -> Sequence[TaskView]:
    """All tasks, or without the older of those that are complete and have nothing nested in them that is listed."""
    if show_all:
        return card.tasks
    complete = [task for task in card.tasks if task.status is Status.COMPLETE]
    newest = sorted(complete, key=lambda task: (task.started_at or 0.0, task.id), reverse=True)[:COMPLETE_TASKS_SHOWN]
    kept = {task.id: task for task in card.tasks if task.status is not Status.COMPLETE} | {t.id: t for t in newest}
    given = {task.id: task for task in card.tasks}
    for task in list(kept.values()):
        parent = task.parent_id
        while parent in given and parent not in kept:
            kept[parent] = given[parent]
            parent = given[parent].parent_id
    return list(kept.values())


def _both_names(session: SessionView, task: TaskView) -> str:
    names = [session.name] if session.name == task.name else [session.name, task.name]
    return f"{session.id} {' / '.join(one_line(name) for name in names)}"


def _session_row(session: SessionView, *, folds: bool, folded: bool) -> Row:
    total = sum(session.counts.values())
    ended = sum(count for status, count in session.counts.items() if Status(status).is_terminal)
    return Row(
        label=f"{session.id} {one_line(session.name)}",
        key=("session", session.id),
        folds=folds,
        folded=folded,
        state=state(session),
        percent=float(session.overall_percent) if total else None,
        items=f"{ended:,}/{total:,} {'task' if total == 1 else 'tasks'}" if total else "",
        took=_took(session),
        host=one_line(session.host),
        message=one_line(session.message),
        remark=reason(session),
        detail=_detail(f"session {session.id}", session, _program(session)),
    )


def _task_row(
    task: TaskView,
    session: SessionView,
    *,
    label: str = "",
    key: Key | None = None,
    depth: int = 0,
    folds: bool = False,
    folded: bool = False,
) -> Row:
    failed = f"{number(task.failed)} failed" if task.failed else ""
    said = "" if task.message == task.error else one_line(task.message)
    goes_on = state(task) is Status.RUNNING
    remark = one_line(failure(task)) or reason(task)
    return Row(
        label=label or one_line(task.name),
        key=key or ("task", task.id),
        depth=depth,
        folds=folds,
        folded=folded,
        state=state(task),
        percent=task.percent,
        simulated=task.simulated,
        items=counted(task),
        rate=rate(task.rate, task.unit) if goes_on or task.status.is_terminal else "",
        left=left(task.eta - time.time()) if goes_on and task.eta is not None else "",
        took=_took(task),
        host="" if depth else one_line(session.host),
        message=", ".join(part for part in (failed, said) if part),
        remark=remark,
        detail=_detail(f"task {task.session_id}/{task.id}", task, said),
    )


def _program(session: SessionView) -> str:
    wrong = clock_error(session)
    return f"its clock is {wrong}  {one_line(session.program)}" if wrong else one_line(session.program)


def _detail(what: str, view: SessionView | TaskView, said: str) -> str:
    where = f"on {one_line(view.host)}" + (f", process {view.pid}" if view.pid else "") if view.host else ""
    begun = "" if view.started_at is None else f"started {clock(view.started_at)}"
    seconds = _seconds(view)
    took = "" if seconds is None else f"took {duration(seconds)}" if view.status.is_terminal else duration(seconds)
    return "  ".join(part for part in (what, begun, took, where, said) if part)


def _seconds(view: SessionView | TaskView) -> float | None:
    """How long it took, or has taken by now; of what is lost, until it was."""
    if view.duration is not None:
        return view.duration
    if view.status is not Status.RUNNING or view.started_at is None:
        return None
    lost = view.verdict is not None and view.verdict.life is Life.LOST
    until = view.verdict.since if view.verdict is not None and lost else None
    return (time.time() if until is None else until) - view.started_at


def _took(view: SessionView | TaskView) -> str:
    seconds = _seconds(view)
    return "" if seconds is None else duration(seconds)
