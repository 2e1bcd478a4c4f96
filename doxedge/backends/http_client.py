"""One HTTP connection to the node on this machine: a Unix socket, or TCP on the loopback with a token.

Synchronous and made of the standard library only: the command line uses it as it is, `remote` runs it in a worker
thread. A connection is kept between requests; when the node has closed it meanwhile, the request that finds out is
sent once more on a fresh one, which is safe because every request of ours may be repeated.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from doxedge.backends.port import Unauthorised, Unreachable

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

CONNECT_TIMEOUT_MS: Final = 2_000
ANSWER_TIMEOUT_MS: Final = 10_000
SOCKET_PATH_BYTES_MAX: Final = 107
"""sockaddr_un.sun_path holds 108 bytes with its NUL (unix(7))."""
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
"""64 evidence files with the largest batches inside stay under this."""
TOKEN_BYTES_MAX: Final = 512
_CHUNK_BYTES: Final = 64 * 1024
_WAIT_DIGITS_MAX: Final = 6


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where the node listens: a socket path, or host and port with the file that holds the token."""

    socket_path: Path | None = None
    host: str = ""
    port: int = 0
    token_file: Path | None = None

    @classmethod
    def parse(cls, text: str, *, token_file: Path | None = None) -> NodeAddress:
        """`/path/node.sock`, `unix:/path/node.sock` or `http://127.0.0.1:PORT`.

        Raises ValueError for anything else, and for TCP to another machine: there is no encryption on this road.
        """
        if text.startswith("http://"):
            return cls._parse_tcp(text, token_file)
        path = text.removeprefix("unix:")
        if not path.startswith(("/", "./", "../", "~")):
            raise ValueError(
                f"`{text}` is no node address; give the path of its socket, unix:/path, or http://127.0.0.1:PORT"
            )
        try:
            return cls(socket_path=Path(path).expanduser())
        except RuntimeError as error:  # `~name` of nobody here
            raise ValueError(
                f"`{text}` begins with the home of an account that this machine does not have; write the path out"
            ) from error

    @classmethod
    def _parse_tcp(cls, text: str, token_file: Path | None) -> NodeAddress:
        parts = urlsplit(text)
        host = parts.hostname or ""
        if parts.port is None or parts.path not in ("", "/") or parts.query:
            raise ValueError(f"`{text}` is no node address; the form is http://127.0.0.1:PORT")
        if not _is_loopback(host):
            raise ValueError(
                f"`{text}` is another machine; nodes are spoken to on this one only, or through a tunnel"
            )
        return cls(host=host, port=parts.port, token_file=token_file)

    @property
    def text(self) -> str:
        """As an operator would type it."""
        return str(self.socket_path) if self.socket_path else f"http://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole."""

    status: int
    content_type: str
    retry_after_s: int | None
    body: bytes


