"""The database file is never opened but by SQLite: closing such a descriptor would drop SQLite's locks on the file."""

from __future__ import annotations

from collections.abc import Callable

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
