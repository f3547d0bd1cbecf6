"""What our own code must never do: open the file of a store, for closing it would drop SQLite's locks; hide a fault."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TELLS = {
    "trouble.note",
    "tell",
    "warn",
    "_warn_once",
    "_tell",
    "_tell_both",
    "_failed",
    "log.exception",
    "logging.getLogger('progstore').exception",
    "warnings.append",
    "self._publish",
    "self.error",
}
"""Calls by which a fault is counted, warned of, shown, or handed on to whom it belongs."""
ANSWERS = {
    ("progstore/adapters/following.py", "plain"),
    ("progstore/adapters/following.py", "total_of"),
    ("progstore/adapters/following.py", "number"),
    ("progstore/adapters/injection.py", "_means"),
    ("progstore/displays/choice.py", "in_notebook"),
    ("progstore/displays/choice.py", "automatic"),
    ("progstore/clean.py", "shown"),
    ("progstore/live/reasons.py", "text_of"),
    ("progstore/live/reasons.py", "traceback_of"),
    ("progstore/live/tracking.py", "_asked"),
}
"""Where any exception is an answer to a question that a bare program would not have asked: no text, no total, no."""

WATCHED = """
    import os, sys

    path = os.environ["PROGSTORE_URL"]
    guarded = {path, path + "-wal", path + "-shm"}

    def watch(event, arguments):
        if event == "open" and arguments[0] is not None and not isinstance(arguments[0], int):
            opened = os.path.abspath(os.fsdecode(arguments[0]))
            # To create it is allowed: there is no connection yet whose locks could be dropped.
            if opened in guarded and not arguments[2] & os.O_EXCL:
                print("opened", opened, arguments[1:])

    sys.addaudithook(watch)
    import progstore

    with progstore.session("guarded"):
        for number in progstore.track(range(3)):
            child = os.fork()
            if child == 0:
                for _ in progstore.track("ab"):
                    pass
                raise SystemExit
            os.waitpid(child, 0)
    declared = progstore.Session.create({"a": "A"})
    assert progstore.flush(30)
    declared.start("a")
    declared.to_dict()
    declared.complete("a")
    assert progstore.flush(30)

    with progstore.open_store() as store:
        (task, *_) = store.tasks()
        store.session(task.session_id)
        store.sessions()
        store.events(task_id=task.id)
        store.names()
        store.facets()
        store.data_version()
        store.query("SELECT * FROM v_tasks")
        list(store.export())
        assert store.check()["integrity"] == "ok"
        store.settle()
        store.backup(path + ".copy")
        store.prune(older_than=0)
        store.vacuum()
    with open(path, "rb"):  # so that it is seen that the watch sees
        pass
"""


def test_no_code_of_ours_opens_the_file_of_a_store(run_program: Callable[..., str], store_path: object) -> None:
    """Recording, forking, reading, copying, cleaning up: what is opened besides SQLite is only what this test opens."""
    opened = run_program(WATCHED).splitlines()
    assert len(opened) == 1, opened
    assert opened[0].startswith(f"opened {store_path} ('r', ")


def caught_by_the_wholesale() -> Iterator[tuple[str, str, ast.ExceptHandler]]:
    """Every `except Exception` in the sources: file, function, and what is done about it."""
    for folder in ("progstore", "frontends", "migrations"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for function in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                for each in ast.walk(function):
                    if isinstance(each, ast.ExceptHandler) and "Exception" in names_in(each.type):
                        yield str(path.relative_to(ROOT)), function.name, each


def names_in(tree: ast.AST | None) -> set[str]:
    """The names that stand in a piece of source."""
    return {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)} if tree is not None else set()


def calls_in(tree: ast.AST) -> set[str]:
    """What is called in a piece of source, as it is written there."""
    return {ast.unparse(each.func) for each in ast.walk(tree) if isinstance(each, ast.Call)}


def raises(tree: ast.AST) -> bool:
    """Whether a piece of source raises something itself."""
    return any(isinstance(each, ast.Raise) for each in ast.walk(tree))


def test_no_fault_is_swallowed_without_a_word() -> None:
    """Whoever catches everything tells of it, or is known to answer a question with it."""
    caught = list(caught_by_the_wholesale())
    silent = {(path, name) for path, name, handler in caught if not (TELLS & calls_in(handler) or raises(handler))}
    assert silent == ANSWERS
