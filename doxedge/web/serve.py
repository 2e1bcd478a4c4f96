"""uvicorn inside the node's own task group, on a Unix socket and, if wanted, on the loopback with a token."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from doxedge.analysers.configuration import ConfigError
from doxedge.backends.http_client import SOCKET_PATH_BYTES_MAX
from doxedge.web.app import create_app
from doxedge.web.live import LiveBoard
from doxedge.web.node_port import NodePort

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

SOCKET_MODE: Final = 0o660
"""The gateway's user is in the group of the node's; nobody else submits or reads."""
GRACE_S: Final = 1
"""Requests in flight get so long when the node stops; a submission that is cut off is repeated by its sender."""
STOP_S: Final = 5.0
START_S: Final = 60.0
"""A busy machine may take seconds to open a socket; whoever starts the node waits far longer."""
CONNECTIONS_MAX: Final = 256
HEAD_TIMEOUT_S: Final = 10.0
"""Who connects and asks nothing holds one of the connections; on TCP that needs no token."""
BACKLOG: Final = 128
TOKEN_CHARACTERS_MIN: Final = 16


class ServeError(ConfigError):
    """The node cannot listen where it was told to. The operator must act as the text says."""

    def __init__(self, path: str, reason: str) -> None:
        """`path` is the table and key of the node's configuration."""
        super().__init__(source="the node's configuration", path=path, reason=reason)


@dataclass(frozen=True, slots=True)
class Listener:
    """Where to listen."""

    socket_path: Path | None
    host: str = "127.0.0.1"
    port: int | None = None
    """None: no TCP. 0: any free port."""
    token_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the node listens now."""

    socket_path: Path | None
    port: int | None


async def serve(
    node: NodePort, listener: Listener, *, started: Callable[[Addresses], None] | None = None
) -> None:
    """Serve until cancelled, then close quickly. Raises ServeError when nothing can be bound."""
    with contextlib.ExitStack() as stack:
        bound = await asyncio.to_thread(_bind, listener, stack)
        live = LiveBoard()
        servers = [(_server(create_app(node, token=token, live=live)), sock) for token, sock in bound]
        tasks = [
            asyncio.create_task(server.serve([sock]), name=f"http {_name(sock)}") for server, sock in servers
        ]
        try:
            await _wait_started([server for server, _ in servers], tasks)
            if started is not None:
                started(_addresses(listener, [sock for _, sock in servers]))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _stop([server for server, _ in servers], tasks)
        for task in tasks:
            task.result()


class _Server(uvicorn.Server):
    """The daemon handles signals; uvicorn must not."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


class _Protocol(H11Protocol):
    """Hangs up on a client whose request does not begin, or whose head does not end. uvicorn waits for ever."""

    _deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the first request its time."""
        super().connection_made(transport)
        self._watch()

    @override
    def data_received(self, data: bytes) -> None:
        """A head that is complete has become a request; of another one only the beginning is here."""
        super().data_received(data)
        self._watch()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        super().connection_lost(exc)
        self._forget_deadline()

    def _watch(self) -> None:
        if self._is_answering():
            self._forget_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_TIMEOUT_S, self._hang_up)

    def _is_answering(self) -> bool:
        # uvicorn says that there always is a cycle, and begins with None.
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _hang_up(self) -> None:
        self._deadline = None
        if not self._is_answering():
            self.transport.close()


def _server(app: Starlette) -> _Server:
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_S,
    )
    return _Server(config)


async def _wait_started(servers: list[_Server], tasks: list[asyncio.Task[None]]) -> None:
    """Until every server accepts, or one of them has ended."""
    async with asyncio.timeout(START_S):
        while not all(server.started for server in servers):
            if any(task.done() for task in tasks):
                return
            await asyncio.sleep(0.005)


async def _stop(servers: list[_Server], tasks: list[asyncio.Task[None]]) -> None:
    """Let requests in flight end within a second, then close everything."""
    for server in servers:
        server.should_exit = True
    _, running = await asyncio.wait(tasks, timeout=STOP_S)
    for task in running:
        task.cancel()


def _addresses(listener: Listener, socks: list[socket.socket]) -> Addresses:
    ports = [sock.getsockname()[1] for sock in socks if sock.family == socket.AF_INET]
    return Addresses(listener.socket_path, ports[0] if ports else None)


def _name(sock: socket.socket) -> str:
    return "unix" if sock.family == socket.AF_UNIX else "tcp"


def _bind(listener: Listener, stack: contextlib.ExitStack) -> list[tuple[str | None, socket.socket]]:
    """(token or None, bound socket) of each place to listen; the stack closes them and removes the socket file."""
    bound: list[tuple[str | None, socket.socket]] = []
    if listener.socket_path is not None:
        bound.append((None, _bind_unix(listener.socket_path, stack)))
    if listener.port is not None:
        token = _token(listener.token_file)
        bound.append((token, _bind_tcp(listener.host, listener.port, stack)))
    if not bound:
        raise ServeError("listen", "names neither a socket nor a port")
    return bound


def _bind_unix(path: Path, stack: contextlib.ExitStack) -> socket.socket:
    """Listen on a socket file; one that a dead process left behind is replaced, a living one is not.

    The file has another name until its mode is narrow and somebody listens: whoever sees it can connect.
    """
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        raise ServeError(
            "listen.socket", f"{path} is longer than the {SOCKET_PATH_BYTES_MAX} bytes of a socket's path"
        )
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stack.callback(sock.close)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_socket():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(2.0)
                if probe.connect_ex(str(path)) == 0:
                    raise ServeError("listen.socket", f"another node listens on {path}; stop it first")
            path.unlink()
        made = path.with_name(f".{os.getpid():x}")
        made.unlink(missing_ok=True)
        sock.bind(str(made))
        stack.callback(_remove, made, made.stat().st_ino)
        stack.callback(_remove, path, made.stat().st_ino)
        made.chmod(SOCKET_MODE)
        sock.listen(BACKLOG)
        os.link(made, path)  # fails where a file is, unlike a rename
        made.unlink()
    except OSError as error:
        raise ServeError("listen.socket", f"cannot listen on {path}: {error.strerror or error}") from error
    sock.setblocking(False)
    return sock


def _remove(path: Path, inode: int) -> None:
    """Remove our own socket file, and not that of a node that has taken its place."""
    with contextlib.suppress(OSError):
        if path.stat().st_ino == inode:
            path.unlink()


def _bind_tcp(host: str, port: int, stack: contextlib.ExitStack) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    stack.callback(sock.close)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        raise ServeError(
            "listen.port", f"cannot listen on {host}:{port}: {error.strerror or error}"
        ) from error
    sock.setblocking(False)
    return sock


def _token(path: Path | None) -> str:
    """The bearer token of a file, which is made when it is missing."""
    where = "listen.token_file"
    if path is None:
        raise ServeError(
            where, "is needed with a port: on TCP every user of this machine could submit otherwise"
        )
    try:
        with contextlib.suppress(FileExistsError):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
        if path.stat().st_mode & 0o007:
            raise ServeError(where, f"{path} can be read by everybody; chmod o= {path}")
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServeError(where, f"{path} cannot be used: {error}") from error
    if len(token) < TOKEN_CHARACTERS_MIN or not token.isprintable():
        text = f"{path} holds fewer than {TOKEN_CHARACTERS_MIN} characters; delete it and it is made anew"
        raise ServeError(where, text)
    return token
