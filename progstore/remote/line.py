"""One HTTP connection to a server, which any thread may cut off at any moment, and on which everything has its time.

It is written for one kind of request: a document goes there, a short answer comes back. No redirect is followed.
"""

from __future__ import annotations

import base64
import http.client
import io
import socket
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

CONNECT_SECONDS: Final = 5.0
"""Seconds that one address of the server may take to accept."""
ANSWER_LIMIT: Final = 1_000_000
"""Bytes of an answer; ours are far shorter."""
HEADERS_LIMIT: Final = 65_536
"""Bytes of what a proxy says before the connection through it is there."""


class Cut(Exception):
    """The connection was cut off from this side, for the process forks or ends."""


class Untrusted(Exception):
    """No secure connection could be made; the message says why."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Line:
    """The way to the server at `url`, opened when it is needed and kept for the next request.

    Proxies and certificates are those that the environment names, as for any program: https_proxy, no_proxy,
    SSL_CERT_FILE and their like.
    """

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._socket: socket.socket | None = None
        self._handle: socket.socket | None = None
        self._is_cut = False
        self._deadline = 0.0
        self.is_resolving = False
        """Whether it waits for the address of a name, from which nothing calls it back."""

    def post(self, path: str, body: bytes, headers: Mapping[str, str], seconds: float) -> Answer:
        """Send `body` to `path` below the server's address; the answer is whole, and there within `seconds`.

        Raises Cut, Untrusted, TimeoutError, OSError, http.client.HTTPException, ValueError for an address that is none.
        """
        self._deadline = time.monotonic() + seconds
        was_open = self._socket is not None
        try:
            try:
                return self._exchange(path, body, headers)
            except ConnectionError:
                # A server may close what was idle just when it is used again.
                if not was_open or self._is_cut:
                    raise
                self.close()
                return self._exchange(path, body, headers)
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.close()
            if self._is_cut:
                raise Cut from error
            raise
        except BaseException:
            self.close()
            raise

    def cut(self) -> None:
        """Let whatever waits for the server wait no longer; nothing more is sent over this line."""
        self._is_cut = True
        handle = self._handle
        if handle is not None:
            with suppress(OSError):  # not connected yet, or no longer
                handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the connection back; the next request opens another one."""
        handles = (self._socket, self._handle)
        self._socket = self._handle = None
        for each in handles:
            if each is not None:
                each.close()

    def _exchange(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        proxy = _proxy(self._to)
        through = proxy if self._to.scheme == "http" else None  # a proxy is told the whole address of what is not TLS
        if self._socket is None:
            self._socket = self._connect(proxy)
        target = f"{self._to.path}{path}"
        if through is not None:
            target = f"http://{self._to.netloc}{target}"
            headers = {**headers, **_authorization(through)}
        lines = [f"POST {target} HTTP/1.1", f"Host: {self._to.netloc}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        self._socket.settimeout(self._left())
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have said why, before it had heard all
            self._socket.sendall(head + body)
        return self._answer(self._socket)

    def _answer(self, connection: socket.socket) -> Answer:
        response = http.client.HTTPResponse(_Clocked(connection, self._left), method="POST")  # type: ignore[arg-type]  # it asks for nothing but makefile
        try:
            response.begin()
            body = response.read(ANSWER_LIMIT + 1)
            if response.length or len(body) > ANSWER_LIMIT:
                raise http.client.IncompleteRead(body)
            if response.will_close or not response.isclosed():
                self.close()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
        finally:
            response.close()

    # The way there

    def _connect(self, proxy: SplitResult | None) -> socket.socket:
        to, is_secure = self._to, self._to.scheme == "https"
        port = to.port or (443 if is_secure else 80)
        if proxy is None:
            connection = self._open(str(to.hostname), port)
        else:
            connection = self._open(str(proxy.hostname), proxy.port or 80)
        try:
            if proxy is not None and is_secure:
                self._tunnel(connection, f"{to.hostname}:{port}", proxy)
            return _secured(connection, str(to.hostname), self._left()) if is_secure else connection
        except BaseException:
            connection.close()
            raise

    def _open(self, host: str, port: int) -> socket.socket:
        failure: OSError | None = None
        for family, kind, protocol, _, address in self._resolve(host, port):
            connection = socket.socket(family, kind, protocol)
            try:
                # A second handle of the same connection: what TLS does with the first does not keep it from being cut.
                self._handle = connection.dup()
                if self._is_cut:
                    raise Cut  # noqa: TRY301  # the one way out of this block closes what was opened
                connection.settimeout(min(CONNECT_SECONDS, self._left()))
                connection.connect(address)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection
            except OSError as error:
                failure = error
                connection.close()
                self.close()
            except BaseException:
                connection.close()
                raise
        raise failure or OSError("its name stands for no address")

    def _resolve(self, host: str, port: int) -> list[Any]:
        self.is_resolving = True
        try:
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        finally:
            self.is_resolving = False

    def _tunnel(self, connection: socket.socket, place: str, proxy: SplitResult) -> None:
        lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
        lines += [f"{name}: {value}" for name, value in _authorization(proxy).items()]
        connection.settimeout(self._left())
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        said = b""
        while b"\r\n\r\n" not in said:
            connection.settimeout(self._left())
            # Byte by byte, for what follows is no longer the proxy's.
            byte = connection.recv(1)
            if not byte or len(said) > HEADERS_LIMIT:
                raise http.client.RemoteDisconnected("the proxy broke off")
            said += byte
        words = said.split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].startswith(b"2"):
            said_first = said.split(b"\r\n", 1)[0].decode("latin-1")[:100]
            raise Untrusted(f"the proxy {proxy.hostname} refuses the connection: {said_first}")

    def _left(self) -> float:
        """Seconds that are left for this request. Raises TimeoutError where there are none, and Cut."""
        if self._is_cut:
            raise Cut
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Clocked:
    """A connection as http.client reads it, each piece within what is left of the whole time."""

    def __init__(self, connection: socket.socket, left: Any) -> None:
        self._connection = connection
        self._left = left

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return io.BufferedReader(_Pieces(self._connection, self._left))


class _Pieces(io.RawIOBase):
    """What arrives, as a stream. To close it leaves the connection open."""

    def __init__(self, connection: socket.socket, left: Any) -> None:
        self._connection = connection
        self._left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(self._left())
        return self._connection.recv_into(buffer)


def _secured(connection: socket.socket, host: str, seconds: float) -> socket.socket:
    import ssl  # not at the top, for a Python may be built without it

    connection.settimeout(seconds)
    try:
        return ssl.create_default_context().wrap_socket(connection, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise Untrusted(f"its certificate is not trusted: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise Untrusted(f"TLS fails: {error.reason or error}") from error


def _proxy(to: SplitResult) -> SplitResult | None:
    """The proxy on the way there, by the environment: to ask a system for more does not survive a fork everywhere."""
    address = urllib.request.getproxies_environment().get(to.scheme)
    if not address or urllib.request.proxy_bypass(to.netloc):
        return None
    return urlsplit(address if "://" in address else f"http://{address}")


def _authorization(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    secret = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}
