"""Everything that a node answers, as one table; the routes and their OpenAPI description are both made from it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from doxedge.backends.port import PROOFS_OF_ONE_REQUEST, SUBMISSION_ENVELOPES
from doxedge.web import api, pages
from doxedge.web.request_body import CBOR, JSON

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

HTML: Final = "text/html"
TEXT: Final = "text/plain"
CSS: Final = "text/css"
PROBLEM: Final = "application/problem+json"
_CHANNEL: Final = "/v1/channels/{channel}"
_PATH_PARTS: Final = {
    "channel": "the channel: 64 hexadecimal digits, or the first 16",
    "record_id": "the record: 64 hexadecimal digits",
    "source": "the numbering: 32 hexadecimal digits",
    "unit": "the unit's name, at most 64 characters",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path."""

    method: str
    path: str
    endpoint: Endpoint
    answer: str
    """Content type of a good answer, or empty for none."""
    status: int = 200
    query: tuple[tuple[str, str, str], ...] = ()
    """(name, type, what it means) of each query parameter."""
    body: tuple[str, str] | None = None
    """Content type and meaning of what is sent."""
    errors: tuple[int, ...] = ()

    @property
    def summary(self) -> str:
        """The first line of the endpoint's own docstring."""
        return (self.endpoint.__doc__ or "").partition("\n")[0]

    @property
    def path_parts(self) -> list[str]:
        """The names in braces."""
        return re.findall(r"\{(\w+)\}", self.path)


_YEAR: Final = ("year", "integer", "a calendar year; without it every year there is")
OPERATIONS: Final = (
    Operation("GET", "/", pages.status_page, HTML, query=(("still", "string", "given: no refresh"),)),
    Operation("GET", "/status.css", pages.style_sheet, CSS),
    Operation("GET", "/v1/channels", api.channels, JSON),
    Operation("GET", f"{_CHANNEL}/head", api.head, JSON, errors=(400, 404)),
    Operation(
        "POST",
        f"{_CHANNEL}/transactions",
        api.submit,
        JSON,
        status=202,
        query=(
            ("wait", "string", "`none`, `stored` (default), `seen` or `final`"),
            (
                "timeout_s",
                "number",
                "how long `seen` and `final` wait, 0 to 60 (default 10); then the answer says how far it is",
            ),
        ),
        body=(CBOR, f"an array of 1 to {SUBMISSION_ENVELOPES} signed envelopes, as byte strings"),
        errors=(400, 404, 408, 413, 415, 503),
    ),
    Operation(
        "POST",
        f"{_CHANNEL}/proofs",
        api.proofs,
        CBOR,
        body=(CBOR, f"an array of 1 to {PROOFS_OF_ONE_REQUEST} record ids, as byte strings"),
        errors=(400, 404, 408, 413, 415),
    ),
    Operation("GET", f"{_CHANNEL}/evidence/{{record_id}}", api.evidence, CBOR, errors=(400, 404)),
    Operation("GET", f"{_CHANNEL}/records/{{record_id}}", api.record, JSON, errors=(400, 404)),
    Operation("GET", f"{_CHANNEL}/sources/{{source}}", api.source, JSON, errors=(400, 404)),
    Operation("GET", f"{_CHANNEL}/units", api.units, JSON, query=(_YEAR,), errors=(400, 404)),
    Operation("GET", f"{_CHANNEL}/accounts", api.accounts, JSON, query=(_YEAR,), errors=(400, 404)),
    Operation("GET", f"{_CHANNEL}/devices", api.devices, JSON, errors=(400, 404)),
    Operation(
        "GET",
        f"{_CHANNEL}/readings",
        api.readings,
        JSON,
        query=(
            (
                "from_ms",
                "integer",
                "begin of the period, UTC (default: since commissioning, at most 366 days)",
            ),
            ("to_ms", "integer", "end of the period, UTC (default: the last hour that is due)"),
        ),
        errors=(400, 404),
    ),
    Operation("GET", f"{_CHANNEL}/requests", api.requests, JSON, errors=(400, 404)),
    Operation(
        "GET",
        f"{_CHANNEL}/requests/open",
        api.open_requests,
        JSON,
        query=(("unit", "string", "the unit that is asked; needed"),),
        errors=(400, 404),
    ),
    Operation(
        "GET",
        f"{_CHANNEL}/events",
        api.events,
        JSON,
        query=(
            ("after", "integer", "height; events of higher blocks are given (default 0)"),
            ("limit", "integer", "about how many, at most 10000 (default 1000)"),
        ),
        errors=(400, 404),
    ),
    Operation("GET", f"{_CHANNEL}/refusals", api.refusals, JSON, errors=(400, 404)),
    Operation("GET", f"{_CHANNEL}/peers", api.peers, JSON, errors=(400, 404)),
    Operation(
        "PUT",
        "/v1/live/{unit}",
        api.put_live,
        "",
        status=204,
        body=(
            JSON,
            "at_ms, hour_start_ms, minutes_valid, nox_g_running, values, quality, flags; at most 8 KiB",
        ),
        errors=(400, 408, 413, 415),
    ),
    Operation("GET", "/healthz", api.healthz, JSON, errors=(503,)),
    Operation("GET", "/readyz", api.readyz, JSON, errors=(503,)),
    Operation("GET", "/metrics", api.metrics, TEXT),
)
OPEN_PATHS: Final = frozenset({"/healthz"})
"""Answered without a token: a supervisor asks it."""


def routes() -> Iterator[Route]:
    """Starlette's routes of the table, and the description of it."""
    for operation in OPERATIONS:
        yield Route(operation.path, operation.endpoint, methods=[operation.method])
    yield Route("/openapi.json", describe, methods=["GET"])


async def describe(_: Request) -> Response:
    """This description."""
    return JSONResponse(openapi())


def openapi() -> Mapping[str, object]:
    """The table as OpenAPI 3.1."""
    paths: dict[str, dict[str, object]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    paths["/openapi.json"] = {
        "get": {
            "operationId": describe.__name__,
            "summary": describe.__doc__,
            "responses": {"200": {"description": "done", "content": {JSON: {}}}},
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "DoxEdge node",
            "version": "1",
            "description": "Ids are lower-case hexadecimal. Amounts are whole grams; keys end in their unit.",
        },
        "paths": paths,
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "security": [{"bearer": []}, {}],
    }


def _operation(operation: Operation) -> dict[str, object]:
    good: dict[str, object] = {"description": "done" if operation.status < 202 else "taken"}
    if operation.answer:
        good["content"] = {operation.answer: {}}
    answers: dict[str, object] = {str(operation.status): good}
    for status in operation.errors:
        answers[str(status)] = {"description": "what was wrong and what to do", "content": {PROBLEM: {}}}
    parameters: list[dict[str, object]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_PARTS[name],
            "schema": {"type": "string"},
        }
        for name in operation.path_parts
    ]
    parameters += [
        {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": kind}}
        for name, kind, text in operation.query
    ]
    described: dict[str, object] = {
        "operationId": operation.endpoint.__name__,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": answers,
    }
    if operation.body is not None:
        content_type, text = operation.body
        described["requestBody"] = {"required": True, "description": text, "content": {content_type: {}}}
    return described
