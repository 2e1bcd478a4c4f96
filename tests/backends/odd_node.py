"""A listener in a node's place that answers with bytes of a test's choice, whatever it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from doxedge.backends.http_client import NodeAddress

SILENCE: Final = b"(silence)"
"""In an answer: nothing more comes, and the connection stays open."""
DRIP_S: Final = 0.05


def http(body: bytes, status: str = "200 OK", content_type: str = "application/json", *more: str) -> bytes:
    """A whole answer."""
    head = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(body)}",
        f"Content-Type: {content_type}",
        *more,
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


class OddNode:
    """Listens at a socket in `folder`; the answers are given one after the other, the last one for ever."""

    def __init__(
        self, folder: Path, answers: Sequence[bytes], *, closes: bool = False, drips: bool = False
    ) -> None:
        """`closes` after each answer; `drips` sends one byte at a time."""
        self.address = NodeAddress(socket_path=folder / "odd.sock")
        self.requests: list[bytes] = []
        self.connections = 0
        self.dripped_bytes = 0
        self._answers, self._closes, self._drips = list(answers), closes, drips
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self.address.socket_path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        self.requests.append(head + await reader.readexactly(length))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        shown, silence, _ = answer.partition(SILENCE)
        if self._drips:
            for at in range(len(shown)):
                writer.write(shown[at : at + 1])
                self.dripped_bytes += 1
                await asyncio.sleep(DRIP_S)
        else:
            writer.write(shown)
            await writer.drain()
        if silence:
            await reader.read()
            return False
        if self._closes:
            writer.close()
            await writer.wait_closed()
            return False
        return True
