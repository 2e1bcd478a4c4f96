"""A network on this machine for tests: keys, genesis and settings of every party in a folder, real nodes over them.

    network = Network(folder, channels={"north": ("regulator", "alpha", "beta")}, broker_port=broker.port)
    async with network.running("regulator"), network.running("alpha") as alpha:
        registrations = network.hand("north").registrations()
        await network.submit(alpha, "north", registrations)

Keys come from seeds (tests/ledger/channels.py), so every run has the same channels.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from doxedge.backends.port import TransactionStatus, Wait
from doxedge.fieldbus.clock import Clock, RealClock
from doxedge.ledger.transaction import Transaction
from doxedge.node.channel_host import ChannelHost
from doxedge.node.daemon import Node
from doxedge.node.settings import load_settings
from doxedge.signing.canonical import Value
from doxedge.signing.tags import channel_id, source_id
from tests.ledger.channels import Author, genesis, signer

PATIENCE_S = 60.0
"""How long a test waits for what must happen; on a busy machine that is long, and nothing depends on it."""


async def until(condition: Callable[[], object], *, timeout_s: float = PATIENCE_S, what: str = "") -> None:
    """Wait until the condition holds. AssertionError with `what` when it does not in time."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what or condition}"
        await asyncio.sleep(0.01)


@dataclass
class Hand:
    """Signs for everybody on one channel, and keeps their numbers."""

    channel: bytes
    authors: dict[str, Author] = field(default_factory=dict)

    def author(self, name: str, key_name: str | None = None, anchor: bytes | None = None) -> Author:
        """Who numbers under this name: `alpha officer`, or after `registrations` `alpha-1 device`."""
        if name not in self.authors:
            key = signer(key_name or name)
            self.authors[name] = Author(self.channel, key, source_id(self.channel, anchor or key.key_id))
        return self.authors[name]

    def registrations(self, parties: Sequence[str] = ("alpha", "beta")) -> list[Transaction]:
        """A unit, its account and its device for each company; all by the regulator, so that one node can take them."""
        regulator, made = self.author("regulator officer"), []
        for party in parties:
            unit = f"{party}-1"
            made.append(regulator.say("unit.register", [unit, party, "boiler", 100_000, "zone 1"]))
            made.append(opened := regulator.say("account.open", [unit, party, unit]))
            self.author(f"{unit} account", f"{party} officer", opened.record_ids[0])
            made.append(self.register_device(f"{party}-gw", unit, f"{party} device"))
            self.author(f"{unit} device", f"{party} device", made[-1].record_ids[0])
        return made

    def register_device(self, device: str, unit: str, key_name: str) -> Transaction:
        """The registration of a device whose key has this name."""
        key = signer(key_name)
        body: list[Value] = [device, unit, key.alg, key.public_key, bytes(32), "doxedge test"]
        return self.author("regulator officer").say("device.register", body)

    def configs(self, count: int, *, start: int = 0) -> list[Transaction]:
        """So many small records that are accepted: the regulator changes a figure to and fro."""
        regulator = self.author("regulator officer")
        return [
            regulator.say("config", ["warning_percent", 10 + (start + n) % 50, f"change {start + n}"])
            for n in range(count)
        ]


