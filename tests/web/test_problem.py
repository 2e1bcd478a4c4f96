"""Errors as problem details (RFC 9457): one shape, stable codes, words that help."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.requests import Request

from doxedge.web.node_port import DiskFull, NotInStep, NotNow, PoolFull
from doxedge.web.problem import Problem, as_response, not_now, problem_response
from tests.web.raw_http import ask, get
from tests.web.small_node import SmallNode, served

REQUEST = Request({"type": "http", "method": "GET", "path": "/", "headers": []})


async def test_an_unknown_path_and_a_wrong_method_are_problems_too(tmp_path: Path) -> None:
    async with served(SmallNode.begin(), tmp_path) as at:
        missing = await get(at, "/v2/everything")
        assert (missing.status, missing.code) == (404, "unknown_path")
        assert "/openapi.json" in missing.json["detail"]
        wrong = await ask(at, "DELETE", "/v1/channels")
        assert (wrong.status, wrong.code) == (405, "wrong_method")
        assert {method.strip() for method in wrong.headers["allow"].split(",")} == {"GET", "HEAD"}
        odd = await ask(at, "X" * 100, "/v1/channels")
        assert odd.status == 405
        assert len(odd.json["detail"]) < 200


async def test_a_path_that_is_shown_again_is_cut_and_is_no_markup(tmp_path: Path) -> None:
    async with served(SmallNode.begin(), tmp_path) as at:
        reply = await get(at, "/<script>alert(1)</script>" + "x" * 2_000)
        assert reply.code == "unknown_path"
        assert reply.headers["content-type"] == "application/problem+json"
        assert len(reply.json["detail"]) < 400


@pytest.mark.parametrize(
    ("error", "code"),
    [(PoolFull, "pool_full"), (DiskFull, "disk_full"), (NotInStep, "not_in_step"), (NotNow, "not_now")],
)
def test_not_now_is_503_with_its_own_code_and_the_time_to_wait(error: type[NotNow], code: str) -> None:
    reply = not_now(REQUEST, error("later", retry_after_s=9))
    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "9"
    assert f'"code":"{code}"'.encode() in reply.body


def test_problems_are_never_kept_by_a_cache() -> None:
    assert as_response(Problem(404, "x", "y")).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("handler", [not_now, problem_response])
def test_an_error_of_another_kind_is_not_swallowed(handler: object) -> None:
    assert callable(handler)
    with pytest.raises(ZeroDivisionError):
        handler(REQUEST, ZeroDivisionError())
