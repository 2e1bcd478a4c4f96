"""What a client sends: bounded in bytes and in time, of the right type, canonical."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from doxedge.backends.port import SUBMISSION_ENVELOPES
from doxedge.signing import limits
from doxedge.web import request_body
from doxedge.web.live import LIVE_BYTES_MAX
from doxedge.web.serve import Addresses
from tests.ledger.channels import START_MS
from tests.web.raw_http import ask, connection, get, read_reply, request_bytes
from tests.web.small_node import SmallNode, served

SUBMISSION_BYTES_MAX = SUBMISSION_ENVELOPES * (limits.ENVELOPE_BYTES + 8) + 8


@pytest.fixture
def node() -> SmallNode:
    return SmallNode.begin()


@pytest.fixture
async def at(node: SmallNode, tmp_path: Path) -> AsyncIterator[Addresses]:
    async with served(node, tmp_path) as addresses:
        yield addresses


def submissions(node: SmallNode) -> str:
    return f"/v1/channels/{node.ledger.channel.hex()}/transactions"


@pytest.mark.parametrize(
    "given", ["", "application/json", "text/plain", "application/cbor-seq", "multipart/form-data; boundary=x"]
)
async def test_a_body_of_another_content_type_is_refused(node: SmallNode, at: Addresses, given: str) -> None:
    reply = await ask(at, "POST", submissions(node), b"\x80", content_type=given)
    assert (reply.status, reply.code) == (415, "content_type")


async def test_parameters_and_case_of_a_content_type_do_not_matter(node: SmallNode, at: Addresses) -> None:
    reply = await ask(
        at, "POST", submissions(node), b"\x81\x41x", content_type="Application/CBOR; charset=binary"
    )
    assert reply.status == 202


async def test_a_declared_size_beyond_the_bound_is_refused_before_a_byte_is_read(
    node: SmallNode, at: Addresses
) -> None:
    headers = {"Content-Type": "application/cbor", "Content-Length": str(SUBMISSION_BYTES_MAX + 1)}
    async with connection(at) as (reader, writer):
        writer.write(request_bytes("POST", submissions(node), headers=headers))
        reply = await read_reply(reader)
    assert (reply.status, reply.code) == (413, "too_large")


async def test_a_body_without_a_declared_size_is_cut_off_at_the_bound(at: Addresses) -> None:
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    async with connection(at) as (reader, writer):
        writer.write(request_bytes("PUT", "/v1/live/alpha-1", headers=headers))
        for _ in range(LIVE_BYTES_MAX // 1_024 + 2):
            writer.write(b"400\r\n" + b" " * 1_024 + b"\r\n")
        reply = await read_reply(reader)
    assert (reply.status, reply.code) == (413, "too_large")


async def test_the_largest_submission_there_can_be_is_read(node: SmallNode, at: Addresses) -> None:
    from doxedge.signing import canonical

    body = canonical.encode([bytes(limits.ENVELOPE_BYTES)] * SUBMISSION_ENVELOPES)
    reply = await ask(at, "POST", submissions(node), body, content_type="application/cbor")
    assert reply.status == 202
    assert {row["code"] for row in reply.json} == {"bad_encoding"}


async def test_who_trickles_is_cut_off_and_others_are_served_meanwhile(
    at: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_body, "BODY_TIMEOUT_S", 0.3)
    headers = {"Content-Type": "application/json", "Content-Length": "100"}
    async with connection(at) as (reader, writer):
        writer.write(request_bytes("PUT", "/v1/live/alpha-1", headers=headers) + b"{")
        await writer.drain()
        assert (await get(at, "/healthz")).status == 200
        reply = await read_reply(reader)
    assert (reply.status, reply.code) == (408, "slow_body")


async def test_who_hangs_up_in_the_middle_leaves_no_trace(node: SmallNode, at: Addresses) -> None:
    headers = {"Content-Type": "application/cbor", "Content-Length": "1000"}
    async with connection(at) as (_, writer):
        writer.write(request_bytes("POST", submissions(node), headers=headers) + b"\x81")
        await writer.drain()
    await asyncio.sleep(0)
    assert (await get(at, "/healthz")).status == 200
    assert node.submissions == 0


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("nothing", b""),
        ("a map", b"\xa0"),
        ("a length that is not the shortest", b"\x98\x01\x41x"),
        ("an array without an end", b"\x9f\x41x\xff"),
        ("something behind it", b"\x81\x41x\x00"),
        ("a float", b"\x81\xf9\x00\x00"),
        ("nesting without end", b"\x81" * 1_000 + b"\x80"),
        ("a promise of many items", b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("a promise of many bytes", b"\x81\x5b\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("JSON", b'["x"]'),
    ],
)
async def test_what_is_not_canonical_cbor_is_refused(
    node: SmallNode, at: Addresses, what: str, body: bytes
) -> None:
    reply = await ask(at, "POST", submissions(node), body, content_type="application/cbor")
    assert (reply.status, reply.code) == (400, "bad_cbor")
    assert node.submissions == 0


@pytest.mark.parametrize(
    ("what", "body", "code"),
    [
        ("nothing", b"", "bad_json"),
        ("half of it", b'{"at_ms": 1', "bad_json"),
        ("bytes that are no UTF-8", b'{"x": "\xff"}', "bad_json"),
        ("nesting without end", b"[" * 5_000 + b"]" * 3_000, "bad_json"),
        ("a number without end", b"9" * 8_000, "bad_json"),
        ("a list", b"[]", "bad_live"),
        (
            "NaN for a time",
            b'{"at_ms": NaN, "hour_start_ms": 1, "minutes_valid": 1, "quality": "good"}',
            "bad_live",
        ),
    ],
)
async def test_what_is_not_the_json_that_is_meant_is_refused(
    at: Addresses, what: str, body: bytes, code: str
) -> None:
    reply = await ask(at, "PUT", "/v1/live/alpha-1", body, content_type="application/json")
    assert (reply.status, reply.code) == (400, code)


async def test_a_live_message_of_the_largest_size_is_read(at: Addresses) -> None:
    content = json.dumps(
        {"at_ms": START_MS, "hour_start_ms": START_MS, "minutes_valid": 3, "quality": "good"}
    ).encode()
    whole = content + b" " * (LIVE_BYTES_MAX - len(content))
    assert (await ask(at, "PUT", "/v1/live/alpha-1", whole, content_type="application/json")).status == 204
    more = await ask(at, "PUT", "/v1/live/alpha-1", whole + b" ", content_type="application/json")
    assert (more.status, more.code) == (413, "too_large")
