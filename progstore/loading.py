"""Parts of progstore are imported when one of their names is first used, and no fork comes in the middle of that: the
child would wait for ever for the import lock of a thread that it does not have.
"""

import os
import sys
from _thread import RLock, _local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Final

PATIENCE: "Final" = 10.0
"""Seconds that a fork waits for an import, which ends even on a busy machine."""
BRING_LOGGING: "Final" = {
    "adapters.aio",
    "adapters.futures",
    "jobs.starting",
    "live.session",
    "notebook",
    "store.store",
}
"""The parts that import `logging`, whose lock what they import may ask for, too."""

_importing = RLock()
_fork = _local()
_stands_before_logging = False


def load(home: str) -> "ModuleType":
    """The module of that name within progstore."""
    from importlib import import_module

    if home in BRING_LOGGING:
        _stand_before_logging()
    with _importing:
        return import_module(f"progstore.{home}")


def beside_logging(wait: "Callable[[], bool]") -> bool:
    """What `wait` says, called by a hook before a fork. Where another thread imports `logging` meanwhile, the hook that
    gives its lock back will be called, and the one that takes it was not: so it is taken here.
    """
    had_hooks = hasattr(sys.modules.get("logging"), "_after_at_fork_child_reinit_locks")
    answer = wait()
    logging = sys.modules.get("logging")
    if not had_hooks and hasattr(logging, "basicConfig"):
        logging._lock.acquire()  # type: ignore[union-attr]  # noqa: SLF001  # what that hook would have done
    return answer


def _stand_before_logging() -> None:
    """Let a fork wait for an import before it takes the lock of `logging`, for which that import may be waiting.

    Hooks run backwards, and those of `logging` are registered when it is imported; so ours are once more, behind them.
    """
    global _stands_before_logging  # noqa: PLW0603  # the hooks stand until the process ends
    if not _stands_before_logging:
        with _importing:
            import logging  # noqa: F401  # its hooks must be registered first
        _hook_forks()
        _stands_before_logging = True


def _hook_forks() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
        )


# The hooks may be called twice for one fork, and some of them only after it.


def _before_fork() -> None:
    if not hasattr(_fork, "waits"):
        _fork.waits = beside_logging(lambda: _importing.acquire(timeout=PATIENCE))


def _after_fork_in_parent() -> None:
    if _fork.__dict__.pop("waits", False):
        _importing.release()


def _after_fork_in_child() -> None:
    global _importing  # noqa: PLW0603  # whoever else held it is not there
    _fork.__dict__.clear()
    _importing = RLock()


_hook_forks()
