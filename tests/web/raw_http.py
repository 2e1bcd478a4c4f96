"""HTTP by hand over a real socket: whatever bytes a test wants to send, and the answer in its parts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doxedge.signing import canonical
from doxedge.signing.canonical import Value
from doxedge.web.serve import Addresses

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def code(self) -> str:
        """The stable code of a problem; fails when it is none (RFC 9457)."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = self.json
        assert set(problem) == {"type", "title", "status", "detail", "code"}
        assert problem["status"] == self.status
        assert problem["type"] == f"urn:doxedge:problem:{problem['code']}"
        assert problem["title"]
        assert problem["detail"]
        return str(problem["code"])


@asynccontextmanager
async def connection(
    where: Addresses | Path,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the Unix socket, or to the port where there is no socket."""
    path = where if isinstance(where, Path) else where.socket_path
    if path is not None:
        reader, writer = await asyncio.open_unix_connection(path)
    else:
        assert isinstance(where, Addresses)
        reader, writer = await asyncio.open_connection("127.0.0.1", where.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def read_reply(reader: asyncio.StreamReader, *, has_body: bool = True) -> Reply:
    """One answer with a Content-Length, as all of ours are."""
    async with asyncio.timeout(PATIENCE_S):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        size = int(headers.get("content-length", "0")) if has_body else 0
        return Reply(int(head[0].split(" ")[1]), headers, await reader.readexactly(size))


def request_bytes(
    method: str, path: str, body: bytes | None = None, *, headers: Mapping[str, str] | None = None
) -> bytes:
    """A request as it travels."""
    lines = [f"{method} {path} HTTP/1.1", "Host: node"]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


async def ask(
    where: Addresses | Path,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    content_type: str = "",
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """One request on a connection of its own."""
    given = dict(headers or {})
    if content_type:
        given["Content-Type"] = content_type
    async with connection(where) as (reader, writer):
        writer.write(request_bytes(method, path, body, headers=given))
        return await read_reply(reader, has_body=method != "HEAD")


async def get(where: Addresses | Path, path: str, *, headers: Mapping[str, str] | None = None) -> Reply:
    """A GET."""
    return await ask(where, "GET", path, headers=headers)


async def post_cbor(where: Addresses | Path, path: str, items: list[Value]) -> Reply:
    """A POST of a CBOR array."""
    return await ask(where, "POST", path, canonical.encode(items), content_type="application/cbor")


async def put_json(where: Addresses | Path, path: str, content: object) -> Reply:
    """A PUT of JSON."""
    return await ask(where, "PUT", path, json.dumps(content).encode(), content_type="application/json")
