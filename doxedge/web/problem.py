"""Errors as HTTP says them: problem details of RFC 9457, with a stable code and words that say what to do."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from doxedge.web.node_port import NotNow

_TITLES: Final = {
    400: "The request is not well formed",
    401: "Who is asking?",
    404: "There is no such thing here",
    405: "Not with this method",
    408: "The request came too slowly",
    413: "The request is too large",
    415: "The request has another content type",
    500: "The node has a fault",
    503: "Not now",
}


class Problem(Exception):
    """A request that cannot be served as it is."""

    def __init__(self, status: int, code: str, detail: str, *, retry_after_s: int | None = None) -> None:
        """Keep the HTTP status, the stable code and the words."""
        super().__init__(detail)
        self.status, self.code, self.detail, self.retry_after_s = status, code, detail, retry_after_s


def problem_response(_: Request, error: Exception) -> Response:
    """The answer to a Problem."""
    if not isinstance(error, Problem):
        raise error
    return as_response(error)


def not_now(_: Request, error: Exception) -> Response:
    """The answer to NotNow, whichever endpoint met it."""
    if not isinstance(error, NotNow):
        raise error
    return as_response(Problem(503, error.code, str(error), retry_after_s=error.retry_after_s))


def as_response(problem: Problem) -> Response:
    """Problem details as JSON."""
    headers = {"Cache-Control": "no-store"}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="doxedge", Basic realm="doxedge", charset="UTF-8"'
    body = {
        "type": f"urn:doxedge:problem:{problem.code}",
        "title": _TITLES.get(problem.status, "The request failed"),
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
    }
    return JSONResponse(body, problem.status, headers, media_type="application/problem+json")


def unknown_path(request: Request, _: Exception) -> Response:
    """No route has this path."""
    text = f"there is nothing at {request.url.path[:200]}; /openapi.json lists what there is"
    return as_response(Problem(404, "unknown_path", text))


def wrong_method(request: Request, error: Exception) -> Response:
    """The path is there, the method is not; `Allow` names those that are (RFC 9110, 15.5.6)."""
    text = f"{request.method[:20]} is not offered at {request.url.path[:200]}; /openapi.json lists what is"
    answer = as_response(Problem(405, "wrong_method", text))
    if isinstance(error, HTTPException) and error.headers:
        answer.headers.update(error.headers)
    return answer


def fault(_: Request, __: Exception) -> Response:
    """A bug of ours: the log has the trace, the client learns nothing of it."""
    text = "the node met an error it did not expect; its log says more, and asking again is safe"
    return as_response(Problem(500, "fault", text))
