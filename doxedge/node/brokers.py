"""The brokers of a node: everything goes to all of them, what comes is deduplicated behind the gate."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from doxedge.analysers.configuration import ConfigError
from doxedge.gossip.session import (
    BrokerSession,
    BrokerSettings,
    MessageTooLarge,
    Presence,
    State,
    StateChange,
    TlsFiles,
)
from doxedge.node.settings import BrokerTable
from doxedge.signing.tags import KeyId

log = logging.getLogger(__name__)

BAD_NEWS: Final = frozenset({State.REFUSED, State.TAKEN_OVER, State.SUBSCRIPTION_REFUSED, State.UNREACHABLE})


class Brokers:
    """All sessions of one node. `run` lives until it is cancelled."""

    def __init__(
        self,
        tables: Sequence[BrokerTable],
        *,
        source: str,
        key_id: KeyId,
        on_message: Callable[[str, bytes], None],
        on_taken_over: Callable[[], None],
        subscriptions: Sequence[tuple[str, int]],
        presences: Sequence[Presence],
        chance: Callable[[], float],
    ) -> None:
        """Raises ConfigError that names the broker's table."""
        self._on_taken_over = on_taken_over
        self._last: dict[str, StateChange] = {}
        self.too_large = 0
        """Messages that some broker does not take."""
        self.sessions: list[BrokerSession] = []
        for index, table in enumerate(tables):
            name = f"{table.host}:{table.port}"
            try:
                session = BrokerSession(
                    _settings(table),
                    client_id=f"dox{key_id.hex()[:16]}",
                    on_message=on_message,
                    on_state=lambda change, name=name: self._note(name, change),  # type: ignore[misc]
                    jitter=chance,
                    presences=presences,
                )
            except (ValueError, OSError) as error:
                raise ConfigError(source=source, path=f"broker[{index}]", reason=str(error)) from error
            session.subscribe(subscriptions)
            self.sessions.append(session)

    @property
    def is_connected(self) -> bool:
        """Whether at least one broker carries our messages."""
        return any(session.connected.is_set() for session in self.sessions)

    async def run(self) -> None:
        """Keep all of them connected."""
        async with asyncio.TaskGroup() as group:
            for session in self.sessions:
                address = f"{session.settings.host}:{session.settings.port}"
                group.create_task(session.run(), name=f"broker {address}")

    async def wait_connected(self, *, timeout_s: float) -> bool:
        """Until one broker is there; False when the time is up."""
        waits = [
            asyncio.create_task(session.connected.wait(), name="wait for a broker")
            for session in self.sessions
        ]
        if not waits:
            return False
        try:
            done, _ = await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return bool(done)

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """To every broker; false where some queue was full or the message is more than the broker takes."""
        taken = True
        for session in self.sessions:
            try:
                taken = session.publish(topic, payload, qos=qos, retain=retain) and taken
            except MessageTooLarge as error:
                if not self.too_large:
                    log.error("%s; raise the broker's limit: a member sends up to 96 KiB", error)
                self.too_large += 1
                taken = False
        return taken

    def reasons(self) -> list[str]:
        """What is not well, in words for the operator."""
        found = []
        if self.sessions and not self.is_connected:
            found.append(
                "no broker is reached: check [[broker]] and the network; submissions are kept meanwhile"
            )
        for name, change in self._last.items():
            if change.state in (State.REFUSED, State.TAKEN_OVER, State.SUBSCRIPTION_REFUSED):
                found.append(f"broker {name}: {change.state.value.replace('_', ' ')}: {change.reason}")
        return found

    def _note(self, name: str, change: StateChange) -> None:
        level = logging.WARNING if change.state in BAD_NEWS else logging.INFO
        log.log(level, "broker %s: %s %s", name, change.state.value, change.reason)
        self._last[name] = change
        if change.state is State.TAKEN_OVER:
            self._on_taken_over()


def _settings(table: BrokerTable) -> BrokerSettings:
    tls = None
    if table.ca_file is not None:
        tls = TlsFiles(ca_file=table.ca_file, cert_file=table.cert_file, key_file=table.key_file)
    return BrokerSettings(
        host=table.host,
        port=table.port,
        protocol=table.protocol,
        tls=tls,
        reconnect_s_min=table.reconnect_s_min,
        reconnect_s_max=table.reconnect_s_max,
    )
