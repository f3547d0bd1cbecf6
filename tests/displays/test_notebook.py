"""Bars in a notebook: what a real kernel sends to the cells while loops run, and what stays in them."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import progstore
from progstore.displays.choice import automatic, bar

WAITING = """
import progstore, sys, threading
from IPython.display import DisplayHandle
_news, _seen = threading.Condition(), []
_send = DisplayHandle.update
def _tell(self, bundle, **options):
    with _news:
        _seen.append(bundle["text/plain"])
        _news.notify_all()
    return _send(self, bundle, **options)
DisplayHandle.update = _tell
def until(text):
    "Wait until this was sent to a cell."
    with _news:
        assert _news.wait_for(lambda: any(text in each for each in _seen), 30), (text, _seen)
"""


class Notebook(NotebookClient):
    """A notebook that runs in a real kernel and keeps all that the kernel sends."""

    def __init__(self, *cells: str) -> None:
        v4: Any = nbformat.v4  # it has no types
        made = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in (WAITING, *cells)])
        super().__init__(made, kernel_name="python3", allow_errors=True, timeout=60)
        self.sent: list[tuple[int, str, str]] = []

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        """Remember the cell, the kind, and the text or HTML."""
        content = msg["content"]
        said = content.get("data", {}).get("text/html") or content.get("text", "")
        self.sent.append((cell_index, msg["msg_type"], said))
        return super().process_message(msg, cell, cell_index)

    def outputs(self, cell: int) -> list[Any]:
        """What stands below a cell in the end, the first is 1."""
        found: list[Any] = self.nb.cells[cell].outputs
        return found


@pytest.fixture
def kernel_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel chooses the display by itself, as a user's does."""
    monkeypatch.delenv("PROGSTORE_BAR")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")  # of the kernel's own packages


def shown(output: Any) -> str:
    """The HTML of an output."""
    text: str = output["data"]["text/html"]
    return text


def test_loops_in_a_kernel_are_shown_as_html_in_their_own_cells(
    kernel_settings: None, capfd: pytest.CaptureFixture[str]
) -> None:
    """One piece for each outermost task with what is nested in it, few updates, names escaped; the last state stays."""
    notebook = Notebook(
        """
for folder in progstore.track(range(3), "Folders", unit="folder"):
    for file in progstore.track(range(2), "<b>&nested", unit="file"):
        if not file: until(f"Folders: running, {100 * folder // 3} %, {folder} of 3 folder")
        until("<b>&nested: running")
""",
        "for _ in progstore.track(range(100_000), 'Quick'): pass",
        """
with progstore.track(name="Broken", total=4, unit="row") as broken:
    broken.update(1)
    with progstore.track(name="inner", total=2) as inner: inner.error("no luck")
    raise ValueError("row 7")
""",
        "task = progstore.track(name='By hand', total=4, bar=False); task.update(1); task.message('<i>'); task",
        """
import os
child = os.fork()
if not child:
    progstore.track(name="Of a child", total=1).complete()
    os._exit(0)
print(os.waitpid(child, 0)[1])
""",
        "import sys; print(sys.modules.get('ipywidgets'), bool(progstore.track([1], 'Own', bar='log')))",
    )
    notebook.execute()
    (folders,) = notebook.outputs(1)
    assert "Folders" in shown(folders)
    assert 'value="100.0"' in shown(folders)
    assert "3 of 3 folder" in shown(folders)
    assert "nested" not in shown(folders), "what is nested goes when it has ended"
    during = [said for cell, kind, said in notebook.sent if cell == 1 and kind == "update_display_data"]
    assert any("&lt;b&gt;&amp;nested" in said and "33 %" in said for said in during)
    assert not any("<b>" in said for said in during)
    (quick,) = notebook.outputs(2)
    assert "100,000 of 100,000 it" in shown(quick)
    assert sum(cell == 2 for cell, kind, _ in notebook.sent if kind == "update_display_data") <= 3
    broken = notebook.outputs(3)[0]
    assert "ValueError: row 7" in shown(broken)
    assert "inner" in shown(broken), "a nested error stays"
    assert "25 %" in shown(broken)
    assert "Broken: error" in broken["data"]["text/plain"], "for what cannot show HTML"
    (by_hand,) = notebook.outputs(4)
    assert by_hand["output_type"] == "execute_result"
    assert 'value="25.0"' in shown(by_hand)
    assert "&lt;i&gt;" in shown(by_hand)
    assert [each["output_type"] for each in notebook.outputs(5)] == ["stream"]
    assert "attempted to send message from fork" not in capfd.readouterr().err, "only the kernel itself draws"
    assert notebook.outputs(6)[-1]["text"].strip() == "None True", "no widgets"


def test_outside_of_kernels_nothing_changes() -> None:
    """Here, where there is no kernel, a bar is the terminal's."""
    assert bar() == "tqdm"
    assert automatic() in ("tqdm", "log")


def test_views_and_tasks_have_html_in_which_all_is_escaped(store_path: Path) -> None:
    """A session's table has a line for itself and its tasks, as a tree; a long one is cut, and says so."""
    with progstore.session("<script>alert(1)</script>"):
        for number in range(60):
            progstore.track(name=f"n{number}", total=1).complete()
        with progstore.track(name="outer\x1b[2J", total=2, unit="it<b>") as outer:
            outer.update(1)
            with progstore.track(name="inner", total=0) as inner:
                inner.message('"quoted" \n words')
    assert progstore.flush(10)
    with progstore.open_store(str(store_path)) as store:
        session = store.session(store.sessions().items[0].id)
        text = session._repr_html_()
        listed = store.sessions().items[0]._repr_html_()
    assert "<script" not in text
    assert html.escape("<script>alert(1)</script>") in text
    assert "\x1b" not in text
    assert "1 of 2 it&lt;b&gt;" in text
    assert "&quot;quoted&quot; words" in text
    assert "… 54 more" in text
    assert text.index("padding-left:1.2em") < text.index("padding-left:2.4em"), "nested tasks stand further in"
    assert "62 of 62 tasks" in listed
    assert listed.count("<tr") == 1
    assert not re.search(r"<(?:script|style|link|img)|\son\w+=|https?:", text)


def test_looking_for_a_notebook_imports_nothing(run_program: Any) -> None:
    """What makes HTML is loaded only where HTML is shown."""
    said = run_program(
        """
        import progstore, sys
        for _ in progstore.track([1], "a"): pass
        progstore.flush(10)
        print([name for name in ("IPython", "progstore.markup", "progstore.notebook", "html") if name in sys.modules])
        """,
        PROGSTORE_URL=os.environ["PROGSTORE_URL"],
    )
    assert said.strip() == "[]"
