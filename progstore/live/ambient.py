"""Which session a new task belongs to, where nobody said.

In order: the keyword, the context's `session()`, the only open one of the process, the one that the work in hand was
sent from, the one that this process was started in, else the ambient session, made on first use and named for the
script, module or notebook.
"""

from __future__ import annotations

import os
import sys
from _weakref import ref

from progstore import clean, config
from progstore.live import context, identity
from progstore.live.recorder import recorder
from progstore.live.state import SessionState

_open_blocks: list[SessionState] = []
_named: dict[tuple[str | None, str], SessionState] = {}
_ambient: dict[str | None, SessionState] = {}
_known: dict[str, ref[SessionState]] = {}
_parents: dict[str, SessionState] = {}
_sent: dict[str, SessionState] = {}


def session_for(chosen: object, store: object, *, record: bool) -> SessionState:
    """The session of a new task; `chosen` is a Session, a name, or None, `store` a URL or None for what holds here.

    Raises TypeError for anything else.
    """
    if chosen is None:
        chosen = config.setting("session")
    state = _surrounding(store) if chosen is None else _chosen(chosen, store)
    if record:
        recorder.watch_session(state)
    return state


def store_url(keyword: object = None) -> str | None:
    """The store that is meant here and now, None for the default one; a relative path is taken from where we stand."""
    url: str | None = config.setting("store", keyword)
    if url is None or "://" in url:
        return url
    try:
        return os.path.abspath(os.path.expanduser(url))
    except OSError:  # where we stand was removed; the recorder meets the same, and says so
        return url


def opened(state: SessionState) -> None:
    """A `session()` block begins."""
    _open_blocks.append(state)
    remember(state)
    identity.publish(state.uid, state.name)


def closed(state: SessionState) -> None:
    """A `session()` block ends: child processes started from here on join the one around it, if any."""
    if state in _open_blocks:
        _open_blocks.remove(state)
    around = _open_blocks[-1] if _open_blocks else next(iter(_ambient.values()), None)
    if around is not None:
        identity.publish(around.uid, around.name)
    else:
        identity.withdraw()


def remember(state: SessionState) -> None:
    """Let `known` find it, as long as anybody holds it."""

    def forget_it(reference: ref[SessionState]) -> None:
        if _known.get(state_uid) is reference:
            del _known[state_uid]

    state_uid = state.uid
    _known[state_uid] = ref(state, forget_it)


def known(uid: object) -> SessionState | None:
    """The session of that uid, where this process holds it already."""
    reference = _known.get(uid) if isinstance(uid, str) else None
    state = None if reference is None else reference()
    return None if state is None or state.inert else state


def joined(uid: str, name: str, store: str | None) -> SessionState:
    """A session of another process, as it is known here; `name` holds until the store tells its real one."""
    state = known(uid)
    if state is None:
        state = SessionState(name, "ambient", store=store, uid=uid, joined=True)
        remember(state)
    return state


def unended() -> list[SessionState]:
    """The sessions of this process that end with it."""
    return [
        state for state in (*_open_blocks, *_named.values(), *_ambient.values()) if state.is_open and not state.joined
    ]


def leave(store: str | None) -> list[SessionState]:
    """The open sessions of one store, which from here on are no longer found by new tasks."""
    left = [state for state in unended() if state.store == store]
    for url in [url for url, state in _ambient.items() if state.store == store]:
        del _ambient[url]
    for key in [key for key in _named if key[0] == store]:
        del _named[key]
    if not _ambient:
        identity.withdraw()
    return left


def forget() -> None:
    """In a forked child: sessions are the parent's now, and are found again through the environment."""
    _parents.update({state.uid: state for state in (*_open_blocks, *_named.values(), *_ambient.values())})
    _open_blocks.clear()
    _named.clear()
    _ambient.clear()


def begin(name: str | None = None) -> SessionState:
    """The ambient session, made now rather than with its first task; `name` is for a new one."""
    url = store_url()
    if url not in _ambient:
        _ambient[url] = _new(name or program_name(), url, identity.inherited())
    if config.setting("record"):
        recorder.watch_session(_ambient[url])
    return _ambient[url]


def program_name() -> str:
    """What the ambient session is called: the script, module or notebook, whose file name may be no text."""
    return clean.text(_program_name(), "program", clean.NAME_LIMIT)


def _program_name() -> str:
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != "__main__":
        return str(spec.name.removesuffix(".__main__"))
    notebook = getattr(main, "__vsc_ipynb_file__", None) or os.environ.get("JPY_SESSION_NAME")
    if notebook and "ipykernel" in sys.modules:
        return os.path.splitext(os.path.basename(notebook))[0]
    script = str(sys.argv[0]) if sys.argv else ""  # programs may put anything there
    if script in ("", "-c"):
        return "notebook" if "ipykernel" in sys.modules else "python"
    return os.path.splitext(os.path.basename(script))[0] or "python"


def _chosen(chosen: object, store: object) -> SessionState:
    if isinstance(chosen, str):
        url, name = store_url(store), clean.text(chosen, "session", clean.NAME_LIMIT)
        if (url, name) not in _named:
            _named[url, name] = SessionState(name, "block", store=url)
        return _named[url, name]
    state = getattr(chosen, "state", chosen)
    if not isinstance(state, SessionState):
        raise TypeError(f"session must be a Session or a name, got {type(chosen).__name__}")
    return joined(state.uid, state.name, state.store) if state.inert else state


def _surrounding(store: object) -> SessionState:
    around = context.session.get()
    if around is not None and around.is_open and not around.inert and _holds(around, store):
        return around
    blocks = [state for state in _open_blocks if _holds(state, store)]
    if len(blocks) == 1:
        return blocks[0]
    url = store_url(store)
    place = context.sent_from.get()
    if place is not None:
        return _sender(*place, chosen=None if store is None else url)
    if url not in _ambient:
        _ambient[url] = _inherited_or_new(url, is_chosen=store is not None)
    return _ambient[url]


def _holds(state: SessionState, store: object) -> bool:
    """Whether tasks for `store` may go to that session: it is in that store, or no store was named."""
    return store is None or state.store == store_url(store)


def _sender(uid: str, name: str, store: str | None, *, chosen: str | None) -> SessionState:
    """The session that the work in hand was sent from; only the newest is kept, for workers outlive many."""
    state = joined(uid, name, chosen or store)
    if uid not in _sent:
        _sent.clear()
        _sent[uid] = state
    return state


def _inherited_or_new(store: str | None, *, is_chosen: bool) -> SessionState:
    found = identity.inherited()
    if found is not None and found[1]:
        parents = _parents.get(found[0])  # after a fork: then the name is known, and where the session is kept
        if parents is None:
            return joined(found[0], identity.inherited_name() or program_name(), store)
        return joined(found[0], parents.name, store if is_chosen else parents.store)
    return _new(program_name(), store, found)


def _new(name: str, store: str | None, around: tuple[str, bool] | None) -> SessionState:
    """An ambient session of this process, within the one `around` it."""
    state = SessionState(name, "ambient", store=store, parent_uid=around[0] if around else None)
    remember(state)
    identity.publish(state.uid, state.name)
    return state
