"""The way to a server: certificates and proxies are those that the environment names."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from progstore.remote.client import Client, Trouble
from progstore.remote.line import Line
from progstore.reports import IngestReport

TAKEN = b'{"rows": 3, "refused": [], "stop_requested": []}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(TAKEN), TAKEN)
Serve = Callable[..., int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers that say what they are told to say to each request, and keep what they heard in a list."""
    listeners: list[socket.socket] = []

    def start(heard: list[bytes], says: bytes = ANSWER, context: ssl.SSLContext | None = None) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def answer(connection: socket.socket) -> None:
            with contextlib.suppress(OSError), connection:
                secured = context.wrap_socket(connection, server_side=True) if context else connection
                heard.append(secured.recv(65536))
                secured.sendall(says)
                if says.startswith(b"HTTP/1.1 200 Connection"):
                    pass_on(secured, int(heard[-1].split(b" ")[1].rpartition(b":")[2]))
                secured.close()

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    answer(listener.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        port: int = listener.getsockname()[1]
        return port

    yield start
    for each in listeners:
        each.shutdown(socket.SHUT_RDWR)
        each.close()


def pass_on(one: socket.socket, port: int) -> None:
    """What a tunnel does."""
    with socket.create_connection(("127.0.0.1", port)) as other:

        def back() -> None:
            with contextlib.suppress(OSError):
                while data := other.recv(65536):
                    one.sendall(data)

        thread = threading.Thread(target=back)
        thread.start()
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        thread.join()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 with its key, which nobody trusts who is not told to."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", f"{path}.crt"],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def send(url: str) -> IngestReport:
    """What a server answers to an empty document."""
    client = Client(url)
    try:
        return client.send({"format": 1})
    finally:
        client.close()


def test_a_certificate_is_checked_and_the_environment_says_what_is_trusted(
    serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing, the token least of all, is sent to whom nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    heard: list[bytes] = []
    url = f"https://127.0.0.1:{serve(heard, context=context)}"
    monkeypatch.setenv("PROGSTORE_TOKEN", "secret")
    with pytest.raises(Trouble, match="its certificate is not trusted: self-signed certificate"):
        send(url)
    assert heard == []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert send(url).rows == 3
    assert heard[0].startswith(b"POST /api/v1/ingest HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nAuthorization: Bearer secret\r\n" in heard[0]
    proxied: list[bytes] = []
    proxy = serve(proxied, b"HTTP/1.1 200 Connection established\r\n\r\n")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy}")
    assert send(url).rows == 3
    # A proxy is told the host, and sees nothing of what goes there.
    assert proxied[0].startswith(f"CONNECT {url.removeprefix('https://')} HTTP/1.1\r\n".encode())
    assert b"secret" not in proxied[0]


def test_a_proxy_is_used_with_its_password_unless_the_host_is_spared(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As http_proxy and no_proxy say; where it refuses, that is said."""
    direct: list[bytes] = []
    proxied: list[bytes] = []
    url = f"http://127.0.0.1:{serve(direct)}/jobs"
    monkeypatch.setenv("http_proxy", f"http://me:pass%20word@127.0.0.1:{serve(proxied)}")
    send(url)
    assert (direct, proxied[0].split(b"\r\n")[0]) == ([], f"POST {url}/api/v1/ingest HTTP/1.1".encode())
    assert b"\r\nProxy-Authorization: Basic bWU6cGFzcyB3b3Jk\r\n" in proxied[0]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    send(url)
    assert direct[0].startswith(b"POST /jobs/api/v1/ingest HTTP/1.1\r\n")
    refusing = serve([], b"HTTP/1.1 407 Who are you?\r\n\r\n")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{refusing}")
    monkeypatch.delenv("no_proxy")
    with pytest.raises(Trouble, match=r"the proxy 127.0.0.1 refuses the connection: HTTP/1.1 407 Who are you\?"):
        send("https://jobs.example")


def test_a_name_that_nobody_knows_and_a_token_that_cannot_be_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, and without the token."""
    with pytest.raises(Trouble, match="its name is not known here"):
        send("http://nobody.invalid")
    monkeypatch.setenv("PROGSTORE_TOKEN", "sec\nret")
    with pytest.raises(Trouble, match=r"PROGSTORE_TOKEN holds what no token can hold$"):
        send("http://nobody.invalid")


@pytest.mark.parametrize(
    ("url", "proxy"), [("http://nobody.invalid", "http://proxy:port"), (f"http://{'a' * 70}.invalid", "")]
)
def test_an_address_that_is_none_is_said(url: str, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's as well as the server's; nothing else comes of it."""
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(Trouble, match="its address, or that of the proxy, cannot be used") as caught:
        send(url)
    assert caught.value.is_lasting


def test_an_answer_that_comes_before_all_was_heard_counts(serve: Serve) -> None:
    """A server that takes less says so at once, and closes; what it does not read any more breaks the connection."""
    port = serve([], b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    line = Line(f"http://127.0.0.1:{port}")
    assert line.post("/", bytes(20_000_000), {}, 10).status == 413
    line.close()
