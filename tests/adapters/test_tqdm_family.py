"""Any class of tqdm's family is recorded: its own variants, and subclasses that people have written."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from typing import Any, Self

import pytest
from tqdm import auto, notebook, rich, std
from tqdm import tqdm as original

from progstore.adapters.recorded import Recorded as RecordedBar
from progstore.adapters.tqdm import recorded as counterpart
from progstore.adapters.tqdm import tqdm
from progstore.adapters.tqdm.auto import tqdm as auto_tqdm
from progstore.adapters.tqdm.auto import trange as auto_trange
from progstore.adapters.tqdm.notebook import tqdm as notebook_tqdm
from progstore.adapters.tqdm.notebook import trange as notebook_trange
from progstore.displays.bars import Bar
from tests.adapters.conftest import Recorded

TYPE_CHECKING = False
if TYPE_CHECKING:
    Original = original[Any]
else:
    Original = original  # takes no argument when the program runs


class ByName(Original):
    """Takes other arguments than tqdm."""

    def __init__(self, title: str, size: int, *, session: str, disable: bool = False) -> None:
        self.before = f"{title} in {session}"
        super(ByName, self).__init__(total=size, desc=title, unit="MB", file=io.StringIO(), disable=disable)  # noqa: UP008  # as older code has it


class InBatches(Original):
    """Hands out several items at once, counts them itself, and is told of them in its own way."""

    def __iter__(self) -> Iterator[Any]:
        items = list(self.iterable)
        for start in range(0, len(items), 2):
            batch = items[start : start + 2]
            yield batch
            self.advance(batch)
        self.close()

    def advance(self, batch: list[Any]) -> None:
        """These are done."""
        self.update(len(batch))


class Counting(Original):
    """Counts what is in a block, draws elsewhere, and closes in its own way."""

    drawn: int = 0
    closings: int = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._options = self._given = self._task = self._loop = "mine"
        super().__init__(*args, **kwargs)

    def _left(self) -> str:
        return "mine"

    def update(self, block: bytes = b"") -> bool | None:  # type: ignore[override]  # as people do
        """So many bytes more."""
        return super().update(len(block))

    def display(self, *_: Any, **__: Any) -> None:
        """Nowhere."""
        self.drawn += 1

    def close(self) -> None:
        """And remember it."""
        self.closings += 1
        super().close()

    @property
    def format_dict(self) -> Any:
        """With something of its own."""
        return {**super().format_dict, "own": 1}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("own_"):
            return name
        raise AttributeError(name)


class Listed(Original):
    """Knows its subclasses, and wants to know what for they are."""

    known: list[type] = []  # noqa: RUF012  # of the class

    def __init_subclass__(cls, *, purpose: str) -> None:
        Listed.known.append(cls)
        cls.purpose = purpose  # type: ignore[attr-defined]  # as people do


class Failing(Original):
    """Cannot be made, once tqdm's part is."""

    def __init__(self) -> None:
        super().__init__(total=3, desc="Failing", file=io.StringIO())
        raise OSError("no place")


class Watching(Original):
    """Watches over what is set in it."""

    def __setattr__(self, name: str, value: Any) -> None:
        assert not name.startswith("_progstore")
        super().__setattr__(name, value)


class WithoutBase(Original):
    """Does not care for tqdm's own beginnings."""

    def __init__(self) -> None:
        self.disable = True


def test_a_counterpart_is_one_subclass_that_looks_like_its_class() -> None:
    """The same one each time; what is recorded, or draws for us, stays what it is."""
    made = counterpart(ByName)
    assert counterpart(ByName) is made
    assert issubclass(made, (ByName, RecordedBar))
    assert (made.__name__, made.__qualname__, made.__module__, made.__doc__) == (
        ByName.__name__,
        ByName.__qualname__,
        ByName.__module__,
        ByName.__doc__,
    )
    assert [counterpart(each) for each in (made, tqdm, auto_tqdm, Bar)] == [made, tqdm, auto_tqdm, Bar]


@pytest.mark.parametrize("disable", [False, True])
def test_a_subclass_with_other_arguments_is_recorded(disable: bool, recorded: Recorded) -> None:
    """What it tells tqdm is what counts; a keyword that is its own stays its own."""
    bar = counterpart(ByName)("Title", 5, session="mine", disable=disable)
    assert bar.before == "Title in mine"
    bar.update(5)
    bar.close()
    (task,) = recorded()
    assert (task.name, task.done, task.total, task.unit, task.status) == ("Title", 5, 5, "MB", "complete")


@pytest.mark.parametrize("disable", [False, True])
def test_a_subclass_that_iterates_in_its_own_way_does_so(disable: bool, recorded: Recorded) -> None:
    """And counts as it says."""
    bar = counterpart(InBatches)(range(5), desc="Batches", file=io.StringIO(), disable=disable)
    assert list(bar) == [[0, 1], [2, 3], [4]]
    (task,) = recorded()
    assert (task.done, task.total, task.status) == (5, 5, "complete")


