"""Patching: what is replaced in libraries that are there or come later, and that programs never suffer by it."""

from __future__ import annotations

import importlib
import io
import logging
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tqdm
from tqdm import std

import progstore
from progstore import config
from progstore.live.task import Task
from tests.adapters.conftest import Recorded

RunProgram = Callable[..., str]


@pytest.fixture
def install() -> Iterator[Callable[..., None]]:
    """Installs, and takes it back at the end."""
    yield progstore.patch.install
    progstore.patch.uninstall()


@pytest.fixture
def recorded(store_path: Path) -> Recorded:
    """Reads all tasks of the test's store, oldest first."""

    def read() -> list[progstore.TaskView]:
        assert progstore.flush(10)
        with progstore.open_store(str(store_path)) as store:
            return sorted(store.tasks(), key=lambda task: task.id)

    return read


def drawn(kind: Callable[..., Any], **options: Any) -> str:
    """What a bar over five items writes, with the times that differ from run to run left out."""
    paper = io.StringIO()
    bar = kind(
        range(5), file=paper, ascii=True, bar_format="{desc}{percentage:.0f}|{bar}|{n_fmt}/{total_fmt}", **options
    )
    assert list(bar) == [0, 1, 2, 3, 4]
    return paper.getvalue()


def test_a_default_that_cannot_be_raises_and_nothing_is_installed(install: Callable[..., None]) -> None:
    """One bad keyword spoils all of them."""
    finders, plain = list(sys.meta_path), vars(std.tqdm)["__new__"]
    with pytest.raises(TypeError, match=r"install\(\) has no setting 'colour'; it has bar, .*store"):
        install(interval=0.2, colour="red")
    with pytest.raises(ValueError, match="interval is in seconds"):
        install(record=False, interval=-1)
    assert (sys.meta_path, vars(std.tqdm)["__new__"]) == (finders, plain)
    assert (config.setting("interval"), config.setting("record")) == (config.DEFAULT_INTERVAL, True)


def test_defaults_hold_for_bars_and_lose_to_keywords(install: Callable[..., None], recorded: Recorded) -> None:
    """They win over `configure()`, and go with `uninstall()`; None takes one back."""
    progstore.configure(session="configured", interval=2)
    install(session="installed", interval=1)
    assert (config.setting("session"), config.setting("interval")) == ("installed", 1)
    list(tqdm.tqdm([1], desc="bar", file=io.StringIO()))
    list(progstore.track([1], "keyword", session="chosen"))
    install(session=None)
    assert config.setting("session") == "configured"
    assert len(recorded()) == 2
    with progstore.open_store() as store:
        assert {session.name for session in store.sessions()} == {"installed", "chosen"}
    progstore.patch.uninstall()
    assert config.setting("interval") == 2


def test_bars_are_drawn_and_behave_as_ever(install: Callable[..., None], recorded: Recorded) -> None:
    """What is written, the class, the monitor and the list of bars are those of the class that was asked for."""

    class Own(tqdm.tqdm):  # type: ignore[type-arg]  # tqdm takes no argument when the program runs
        """A program's own bar, with a keyword of its own."""

        def __init__(self, *args: Any, label: str = "", **kwargs: Any) -> None:
            self.label = label
            super().__init__(*args, **kwargs)

    plain = [drawn(tqdm.tqdm, mininterval=0), drawn(tqdm.tqdm), drawn(Own, desc="own ", label="x")]
    install()
    assert [drawn(tqdm.tqdm, mininterval=0), drawn(tqdm.tqdm), drawn(Own, desc="own ", label="x")] == plain
    bar = Own(total=2, label="mine", file=io.StringIO())
    assert isinstance(bar, Own)
    assert (bar.label, type(bar).__name__, type(bar).__module__, type(bar).monitor) == (
        "mine",
        "Own",
        __name__,
        Own.monitor,
    )
    assert bar in std.tqdm._instances  # type: ignore[attr-defined]  # not in the stub
    bar.update()
    bar.close()
    assert [(task.name, task.done, str(task.status)) for task in recorded()][2:] == [
        ("own", 5, "complete"),
        ("test_bars_are_drawn_and_behave_as_ever", 1, "cancelled"),
    ]


def test_a_class_that_cannot_be_recorded_goes_on_without(
    install: Callable[..., None], caplog: pytest.LogCaptureFixture, recorded: Recorded
) -> None:
    """It is said once."""

    class Alone(type):
        def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any], **_: Any) -> Any:
            if any(isinstance(base, Alone) for base in bases):
                raise TypeError("nobody derives from me")
            return super().__new__(cls, name, bases, space)

    class Odd(tqdm.tqdm, metaclass=Alone):  # type: ignore[type-arg]  # as above
        pass

    install()
    with caplog.at_level(logging.WARNING, "progstore"):
        assert list(Odd([1, 2], file=io.StringIO())) == [1, 2]
        assert list(Odd([3], file=io.StringIO())) == [3]
    (record,) = caplog.records
    assert record.getMessage().endswith("Odd is not recorded: TypeError: nobody derives from me")
    list(progstore.track([1], "only this"))
    assert [task.name for task in recorded()] == ["only this"]


