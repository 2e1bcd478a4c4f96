"""Reading what a client sends: bounded in bytes and in time, of the right type, canonical."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from starlette.requests import ClientDisconnect, Request

from doxedge.signing import canonical
from doxedge.web.problem import Problem

CBOR: Final = "application/cbor"
JSON: Final = "application/json"
BODY_TIMEOUT_S: Final = 10.0
"""A local client sends 4 MiB in a blink; whoever trickles holds a connection that others need."""


async def read(request: Request, *, content_type: str, bytes_max: int) -> bytes:
    """The body, at most `bytes_max` bytes. Raises Problem 415, 413, 408, or 400 when the client hangs up."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != content_type:
        raise Problem(415, "content_type", f"send `Content-Type: {content_type}`, not `{given or 'nothing'}`")
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > bytes_max:
        raise _too_large(int(declared), bytes_max)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for part in request.stream():
                parts.append(part)
                size += len(part)
                if size > bytes_max:
                    raise _too_large(size, bytes_max)
    except TimeoutError as error:
        raise Problem(408, "slow_body", f"the body did not arrive within {BODY_TIMEOUT_S:.0f} s") from error
    except ClientDisconnect as error:
        raise Problem(400, "hung_up", "the client hung up before its body was complete") from error
    return b"".join(parts)


async def read_byte_strings(
    request: Request, *, what: str, items_max: int, item_bytes_max: int, item_bytes: int | None = None
) -> list[bytes]:
    """A CBOR array of 1 to `items_max` byte strings, each of at most `item_bytes_max` or exactly `item_bytes`."""
    bytes_max = items_max * (item_bytes_max + 8) + 8
    data = await read(request, content_type=CBOR, bytes_max=bytes_max)
    try:
        value = canonical.decode(data, limit=bytes_max)
    except canonical.NonCanonical as error:
        raise Problem(
            400, "bad_cbor", f"the body is not canonical CBOR ({error}); send an array of {what}"
        ) from error
    if not isinstance(value, list) or not 1 <= len(value) <= items_max:
        raise Problem(400, "bad_cbor", f"send a CBOR array of 1 to {items_max} {what}")
    items: list[bytes] = []
    for place, item in enumerate(value):
        if not isinstance(item, bytes) or len(item) > item_bytes_max:
            raise Problem(
                400, "bad_cbor", f"item {place} is not a byte string of at most {item_bytes_max} bytes"
            )
        if item_bytes is not None and len(item) != item_bytes:
            raise Problem(400, "bad_cbor", f"item {place} has {len(item)} bytes; {what} have {item_bytes}")
        items.append(item)
    return items


async def read_json(request: Request, *, bytes_max: int) -> object:
    """A JSON value."""
    data = await read(request, content_type=JSON, bytes_max=bytes_max)
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "bad_json", f"the body is not JSON: {error}") from error
    return value


def _too_large(size: int, bytes_max: int) -> Problem:
    return Problem(413, "too_large", f"{size} bytes; at most {bytes_max} are taken here, so send it in parts")
