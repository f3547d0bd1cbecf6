"""A drop-in for Progressista's client: `RemoteTqdm` with its keywords and variables, recorded in our store."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, Generic
from urllib.parse import urlsplit
from weakref import ref

from progstore import config
from progstore.adapters.following import plain
from progstore.adapters.tqdm import tqdm
from progstore.values import Status, TaskView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from progstore.live.session import Session

    Item = TypeVar("Item", default=Any)
else:
    from typing import TypeVar

    Item = TypeVar("Item")

__all__ = ["RemoteTqdm"]

SERVER: Final = "http://localhost:8000/progress"
"""Where Progressista's client posts when nobody says."""
TIMEOUT: Final = 2.0
"""Seconds that it waits for an answer."""

LONGEST: Final = 3600.0
"""Seconds; an interval beyond cannot be."""

log = logging.getLogger("progstore")
_told: set[str] = set()


class RemoteTqdm(tqdm[Item], Generic[Item]):
    """Progressista's bar, recorded in the store of this machine: it is there to be read while and after it runs.

    `task_id` is the task's key within its session, `push_every` the seconds between two writes, `meta` are JSON values
    kept with it. `session`, `store` and `record` are those of `progstore.adapters.tqdm.tqdm`.

    Nothing is sent over the network: where `server_url` or PROGRESSISTA_SERVER_URL names a server, one warning says so.
    `server_url`, `headers` and `request_timeout` are kept for a `_post` of your own. PROGRESSISTA_PUSH_INTERVAL holds
    where nothing of ours says an interval; PROGRESSISTA_REQUEST_TIMEOUT and PROGRESSISTA_API_TOKEN as in Progressista.
    """

    def __init__(
        self,
        iterable: Iterable[Item] | None = None,
        *args: Any,
        server_url: str | None = None,
        task_id: str | None = None,
        push_every: float | None = None,
        unit: str | None = None,
        request_timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        session: Session | str | None = None,
        store: str | None = None,
        record: bool | None = None,
        **kwargs: Any,
    ) -> None:
        named = server_url or os.environ.get("PROGRESSISTA_SERVER_URL")
        self._server_url = named or SERVER
        self._headers = _headers() if headers is None else headers
        self._request_timeout = _seconds("PROGRESSISTA_REQUEST_TIMEOUT", request_timeout, TIMEOUT)
        self._meta = meta
        self.__observer = None if type(self)._post is RemoteTqdm._post else _Observer(self)  # noqa: SLF001  # our own
        self._progstore_options = {"interval": _interval(push_every), "on_progress": self.__observer}
        if unit is not None:
            kwargs["unit"] = unit
        super().__init__(iterable, *args, key=task_id, meta=meta, session=session, store=store, record=record, **kwargs)
        if named and self.__observer is None:
            _tell(named)

    def _post(self, payload: dict[str, Any]) -> None:
        """Override it to hear how the bar stands, in a thread of its own, in order, at most once per interval.

        `payload` has `task_id`, `status` (`start`, `update`, and `close` or `error` last), `n`, `total`, `desc`,
        `unit`, `timestamp` (seconds UTC), and `meta` where there is any.
        """

    def close(self) -> None:
        """As tqdm's. A `_post` of your own hears of it in a moment, also where nobody holds the bar any more."""
        recording = self._progstore
        if self.__observer is not None and recording is not None and recording.task.state.is_live:
            self.__observer.kept = self
        super().close()


class _Observer:
    """Tells a bar's own `_post`. It does not keep the bar alive, until the bar ends: that must still be told."""

    def __init__(self, bar: RemoteTqdm[Any]) -> None:
        self._bar = ref(bar)
        self.kept: RemoteTqdm[Any] | None = None
        """The bar, once it is about to end, until `_post` has heard so."""
        self._has_started = False

    def __call__(self, view: TaskView) -> None:
        bar = self.kept if self.kept is not None else self._bar()
        payload = self._payload(bar, view)
        if view.status.is_terminal:
            self.kept, self._has_started = None, False  # what comes next is another attempt
        if bar is not None:
            bar._post(payload)  # noqa: SLF001  # the name under which Progressista has it

    def _payload(self, bar: RemoteTqdm[Any] | None, view: TaskView) -> dict[str, Any]:
        status = "update" if self._has_started else "start"
        self._has_started = True
        if view.status.is_terminal:
            status = "error" if view.status is Status.ERROR else "close"
        payload: dict[str, Any] = {
            "task_id": view.key,
            "status": status,
            "n": view.done,
            "total": view.total,
            "desc": plain(getattr(bar, "desc", None)) or view.name,
            "unit": view.unit,
            "timestamp": view.updated_at,
        }
        if view.meta:
            payload["meta"] = dict(view.meta)
        return payload


def _interval(given: float | None) -> float | None:
    """`push_every`, else what Progressista's variable says, unless a setting of ours does; None for ours."""
    if given is not None or config.setting("interval") != config.DEFAULT_INTERVAL:
        return given
    seconds = _seconds("PROGRESSISTA_PUSH_INTERVAL", None, config.DEFAULT_INTERVAL)
    return seconds if 0 <= seconds <= LONGEST else None


def _seconds(variable: str, given: float | None, otherwise: float) -> float:
    """A number of seconds; as in Progressista, a variable that is none counts for nothing."""
    if given is not None:
        return float(given)
    try:
        return float(os.environ.get(variable, otherwise))
    except ValueError:
        return otherwise


def _headers() -> Mapping[str, str] | None:
    token = os.environ.get("PROGRESSISTA_API_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else None


def _tell(server: str) -> None:
    """Say once per server that nothing goes there."""
    if server not in _told:
        _told.add(server)
        host = urlsplit(server).netloc.rpartition("@")[2] or "a server"
        log.warning("RemoteTqdm records in the store of this machine; nothing is sent to %s", host)
