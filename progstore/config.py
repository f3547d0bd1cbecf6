"""Settings: keyword over `patch.install()` over `configure()` over environment over default.

The environment is read when a setting is used, never at import.
"""

from __future__ import annotations

import os

from progstore import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

DEFAULT_INTERVAL: Final = 0.5
"""Seconds between two writes of one process."""
SHORTEST_INTERVAL: Final = 0.05
"""Seconds; a shorter interval is raised to this, for no two commits come closer."""

_installed: dict[str, Any] = {}
_configured: dict[str, Any] = {}
_warned: set[str] = set()


class _Unset:
    """Says that a keyword was not given, where None has a meaning of its own."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset()


def configure(**settings: Any) -> None:
    """Set defaults of this process: `store`, `interval` (seconds), `bar`, `record`, `session`, `handle_sigterm`.

    A keyword at the call wins over these, these win over the environment. None takes a setting back.
    Raises TypeError for a setting that does not exist, ValueError for a value that cannot be.
    """
    _merge(_configured, settings, "configure")
    if settings.get("handle_sigterm"):
        from progstore.live.exits import handle_sigterm

        handle_sigterm()


def install_defaults(settings: dict[str, Any]) -> None:
    """Merge the defaults that `patch.install()` was given; they win over `configure()`."""
    _merge(_installed, settings, "install")


def remove_installed() -> None:
    """Forget what `patch.install()` set."""
    _installed.clear()


def setting(name: str, keyword: object = UNSET) -> Any:
    """The value of setting `name` as it holds now; `keyword` is what the caller was given."""
    if keyword is not UNSET and keyword is not None:
        return _SETTINGS[name][1](keyword)
    for layer in (_installed, _configured):
        if name in layer:
            return layer[name]
    variable, check, default = _SETTINGS[name]
    if variable and (raw := os.environ.get(variable)):
        try:
            return check(raw)
        except (TypeError, ValueError) as error:
            _warn_once(variable, f"{variable}={raw!r} is not used: {error}; going on with {default!r}")
    return default


def _merge(layer: dict[str, Any], settings: dict[str, Any], function: str) -> None:
    checked = {}
    for name, value in settings.items():
        if name not in _SETTINGS:
            raise TypeError(f"{function}() has no setting {name!r}; it has {', '.join(sorted(_SETTINGS))}")
        checked[name] = None if value is None else _SETTINGS[name][1](value)
    layer.update(checked)
    for name in [name for name, value in layer.items() if value is None]:
        del layer[name]


def _interval(value: Any) -> float:
    try:
        seconds = float(value)
    except OverflowError:
        seconds = float("inf")
    if not 0 <= seconds <= 3600:
        raise ValueError(f"interval is in seconds, from {SHORTEST_INTERVAL} to 3600, got {clean.shown(value)}")
    return max(seconds, SHORTEST_INTERVAL)


def _flag(value: Any) -> bool:
    if isinstance(value, str):
        word = value.strip().lower()
        if word not in _WORDS:
            raise ValueError("use 1 or 0")
        return _WORDS[word]
    return bool(value)


def _bar(value: Any) -> bool | str:
    if isinstance(value, str):
        word = value.strip().lower()
        return _WORDS.get(word, word)
    return bool(value)


def _string(value: Any) -> str:
    if hasattr(value, "__fspath__"):
        value = value.__fspath__()
    if not isinstance(value, str) or not value:
        raise TypeError(f"expected a string, got {type(value).__name__}")
    return value


def _anything(value: Any) -> Any:
    return value


def _warn_once(what: str, message: str) -> None:
    if what not in _warned:
        _warned.add(what)
        from progstore import trouble  # a wrong setting pays for it, not every import

        trouble.warn("%s", message)


_WORDS: Final = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}

# name: (environment variable, check and conversion, default)
_SETTINGS: Final[dict[str, tuple[str | None, Callable[[Any], Any], Any]]] = {
    "store": ("PROGSTORE_URL", _string, None),
    "interval": ("PROGSTORE_INTERVAL", _interval, DEFAULT_INTERVAL),
    "bar": ("PROGSTORE_BAR", _bar, "auto"),
    "record": ("PROGSTORE_RECORD", _flag, True),
    "session": (None, _anything, None),
    "handle_sigterm": (None, _flag, False),
}