def test_what_draws_a_task_is_no_task_of_its_own(install: Callable[..., None], recorded: Recorded) -> None:
    """Our bars are drawn by tqdm and by rich, too, and tqdm's by rich."""
    install()
    for display in (True, "rich"):
        list(progstore.track([1], f"shown by {display}", bar=display))
    import tqdm.rich

    with pytest.warns(tqdm.TqdmExperimentalWarning):
        list(tqdm.rich.tqdm([1], desc="tqdm's rich"))
    assert [task.name for task in recorded()] == ["shown by True", "shown by rich", "tqdm's rich"]


def test_a_replacement_by_somebody_else_is_left_alone(install: Callable[..., None], recorded: Recorded) -> None:
    """A tool that wraps tqdm after us keeps its wrapper when ours is taken back, and nothing is recorded through it."""
    plain = vars(std.tqdm)["__new__"]
    install()
    ours = std.tqdm.__new__
    made = []

    def theirs(cls: type, *args: Any, **kwargs: Any) -> Any:
        made.append(cls)
        return ours(cls, *args, **kwargs)

    setattr(std.tqdm, "__new__", staticmethod(theirs))  # noqa: B010  # mypy knows a method when it sees one
    try:
        progstore.patch.uninstall()
        list(std.tqdm([1], file=io.StringIO()))
        assert made == [std.tqdm]
    finally:
        setattr(std.tqdm, "__new__", plain)  # noqa: B010  # as above
    list(progstore.track([1], "only this"))
    assert [task.name for task in recorded()] == ["only this"]


def test_a_module_that_is_loaded_again_is_patched_again(run_program: RunProgram, recorded: Recorded) -> None:
    """A reload makes a new class; both are restored at the end. A module that was only looked up keeps its loader."""
    run_program("""
        import importlib, importlib.util, sys, progstore
        progstore.patch.install()
        spec = importlib.util.find_spec("rich.progress")
        assert "def track" in spec.loader.get_source("rich.progress") and "rich.progress" not in sys.modules
        import tqdm.std
        assert type(tqdm.std.__loader__).__name__ == "SourceFileLoader"
        assert tqdm.std.__spec__.loader is tqdm.std.__loader__
        first = tqdm.std.tqdm
        importlib.reload(tqdm.std)
        assert tqdm.std.tqdm is not first
        list(first([1], desc="first"))
        list(tqdm.std.tqdm([1], desc="second"))
        progstore.patch.uninstall()
        list(first([1], desc="not"))
        list(tqdm.std.tqdm([1], desc="recorded"))
    """)
    assert [task.name for task in recorded()] == ["first", "second"]


def test_tqdm_may_come_out_of_a_zip_file(run_program: RunProgram, tmp_path: Path, recorded: Recorded) -> None:
    """Whichever loader brings it."""
    folder = Path(tqdm.__file__).parent
    with zipfile.ZipFile(tmp_path / "library.zip", "w") as archive:
        for path in folder.rglob("*.py"):
            archive.write(path, Path("tqdm") / path.relative_to(folder))
    run_program(
        """
        import sys, progstore
        sys.path.insert(0, sys.argv[1])
        progstore.patch.install()
        import tqdm
        assert "library.zip" in tqdm.__file__
        list(tqdm.tqdm([1, 2], desc="zipped"))
    """,
        str(tmp_path / "library.zip"),
    )
    assert [(task.name, task.done) for task in recorded()] == [("zipped", 2)]


def test_a_library_that_another_thread_is_importing_is_patched_when_it_has(
    run_program: RunProgram, recorded: Recorded
) -> None:
    """`install()` comes just between the beginning of tqdm.std and its end."""
    run_program("""
        import sys, threading, progstore
        begun, go_on = threading.Event(), threading.Event()

        class Slow:
            def find_spec(self, name, path=None, target=None):
                if name == "tqdm.utils":
                    begun.set()
                    assert go_on.wait(10)

        sys.meta_path.insert(0, Slow())
        thread = threading.Thread(target=__import__, args=("tqdm.std",))
        thread.start()
        assert begun.wait(10)
        threading.Timer(0.2, go_on.set).start()
        progstore.patch.install()
        thread.join()
        list(sys.modules["tqdm.std"].tqdm([1], desc="between"))
    """)
    assert [task.name for task in recorded()] == ["between"]


def test_patch_is_a_name_of_progstore() -> None:
    """After plain `import progstore`."""
    assert progstore.patch is importlib.import_module("progstore.patch")
    assert "patch" in dir(progstore)
    assert Task is progstore.Task