class NodeClient:
    """A connection that is opened when it is needed. Not for two threads at once."""

    def __init__(
        self,
        address: NodeAddress,
        *,
        connect_timeout_ms: int = CONNECT_TIMEOUT_MS,
        answer_timeout_ms: int = ANSWER_TIMEOUT_MS,
    ) -> None:
        """Remember where to connect; nothing is opened yet."""
        self.address = address
        self._connect_timeout_ms = connect_timeout_ms
        self._answer_timeout_ms = answer_timeout_ms
        self._connection: tuple[http.client.HTTPConnection, _Line] | None = None
        self._token = ""

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        content_type: str = "",
        timeout_ms: int | None = None,
    ) -> Answer:
        """Send one request and read its whole answer within `timeout_ms` (default: the client's own).

        Raises Unreachable, or Unauthorised when the token file cannot be read. Every HTTP status is an answer.
        """
        deadline_s = time.monotonic() + (timeout_ms or self._answer_timeout_ms) / 1000
        kept = self._connection is not None
        try:
            return self._exchange(method, path, body, content_type, deadline_s)
        except _StaleConnection as stale:
            if not kept:
                raise Unreachable(
                    f"the node at {self.address.text} closed the connection without an answer ({stale})",
                    outcome_unknown=True,
                ) from stale
        try:
            return self._exchange(method, path, body, content_type, deadline_s)
        except _StaleConnection as stale:
            raise Unreachable(
                f"the node at {self.address.text} closed the connection twice without an answer ({stale})",
                outcome_unknown=True,
            ) from stale

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection[0].close()
            self._connection = None

    def _exchange(self, method: str, path: str, body: bytes, content_type: str, deadline_s: float) -> Answer:
        self._connection = self._connection or self._connect()
        connection, line = self._connection
        headers = {"Accept": "application/json, application/cbor"}
        if body or content_type:
            headers["Content-Type"] = content_type
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            line.deadline_s = deadline_s
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            content = _read_whole(response)
        except TimeoutError as error:
            self.close()
            raise Unreachable(
                f"the node at {self.address.text} did not answer in time; the request may still have arrived",
                outcome_unknown=True,
            ) from error
        except (ConnectionError, http.client.HTTPException, OSError) as error:
            self.close()
            if isinstance(error, (ConnectionError, http.client.NotConnected)):
                raise _StaleConnection(str(error) or type(error).__name__) from error
            raise Unreachable(
                f"the answer of the node at {self.address.text} broke off: {error}", outcome_unknown=True
            ) from error
        if connection.sock is None or response.will_close:
            self.close()
        wait = response.getheader("Retry-After", "")
        return Answer(
            response.status,
            response.getheader("Content-Type", ""),
            int(wait) if wait.isascii() and wait.isdigit() and len(wait) <= _WAIT_DIGITS_MAX else None,
            content,
        )

    def _connect(self) -> tuple[http.client.HTTPConnection, _Line]:
        """A connection whose socket is already open; http.client must never open one by itself."""
        self._token = self._read_token()
        try:
            line = _open_line(self.address, timeout_s=self._connect_timeout_ms / 1000)
        except OSError as error:
            raise Unreachable(
                f"no node answers at {self.address.text} ({error.strerror or error}); is `doxedge node run` there?"
            ) from error
        connection = http.client.HTTPConnection("doxedge-node")
        connection.auto_open = 0
        connection.sock = line
        return connection, line

    def _read_token(self) -> str:
        path = self.address.token_file
        if path is None:
            return ""
        try:
            with path.open("rb") as file:
                token = file.read(TOKEN_BYTES_MAX + 1).decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Unauthorised(f"cannot read the token file {path}: {error}", status=401) from error
        if not token or len(token) > TOKEN_BYTES_MAX or not token.isprintable():
            raise Unauthorised(f"{path} holds no token: one line of printable characters", status=401)
        return token


class _StaleConnection(Exception):
    """The peer had closed before it answered."""


class _Line(socket.socket):
    """A socket whose waits all end at one moment, however many of them an answer takes: a time-out of the usual kind
    begins anew with every byte that drips in."""

    deadline_s: float = 0.0
    """On the monotonic clock."""

    @override
    def recv_into(self, *arguments: Any) -> int:
        """Everything that http.client reads comes through here."""
        self._give_time()
        return super().recv_into(*arguments)

    @override
    def sendall(self, *arguments: Any) -> None:
        """Everything that http.client writes."""
        self._give_time()
        super().sendall(*arguments)

    def _give_time(self) -> None:
        left_s = self.deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self.settimeout(left_s)


def default_socket() -> Path:
    """Where a node listens when nobody says otherwise: in the user's run-time folder, or in the system's."""
    service = Path("/run/doxedge/node.sock")
    own = os.environ.get("XDG_RUNTIME_DIR")
    if own and not service.exists():
        return Path(own) / "doxedge" / "node.sock"
    return service


def _open_line(address: NodeAddress, *, timeout_s: float) -> _Line:
    """Connected. Raises OSError."""
    if address.socket_path is None:
        tcp = socket.create_connection((address.host, address.port), timeout=timeout_s)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _Line(tcp.family, tcp.type, tcp.proto, fileno=tcp.detach())
    line = _Line(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        line.settimeout(timeout_s)
        line.connect(str(address.socket_path))
    except OSError:
        line.close()
        raise
    return line


def _read_whole(response: http.client.HTTPResponse) -> bytes:
    """The body, of which the end must be known: http.client takes a connection that breaks for the end of it.

    Raises HTTPException for a body that is cut or over the limit.
    """
    with contextlib.closing(response):
        announced: int | None = response.length
        if announced is None and not response.chunked:
            raise http.client.HTTPException("it does not say how long it is")
        if announced is not None and announced > ANSWER_BYTES_MAX:
            raise http.client.HTTPException(f"more than {ANSWER_BYTES_MAX} bytes")
        content = bytearray()
        while part := response.read(_CHUNK_BYTES):
            content += part
            if len(content) > ANSWER_BYTES_MAX:
                raise http.client.HTTPException(f"more than {ANSWER_BYTES_MAX} bytes")
        if announced is not None and len(content) < announced:
            raise http.client.IncompleteRead(bytes(content), announced - len(content))
        return bytes(content)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
