"""Bars on a terminal, drawn by tqdm's class under its lock, so that `tqdm.write` and the user's bars go well with them.

The bar of an outermost task stays when it has ended; a nested one is wiped, unless it ended by an error.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from threading import RLock
from typing import Any, Final

from tqdm.std import tqdm

from progstore.displays.choice import is_nested
from progstore.displays.wording import ending, is_estimate, message_of, one_line, percent_of, shorten, side_counts, tidy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from progstore.displays import Shown

STILL: Final = 1.0
"""Seconds between two drawings where only the clock has moved."""
PATIENCE: Final = 1.0
"""Seconds that a final state waits for tqdm's lock."""
BY_PERCENT: Final = "{l_bar}{bar}| [{elapsed}{postfix}]"
BY_GUESS: Final = "{desc}: ~{percentage:.0f}%|{bar}| [{elapsed}{postfix}]"
BY_TIME: Final = "{desc}: [{elapsed}{postfix}]"
STATISTICS: Final = 55
"""Columns that counts, times and rate take, with a short bar."""
GLUED: Final = ("it", "B")
"""Units that stand right behind their number; others get a space."""


class Bar(tqdm):  # type: ignore[type-arg]  # tqdm takes no argument when the program runs
    """tqdm's bar, set from outside."""

    monitor_interval = 0  # its monitor thread would redraw what our thread draws anyway
    look: object = None
    drawn_at = 0.0

    @property
    def format_dict(self) -> MutableMapping[str, Any]:
        """What is drawn. Counts are tidied here, so that `n` stays exact."""
        return {**super().format_dict, "n": tidy(self.n), "total": None if self.total is None else tidy(self.total)}

    def __del__(self) -> None:
        """Letting it go draws nothing; `close()` does, and in a forked child nobody may."""


Bar.set_lock(RLock())  # tqdm's real lock is held around each call, by us


class Bars:
    """The display `tqdm`."""

    def __init__(self) -> None:
        self._bars: dict[Shown, Bar] = {}

    def open(self, subject: Shown) -> None:
        """The bar itself comes with its first drawing."""

    def draw(self, subject: Shown) -> None:
        """Draw it where something has changed, or a second has passed."""
        # Never waiting: whoever holds tqdm's lock may be about to finish a task, and wait for us.
        with tqdms_lock(0) as held:
            if held:
                self._draw(subject)

    def close(self, subject: Shown) -> None:
        """Draw the final state and go to the next line, or wipe it."""
        with tqdms_lock(PATIENCE) as held:
            if not held:
                raise TimeoutError("tqdm's lock was not to be had")
            bar = self._bars.pop(subject, None) or _bar_of(subject)
            bar.leave = bar.leave or subject.status == "error"
            bar.n = _describe(bar, subject)
            bar.close()
            if bar.leave:
                # It was drawn where the outermost bar stood, and has pushed the others down.
                for other in self._bars.values():
                    other.refresh(nolock=True)

    def _draw(self, subject: Shown) -> None:
        bar = self._bars.get(subject)
        if bar is None:
            bar = self._bars[subject] = _bar_of(subject)
        look = (subject.done, subject.total, percent_of(subject), message_of(subject), side_counts(subject))
        now = time.monotonic()
        if look != bar.look or now - bar.drawn_at >= STILL:
            bar.look, bar.drawn_at = look, now
            advance = _describe(bar, subject) - bar.n
            if not advance or not bar.update(advance):
                bar.refresh(nolock=True)


def _bar_of(subject: Shown) -> Bar:
    unit = one_line(subject.unit)
    bar = Bar(
        file=sys.stderr,
        leave=not is_nested(subject),
        unit=unit if unit in GLUED else f" {unit}",
        unit_scale=unit == "B",
        unit_divisor=1024 if unit == "B" else 1000,
        dynamic_ncols=True,
        mininterval=0,
        miniters=0,
        delay=1e-9,  # so that it does not draw itself before it knows what
    )
    bar.delay = 0
    bar.start_t = bar.last_print_t = time.time() - subject.elapsed
    return bar


def _describe(bar: Bar, subject: Shown) -> float:
    """Let the bar say what the task is like now, but for the count, which is returned."""
    bar.desc = _writable(one_line(subject.name), bar)
    said = side_counts(subject)
    if subject.status in ("error", "cancelled"):
        mark = "✗" if _writable("✗", bar) == "✗" else "x"
        said.append(f"{mark} {ending(subject)}")
    elif message := message_of(subject):
        said.append(message)
    bar.postfix = _writable(shorten(", ".join(said), _room(bar)), bar)
    percent = percent_of(subject)
    if percent is not None:
        bar.total, bar.bar_format = 100, BY_GUESS if is_estimate(subject) else BY_PERCENT
        return percent
    # What has no total and counts nothing has only its time to show.
    bar.total, bar.bar_format = subject.total, None if subject.done or subject.total is not None else BY_TIME
    return _within(subject.done, subject.total)


def _room(bar: Bar) -> int:
    """Columns for words behind the bar, so that some are left for the bar itself."""
    columns = bar.ncols or 80
    return max(20, min(columns // 2, columns - len(bar.desc) - STATISTICS))


def _within(done: float, total: float | None) -> float:
    """`done` where a bar can show it: not below nothing, nor a fraction beyond the total."""
    if total is not None and total < done < total + 0.5:
        return total
    return max(0, done)


def _writable(text: str, bar: Bar) -> str:
    """`text` as far as the terminal's encoding can say it."""
    encoding = getattr(bar.fp, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


@contextmanager
def tqdms_lock(patience: float, bars: type = tqdm) -> Iterator[bool]:
    """Hold the lock under which `bars`, a class of tqdm's, draw; gives whether it was to be had in `patience` seconds.

    Where there is none yet, nobody else draws. We do not make it: that would settle for good how the program may start
    processes.
    """
    lock: Any = getattr(bars, "_lock", None)
    # tqdm's own is made of two, and cannot be asked for with a timeout.
    parts = () if lock is None else getattr(lock, "locks", (lock,))
    taken = []
    try:
        for part in parts:
            if not part.acquire(True, patience):
                break
            taken.append(part)
        yield len(taken) == len(parts)
    finally:
        for part in reversed(taken):
            part.release()
