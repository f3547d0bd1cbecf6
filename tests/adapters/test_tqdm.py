"""The drop-in for tqdm: it draws as tqdm does, and what its bars were told is on record."""

from __future__ import annotations

import gc
import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tqdm as original

import progstore
from progstore import displays
from progstore.adapters.tqdm import tqdm, trange
from tests.adapters.conftest import Recorded
from tests.displays.terminal import on_terminal, screen_after


@pytest.fixture
def paper() -> io.StringIO:
    """What a bar is drawn on."""
    return io.StringIO()


class Shouting(tqdm[int]):
    """A subclass that draws in its own way, as users have them: it keeps what is drawn, and by which thread."""

    shouts: list[tuple[float, int]]

    def display(self, msg: str | None = None, pos: int | None = None) -> None:  # noqa: ARG002  # tqdm passes them
        """Draw it."""
        self.__dict__.setdefault("shouts", []).append((self.n, threading.get_ident()))


class Metronome:
    """A display that tells when frames are drawn."""

    def __init__(self) -> None:
        self._frames = threading.Semaphore(0)

    def open(self, subject: displays.Shown) -> None:
        """Nothing to do."""

    def draw(self, subject: displays.Shown) -> None:  # noqa: ARG002  # only that it is drawn counts
        """Another frame."""
        self._frames.release()

    def close(self, subject: displays.Shown) -> None:
        """Nothing to do."""

    def wait(self, frames: int) -> None:
        """Until so many more frames were drawn."""
        with progstore.track(name="Metronome", bar=False, record=False) as task:
            displays.begin(task.state, self)
            for _ in range(frames):
                assert self._frames.acquire(timeout=60)


class Unspeakable:
    """Raises whatever it is asked."""

    def __float__(self) -> float:
        raise RuntimeError("no number")

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_the_class_is_tqdms_own_kind() -> None:
    """So that `isinstance` and everything written for tqdm goes on working."""
    assert issubclass(tqdm, original.tqdm)
    assert isinstance(trange(3, disable=True), tqdm)


@pytest.mark.parametrize("items", [[1, 2, 3], (1, 2, 3), range(3), "abc", {1: 2, 3: 4}, {1, 2, 3}, iter([1, 2, 3])])
@pytest.mark.parametrize("settings", [{}, {"mininterval": 0}, {"miniters": 1}, {"disable": True}])
def test_every_item_is_handed_out_and_counted(
    items: Any, settings: dict[str, Any], recorded: Recorded, paper: io.StringIO
) -> None:
    """Whichever way the loop takes."""
    expected = list(items) if not isinstance(items, Iterator) else [1, 2, 3]
    iterable = items if not isinstance(items, Iterator) else iter([1, 2, 3])
    assert list(tqdm(iterable, desc="Items", file=paper, **settings)) == expected
    (task,) = recorded()
    assert (task.name, task.status, task.done) == ("Items", "complete", len(expected))


def test_the_last_line_is_tqdms(paper: io.StringIO) -> None:
    """The final state is exact, and the line ended."""
    for _ in tqdm(range(1000), desc="Load", unit="row", file=paper, ncols=80):
        pass
    assert paper.getvalue().startswith("\rLoad:   0%|")
    assert "1000/1000" in paper.getvalue().rpartition("\r")[2]
    assert paper.getvalue().endswith("row/s]\n")


def test_a_running_loop_is_drawn_by_the_thread() -> None:
    """Nobody but the thread has the time for it."""
    shown = on_terminal("""
        from progstore.adapters.tqdm import tqdm
        for item in tqdm(range(4), desc="Load"): until(f"| {item}/4 [")
        print("after")
    """)
    assert shown.code == 0
    assert shown.screen[0].startswith("Load: 100%|")
    assert shown.screen[1] == "after"


def test_a_bar_is_drawn_once() -> None:
    """Not by us as well, wherever bars are drawn."""
    shown = on_terminal("""
        import progstore
        from progstore.adapters.tqdm import tqdm
        for item in tqdm(range(4), desc="Load"): until(f"| {item}/4 [")
    """)
    assert shown.written.count("Load: 100%") == 1
    assert len(shown.screen) == 2


