"""The curve of a task: at most 64 points of (elapsed seconds, done), thinned by doubling their spacing."""

from __future__ import annotations

MOST_POINTS = 64


class Curve:
    """Points sampled while a task runs; however long that is, they cover all of it evenly."""

    def __init__(self) -> None:
        # As text from the start: each point is encoded once, and written with every tick.
        self._points = ["[0,0]"]
        self._last = 0.0
        self._spacing = 0.0

    def sample(self, elapsed: float, done: float) -> None:
        """Keep a point, unless the last one is too near."""
        if elapsed <= self._last or elapsed - self._last < self._spacing:
            return
        self.end(elapsed, done)
        if len(self._points) == MOST_POINTS:
            del self._points[1::2]
            self._spacing = 2 * max(self._spacing, elapsed / MOST_POINTS)

    def end(self, elapsed: float, done: float) -> None:
        """The last point, kept however near it is."""
        if elapsed > self._last:
            self._last = elapsed
            self._points.append(f"[{elapsed:.6g},{_number(done)}]")

    def as_json(self) -> str:
        """The points as JSON text."""
        return "[" + ",".join(self._points) + "]"


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
