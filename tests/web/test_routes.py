"""One table makes the routes and their description."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from doxedge.web.routes import OPEN_PATHS, OPERATIONS, openapi, routes
from tests.web.raw_http import ask, get
from tests.web.small_node import SmallNode, served

METHODS_PATHS = [(operation.method, operation.path) for operation in OPERATIONS]


def test_every_operation_stands_once_and_says_what_it_does() -> None:
    assert len(set(METHODS_PATHS)) == len(METHODS_PATHS)
    assert [operation.path for operation in OPERATIONS if not operation.summary.endswith((".", ":"))] == []
    assert {path for _, path in METHODS_PATHS} >= OPEN_PATHS


def test_every_route_is_described_and_every_description_is_a_route() -> None:
    described = openapi()["paths"]
    assert isinstance(described, dict)
    assert {route.path for route in routes()} == set(described)
    for operation in OPERATIONS:
        entry = described[operation.path][operation.method.lower()]
        assert {p["name"] for p in entry["parameters"] if p["in"] == "path"} == set(
            re.findall(r"\{(\w+)\}", operation.path)
        )
        assert set(entry["responses"]) == {str(operation.status), *map(str, operation.errors)}


def test_operation_ids_are_unique() -> None:
    paths = openapi()["paths"]
    assert isinstance(paths, dict)
    ids = [entry["operationId"] for path in paths.values() for entry in path.values()]
    assert len(set(ids)) == len(ids)


async def test_the_description_is_served_and_every_get_in_it_answers_as_described(tmp_path: Path) -> None:
    node = SmallNode.begin()
    async with served(node, tmp_path) as at:
        described = (await get(at, "/openapi.json")).json
        assert described["openapi"].startswith("3.1")
        names = {
            "channel": node.ledger.channel.hex(),
            "record_id": "00" * 32,
            "source": node.ledger.source.hex(),
        }
        for path, entries in described["paths"].items():
            if "get" not in entries:
                continue
            reply = await get(at, path.format(**names))
            assert str(reply.status) in entries["get"]["responses"], path
            content = entries["get"]["responses"][str(reply.status)].get("content", {})
            assert reply.headers["content-type"].partition(";")[0] in content, path


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
async def test_methods_that_are_not_offered_are_refused_everywhere(tmp_path: Path, method: str) -> None:
    async with served(SmallNode.begin(), tmp_path) as at:
        for path in ("/", "/v1/channels", "/v1/live/alpha-1", "/healthz"):
            assert (await ask(at, method, path)).status == 405
