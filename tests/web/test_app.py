"""Who may use a node: everybody on the Unix socket, whoever has the token on TCP."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from doxedge.backends.http_client import NodeClient
from doxedge.web.routes import OPEN_PATHS, OPERATIONS
from doxedge.web.serve import Addresses
from tests.ledger.channels import START_MS
from tests.web.raw_http import ask, get, put_json
from tests.web.small_node import SmallNode, served, tcp_address


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Addresses]:
    async with served(SmallNode.begin(), tmp_path, unix=False, tcp=True) as addresses:
        yield addresses


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


async def test_without_the_token_nothing_but_the_heartbeat_is_answered(at: Addresses) -> None:
    for operation in OPERATIONS:
        path = operation.path.format(channel="ab" * 8, record_id="00" * 32, source="00" * 16, unit="u")
        reply = await ask(at, operation.method, path)
        if path in OPEN_PATHS:
            assert reply.status == 200
        else:
            assert (reply.status, reply.code) == (401, "unauthorised"), path
            assert "Bearer" in reply.headers["www-authenticate"]
    assert (await get(at, "/openapi.json")).status == 401
    assert (await get(at, "/nothing/here")).status == 401, "nor is it told what there is"


async def test_the_token_opens_everything(at: Addresses, tmp_path: Path) -> None:
    token = (tmp_path / "token").read_text().strip()
    assert (await get(at, "/readyz", headers={"Authorization": f"Bearer {token}"})).status == 200
    assert (await get(at, "/", headers={"Authorization": basic("anybody", token)})).status == 200


@pytest.mark.parametrize(
    ("what", "authorisation"),
    [
        ("another token", "Bearer " + "x" * 43),
        ("nothing behind the scheme", "Bearer "),
        ("a prefix of it", "Bearer {start}"),
        ("it without a scheme", "{token}"),
        ("another scheme", "Token {token}"),
        ("letters that no token has", "Bearer \xe4\xf6\xfc"),
        ("a password that is wrong", basic("anybody", "wrong")),
        ("a password that is no base64", "Basic ~~~"),
        ("a password without a colon", "Basic " + base64.b64encode(b"nocolon").decode()),
    ],
)
async def test_what_is_not_the_token_opens_nothing(
    at: Addresses, tmp_path: Path, what: str, authorisation: str
) -> None:
    token = (tmp_path / "token").read_text().strip()
    given = authorisation.format(token=token, start=token[:-1])
    reply = await get(at, "/readyz", headers={"Authorization": given})
    assert (reply.status, reply.code) == (401, "unauthorised")


async def test_a_browsers_password_reads_and_never_writes(at: Addresses, tmp_path: Path) -> None:
    """Another site could make a browser send it along."""
    token = (tmp_path / "token").read_text().strip()
    headers = {"Authorization": basic("", token)}
    assert (await get(at, "/v1/channels", headers=headers)).status == 200
    reply = await ask(at, "PUT", "/v1/live/alpha-1", b"{}", content_type="application/json", headers=headers)
    assert (reply.status, reply.code) == (401, "unauthorised")


async def test_the_gateways_client_finds_the_token_by_itself(at: Addresses, tmp_path: Path) -> None:
    import asyncio

    client = NodeClient(tcp_address(at, tmp_path))
    answer = await asyncio.to_thread(client.request, "GET", "/v1/channels")
    client.close()
    assert answer.status == 200


async def test_both_doors_show_one_live_board(tmp_path: Path) -> None:
    async with served(SmallNode.begin(), tmp_path, tcp=True) as addresses:
        live = {"at_ms": START_MS, "hour_start_ms": START_MS, "minutes_valid": 3, "quality": "good"}
        assert (await put_json(addresses, "/v1/live/alpha-1", live)).status == 204
        token = (tmp_path / "token").read_text().strip()
        by_tcp = Addresses(None, addresses.port)
        page = await get(by_tcp, "/", headers={"Authorization": f"Bearer {token}"})
        assert ">alpha-1</th>" in page.text.partition("Measured now")[2].partition("<section")[0]
