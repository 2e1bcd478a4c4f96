"""The application of a node: its routes, its errors, and who may use it."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from doxedge.web.live import LiveBoard
from doxedge.web.node_port import NodePort, NotNow
from doxedge.web.problem import (
    Problem,
    as_response,
    fault,
    not_now,
    problem_response,
    unknown_path,
    wrong_method,
)
from doxedge.web.routes import OPEN_PATHS, routes

_READING_METHODS: Final = frozenset({"GET", "HEAD"})


def create_app(node: NodePort, *, token: str | None = None, live: LiveBoard | None = None) -> Starlette:
    """The application. Without a token nobody is asked who he is: for a Unix socket, which its file mode guards.

    Two applications of one node, for two listeners, share a live board.
    """
    app = Starlette(
        routes=list(routes()),
        middleware=[] if token is None else [Middleware(TokenGate, token=token)],
        exception_handlers={
            Problem: problem_response,
            NotNow: not_now,
            404: unknown_path,
            405: wrong_method,
            Exception: fault,
        },
    )
    app.state.node = node
    app.state.live = LiveBoard() if live is None else live
    return app


class TokenGate:
    """Lets through who shows the token: as a bearer, or, to read only, as the password of a browser."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        """`app` is behind the gate."""
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._may_pass(Request(scope)):
            await self._app(scope, receive, send)
            return
        text = "send `Authorization: Bearer` with the token of the node's token file; a browser takes it as password"
        await as_response(Problem(401, "unauthorised", text))(scope, receive, send)

    def _may_pass(self, request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return hmac.compare_digest(given.strip().encode(), self._token)
        if scheme.lower() == "basic" and request.method in _READING_METHODS:
            try:
                password = base64.b64decode(given.strip(), validate=True).partition(b":")[2]
            except (binascii.Error, ValueError):
                return False
            return hmac.compare_digest(password, self._token)
        return False
