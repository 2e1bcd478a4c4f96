"""The ledger daemon: channels, brokers and HTTP in one task group. Implements what `web` asks of a node."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from doxedge.analysers.configuration import ConfigError
from doxedge.backends.port import RecordStatus, SourceHead, TransactionStatus, Wait
from doxedge.backends.service import ServiceManager
from doxedge.contracts import parties
from doxedge.contracts.rule import Book
from doxedge.fieldbus.clock import Clock, from_environment
from doxedge.gossip import topics
from doxedge.gossip.session import Presence
from doxedge.keystore.keys import open_signer
from doxedge.ledger.genesis import InvalidGenesis, decode_genesis
from doxedge.node.brokers import Brokers
from doxedge.node.channel_host import ChannelHost
from doxedge.node.loop_watch import LoopWatch
from doxedge.node.settings import NodeSettings, read_genesis
from doxedge.signing import algorithms
from doxedge.signing.signer import Signer
from doxedge.signing.tags import channel_id, channel_short
from doxedge.web.node_port import (
    ChannelView,
    EventView,
    Health,
    PeerView,
    RefusalView,
    UnknownChannel,
)
from doxedge.web.serve import Listener, serve

log = logging.getLogger(__name__)

WATCHDOG_EVERY_S: Final = 5.0
LISTEN_S_MAX: Final = 5.0
"""A validator that reaches no broker at all goes on after so long: its own plant must not wait for the network."""


class Node:
    """Everything one node process holds. `run` lives until it is cancelled. Implements `web.node_port.NodePort`."""

    def __init__(
        self,
        settings: NodeSettings,
        *,
        source: str,
        clock: Clock,
        service: ServiceManager | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Read and check every genesis; raises ConfigError before anything is opened. `source` names the file."""
        self.settings, self.clock = settings, clock
        self.hosts: dict[bytes, ChannelHost] = {}
        self.brokers: Brokers | None = None
        self.loop_watch = LoopWatch()
        self._service = service or ServiceManager(None)
        self._chance, self._source = chance, source
        self._by_short: dict[str, ChannelHost] = {}
        self._listen_again = asyncio.Event()
        self._genesis = [
            _checked_genesis(read_genesis(table, source=source, index=index), table.channel, source, index)
            for index, table in enumerate(settings.channel)
        ]
        if len({channel_short(channel_id(data)) for data in self._genesis}) < len(self._genesis):
            raise ConfigError(source=source, path="channel", reason="the same channel is listed twice")

    async def run(self, *, started: Callable[[], None] | None = None) -> None:
        """Open every channel, then follow and serve until cancelled. Raises ConfigError and StoreError."""
        algorithms.self_test()
        signer = await asyncio.to_thread(open_signer, self.settings.key)
        async with contextlib.AsyncExitStack() as stack:
            for index, (genesis, table) in enumerate(zip(self._genesis, self.settings.channel, strict=True)):
                host = await ChannelHost.open(
                    genesis,
                    settings=self.settings,
                    vote_again_from_height=table.vote_again_from_height,
                    signer=signer,
                    clock=self.clock,
                    publish=self._publish,
                    chance=self._chance,
                    stack=stack,
                )
                self._check_party(host, index)
                self.hosts[host.channel] = host
                self._by_short[channel_short(host.channel)] = host
            self.brokers = self._make_brokers(signer)
            try:
                await self._follow_and_serve(self.brokers, started)
            finally:
                self._service.stopping()

    async def _follow_and_serve(self, brokers: Brokers, started: Callable[[], None] | None) -> None:
        listen = self.settings.listen
        listener = Listener(listen.socket, "127.0.0.1", listen.port, listen.token_file)

        def ready(_: object) -> None:
            self._service.ready(f"{len(self.hosts)} channels")
            if started is not None:
                started()

        async with asyncio.TaskGroup() as group:
            group.create_task(brokers.run(), name="brokers")
            for host in self.hosts.values():
                group.create_task(host.run(), name=f"channel {host.node.short}")
            group.create_task(self._listen_then_vote(brokers), name="listen before voting")
            group.create_task(self.loop_watch.run(), name="loop watch")
            group.create_task(self._watchdog_forever(), name="watchdog")
            group.create_task(serve(self, listener, started=ready), name="http")

    def _make_brokers(self, signer: Signer) -> Brokers:
        presences = []
        for host in self.hosts.values():
            topic, online = host.relay.outgoing.presence(online=True)
            presences.append(Presence(topic, online, host.relay.outgoing.presence(online=False)[1]))
        return Brokers(
            self.settings.broker,
            source=self._source,
            key_id=signer.key_id,
            on_message=self._receive,
            on_taken_over=self._taken_over,
            subscriptions=[item for host in self.hosts.values() for item in host.subscriptions],
            presences=presences,
            chance=self._chance,
        )

    def _check_party(self, host: ChannelHost, index: int) -> None:
        """The key must be the node key of the party that the operator named, as far as the channel knows it."""
        entry = parties.find_key(host.node.chain.state, host.node.signer.key_id)
        name = host.node.chain.genesis.name
        if entry is None:
            log.warning("channel %s does not know this node key yet: the others will not hear it", name)
        elif entry.purpose != "node" or entry.party != self.settings.party:
            reason = f"on channel[{index}] ({name}) it is the {entry.purpose} key of {entry.party}, not the node key "
            raise ConfigError(source=self._source, path="key", reason=reason + f"of {self.settings.party}")

    async def _listen_then_vote(self, brokers: Brokers) -> None:
        """A validator hears the others before it signs: with one validator, only they know what it once signed."""
        while True:
            self._listen_again.clear()
            if await brokers.wait_connected(timeout_s=LISTEN_S_MAX):
                await asyncio.sleep(self.settings.listen_before_voting_ms / 1_000)
            for host in self.hosts.values():
                host.node.start_voting()
            await self._listen_again.wait()

    def _taken_over(self) -> None:
        """Somebody uses our name at the broker: perhaps a second process with our key. Listen before signing on."""
        for host in self.hosts.values():
            host.node.standing.has_listened = False
        self._listen_again.set()

    def _receive(self, topic: str, payload: bytes) -> None:
        """A message from a broker: to the channel it is for, or nowhere."""
        try:
            parsed = topics.parse(topic)
        except topics.InvalidTopic:
            return
        host = self._by_short.get(parsed.channel)
        if host is not None:
            host.relay.receive(parsed, payload)

    def _publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """To every broker; false when some queue was full."""
        return self.brokers is not None and self.brokers.publish(topic, payload, qos=qos, retain=retain)

    async def _watchdog_forever(self) -> None:
        """Feed the watchdog only while every channel turns."""
        while True:
            await asyncio.sleep(self._service.watchdog_s or WATCHDOG_EVERY_S)
            now_s = self.clock.monotonic_s()
            if all(host.is_turning(now_s) for host in self.hosts.values()):
                self._service.alive(
                    ", ".join(
                        f"{h.node.chain.genesis.name} at {h.node.chain.height}" for h in self.hosts.values()
                    )
                )
            else:
                log.error("a channel does not turn: the watchdog is not fed")

    # What web/node_port.NodePort asks for.

    @property
    def party(self) -> str:
        """The name of the party that runs this node."""
        return self.settings.party

    @property
    def version(self) -> str:
        """The version of the software."""
        try:
            return version("doxedge")
        except PackageNotFoundError:
            return "0"

    def now_ms(self) -> int:
        """The plant's UTC time."""
        return self.clock.now_ms()

    def channels(self) -> Sequence[ChannelView]:
        """All channels, in the order of the configuration."""
        return [host.view() for host in self.hosts.values()]

    def book(self, channel: bytes) -> Book:
        """The state after the head."""
        return self._host(channel).node.chain.state

    def peers(self, channel: bytes) -> Sequence[PeerView]:
        """One entry for each node key."""
        return self._host(channel).peers()

    def refusals(self, channel: bytes) -> Sequence[RefusalView]:
        """The last refusals, newest last."""
        return list(self._host(channel).node.refusals.views)

    def source_head(self, channel: bytes, source: bytes) -> SourceHead | None:
        """Where a numbering stands."""
        return self._host(channel).source_head(source)

    async def submit(
        self, channel: bytes, envelopes: Sequence[bytes], *, wait: Wait, timeout_s: float
    ) -> Sequence[TransactionStatus]:
        """One status for each envelope, in order."""
        return await self._host(channel).submit(envelopes, wait=wait, timeout_s=timeout_s)

    async def record_status(self, channel: bytes, record_id: bytes) -> RecordStatus | None:
        """How far a record is."""
        return await self._host(channel).record_status(record_id)

    async def evidence(self, channel: bytes, record_id: bytes) -> bytes | None:
        """The evidence file of the record's transaction."""
        return await self._host(channel).evidence(record_id)

    async def events(self, channel: bytes, *, after: int, limit: int) -> Sequence[EventView]:
        """Events of the blocks above a height."""
        return await self._host(channel).events(after=after, limit=limit)

    def health(self) -> Health:
        """Alive while every channel turns, ready while every channel is in step."""
        now_s = self.clock.monotonic_s()
        stuck = [h.node.chain.genesis.name for h in self.hosts.values() if not h.is_turning(now_s)]
        reasons = [f"channel {name} does not turn: look at the log, restart the node" for name in stuck]
        for host in self.hosts.values():
            chain = host.node.chain
            reasons += [
                f"channel {chain.genesis.name} {text}" for text in host.node.standing.reasons(chain.height)
            ]
        reasons += self.brokers.reasons() if self.brokers is not None else ["the node is starting: wait"]
        return Health(alive=not stuck, ready=not reasons, reasons=tuple(reasons))

    def metrics(self) -> bytes:
        """Prometheus text."""
        # Late: a node that nobody scrapes does without the library.
        from doxedge.node.metrics import node_metrics  # noqa: PLC0415

        return node_metrics(list(self.hosts.values()), self.brokers, self.loop_watch)

    def _host(self, channel: bytes) -> ChannelHost:
        host = self.hosts.get(channel)
        if host is None:
            raise UnknownChannel(f"this node keeps no channel {channel.hex()}")
        return host


def _checked_genesis(data: bytes, pinned: str | None, source: str, index: int) -> bytes:
    try:
        decode_genesis(data)
    except InvalidGenesis as error:
        raise ConfigError(source=source, path=f"channel[{index}].genesis", reason=str(error)) from error
    name = channel_id(data).hex()
    if pinned is not None and pinned != name:
        reason = f"the genesis file is of channel {name}"
        raise ConfigError(source=source, path=f"channel[{index}].channel", reason=reason)
    return data


def ledger_file(state_dir: Path, channel: bytes) -> Path:
    """Where a channel's ledger lies in a state folder (wire.md 7)."""
    return state_dir / "channels" / channel_short(channel) / "ledger.db"


async def run(
    settings: NodeSettings, *, source: str = "node.toml", started: Callable[[], None] | None = None
) -> None:
    """A node with the clock and the service manager of the environment, until it is cancelled."""
    service = ServiceManager.from_environment(os.environ)
    node = Node(settings, source=source, clock=from_environment(os.environ), service=service)
    await node.run(started=started)