def test_tqdm_write_goes_between_the_bars() -> None:
    """Also while the thread draws."""
    shown = on_terminal("""
        from progstore.adapters.tqdm import tqdm
        for item in tqdm(range(3), desc="Load"):
            until(f"| {item}/3 [")
            tqdm.write(f"line {item}")
    """)
    assert shown.screen[:3] == ["line 0", "line 1", "line 2"]
    assert shown.screen[3].startswith("Load: 100%")


def test_nested_bars_take_their_places(paper: io.StringIO) -> None:
    """As tqdm's do, `leave` included."""
    for _ in tqdm(range(2), desc="Outer", file=paper, ncols=60):
        for _ in tqdm("ab", desc="inner", file=paper, leave=False, ncols=60):
            pass
    lines = screen_after(paper.getvalue().replace("\n", "\r\n"))
    assert lines[0].startswith("Outer: 100%")
    assert "".join(lines[1:]) == ""


def test_n_is_exact_within_the_loop(paper: io.StringIO) -> None:
    """What is done, where tqdm's own lags behind."""
    bar = tqdm(range(5), file=paper)
    assert [bar.n for _ in bar] == [0, 1, 2, 3, 4]
    assert bar.n == 5


@pytest.mark.parametrize("settings", [{"mininterval": 0}, {"miniters": 1, "mininterval": 0}])
def test_a_redraw_per_step_is_kept_where_it_was_asked_for(settings: dict[str, Any], paper: io.StringIO) -> None:
    """By tqdm's own loop."""
    for _ in tqdm(range(5), file=paper, **settings):
        pass
    drawn = paper.getvalue()
    assert all(f"| {n}/5 [" in drawn for n in range(6))


def test_a_subclass_that_draws_in_its_own_way_is_left_to_it(paper: io.StringIO, recorded: Recorded) -> None:
    """It must not be called from a thread that it does not know of."""
    bar = Shouting(range(5), file=paper, mininterval=0.1)
    for item in bar:
        if item == 3:
            Metronome().wait(3)
    assert {thread for _, thread in bar.shouts} == {threading.get_ident()}
    assert bar.shouts[-1][0] == 5
    assert recorded()[0].done == 5


def test_updates_by_hand_are_recorded(recorded: Recorded, paper: io.StringIO) -> None:
    """Also backwards, in fractions, and when `n` is set."""
    with tqdm(total=10, desc="By hand", unit="MB", file=paper) as bar:
        bar.update(4)
        bar.update(-1.5)
        bar.n += 1
        bar.update(6.5)
    (task,) = recorded()
    assert (task.done, task.total, task.unit, task.status) == (10, 10, "MB", "complete")


@pytest.mark.parametrize("disable", [False, True])
def test_a_bar_that_is_closed_with_less_than_its_total_was_left_early(
    disable: bool, recorded: Recorded, paper: io.StringIO
) -> None:
    """Whether it was drawn or not."""
    bar = tqdm(total=10, desc="By hand", file=paper, disable=disable)
    bar.update(3)
    bar.close()
    (task,) = recorded()
    assert (task.status, task.message, task.done) == ("cancelled", "left early", 3)


def test_a_bar_that_is_let_go_of_is_closed(recorded: Recorded, paper: io.StringIO) -> None:
    """As tqdm's own, at once and without the garbage collector."""
    gc.disable()
    try:
        bar = tqdm(total=2, desc="Dropped", file=paper)
        bar.update(2)
        del bar
        (task,) = recorded()
    finally:
        gc.enable()
    assert task.status == "complete"
    assert paper.getvalue().endswith("\n")


@pytest.mark.parametrize("settings", [{}, {"mininterval": 0}, {"disable": True}])
def test_a_loop_that_is_left_is_cancelled(settings: dict[str, Any], recorded: Recorded, paper: io.StringIO) -> None:
    """Also where no total is known."""
    for item in tqdm(iter(range(10)), desc="Search", file=paper, **settings):
        if item == 4:
            break
    (task,) = recorded()
    assert (task.status, task.message, task.done, task.total) == ("cancelled", "left early", 4, None)


