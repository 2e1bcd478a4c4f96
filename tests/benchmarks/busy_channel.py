"""A channel with ten thousand accounts on one real node: pool, engine, execution, SQLite with its flushes."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from doxedge.consensus.validators import Validator
from doxedge.contracts import numbering
from doxedge.fieldbus.clock import RealClock
from doxedge.ledger.chain import ChainState
from doxedge.ledger.genesis import Genesis, Member
from doxedge.ledger.transaction import Transaction
from doxedge.node.channel_node import ChannelNode
from doxedge.node.intake import Intake
from doxedge.node.standing import Standing
from doxedge.quantity import DAY_MS, HOUR_MS
from doxedge.signing.canonical import Value
from doxedge.signing.tags import RecordId, channel_short, source_id
from doxedge.store import rows
from doxedge.store.chain import ChainStore
from tests.benchmarks.measuring import CpuMeter
from tests.ledger.channels import Author, hour, signer

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

BATCH = 64
YEAR = 2026
DAYS_BACK = 400
"""The first hour that is stated lies so long ago: no hour is stated before it has ended."""
PATIENCE_S = 120.0


class MeteredStore(ChainStore):
    """The node's own store, which books what its writes cost."""

    meter: CpuMeter | None = None

    @override
    async def append(
        self, commits: Sequence[rows.Commit], *, journal: Mapping[bytes, bytes | None] | None = None
    ) -> None:
        with self._booked("commit"):
            await super().append(commits, journal=journal)

    @override
    async def hold(self, raws: Mapping[bytes, bytes]) -> int:
        with self._booked("hold"):
            return await super().hold(raws)

    def _booked(self, name: str) -> AbstractContextManager[None]:
        return nullcontext() if self.meter is None else self.meter.book(name)


