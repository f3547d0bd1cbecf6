"""A plugin for the pytest that runs tqdm's own tests: it puts recorded classes in the place of tqdm's.

`IN_TQDMS_PLACE` says how: `names` replaces the classes in all modules of tqdm, as a program does that imports ours;
`patch` is `progstore.patch.install()`; without it tqdm stays as it is.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from importlib import import_module

import pytest
from tqdm import std

MODULES = ("tqdm", *(f"tqdm.{name}" for name in ("std", "asyncio", "autonotebook", "auto", "notebook", "rich", "cli")))
CONTRIBUTED = tuple(f"tqdm.contrib{name}" for name in ("", ".concurrent", ".itertools", ".logging"))


def _replace_names() -> None:
    from progstore.adapters.tqdm import recorded

    original = std.tqdm
    for module in [import_module(name) for name in MODULES + CONTRIBUTED]:
        for name, value in list(vars(module).items()):
            if isinstance(value, type) and issubclass(value, original):
                setattr(module, name, recorded(value))


if os.environ.get("IN_TQDMS_PLACE") == "names":
    _replace_names()
elif os.environ.get("IN_TQDMS_PLACE") == "patch":
    from progstore.patch import install

    install()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Coroutine functions are tests, too; tqdm has a plugin of its own for that."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}))
    return True