def test_a_loop_that_ends_before_its_total_is_complete(recorded: Recorded, paper: io.StringIO) -> None:
    """It was exhausted; the total was a guess."""
    list(tqdm(iter("abc"), total=10, desc="Guess", file=paper))
    (task,) = recorded()
    assert (task.status, task.done, task.total) == ("complete", 3, 10)


@pytest.mark.parametrize("settings", [{}, {"mininterval": 0}, {"disable": True}])
def test_an_exception_in_a_block_is_the_tasks(settings: dict[str, Any], recorded: Recorded, paper: io.StringIO) -> None:
    """With its text, at the item that was worked on."""

    def work() -> None:
        with tqdm(range(10), desc="Block", file=paper, **settings) as bar:
            for item in bar:
                if item == 5:
                    raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        work()
    (task,) = recorded()
    assert (task.status, task.error_type, task.error, task.done) == ("error", "ValueError", "x", 5)


def test_what_fails_in_the_block_after_the_loop_is_an_error(recorded: Recorded, paper: io.StringIO) -> None:
    """The loop's end is not yet the block's."""

    def work() -> None:
        with tqdm(range(3), desc="Block", file=paper) as bar:
            list(bar)
            raise KeyError("late")

    with pytest.raises(KeyError):
        work()
    (task,) = recorded()
    assert (task.status, task.done) == ("error", 3)


def test_the_total_may_change(recorded: Recorded, paper: io.StringIO) -> None:
    """By attribute; an infinite one is unknown, as tqdm has it."""
    bar = tqdm(total=float("inf"), desc="Grows", file=paper)
    bar.update(5)
    assert recorded()[0].total is None
    bar.total = 8
    bar.update(3)
    bar.close()
    (task,) = recorded()
    assert (task.total, task.done, task.status) == (8, 8, "complete")


def test_initial_counts_as_done(recorded: Recorded, paper: io.StringIO) -> None:
    """A restarted download has it already."""
    list(tqdm(range(6, 10), initial=6, total=10, desc="Rest", file=paper))
    with tqdm(total=10, initial=6, desc="Rest by hand", file=paper) as bar:
        bar.update(4)
    assert [(task.done, task.total, task.status) for task in recorded()] == [(10, 10, "complete")] * 2


def test_initial_counts_in_a_later_attempt_too(recorded: Recorded, paper: io.StringIO) -> None:
    """Another start under the same key is in the store already."""
    for _ in range(2):
        bar = tqdm(range(6, 10), initial=6, total=10, key="k", file=paper)
        recorded()
        list(bar)
    assert [(task.attempt, task.done) for task in recorded()] == [(1, 10), (2, 10)]


def test_a_bar_may_be_closed_within_its_loop(recorded: Recorded, paper: io.StringIO) -> None:
    """The loop goes on to count, and knows its `n` afterwards."""
    bar = tqdm(range(5), desc="Closed", file=paper)
    for item in bar:
        if item == 2:
            bar.close()
    assert bar.n == 5
    (task,) = recorded()
    assert (task.status, task.done) == ("complete", 5)
    assert "2/5" in paper.getvalue()


def test_description_and_postfix_are_the_message(recorded: Recorded, paper: io.StringIO) -> None:
    """The first description is the name; colours are left out."""
    bar = tqdm(total=2, desc="\x1b[31mTrain\x1b[0m: ", file=paper)
    bar.set_postfix(loss=0.25)
    recorded()
    bar.set_description("Epoch 2")
    bar.update(2)
    bar.close()
    (task,) = recorded()
    assert (task.name, task.message) == ("Train", "Epoch 2, loss=0.25")


def test_a_message_from_elsewhere_stays(recorded: Recorded, paper: io.StringIO) -> None:
    """A bar that says nothing overwrites nothing."""
    for _ in tqdm(range(2), desc="Load", file=paper):
        progstore.current().message("from within")
    assert recorded()[0].message == "from within"


def test_a_bar_without_description_is_called_like_its_function(recorded: Recorded, paper: io.StringIO) -> None:
    """`trange` too."""

    def ingest() -> None:
        list(tqdm([1], file=paper))
        list(trange(1, file=paper))

    ingest()
    expected = f"{test_a_bar_without_description_is_called_like_its_function.__name__}.<locals>.ingest"
    assert [task.name for task in recorded()] == [expected.partition(".<")[0]] * 2