class Network:
    """The folder of a network, and its nodes."""

    def __init__(
        self,
        folder: Path,
        *,
        channels: Mapping[str, Sequence[str]],
        broker_ports: Sequence[int] = (),
        interval_ms: int = 20,
        clock: Clock | None = None,
        **parameters: int,
    ) -> None:
        """`channels` says which parties run a node on which; the regulator's node orders."""
        self.folder, self.clock = folder, clock or RealClock()
        self.genesis = {name: genesis(name, **parameters).encode() for name in channels}
        self.channels = {name: channel_id(data) for name, data in self.genesis.items()}
        self.hands = {name: Hand(channel) for name, channel in self.channels.items()}
        for name, data in self.genesis.items():
            (folder / f"{name}.genesis").write_bytes(data)
        for party in sorted({party for parties in channels.values() for party in parties}):
            self._write_party(
                party, [name for name in channels if party in channels[name]], broker_ports, interval_ms
            )

    def hand(self, name: str) -> Hand:
        """Who signs on the channel."""
        return self.hands[name]

    def config(self, party: str) -> Path:
        """The party's settings file: `doxedge node run --config` takes it."""
        return self.folder / f"{party}.toml"

    def socket(self, party: str) -> Path:
        """Where the party's node listens."""
        return self.folder / f"{party}.sock"

    def ledger_file(self, party: str, name: str) -> Path:
        """The party's file of the channel."""
        return self.folder / party / "channels" / self.channels[name][:8].hex() / "ledger.db"

    def node(self, party: str) -> Node:
        """A node object that does not run yet."""
        return Node(load_settings(self.config(party)), source=str(self.config(party)), clock=self.clock)

    @contextlib.asynccontextmanager
    async def running(self, party: str, node: Node | None = None) -> AsyncIterator[Node]:
        """The party's node in this process, until the block ends; then stopped as by SIGTERM."""
        node = node or self.node(party)
        started = asyncio.Event()
        task = asyncio.create_task(node.run(started=started.set), name=f"node {party}")
        waiting = asyncio.create_task(started.wait(), name="wait for the node")
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
            if task.done():
                task.result()
            assert started.is_set(), f"the node of {party} did not start"
            yield node
            assert not task.done(), f"the node of {party} has ended by itself: {task.exception()!r}"
        finally:
            waiting.cancel()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def spawn(self, party: str, *, log: Path | None = None) -> subprocess.Popen[bytes]:
        """The party's node in a process of its own, through the command line; the caller ends it."""
        with (log or self.folder / f"{party}.log").open("ab") as stderr:
            return subprocess.Popen(
                [sys.executable, "-m", "doxedge", "node", "run", "--config", str(self.config(party))],
                stderr=stderr,
                stdout=subprocess.DEVNULL,
            )

    def host(self, node: Node, name: str) -> ChannelHost:
        """One channel of a node."""
        return node.hosts[self.channels[name]]

    def height(self, node: Node, name: str) -> int:
        """Of a node's chain, 0 while it has not been opened."""
        host = node.hosts.get(self.channels[name])
        return host.node.chain.height if host else 0

    async def submit(
        self, node: Node, name: str, transactions: Sequence[Transaction], *, wait: Wait = "final"
    ) -> list[TransactionStatus]:
        """Hand transactions in as a gateway would, 64 at a time."""
        statuses: list[TransactionStatus] = []
        for start in range(0, len(transactions), 64):
            raws = [transaction.raw for transaction in transactions[start : start + 64]]
            statuses += await node.submit(self.channels[name], raws, wait=wait, timeout_s=PATIENCE_S)
        return statuses

    async def in_step(self, nodes: Sequence[Node], name: str, *, timeout_s: float = PATIENCE_S) -> bytes:
        """Wait until the nodes have one head and nothing waits; compare state and history, return the state root."""

        def same() -> bool:
            hosts = [self.host(node, name).node for node in nodes]
            heads = {host.chain.head_id for host in hosts}
            # A node that catches up executes many blocks before it writes them in one commit.
            written = all(
                host.chain.head is (host.certified[0] if host.certified else None) for host in hosts
            )
            return len(heads) == 1 and written and not any(len(host.pool) for host in hosts)

        await until(same, timeout_s=timeout_s, what=f"{name}: {[self.height(n, name) for n in nodes]}")
        chains = [self.host(node, name).node.chain for node in nodes]
        assert len({chain.state.root for chain in chains}) == 1
        assert len({chain.frontier.root() for chain in chains}) == 1
        assert all(chain.head is None or chain.head.state_root == chain.state.root for chain in chains)
        return chains[0].state.root

    def _write_party(
        self, party: str, names: Sequence[str], broker_ports: Sequence[int], interval_ms: int
    ) -> None:
        key_file = self.folder / f"{party}.pem"
        seed = hashlib.sha256(f"{party} node".encode()).digest()
        key_file.touch(mode=0o600)
        key_file.write_bytes(
            Ed25519PrivateKey.from_private_bytes(seed).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            )
        )
        lines = [
            f'party = "{party}"',
            f'state_dir = "{self.folder / party}"',
            f'key = "{key_file.as_uri()}"',
            f"block_interval_ms = {interval_ms}",
            "listen_before_voting_ms = 200",
        ]
        for name in names:
            lines += ["[[channel]]", f'genesis = "{self.folder / f"{name}.genesis"}"']
        for port in broker_ports:
            lines += [
                "[[broker]]",
                'host = "127.0.0.1"',
                f"port = {port}",
                "reconnect_s_min = 0.05",
                "reconnect_s_max = 0.5",
            ]
        lines += ["[listen]", f'socket = "{self.socket(party)}"']
        self.config(party).write_text("\n".join(lines) + "\n")
