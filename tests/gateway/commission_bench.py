"""A unit with trial hours that are final on a ledger in memory, and the commissioning file that is made of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from doxedge.gateway import commission_prepare
from doxedge.gateway.settings import load_settings, parse_settings
from doxedge.signing.tags import source_id
from doxedge.store import look
from doxedge.store.rows import Closing
from tests.gateway.memory_ledger import MemoryLedger
from tests.gateway.plant_settings import settings_text
from tests.gateway.unit_bench import Bench, bench, plan, plan_text
from tests.ledger.channels import signer
from tests.web.small_node import SmallNode

DEVICE = "alpha-gw-2"
HOURS = 3


@dataclass
class Site:
    """A gateway's folder, its configuration, and the node that it posts to."""

    folder: Path
    bench: Bench
    node: SmallNode
    source: bytes
    flow_high: str

    @property
    def ledger(self) -> MemoryLedger:
        return self.node.ledger

    @property
    def config(self) -> Path:
        """The gateway's file, as the commands read it."""
        path = self.folder / "gateway.toml"
        text = plan_text(flow_high=self.flow_high, channel=self.ledger.channel, source=self.source)
        node = f"unix:{self.folder}/node.sock"
        path.write_text(settings_text(units={}, state_dir=str(self.folder), node=node) + text)
        parse_settings(path.read_text(), source=str(path))
        return path

    async def post(self) -> None:
        """Everything that the outbox holds is final, and proved to the outbox."""
        for entry in await self.bench.entries():
            await self.ledger.submit(self.ledger.channel, [entry.envelope])
        self.ledger.build_block()
        for entry in await self.bench.outbox.pending(*self.bench.key, limit=1_000):
            (proof,) = await self.ledger.proofs(self.ledger.channel, [entry.record_id])
            assert proof is not None
            await self.bench.outbox.close_entries([Closing(entry.record_id, proof, 0)])


@asynccontextmanager
async def site(folder: Path, *, before: Site | None = None, flow_high: str = "576300") -> AsyncIterator[Site]:
    """A device of unit `alpha-1` that is registered with the map that it measures with.

    `before` is an earlier run of the same gateway, perhaps with another map.
    """
    if before is None:
        node, source = await registered_node(plan(flow_high=flow_high).profile_hash)
        (folder / "gateway").mkdir()
        clock = None
    else:
        node, source, clock = before.node, before.source, before.bench.clock
    planned = plan(channel=node.ledger.channel, source=source, flow_high=flow_high)
    async with bench(folder / "gateway", planned=planned, clock=clock) as unit:
        yield Site(folder, unit, node, source, flow_high)


async def registered_node(profile_hash: bytes) -> tuple[SmallNode, bytes]:
    """A node whose channel knows the device, and what numbers its records."""
    ledger = MemoryLedger.begin(hours_before_registration=1, commission_hours_min=HOURS)
    officer, device = ledger.channel_state.officer("alpha"), signer("alpha device")
    registered = officer.say(
        "device.register",
        [DEVICE, "alpha-1", device.alg, device.public_key, profile_hash, "doxedge test"],
    )
    await ledger.submit(ledger.channel, [registered.raw])
    ledger.build_block()
    return SmallNode({ledger.channel: ledger}), bytes(source_id(ledger.channel, registered.record_ids[0]))


async def made_file(at: Site, count: int, *, said_to_run: bool = False) -> bytes:
    """The file of the newest hours, as `prepare` makes it; `said_to_run`: also of a unit that stood still."""
    planned = at.bench.planned
    folder = at.folder / "gateway"
    candidates = commission_prepare.candidates(folder / "outbox.db", planned)
    if said_to_run:
        candidates = [replace(one, stated=replace(one.stated, operating_percent=100)) for one in candidates]
    choice = commission_prepare.choose(
        candidates,
        planned,
        from_ms=0,
        count=count,
        wanted=None,
        leaves_of=lambda hour: look.hour_leaves(
            folder / "samples.db", hour.unit, hour.start_ms, samples=hour.samples, root=hour.samples_root
        ),
    )
    proofs: dict[bytes, bytes | None] = {}
    for one, _, _ in choice.hours:
        proofs[one.record_id] = await at.node.evidence(at.ledger.channel, one.record_id)
    return commission_prepare.file_bytes(
        choice,
        settings=load_settings(at.config),
        planned=planned,
        device=DEVICE,
        evidence_of=proofs.__getitem__,
    )