@pytest.mark.parametrize("disable", [False, True])
def test_a_subclass_that_overrides_much_works_as_ever(disable: bool, recorded: Recorded) -> None:
    """Its own attributes, also those that we might have called so, are left alone."""
    bar = counterpart(Counting)(total=6, desc="Blocks", file=io.StringIO(), disable=disable, mininterval=3600, key="k")
    bar.update(b"abcd")
    bar.update(b"ef")
    bar.close()
    assert (bar._task, bar._loop, bar.own_one, bar.closings, bar.format_dict["own"]) == (
        "mine",
        "mine",
        "own_one",
        1,
        1,
    )
    assert bar.drawn == (0 if disable else 2)
    with pytest.raises(AttributeError):
        bar.nothing_of_the_kind  # noqa: B018  # reading it is the test
    (task,) = recorded()
    assert (task.key, task.done, task.status) == ("k", 6, "complete")


def test_a_subclass_that_watches_what_is_set_hears_what_tqdm_sets(recorded: Recorded) -> None:
    """The loop of tqdm stays, which sets the count as it draws; nothing that is ours is set."""
    bar = counterpart(Watching)(range(3), file=io.StringIO())
    assert ["n" in vars(bar) for _ in bar] == [True] * 3
    (task,) = recorded()
    assert (task.done, task.status) == (3, "complete")


@pytest.mark.parametrize("bar", [tqdm, auto_tqdm, counterpart(std.tqdm), counterpart(auto.tqdm)])
def test_with_default_settings_a_loop_is_counted_from_outside(bar: Any) -> None:
    """That is what makes it quick: while it runs, `n` is asked of the iterator and stands nowhere."""
    loop = bar("abc", file=io.StringIO())
    seen = [("n" in vars(loop), loop.n) for _ in loop]
    assert seen == [(False, 0), (False, 1), (False, 2)]
    assert loop.n == 3


def test_a_class_that_lists_its_subclasses_does_not_hear_of_counterparts() -> None:
    """Nor are they asked for the arguments that it wants."""
    made = counterpart(Listed)
    assert Listed.known == []
    assert list(made(range(3), file=io.StringIO())) == [0, 1, 2]


def test_a_bar_whose_making_fails_is_not_recorded(recorded: Recorded) -> None:
    """The error is the program's; and a class that leaves out tqdm's beginnings is no error of ours."""
    with pytest.raises(OSError, match="no place"):
        counterpart(Failing)()
    assert recorded() == []
    bar = counterpart(WithoutBase)()
    bar.close()
    assert bar.disable
    assert len(recorded()) == 1


def test_a_disabled_bar_may_be_sent_to_another_process(recorded: Recorded) -> None:
    """As one of its class, that is not recorded there."""
    bar = counterpart(original)([1, 2], desc="Sent", disable=True)
    sent = pickle.loads(pickle.dumps(bar))  # noqa: S301  # made just now
    assert type(sent) is std.tqdm
    assert list(sent) == [1, 2]
    bar.close()
    assert [task.name for task in recorded()] == ["Sent"]


def test_the_class_of_notebooks_draws_widgets_as_ever(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    """Green at its end, red where it was left, and recorded; by our class, and by the counterpart of its own."""
    for kind in (notebook_tqdm, counterpart(notebook.tqdm)):
        bar: Any = kind(range(3), desc="Load", unit="row")
        assert list(bar) == [0, 1, 2]
        _, widget, text = bar.container.children
        assert (widget.value, widget.max, widget.bar_style) == (3, 3, "success")
        assert "3/3" in text.value
        with pytest.raises(KeyError), kind(total=5, desc="By hand") as bar:  # noqa: PT012  # the block is the test
            bar.update(2)
            raise KeyError("x")
        assert bar.container.children[1].bar_style == "danger"
        list(kind(range(3), desc="Silent", disable=True))
    capsys.readouterr()
    one_kind = [("Load", "complete", 3, 3), ("By hand", "error", 2, 5), ("Silent", "complete", 3, 3)]
    assert [(task.name, task.status, task.done, task.total) for task in recorded()] == one_kind * 2
    assert [type(bar) for bar in (notebook_trange(1, disable=True), auto_trange(1, disable=True))] == [
        notebook_tqdm,
        auto_tqdm,
    ]


@pytest.mark.filterwarnings("ignore:rich is experimental")
def test_the_class_that_draws_with_rich_is_recorded(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    """It draws itself."""
    assert list(counterpart(rich.tqdm)(range(3), desc="Rich")) == [0, 1, 2]
    assert "Rich" in capsys.readouterr().out
    (task,) = recorded()
    assert (task.name, task.done, task.status) == ("Rich", 3, "complete")


def test_our_class_of_auto_is_the_family_of_auto() -> None:
    """So that what is written for it goes on working."""
    assert issubclass(auto_tqdm, auto.tqdm)


def test_a_mixture_of_our_class_and_another_one_is_recorded(recorded: Recorded) -> None:
    """As a program has it that adds something to the drop-in."""

    class Mixed(tqdm[int], Counting):
        def __enter__(self) -> Self:
            self.entered = True
            return super().__enter__()

    with Mixed(total=3, desc="Mixed", file=io.StringIO()) as bar:
        bar.update(b"abc")
    assert bar.entered
    (task,) = recorded()
    assert (task.done, task.status) == (3, "complete")
