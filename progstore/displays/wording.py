"""What a task's state is in words and percents, for displays that write text."""

from __future__ import annotations

import time

from progstore.insight.easing import easing_message, percent_now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from progstore.displays import Shown


def percent_of(subject: Shown) -> float | None:
    """The percent that stands in place of the counts: simulated or said directly; None where the counts tell."""
    if is_estimate(subject) and subject.simulate_since is not None:
        percent, _ = percent_now(
            start=subject.simulate_from or 0.0,
            until=subject.simulate_until or 0.0,
            since=subject.simulate_since,
            expected=subject.simulate_expected,
            now=time.time(),
        )
        return percent
    if subject.percent is None and subject.simulate_since is None:
        return None
    if subject.status == "complete":
        return 100.0
    return subject.percent if subject.percent is not None else subject.simulate_from


def is_estimate(subject: Shown) -> bool:
    """Whether its percent is drawn from the clock."""
    return subject.simulate_since is not None and subject.is_live


def side_counts(subject: Shown) -> list[str]:
    """How many are running, failed and cancelled, where any are."""
    counts = [(subject.failed, "failed"), (subject.cancelled, "cancelled")]
    if subject.is_live:
        counts.insert(0, (subject.active, "running"))
    return [f"{count(number)} {word}" for number, word in counts if number]


def message_of(subject: Shown) -> str:
    """What goes on, on one line; a simulation has words of its own where the job says nothing."""
    if is_estimate(subject) and not subject.message:
        return easing_message(percent_of(subject) or 0.0)
    return one_line(subject.message)


def ending(subject: Shown) -> str:
    """How it ended: `complete`, `ValueError: x`, `cancelled: left early`."""
    if subject.status == "error":
        return one_line(": ".join(part for part in (subject.error_type, subject.error) if part)) or "error"
    if subject.status == "cancelled" and subject.message not in ("", "cancelled"):
        return f"cancelled: {one_line(subject.message)}"
    return subject.status


def count(number: float) -> str:
    """A count for people: whole numbers whole, others with three decimals at most."""
    return f"{tidy(number):,}"


def tidy(number: float) -> float:
    """A count without the dust of binary fractions."""
    if isinstance(number, int):
        return number
    return int(number) if number.is_integer() else round(number, 3)


def one_line(text: str) -> str:
    """`text` on one line, without control characters, which could move the cursor or worse."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def shorten(text: str, width: int) -> str:
    """`text` in at most `width` characters."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
