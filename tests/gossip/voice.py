"""Somebody at a broker, member or not: says what a test wants, under any topic, and keeps what he hears."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from doxedge.gossip.session import BrokerSession, BrokerSettings, StateChange
from tests.node.network import until


class Voice:
    """Connected within the `async with` block, through the product's own session."""

    def __init__(
        self, port: int, client_id: str = "voice", *, hears: Sequence[str] = (), **settings: float
    ) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.states: list[StateChange] = []
        bounds = {"reconnect_s_min": 0.05, "reconnect_s_max": 0.5, **settings}
        self.session = BrokerSession(
            BrokerSettings(host="127.0.0.1", port=port, **bounds),  # type: ignore[arg-type]
            client_id=client_id,
            on_message=lambda topic, payload: self.heard.append((topic, payload)),
            on_state=self.states.append,
            jitter=lambda: 0.5,
        )
        self.session.subscribe([(pattern, 1) for pattern in hears])
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.session.run(), name="voice")
        await until(self.session.connected.is_set, what="a voice at the broker")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Until the broker has acknowledged."""
        due = self.session.counters.acknowledged + 1
        assert self.session.publish(topic, payload, qos=1, retain=retain)
        await until(lambda: self.session.counters.acknowledged >= due, what="an acknowledgement")

    def payloads(self) -> list[bytes]:
        """What was heard, without topics."""
        return [payload for _, payload in self.heard]
