"""Rules of a clean-up over whatever a store holds: a dry run is exactly true, and what is spared is what is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from progstore import Status
from progstore.store import tables
from progstore.store.retention import Rule
from progstore.store.store import Store
from tests.store.conftest import Filled

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
AGES = (5 * MINUTE, 50 * MINUTE, 70 * MINUTE, 5 * HOUR, 3 * DAY, 40 * DAY)
STATES = ("complete", "error", "cancelled", "lost", "running", "pending", "declared")
"""How a session stands: ended, or left by a dead process, or open in three ways."""


class Run(NamedTuple):
    """A session as it stands in the store."""

    name: str
    state: str
    ago: float
    tasks: int
    events: int
    size: int

    @property
    def is_open(self) -> bool:
        """Whether it may still go on."""
        return self.state in ("running", "pending", "declared")


RUNS = st.builds(
    Run,
    name=st.sampled_from("abc"),
    state=st.sampled_from((*STATES[:4] * 3, *STATES[4:])),
    ago=st.sampled_from(AGES),
    tasks=st.integers(1, 4),
    events=st.integers(0, 3),
    size=st.sampled_from((0, 10, 4000, 30_000)),
)
RULES = st.builds(
    Rule,
    older_than=st.sampled_from((None, None, 0.0, HOUR, DAY)),
    statuses=st.frozensets(st.sampled_from((Status.COMPLETE, Status.ERROR, Status.CANCELLED)), max_size=2),
    name=st.sampled_from((None, None, "a")),
    keep_last=st.sampled_from((None, None, 0, 1, 3)),
    max_size=st.sampled_from((None, 0, 250_000, 350_000, 500_000, 10**7)),
).filter(lambda rule: rule != Rule())


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """One store for all examples, each of which begins by emptying it."""
    made = Filled(Path(tmp_path_factory.mktemp("rules")) / "progstore.db")
    yield made
    made.close()


def lay(shelf: Filled, runs: list[Run]) -> dict[int, Run]:
    """The runs in the store, and nothing else, by their sessions' ids in the order in which they began."""
    with shelf.together():
        for table in reversed(tables.metadata.sorted_tables):
            if table.name != "store_info":
                shelf._connection.execute(table.delete())
        alive = shelf.process()
        ended = shelf.ended_process()
        return {_lay(shelf, run, place, alive, ended): run for place, run in enumerate(runs)}


def _lay(shelf: Filled, run: Run, place: int, alive: int, ended: int) -> int:
    at = shelf.now - run.ago + place * 0.001
    owner = alive if run.is_open else ended
    if run.state == "lost":
        owner = shelf.process(boot_id="another", heartbeat_at=at)
    has_end = run.state in ("complete", "error", "cancelled")
    session = shelf.session(
        run.name,
        status=run.state if has_end else None,
        kind="declared" if run.state == "declared" else "block",
        process_id=owner,
        started_at=at - 10,
    )
    status = {"lost": "running", "declared": "pending"}.get(run.state, run.state)
    for number in range(run.tasks):
        task = shelf.task(
            session,
            status=status if number == 0 else "complete",
            session_name=run.name,
            process_id=owner,
            started_at=at - 10,
            traceback="x" * run.size,
        )
        for _ in range(run.events):
            shelf.event(session, task)
    return session


def may_go(rule: Rule, laid: dict[int, Run]) -> list[int]:
    """What the documentation says may go, the one that ended first in front."""
    age = HOUR if rule.max_size is not None and rule.older_than is None else rule.older_than
    newest = sorted(laid, key=lambda number: (-laid[number].ago, number), reverse=True)
    found = []
    for number, run in laid.items():
        of_name = [each for each in newest if laid[each].name == run.name]
        status = Status.ERROR if run.state == "lost" else run.state
        if (
            not run.is_open
            and (age is None or run.ago > age)
            and (rule.name is None or run.name == rule.name)
            and (rule.keep_last is None or number not in of_name[: rule.keep_last])
            and (not rule.statuses or status in rule.statuses)
        ):
            found.append(number)
    return sorted(found, key=lambda number: (-laid[number].ago, number))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.lists(RUNS, max_size=12), rule=RULES)
def test_a_dry_run_is_true_and_what_is_spared_is_what_the_rule_spares(
    shelf: Filled, runs: list[Run], rule: Rule
) -> None:
    """For any store and any rule; by size, the oldest of what may go, and no more than must."""
    laid = lay(shelf, runs)
    asked = {name: getattr(rule, name) for name in rule.__slots__}
    with Store(shelf.location.path) as store:
        forecast, report = store.prune(**asked, dry_run=True), store.prune(**asked)
        left = {row[0] for row in store.query("SELECT id FROM sessions").rows}
    gone = [number for number in may_go(rule, laid) if number not in left]
    assert (forecast.sessions, forecast.tasks, forecast.events) == (report.sessions, report.tasks, report.events)
    assert set(laid) - left == set(gone)
    assert report.sessions == len(gone)
    assert report.tasks == sum(laid[number].tasks for number in gone)
    assert report.events == sum(laid[number].tasks * laid[number].events for number in gone)
    assert gone == may_go(rule, laid)[: len(gone)]
    if rule.max_size is None or report.bytes_used > rule.max_size:
        assert gone == may_go(rule, laid)
    assert bool(report.warnings) == (rule.max_size is not None and report.bytes_used > rule.max_size)
    if rule.max_size is not None and report.bytes_used + report.bytes_freed <= rule.max_size:
        assert gone == []
