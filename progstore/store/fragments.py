"""SQL that several views share, in the words of one kind of database."""

from __future__ import annotations

from progstore.store.spelling import Spelling

LAST_STARTED = "(SELECT max(x.started_at) FROM tasks AS x WHERE x.session_name = g.session_name AND x.name = g.name)"
NEWEST = (
    "FROM tasks AS t WHERE t.session_id = s.id AND NOT EXISTS"
    " (SELECT 1 FROM tasks AS n WHERE n.session_id = t.session_id AND n.key = t.key AND n.attempt > t.attempt)"
)


def ranked(place: str) -> str:
    """The duration at that place among those of the history `g`."""
    # SQLite does not let OFFSET depend on the row outside; counted rows in the index's order come next to it.
    return (
        "(SELECT r.duration FROM (SELECT x.duration, row_number() OVER (ORDER BY x.duration) AS place FROM tasks AS x"
        " WHERE x.session_name = g.session_name AND x.name = g.name"
        " AND x.status = 'complete' AND x.duration IS NOT NULL"
        f") AS r WHERE r.place = {place} LIMIT 1)"
    )


def percent(words: Spelling) -> str:
    """A task's percent; NULL where it is simulated or cannot be known."""
    # Rounded down, for a hundred must mean that everything is done; a millionth mends what binary fractions lose.
    return words.whole(f"10 * ({_exact_percent(words)}) + 0.000001") + " / 10.0"


def seconds(words: Spelling) -> str:
    """How long a task took, or has taken until its last change."""
    return f"coalesce(t.duration, {words.not_negative('t.updated_at - t.started_at')})"


def session_status(words: Spelling) -> str:
    """The status of a session, as `rows.session_status` has it."""

    def some(status: str) -> str:
        return words.number_of(f"t.status = '{status}'") + " > 0"

    return (
        f"(SELECT CASE WHEN s.end_status = 'error' OR {some('error')} THEN 'error'"
        f" WHEN {some('running')} THEN 'running'"
        " WHEN s.kind <> 'declared' AND s.end_status IS NULL THEN 'running'"
        f" WHEN {some('pending')} THEN 'pending'"
        " WHEN s.end_status IS NOT NULL THEN s.end_status"
        " WHEN count(*) = 0 THEN 'pending'"
        f" WHEN {some('cancelled')} THEN 'cancelled'"
        f" ELSE 'complete' END {NEWEST})"
    )


def session_percent(words: Spelling) -> str:
    """The mean of the root tasks, rounded down; NULL where one is simulated."""
    simulated = words.number_of("t.simulate_since IS NOT NULL AND t.status <> 'complete'")
    mean = words.whole(f"avg(coalesce({_exact_percent(words)}, 0.0)) + 0.000001")
    return f"(SELECT CASE WHEN {simulated} > 0 THEN NULL ELSE {mean} END {NEWEST} AND t.parent_id IS NULL)"


def session_lost(words: Spelling) -> str:
    """Since when a session's owner is gone."""
    # What a program declared may be carried on by another process, so it is not lost with the one that declared it.
    since = words.utc("coalesce(p.lost_at, p.ended_at)")
    return f"CASE WHEN s.ended_at IS NULL AND s.kind <> 'declared' THEN {since} END"


def _exact_percent(words: Spelling) -> str:
    return (
        "CASE WHEN t.status = 'complete' THEN 100.0"
        " WHEN t.simulate_since IS NOT NULL THEN NULL"
        f" WHEN t.percent IS NOT NULL THEN {words.between('0.0', 't.percent', '100.0')}"
        f" WHEN t.total > 0 THEN 100.0 * {words.between('0.0', 't.done', 't.total')} / t.total"
        " WHEN t.status = 'pending' THEN 0.0 END"
    )
