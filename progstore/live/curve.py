"""The curve of a task: at most 64 points of (elapsed seconds, done), thinned by doubling their spacing."""

from __future__ import annotations

MOST_POINTS = 64


class Curve:
    """Points sampled while a task runs; however long that is, they cover all of it evenly."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float]] = [(0.0, 0.0)]
        self._spacing = 0.0
        self._text: str | None = None

    def sample(self, elapsed: float, done: float) -> None:
        """Keep a point, unless the last one is too near."""
        last, _ = self._points[-1]
        if elapsed <= last or elapsed - last < self._spacing:
            return
        self._points.append((elapsed, done))
        self._text = None
        if len(self._points) == MOST_POINTS:
            del self._points[1::2]
            self._spacing = 2 * max(self._spacing, elapsed / MOST_POINTS)

    def end(self, elapsed: float, done: float) -> None:
        """The last point, kept whatever its distance."""
        if elapsed > self._points[-1][0]:
            self._points.append((elapsed, done))
            self._text = None

    def as_json(self) -> str:
        """The points as JSON text, made anew only when there are new ones."""
        if self._text is None:
            self._text = "[" + ",".join(f"[{elapsed:.6g},{_number(done)}]" for elapsed, done in self._points) + "]"
        return self._text


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))