def test_a_second_loop_over_a_bar_is_a_second_attempt(recorded: Recorded, paper: io.StringIO) -> None:
    """As with tqdm, the items are handed out again and not drawn."""
    bar = tqdm([1, 2, 3], desc="Twice", key="k", file=paper)
    assert list(bar) == [1, 2, 3]
    assert list(bar) == [1, 2, 3]
    assert [(task.key, task.attempt, task.done, task.status) for task in recorded()] == [
        ("k", 1, 3, "complete"),
        ("k", 2, 3, "complete"),
    ]


def test_reset_after_a_full_pass_is_a_new_attempt(recorded: Recorded, paper: io.StringIO) -> None:
    """As one bar for many epochs; before the end of a pass it only counts anew."""
    bar = tqdm(total=3, desc="Epoch", file=paper)
    for _ in range(2):
        bar.reset()
        bar.update(3)
    bar.reset(total=5)
    bar.update(1)
    bar.reset()
    bar.update(5)
    bar.close()
    assert [(task.attempt, task.done, task.total, task.status) for task in recorded()] == [
        (1, 3, 3, "complete"),
        (2, 3, 3, "complete"),
        (3, 5, 5, "complete"),
    ]


def test_what_is_tracked_in_the_loop_is_nested_in_it(recorded: Recorded, paper: io.StringIO) -> None:
    """Bars and `track` alike."""
    for _ in tqdm([1], desc="Outer", file=paper):
        list(tqdm([1], desc="inner", file=paper))
        list(progstore.track([1], "tracked"))
    outer, inner, tracked = recorded()
    assert (inner.parent_id, tracked.parent_id) == (outer.id, outer.id)


def test_the_keywords_say_where_it_is_recorded(recorded: Recorded, paper: io.StringIO) -> None:
    """Session, key and metadata."""
    list(tqdm([1], desc="Load", key="run-7:rank-3", session="nightly", meta={"model": "m"}, file=paper))
    (task,) = recorded()
    assert (task.key, task.session_name, dict(task.meta)) == ("run-7:rank-3", "nightly", {"model": "m"})


def test_with_record_false_nothing_is_written(recorded: Recorded, paper: io.StringIO) -> None:
    """It is drawn all the same."""
    list(tqdm(range(3), file=paper, record=False))
    list(tqdm(range(3), disable=True, record=False))
    assert recorded() == []
    assert "3/3" in paper.getvalue()


@pytest.mark.parametrize(
    "use",
    [
        lambda bar: setattr(bar, "total", "many"),
        lambda bar: setattr(bar, "total", -5),
        lambda bar: setattr(bar, "n", float("nan")),
        lambda bar: setattr(bar, "n", "three"),
        lambda bar: setattr(bar, "desc", 5),
        lambda bar: setattr(bar, "unit", None),
        lambda bar: setattr(bar, "n", Unspeakable()),
        lambda bar: setattr(bar, "desc", Unspeakable()),
    ],
)
def test_whatever_a_bar_is_set_to_is_no_error_of_ours(
    use: Callable[[tqdm[None]], None], recorded: Recorded, paper: io.StringIO
) -> None:
    """As tqdm takes anything, the last good value stands."""
    bar = tqdm(total=10, desc="Odd", file=paper)
    bar.update(2)
    recorded()
    use(bar)
    (task,) = recorded()
    assert (task.status, task.done) == ("running", 2)
    bar.total, bar.n, bar.desc, bar.unit = 10, 2, "Odd", "it"
    bar.close()


def test_unknown_arguments_are_tqdms_error() -> None:
    """And nothing is recorded of a bar that never was."""
    with pytest.raises(original.TqdmKeyError):
        tqdm(total=1, file=io.StringIO(), colr="red")


def test_pandas_style_wrappers_get_our_bars(recorded: Recorded, paper: io.StringIO) -> None:
    """What makes bars of the class it is called on."""
    source = io.BytesIO(b"x" * 1000)
    with tqdm.wrapattr(source, "read", total=1000, desc="Read", file=paper) as wrapped:
        while wrapped.read(300):
            pass
    (task,) = recorded()
    assert (task.name, task.done, task.total, task.unit) == ("Read", 1000, 1000, "B")
