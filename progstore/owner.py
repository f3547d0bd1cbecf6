"""Who a process is, and what a reader may conclude about whether another still lives.

On one kernel the answer is a fact, read from /proc or from a lock that the kernel drops at death. Across hosts it is
only "no sign of life for so long". Tested on Linux; elsewhere the lock alone decides, which is not tested.
"""

from __future__ import annotations

import os
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from progstore import proc
from progstore.values import Life, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

HEARTBEAT = 10.0
"""Seconds between two signs of life of a process that has nothing else to write."""
UNREACHABLE_AFTER = 3 * HEARTBEAT
"""Seconds without a sign of life after which an owner on another host is called unreachable."""
LOST_AFTER = 3600.0
"""Seconds without a sign of life after which an owner on another host is called lost."""


class Place(NamedTuple):
    """Where a process runs: what must agree before its pid means anything to a reader."""

    host: str
    machine_id: str
    boot_id: str
    pid_namespace: str


class Owner(NamedTuple):
    """A process that writes, as its row in the store says."""

    process_id: int
    place: Place
    pid: int
    start_ticks: int | None
    beats: int
    heartbeat_at: float
    ended_at: float | None
    end_reason: str | None
    lost_at: float | None = None
    """When somebody found it gone, seconds UTC."""
    received_at: float | None = None
    """When a server last received something of it over the network, seconds UTC by the server's clock."""


class Held(Enum):
    """Whether an owner holds its lock, as far as a reader can tell."""

    YES = "yes"
    NO = "no"
    """And it would if it lived."""
    NOT_SEEN = "not seen"
    """Which proves nothing, for the lock hangs on a connection that may be broken while its owner works on."""
    UNKNOWN = "unknown"
    """It could not be looked at."""


def here() -> Place:
    """The place of the calling process. What the system does not tell is an empty string."""
    import socket

    return Place(
        host=socket.gethostname(),
        machine_id=_first_line("/etc/machine-id") or _first_line("/var/lib/dbus/machine-id"),
        boot_id=_first_line("/proc/sys/kernel/random/boot_id"),
        pid_namespace=_link("/proc/self/ns/pid"),
    )


def verdict(
    owner: Owner,
    reader: Place,
    *,
    now: float,
    holds_lock: Callable[[int], Held],
    silent_for: Callable[[int, int], float | None],
) -> Verdict:
    """What a reader at `reader` may say about running work of `owner` at `now` (seconds UTC).

    `holds_lock(process_id)` says whether the owner's lock is held.
    `silent_for(process_id, beats)` is how long (seconds, the reader's own monotonic clock) the beats have stood still,
    None on the first look.
    """
    if owner.ended_at is not None:
        how = {"error": "with an error", "signal": "by a signal"}.get(owner.end_reason or "", "before it did")
        return _lost(f"its process ended {how}", owner.ended_at)
    place = owner.place
    is_this_boot = bool(place.boot_id) and place.boot_id == reader.boot_id
    if is_this_boot and place.pid_namespace == reader.pid_namespace and owner.start_ticks is not None:
        return _verdict_by_pid(owner)
    if owner.received_at is not None:
        # Who sends his rows over the network holds no lock beside this store, and clones of a machine share its id.
        if owner.lost_at is not None:
            return _lost(f"{place.host} says that its process {owner.pid} is gone", owner.lost_at)
        return _verdict_by_beats(owner, silent_for(owner.process_id, owner.beats), now)
    held = holds_lock(owner.process_id)
    if held is Held.YES:
        return Verdict(life=Life.ALIVE, reason=f"process {owner.pid} holds its lock")
    is_this_machine = bool(place.machine_id) and place.machine_id == reader.machine_id
    if held is Held.NOT_SEEN:  # on a server, which clones of a machine may share
        is_this_machine = is_this_machine and place.host == reader.host
    if is_this_machine and not is_this_boot and place.boot_id and reader.boot_id:
        return _lost("the machine was restarted", owner.heartbeat_at)
    if is_this_boot or (not place.boot_id and place.host == reader.host):
        if held is Held.NO:
            return _lost(f"process {owner.pid} no longer holds its lock", owner.heartbeat_at)
        if held is Held.UNKNOWN:
            return Verdict(life=Life.UNKNOWN, reason="the lock file beside the store cannot be read")
    return _verdict_by_beats(owner, silent_for(owner.process_id, owner.beats), now)


def _verdict_by_pid(owner: Owner) -> Verdict:
    life = _life_here(owner.pid, owner.start_ticks)
    if life is Life.LOST:
        return _lost(f"process {owner.pid} is gone", owner.heartbeat_at)
    reasons = {
        Life.ALIVE: f"process {owner.pid} lives",
        Life.SUSPENDED: f"process {owner.pid} is stopped; `kill -CONT {owner.pid}` lets it go on",
        Life.UNKNOWN: f"this system does not show process {owner.pid} to this user",
    }
    return Verdict(life=life, reason=reasons[life])


def _verdict_by_beats(owner: Owner, silent: float | None, now: float) -> Verdict:
    host = owner.place.host or "its host"
    # On the first look a clock on the wall is all there is; later our own monotonic clock decides.
    seen_at = owner.heartbeat_at if owner.received_at is None else owner.received_at
    silence = max(0.0, now - seen_at) if silent is None else silent
    clock = " by its clock" if silent is None and owner.received_at is None else ""
    if silence < UNREACHABLE_AFTER:
        return Verdict(life=Life.ALIVE, reason=f"{host} gave a sign of life {silence:.0f} s ago{clock}")
    reason = f"no sign of life from {host} for {silence:.0f} s{clock}"
    if silence < LOST_AFTER:
        return Verdict(life=Life.UNREACHABLE, reason=reason, since=seen_at)
    return _lost(reason, seen_at)


def _lost(reason: str, since: float) -> Verdict:
    return Verdict(life=Life.LOST, reason=reason, since=since)


def _life_here(pid: int, ticks: int | None) -> Life:
    stat = proc.stat(pid)
    if stat is None:
        return Life.UNKNOWN if proc.exists(pid) is not False else Life.LOST
    state, started = stat
    if (ticks is not None and started != ticks) or state in "ZXx":
        return Life.LOST
    return Life.SUSPENDED if state in "Tt" else Life.ALIVE


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.readline().strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