@dataclass
class BusyChannel:
    """The node, and everybody who signs."""

    node: ChannelNode
    intake: Intake
    store: MeteredStore
    companies: int
    accounts: list[tuple[str, Author]] = field(default_factory=list)
    devices: list[tuple[str, Author]] = field(default_factory=list)
    next_hour_ms: int = 0
    _chance: random.Random = field(default_factory=lambda: random.Random(7))
    _running: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, folder: Path, *, companies: int, accounts: int) -> Self:
        """Begin the channel and register everything through the node itself."""
        genesis = _genesis(companies).encode()
        chain = ChainState(genesis)
        store = await MeteredStore.open(folder / "ledger.db", chain.channel)
        writes = [
            rows.StateWrite(room, key, chain.state.prove(room, key)[0])
            for room in sorted(chain.state.rooms)
            for key, _ in chain.state.items(room)
        ]
        await store.create(genesis, writes)
        standing = Standing(channel_name=channel_short(chain.channel), is_validator=True, is_alone=True)
        node = ChannelNode(
            chain,
            store,
            signer=signer("regulator node"),
            clock=RealClock(),
            interval_ms=1,
            standing=standing,
        )
        await node.begin({}, was_held=[])
        node.start_voting()
        opened = cls(node, Intake(node), store, companies)
        opened._running = asyncio.create_task(node.run(), name="the node")
        opened.next_hour_ms = (node.clock.now_ms() - DAYS_BACK * DAY_MS) // HOUR_MS * HOUR_MS
        await opened._register(accounts)
        return opened

    async def close(self) -> None:
        """Stop the node."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self.store.close()

    async def pass_through(self, envelopes: Sequence[bytes]) -> None:
        """Submit, and wait until all of it is in final blocks on the disk and the node has cosigned the last.

        What it does after a block is of that block, and not of whatever is measured next. AssertionError when one is
        not admitted.
        """
        taken = await self.intake.take(envelopes)
        assert len(taken.new) == len(envelopes), [s for s in taken.statuses if s.code][:1]
        async with asyncio.timeout(PATIENCE_S):
            while len(self.node.pool):
                await self.node.committed.wait()
            while not self._has_cosigned_all():  # noqa: ASYNC110 - no event tells, and the measured node has no listener
                await asyncio.sleep(0.001)

    def _has_cosigned_all(self) -> bool:
        cosigned = self.node.cosigned
        return cosigned is not None and cosigned.height == self.node.chain.height

    def transfers(self, count: int) -> list[Transaction]:
        """Signed transfers between accounts taken at random."""
        asset = self.node.chain.channel
        made = []
        for _ in range(count):
            (giver, author), (taker, _) = self._chance.sample(self.accounts, 2)
            grams = self._chance.randrange(1, 100)
            made.append(author.say("transfer", [giver, taker, asset, YEAR, [0, grams], "bench"]))
        return made

    def batches(self) -> list[Transaction]:
        """One batch of hours from each device, each the next of its unit."""
        made = []
        for unit, author in self.devices:
            hours = [hour(unit, self.next_hour_ms + n * HOUR_MS, nox_g=1_000 + n) for n in range(BATCH)]
            made.append(author.batch([("hour", body) for body in hours]))
        self.next_hour_ms += BATCH * HOUR_MS
        return made

    def leader(self) -> Author:
        """The node's own numbering as it stands: for one tick that is not sent."""
        made = self._author("regulator node")
        entry = numbering.find_source(self.node.chain.state, made.source)
        assert entry is not None
        made.seq, made.prev = entry.seq, RecordId(entry.prev)
        return made

    async def _register(self, accounts: int) -> None:
        regulator = self._author("regulator officer")
        contents: list[tuple[str, list[Value]]] = [
            ("unit.register", [f"unit-{n}", f"company-{n}", "boiler", 100_000, "zone 1"])
            for n in range(self.companies)
        ]
        for n in range(accounts):
            unit = f"unit-{n}" if n < self.companies else None
            contents.append(("account.open", [f"account-{n}", f"company-{n % self.companies}", unit]))
        opened = await self._state(regulator, contents)
        for n, record_id in enumerate(opened[self.companies :]):
            author = self._author(f"company-{n % self.companies} officer", record_id)
            self.accounts.append((f"account-{n}", author))
        asset = self.node.chain.channel
        issues: list[tuple[str, list[Value]]] = [
            ("vintage.issue", [f"account-{n}", asset, YEAR, [0, 10**9], bytes(32)]) for n in range(accounts)
        ]
        await self._state(regulator, issues)
        await self._register_devices(regulator)

    async def _register_devices(self, regulator: Author) -> None:
        keys = [signer(f"device {n}") for n in range(self.companies)]
        contents: list[tuple[str, list[Value]]] = [
            (
                "device.register",
                [f"device-{n}", f"unit-{n}", key.alg, key.public_key, bytes(32), "doxedge test"],
            )
            for n, key in enumerate(keys)
        ]
        registered = await self._state(regulator, contents)
        for n, record_id in enumerate(registered):
            self.devices.append((f"unit-{n}", self._author(f"device {n}", record_id)))
        first_ms = self.next_hour_ms
        self.next_hour_ms += HOUR_MS
        witnessed = [author.say("hour", hour(unit, first_ms)) for unit, author in self.devices]
        await self.pass_through([transaction.raw for transaction in witnessed])
        await self._state(
            regulator,
            [
                ("device.commission", [f"device-{n}", bytes(32), [[first_ms, 1_000]], bytes(32)])
                for n in range(self.companies)
            ],
        )

    async def _state(self, author: Author, contents: Sequence[tuple[str, list[Value]]]) -> list[bytes]:
        """Let one source state these in batches; every one must be accepted. Their record ids."""
        batches = [author.batch(contents[at : at + BATCH]) for at in range(0, len(contents), BATCH)]
        await self.pass_through([batch.raw for batch in batches])
        assert not self.node.refusals.views, self.node.refusals.views[0]
        return [record_id for batch in batches for record_id in batch.record_ids]

    def _author(self, key_name: str, anchor: bytes | None = None) -> Author:
        key, channel = signer(key_name), self.node.chain.channel
        return Author(channel, key, source_id(channel, anchor or key.key_id))


def _genesis(companies: int) -> Genesis:
    """The regulator, whose node orders, and companies that may transfer to each other."""
    members = []
    for party, role in (("regulator", "regulator"), *((f"company-{n}", "company") for n in range(companies))):
        officer, node = signer(f"{party} officer"), signer(f"{party} node")
        members.append(Member(party, role, officer.alg, officer.public_key, node.alg, node.public_key))
    leader = signer("regulator node")
    parameters = {"bilateral_transfers": 1, "commission_hours_min": 1, "hours_before_registration": 1}
    return Genesis(
        name="busy",
        place="benchmark",
        created_ms=0,
        members=tuple(members),
        validators=(Validator(leader.alg, leader.public_key),),
        quorum=1,
        parameters=tuple(sorted(parameters.items())),
    )
