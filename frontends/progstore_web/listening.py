"""Where the server listens: a port that is free, and what the place is called."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys

import click

from progstore_web.access import LOOPBACK_NAMES

PORTS_TRIED = 50
"""How many ports from a taken one on are tried."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `port` or, where that is taken, on the next free one; on any free one for port 0.

    Raises click's errors, which say what to do, where the address is not this machine's or no port is free.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (socket.gaierror, UnicodeError):
        raise click.UsageError(f"--host {host} is no address of this machine; 0.0.0.0 is all of them") from None
    # Without this "::" would be all addresses but those of the older kind, which `address` gives.
    both = host == "::" and socket.has_dualstack_ipv6()
    for tried in range(port, min(port + PORTS_TRIED, 65536)) if port else (0,):
        try:
            return socket.create_server((place[0], tried), family=family, backlog=2048, dualstack_ipv6=both)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                reason = os.strerror(error.errno or 0)
                raise click.ClickException(f"cannot listen on {host} port {tried}: {reason}") from error
    raise click.ClickException(f"port {port} is taken, and so are those after it; give another --port, or 0 for any")


def address(host: str, port: int, root_path: str) -> str:
    """What to type into a browser on this machine."""
    name = "127.0.0.1" if is_wildcard(host) else host
    return f"http://{f'[{name}]' if ':' in name else name}:{port}{root_path.rstrip('/')}/"


def own_names(host: str) -> frozenset[str]:
    """What the server may be called: the address it listens on, or the machine's names where that is all of them."""
    if is_wildcard(host):
        return LOOPBACK_NAMES | {socket.gethostname().lower(), socket.getfqdn().lower()}
    return LOOPBACK_NAMES | {host.lower()}


def is_wildcard(host: str) -> bool:
    """Whether that stands for every address of the machine."""
    return host in ("0.0.0.0", "::")  # noqa: S104  # compared with, not listened on


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def has_display() -> bool:
    """Whether a browser would open a window; without one it would take over the terminal."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
