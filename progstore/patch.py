"""Record programs as they are: every bar of tqdm's family and every task of rich's progress, with no line changed.

All bars of tqdm are made by one method of one class, and all tasks of rich by the methods of another one. Only those
are replaced, so it does not matter by which name a program knows them, or when it imported them. Neither library is
imported for it: where one is not there yet, it is patched as soon as the program has imported it.
"""

from __future__ import annotations

import sys
from _thread import RLock

from progstore import config, trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Final

_lock = RLock()
_replaced: list[tuple[type, str, Any, Any]] = []
"""Class, name of the attribute, what was there, what is there now."""
_is_on = False
_warned: set[str] = set()


def install(**defaults: Any) -> None:
    """Record the bars of tqdm, its subclasses and rich's progress in this process, from now on.

    The keywords are defaults for everything that is recorded: `store`, `session`, `interval` (seconds), `record`,
    `bar`, `handle_sigterm`, as `configure()` has them. They win over `configure()`. A second call merges its own with
    those of the first; None takes one back. Bars are drawn as ever.

    Raises TypeError for a default that does not exist, ValueError for a value that cannot be; then nothing is changed.
    """
    global _is_on  # noqa: PLW0603  # a process is patched or it is not
    config.install_defaults(defaults)
    if defaults.get("handle_sigterm"):
        from progstore.live.exits import handle_sigterm

        handle_sigterm()
    with _lock:
        _is_on = True
        if _hook not in sys.meta_path:
            sys.meta_path.insert(0, _hook)
    for name in _PATCHES:
        _patch_if_loaded(name)


def uninstall() -> None:
    """Take back all that `install()` did, its defaults too. What was begun before is recorded to its end."""
    global _is_on  # noqa: PLW0603  # as above
    with _lock:
        _is_on = False
        if _hook in sys.meta_path:
            sys.meta_path.remove(_hook)
        while _replaced:
            owner, name, before, ours = _replaced.pop()
            # Where somebody has replaced it since, ours stays behind it and does nothing.
            if vars(owner).get(name) is ours:
                setattr(owner, name, before)
    config.remove_installed()


class _Hook:
    """Stands first among the finders: lets the others find a module that is to be patched, and does so once it has run.

    No abstract base: whoever installs us when the interpreter starts shall not pay for importing one.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the other finders find."""
        if fullname not in _PATCHES:
            return None
        for finder in list(sys.meta_path):
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader)  # type: ignore[assignment]  # no abstract base, as above
                return spec
        return None


class _Loader:
    """Stands in for a module's own loader, until it is asked to run the module."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the loader itself, which need not have it."""
        create = getattr(self._loader, "create_module", None)
        module: ModuleType | None = None if create is None else create(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own loader back, run it, and patch it."""
        spec = module.__spec__
        module.__loader__ = self._loader
        if spec is not None:
            spec.loader = self._loader
        self._loader.exec_module(module)
        _patch_if_loaded(module.__name__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _patch_if_loaded(module_name: str) -> None:
    """Patch a library that is there. Whatever is strange about it, the program must not suffer by it."""
    module = sys.modules.get(module_name)
    if module is None:
        return
    class_name, replacements = _PATCHES[module_name]
    try:
        if not hasattr(module, class_name):
            from importlib import import_module

            import_module(module_name)  # another thread is about to import it: wait until it has
        owner = getattr(module, class_name)
        with _lock:
            if _is_on and all(owner is not done for done, *_ in _replaced):
                for name, ours in replacements(owner).items():
                    _replaced.append((owner, name, vars(owner)[name], ours))
                    setattr(owner, name, ours)
    except Exception as error:  # noqa: BLE001  # see above
        _warn_once(module_name, error)


def _for_tqdm(owner: type) -> dict[str, Any]:
    """What replaces the method that makes all bars: it makes recorded ones."""
    plain = owner.__new__

    def __new__(cls: type, *args: Any, **kwargs: Any) -> Any:  # noqa: N807  # it becomes that method
        bar = plain(cls, *args, **kwargs)
        if _is_on:
            try:
                # Made as what was asked for, and only then more than that: tqdm keeps its lock, its monitor and its
                # list of bars by class.
                made = _counterpart(cls)
                if made is not cls:
                    bar.__class__ = made
            except Exception as error:  # noqa: BLE001  # a class may be made in any way, and goes on unrecorded then
                _warn_once(cls.__qualname__, error)
        return bar

    return {"__new__": staticmethod(__new__)}


def _counterpart(cls: type) -> type:
    """The recorded class in place of one of tqdm's; a bar that is the drawing of a task stays what it is."""
    from progstore.adapters.counterparts import recorded  # with the first bar, for importing tqdm must not cost more
    from progstore.displays import is_drawing

    return cls if is_drawing() else recorded(cls)


def _for_rich(owner: type) -> dict[str, Any]:
    from progstore.adapters.rich import recording_methods

    return recording_methods(owner, lambda: _is_on)


def _warn_once(what: str, error: Exception) -> None:
    tell = trouble.note if what in _warned else trouble.warn
    _warned.add(what)
    tell("%s is not recorded: %s: %s", what, type(error).__name__, error)


# Module: the class in it, and what makes the replacements for attributes of that class.
_PATCHES: Final = {
    "tqdm.std": ("tqdm", _for_tqdm),
    "rich.progress": ("Progress", _for_rich),
}
_hook: Final = _Hook()
